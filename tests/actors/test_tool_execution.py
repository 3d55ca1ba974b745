"""How tools run: results, errors, timeouts, cancels and threads that do not stop."""

# ruff: noqa: ARG001 (a clock works by being asked for)

from __future__ import annotations

import asyncio  # noqa: TID251 - somebody's tool may use it
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.lowlevel

from actors.chat import ToolCall, ToolResult, ToolStatus
from actors.tools import Late, Terms, Toolbox, execute, tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock


class Panic(BaseException):
    """As the panics of libraries in Rust are."""


def call_of(name: str, **arguments: object) -> ToolCall:
    return ToolCall("call-1", name, arguments)


async def run(function: Callable[..., Any], *, late: list[Late] | None = None) -> ToolResult:
    """Run a tool that takes nothing."""
    box = Toolbox([function])
    reports: list[Late] = [] if late is None else late
    return await execute(box, call_of(box.names[0]), terms=Terms(late=reports.append))


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool
async def wait_for_ever() -> None:
    """Wait."""
    await trio.sleep_forever()


async def test_a_sync_tool_runs_in_a_thread_of_its_own() -> None:
    threads: list[threading.Thread] = []

    def look() -> str:
        """Look."""
        threads.append(threading.current_thread())
        return "seen"

    assert await run(look) == ToolResult("call-1", "look", "seen")
    assert await run(tool(look, isolation="inline")) == ToolResult("call-1", "look", "seen")
    assert [thread is threading.main_thread() for thread in threads] == [False, True]


async def test_an_async_tool_runs_inline() -> None:
    @tool
    async def where() -> bool:
        """Where."""
        await trio.lowlevel.checkpoint()
        return threading.current_thread() is threading.main_thread()

    assert (await run(where)).content == "true"


async def test_arguments_reach_the_tool() -> None:
    assert (await execute(Toolbox([add]), call_of("add", a=1, b=2))).content == "3"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (call_of("subtract"), "there is no tool 'subtract'. The tools are: add, wait_for_ever"),
        (call_of("add", a="1"), "argument 'b' is missing"),
        (ToolCall("call-1", "add", arguments_error="cut off"), "cut off. Send the call again"),
    ],
)
async def test_a_call_that_cannot_be_made_is_an_error_that_says_what_can(
    call: ToolCall, text: str
) -> None:
    result = await execute(Toolbox([add, wait_for_ever]), call)

    assert text in result.content
    assert (result.call_id, result.name, result.status) == ("call-1", call.name, ToolStatus.ERROR)


def fails() -> None:
    """Fail."""
    raise KeyError("lost")


async def fails_async() -> None:
    """Fail."""
    raise KeyError("lost")


def is_cancelled_by_asyncio() -> None:
    """Fail with what is no Exception."""
    raise asyncio.CancelledError("lost")


async def panics() -> None:
    """Fail with what is no Exception, in a nursery."""

    async def inner() -> None:
        raise Panic("lost")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(inner)


def exits() -> None:
    """Do as a program does that is given bad arguments."""
    sys.exit("lost")


def stops_iterating() -> None:
    """Fail."""
    raise StopIteration("lost")


def forgets_async() -> object:
    """Fail."""
    return wait_for_ever.function()


def gives_an_object() -> object:
    """Fail."""
    return object()


def gives_a_circle() -> object:
    """Fail."""
    circle: list[object] = []
    circle.append(circle)
    return circle


