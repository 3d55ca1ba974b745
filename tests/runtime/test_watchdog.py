"""The watchdog: what takes too long to end is reported once, at its time, and nothing else is."""

# ruff: noqa: ARG001 - fixtures are asked for by name

from __future__ import annotations

import math
import signal
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from puppet import Do, DoBeside, Feed, FeedBeside, Heard, Puppet, alarm, crash, nothing

from runtime import ActorCrashed, ChildOptions, Overdue, Ref, open_system
from runtime._watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from trio.testing import MockClock


@asynccontextmanager
async def running_watchdog() -> AsyncGenerator[Watchdog]:
    watchdog = Watchdog()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watchdog.run)
        try:
            yield watchdog
        finally:
            watchdog.close()


async def test_what_takes_too_long_is_reported_once_and_each_at_its_own_time(
    autojump_clock: MockClock,
) -> None:
    said: list[tuple[str, float]] = []

    def report(name: str) -> None:
        said.append((name, trio.current_time() - start))

    async with running_watchdog() as watchdog:
        start = trio.current_time()
        for name, seconds in (("late", 5.0), ("soon", 2.0), ("never", math.inf), ("as late", 5.0)):
            watchdog.expect(seconds, partial(report, name))
        await trio.sleep(1)
        watchdog.expect(0.5, lambda: report("first"))
        await trio.sleep(60)
    assert said == [("first", 1.5), ("soon", 2), ("late", 5), ("as late", 5)]


async def test_what_has_ended_is_not_reported(autojump_clock: MockClock) -> None:
    said: list[str] = []
    async with running_watchdog() as watchdog:
        ended = watchdog.expect(2, lambda: said.append("ended"))
        watchdog.expect(2, lambda: said.append("going on"))
        await trio.sleep(1)
        watchdog.ended(ended)
        watchdog.ended(ended)
        await trio.sleep(5)
        assert said == ["going on"]  # and not only when the watchdog is closed


async def test_a_clock_that_jumps_has_nothing_to_jump_to_where_nothing_is_to_end(
    autojump_clock: MockClock,
) -> None:
    async with running_watchdog() as watchdog:
        await trio.testing.wait_all_tasks_blocked()
        expected = watchdog.expect(2, lambda: None)
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == 2
        watchdog.ended(expected)
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == math.inf


async def test_a_clock_that_jumps_has_nothing_to_jump_to_where_what_is_to_end_may_take_for_ever(
    autojump_clock: MockClock,
) -> None:
    async with running_watchdog() as watchdog:
        await trio.testing.wait_all_tasks_blocked()
        for_ever = watchdog.expect(math.inf, lambda: None)
        watchdog.ended(watchdog.expect(2, lambda: None))
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == math.inf
        watchdog.ended(for_ever)


def test_an_interrupt_that_comes_as_it_reports_does_not_end_it() -> None:
    said = list[str]()

    def interrupted() -> None:
        signal.raise_signal(signal.SIGINT)
        said.append("first")

    async def main() -> None:
        async with running_watchdog() as watchdog:
            watchdog.expect(1, interrupted)
            watchdog.expect(2, lambda: said.append("second"))
            with pytest.raises(KeyboardInterrupt):
                await trio.sleep(3)
            await trio.sleep(3)

    with alarm():
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert said == ["first", "second"]


async def takes_a_second(*_: object) -> None:
    """To end, once it is cancelled."""
    try:
        await trio.sleep(100)
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)


async def takes_a_second_to_stop(*_: object) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(1)


async def cancel_an_ask(puppet: Ref[Puppet], kind: type[Do | DoBeside]) -> None:
    with trio.move_on_after(1):
        await puppet.ask(kind(takes_a_second))


async def leave_a_stream(puppet: Ref[Puppet], kind: type[Feed | FeedBeside]) -> None:
    async with puppet.stream(kind(takes_a_second)):
        await trio.testing.wait_all_tasks_blocked()


async def crash_beside_others(puppet: Ref[Puppet], kind: type[Do | DoBeside]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_in_vain, puppet, kind)
        await trio.testing.wait_all_tasks_blocked()
        with suppress(ActorCrashed):
            await puppet.ask(DoBeside(crash))


async def ask_in_vain(puppet: Ref[Puppet], kind: type[Do | DoBeside]) -> None:
    with suppress(ActorCrashed):
        await puppet.ask(kind(takes_a_second))


async def stop(puppet: Ref[Puppet], _: object) -> None:
    await puppet.stop()


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (cancel_an_ask, Do),
        (cancel_an_ask, DoBeside),
        (leave_a_stream, Feed),
        (leave_a_stream, FeedBeside),
        (crash_beside_others, DoBeside),
        (stop, None),
    ],
)
@pytest.mark.parametrize(("cleanup", "is_late"), [(0.5, True), (1.5, False)])
async def test_in_a_system_what_ends_late_is_reported_once_and_what_ends_in_time_is_not(
    cleanup: float,
    is_late: bool,  # noqa: FBT001 - a parameter of the test
    end: Callable[[Ref[Puppet], Any], Awaitable[None]],
    kind: Any,
    autojump_clock: MockClock,
) -> None:
    heard = Heard()
    on_stop = takes_a_second_to_stop if end is stop else nothing
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        await trio.testing.wait_all_tasks_blocked()
        options = ChildOptions(cleanup=cleanup)
        puppet = await system.spawn(Puppet, nothing, on_stop, name="p", options=options)
        with trio.fail_after(50):
            await end(puppet, kind)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert heard.of(Overdue) == [Overdue("/p", cleanup)] * is_late
