"""Sync tools in real threads: what a cancel or a timeout waits for, and what it reports."""

# ruff: noqa: ARG001 (a clock works by being asked for)

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio
import trio.testing

from actors.chat import ToolCall, ToolResult, ToolStatus
from actors.tools import Late, Terms, Toolbox, execute, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from trio.testing import MockClock


def call_of(name: str, **arguments: object) -> ToolCall:
    return ToolCall("call-1", name, arguments)


async def run(function: Callable[..., Any], *, late: list[Late] | None = None) -> ToolResult:
    """Run a tool that takes nothing."""
    box = Toolbox([function])
    reports: list[Late] = [] if late is None else late
    return await execute(box, call_of(box.names[0]), terms=Terms(late=reports.append))


@attrs.define
class Gate:
    """A thread waits at it, deaf to cancels, until the test opens it."""

    inside: threading.Event = attrs.field(factory=threading.Event)
    opened: threading.Event = attrs.field(factory=threading.Event)

    def wait(self) -> None:
        self.inside.set()
        assert self.opened.wait(10)

    async def until_inside(self) -> None:
        assert await trio.to_thread.run_sync(self.inside.wait, 10)


@contextmanager
def gate() -> Generator[Gate]:
    it = Gate()
    try:
        yield it
    finally:
        it.opened.set()


def quick() -> None:
    """Do nothing."""


async def test_a_thread_may_stop_itself_when_it_is_cancelled() -> None:
    stopped = threading.Event()
    inside = threading.Event()

    def polls() -> str:
        """Poll."""
        inside.set()
        try:
            while True:
                trio.from_thread.check_cancelled()
                time.sleep(0.001)
        finally:
            stopped.set()

    late: list[Late] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: run(polls, late=late))
        await trio.to_thread.run_sync(inside.wait)
        nursery.cancel_scope.cancel()

    assert stopped.is_set()
    assert late == []


async def test_a_cancel_waits_for_a_thread_that_ends_within_its_cleanup() -> None:
    late: list[Late] = []
    with gate() as held:

        def deaf() -> str:
            """Work."""
            held.wait()
            return "the work"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: run(deaf, late=late))
            await held.until_inside()
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await trio.testing.wait_all_tasks_blocked()
                assert late == []  # the cancel is waiting for the thread
            held.opened.set()

    unknown = ToolResult("call-1", "deaf", "it ended late: the work", ToolStatus.UNKNOWN)
    assert late == [Late(unknown)]


async def test_a_thread_that_will_not_stop_is_abandoned_and_reported_twice(
    mock_clock: MockClock,
) -> None:
    late: list[Late] = []
    terms = Terms(cleanup=5, late=late.append)
    ended = trio.Event()

    with gate() as held:

        def deaf() -> str:
            """Work."""
            held.wait()
            return "the work"

        async def caller() -> None:
            with trio.CancelScope() as scope:
                nursery.start_soon(cancel_once_inside, scope)
                await execute(Toolbox([deaf]), call_of("deaf"), terms=terms)
            assert scope.cancelled_caught
            assert [each.running for each in late] == [True]
            ended.set()

        async def cancel_once_inside(scope: trio.CancelScope) -> None:
            await held.until_inside()
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(4.9)
            await trio.testing.wait_all_tasks_blocked()
            assert not ended.is_set()
            mock_clock.jump(0.2)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller)
            await ended.wait()
        held.opened.set()
        while len(late) < 2:
            await trio.lowlevel.checkpoint()

    assert late[0].result.status is ToolStatus.UNKNOWN
    assert "may still be running" in late[0].result.content
    unknown = ToolResult("call-1", "deaf", "it ended late: the work", ToolStatus.UNKNOWN)
    assert late[1] == Late(unknown)


async def test_the_timeout_of_a_thread_that_will_not_stop_is_an_error_and_a_report(
    mock_clock: MockClock,
) -> None:
    late: list[Late] = []
    results: list[ToolResult] = []
    terms = Terms(cleanup=1, late=late.append)
    with gate() as held:

        def deaf() -> str:
            """Work."""
            held.wait()
            return "the work"

        async def caller() -> None:
            box = Toolbox([tool(deaf, timeout=3)])
            results.append(await execute(box, call_of("deaf"), terms=terms))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller)
            await held.until_inside()
            for seconds in (3.1, 1.1):
                await trio.testing.wait_all_tasks_blocked()
                mock_clock.jump(seconds)

    assert results[0].status is ToolStatus.ERROR
    assert "timeout of 3 s; it did not stop and may still be running" in results[0].content
    assert late[0].running


async def test_what_a_thread_finds_after_its_timeout_is_for_the_record_alone(
    mock_clock: MockClock,
) -> None:
    late: list[Late] = []
    results: list[ToolResult] = []
    with gate() as held:

        def deaf() -> str:
            """Work."""
            held.wait()
            return "the work"

        async def caller() -> None:
            results.append(await run(tool(deaf, timeout=3), late=late))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller)
            await held.until_inside()
            mock_clock.jump(3.1)
            await trio.testing.wait_all_tasks_blocked()
            held.opened.set()

    assert "it did not stop, and ended late" in results[0].content
    assert "the work" not in results[0].content
    assert "the work" in late[0].result.content


async def test_a_tool_that_waits_for_a_thread_is_never_started_after_its_timeout(
    autojump_clock: MockClock,
) -> None:
    limiter = trio.CapacityLimiter(1)
    await limiter.acquire()
    started: list[str] = []

    def starts() -> None:
        """Start."""
        started.append("yes")

    box = Toolbox([tool(starts, timeout=1)])
    terms = Terms(limiter=limiter)
    result = await execute(box, call_of("starts"), terms=terms)

    assert "it was never started, since all threads were busy" in result.content
    limiter.release()
    assert (await execute(Toolbox([quick]), call_of("quick"), terms=terms)).content == "null"
    assert started == []


async def test_tools_that_do_not_stop_leave_trio_its_threads() -> None:
    """Else the program could look up no host, open no file, and never end its workers."""
    limiter = trio.to_thread.current_default_thread_limiter()
    with gate() as held:

        def stuck() -> None:
            """Work."""
            held.wait()

        box, terms = Toolbox([stuck]), Terms(cleanup=0)
        async with trio.open_nursery() as nursery:
            for _ in range(int(limiter.total_tokens) + 2):
                nursery.start_soon(lambda: execute(box, call_of("stuck"), terms=terms))
            await held.until_inside()
            nursery.cancel_scope.cancel()
        assert limiter.borrowed_tokens == 0


async def test_an_abandoned_thread_that_stops_in_the_end_has_found_nothing() -> None:
    late: list[Late] = []
    with gate() as held:

        def polls_too_late() -> str:
            """Work."""
            held.wait()
            trio.from_thread.check_cancelled()
            return "the work"

        async with trio.open_nursery() as nursery:
            box = Toolbox([polls_too_late])
            terms = Terms(cleanup=0, late=late.append)
            nursery.start_soon(lambda: execute(box, call_of("polls_too_late"), terms=terms))
            await held.until_inside()
            nursery.cancel_scope.cancel()
        held.opened.set()
        while len(late) < 2:
            await trio.lowlevel.checkpoint()

    assert [each.running for each in late] == [True, False]
    assert late[1].result.content == "it was stopped late"