async def fails_in_its_nursery() -> None:
    """Fail."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fails_async)
        nursery.start_soon(fails_async)


async def times_out_by_itself() -> None:
    """Fail."""
    with trio.fail_after(1):
        await trio.sleep(2)


async def raises_timeout_error() -> None:
    """Fail."""
    raise TimeoutError("the far side")


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (fails, "KeyError: 'lost'"),
        (fails_async, "KeyError: 'lost'"),
        (tool(fails, isolation="inline"), "KeyError: 'lost'"),
        (stops_iterating, "StopIteration: lost"),
        (is_cancelled_by_asyncio, "CancelledError: lost"),
        (tool(is_cancelled_by_asyncio, isolation="inline"), "CancelledError: lost"),
        (panics, "Panic: lost"),
        (exits, "SystemExit: lost"),
        (tool(stops_iterating, isolation="inline"), "StopIteration: lost"),
        (forgets_async, "must be `async def`"),
        (gives_an_object, "its result (object) is no JSON"),
        (gives_a_circle, "its result (list) is no JSON"),
        (fails_in_its_nursery, "KeyError: 'lost'\nKeyError: 'lost'"),
        (times_out_by_itself, "TooSlowError"),
        (raises_timeout_error, "TimeoutError: the far side"),
        (tool(raises_timeout_error, timeout=9), "TimeoutError: the far side"),
    ],
)
async def test_an_error_in_the_tool_is_a_result(
    function: Callable[..., Any], text: str, autojump_clock: MockClock
) -> None:
    late: list[Late] = []

    result = await run(function, late=late)

    assert result.status is ToolStatus.ERROR
    assert text in result.content
    assert "timeout of" not in result.content
    assert late == []


@pytest.mark.parametrize("ends", [KeyboardInterrupt, SystemExit, GeneratorExit])
async def test_what_a_signal_may_have_raised_is_no_result(ends: type[BaseException]) -> None:
    def ends_here() -> None:
        """End."""
        raise ends

    async def ends_inside() -> None:
        """End."""
        raise BaseExceptionGroup("", [ends(), KeyError()])

    with pytest.raises(ends):
        await run(tool(ends_here, isolation="inline"))
    with pytest.raises(BaseExceptionGroup) as caught:
        await run(ends_inside)
    assert caught.group_contains(ends)


async def test_a_keyboard_interrupt_is_no_result() -> None:
    async def interrupts() -> None:
        """Interrupt."""
        raise KeyboardInterrupt

    async def interrupts_in_a_nursery() -> None:
        """Interrupt."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupts)

    with pytest.raises(KeyboardInterrupt):
        await run(interrupts)
    with pytest.raises(BaseExceptionGroup) as caught:
        await run(interrupts_in_a_nursery)
    assert caught.group_contains(KeyboardInterrupt)


async def test_a_long_result_or_error_is_cut() -> None:
    def talks() -> str:
        """Talk."""
        return "a" * 50

    def fails_at_length() -> str:
        """Fail."""
        raise ValueError("a" * 50)

    assert (await run(tool(talks, max_result=5))).content == "aaaaa\n[cut: 5 of 50 characters]"
    assert (await run(tool(fails_at_length, max_result=5))).content.startswith("Value\n[cut")


async def test_the_timeout_of_an_async_tool_is_an_error_result(autojump_clock: MockClock) -> None:
    result = await run(tool(wait_for_ever.function, timeout=3))

    assert trio.current_time() == pytest.approx(3)
    assert result.status is ToolStatus.ERROR
    assert result.content == "the tool took longer than its timeout of 3 s; it was stopped"


async def test_a_tool_that_finishes_in_spite_of_its_timeout_gives_its_result(
    autojump_clock: MockClock,
) -> None:
    async def stubborn() -> str:
        """Wait."""
        with trio.CancelScope(shield=True):
            await trio.sleep(5)
        return "done"

    assert (await run(tool(stubborn, timeout=3))).content == "done"


async def test_a_cancel_is_never_a_result(autojump_clock: MockClock) -> None:
    with trio.move_on_after(2) as scope:
        await run(tool(wait_for_ever.function, timeout=3))
        pytest.fail("a cancel became a result")

    assert scope.cancelled_caught


async def test_the_callers_deadline_is_no_timeout_of_the_tool(autojump_clock: MockClock) -> None:
    with pytest.raises(trio.TooSlowError), trio.fail_after(2):
        await run(wait_for_ever)


async def test_errors_during_a_cancel_are_reported_beside_it(autojump_clock: MockClock) -> None:
    async def fails_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while leaving")

    async def crowd() -> None:
        """Wait."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    late: list[Late] = []
    with trio.move_on_after(1) as scope:
        await run(crowd, late=late)

    assert scope.cancelled_caught
    assert [each.result.content for each in late] == ["ValueError: while leaving"]
    assert not late[0].running


@pytest.mark.parametrize("cleanup", [-1.0, float("inf"), float("nan")])
def test_terms_without_a_bound_are_refused(cleanup: float) -> None:
    with pytest.raises(ValueError, match="cleanup must be 0 or more"):
        Terms(cleanup=cleanup)
