"""Many children, timers and watches at once: each costs what it costs alone."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import Do, DoBeside, Order, Puppet, crash, nothing, sleeps

import runtime
from runtime import (
    Backoff,
    ChildOptions,
    Exit,
    MailboxOptions,
    Ref,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
    Supervisor,
    open_system,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import FrameType

    from trio.testing import MockClock

NEVER = RestartLimit(10**9)
ONCE = ChildOptions(restart=RestartPolicy.TEMPORARY)
OURS = runtime.__path__[0]


@contextmanager
def counted(lines: list[int]) -> Generator[None]:
    """Add how many lines of the runtime were run in the block, each turn of a loop once more."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
    lines.append(count)


async def spawned(group: Supervisor, count: int, options: ChildOptions | None = None) -> list[Any]:
    return [await group.spawn(Puppet, options=options) for _ in range(count)]


async def back_off(count: int, lines: list[int]) -> None:
    async with open_system() as system:
        group = await system.supervise("group", limit=NEVER, backoff=Backoff(1, 1, jitter=0.5))
        puppets = await spawned(group, count)
        with counted(lines):
            for puppet in puppets:
                await puppet.tell(Order(crash))
            await trio.sleep(2)
        assert {puppet.statistics().restarts for puppet in puppets} == {1}


async def end_in_a_group(count: int, lines: list[int]) -> None:
    async with open_system() as system:
        group = await system.supervise("group", strategy=RestartStrategy.REST_FOR_ONE)
        puppets = await spawned(group, count, ONCE)
        with counted(lines):
            for puppet in puppets:
                await puppet.tell(Order(crash))
            await trio.sleep(1)
        assert {puppet.statistics().state for puppet in puppets} == {"ended"}


async def restart_together(count: int, lines: list[int]) -> None:
    async with open_system() as system:
        group = await system.supervise("group", strategy=RestartStrategy.ONE_FOR_ALL)
        puppets = await spawned(group, count)
        with counted(lines):
            await puppets[0].tell(Order(crash))
            await trio.sleep(1)
        assert {puppet.statistics().restarts for puppet in puppets} == {1}


async def come_and_go(count: int, lines: list[int]) -> None:
    async with open_system() as system:
        puppets = await spawned(system, count)
        with counted(lines):
            for puppet in puppets:
                await system.spawn(Puppet)
                await puppet.stop()


async def run_beside(count: int, lines: list[int]) -> None:
    options = ChildOptions(mailbox=MailboxOptions(count))
    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet, options=options)
        with counted(lines):
            for _ in range(count):
                nursery.start_soon(puppet.ask, DoBeside(sleeps(1)))
            await trio.sleep(2)


async def set_timers(count: int, lines: list[int]) -> None:
    rung = list[int]()

    async def ring(_: Puppet) -> None:
        rung.append(1)

    async def set_all(puppet: Puppet) -> None:
        for _ in range(count):
            puppet.after(1, Order(ring))

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with counted(lines):
            await puppet.ask(Do(set_all))
            await trio.sleep(2)
    assert len(rung) == count


async def hear_of_ends_while_busy(count: int, lines: list[int]) -> None:
    async with open_system() as system:
        puppets = await spawned(system, count)
        watcher: Ref[Puppet] = await system.spawn(Puppet)
        ends = list[Exit]()

        async def watch(watcher: Puppet) -> None:
            def note(exit: Exit) -> Order:
                ends.append(exit)
                return Order(nothing)

            for puppet in puppets:
                watcher.watch(puppet, note)

        await watcher.ask(Do(watch))
        await watcher.tell(Order(sleeps(1)))
        with counted(lines):
            for puppet in puppets:
                await puppet.stop()
            await trio.sleep(2)
        assert len(ends) == count


@pytest.mark.parametrize(
    "scenario",
    [
        back_off,
        end_in_a_group,
        restart_together,
        come_and_go,
        run_beside,
        set_timers,
        hear_of_ends_while_busy,
    ],
)
async def test_four_times_as_many_take_four_times_the_work(
    scenario: Callable[[int, list[int]], Awaitable[None]], autojump_clock: MockClock
) -> None:
    lines = list[int]()
    for count in (50, 200):
        await scenario(count, lines)
    few, many = lines
    assert many < 4.4 * few, f"{few} lines for 50, {many} for 200"
