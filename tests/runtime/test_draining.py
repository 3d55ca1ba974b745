"""A supervisor that drains: what is queued is handled before the end, in reverse order."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import Do, Heard, Order, Puppet, crash, nothing, sleeps

from runtime import (
    ActorStopped,
    ChildOptions,
    DeadLetter,
    Exit,
    Ref,
    open_system,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock


class Log:
    """What was done, in order."""

    def __init__(self) -> None:
        self.lines = list[str]()

    def note(self, line: str, seconds: float = 1.0) -> Callable[[object], Awaitable[None]]:
        async def work(_: object) -> None:
            await trio.sleep(seconds)
            self.lines.append(line)

        return work

    def leaves(self, name: str) -> Callable[[object, Exit], Awaitable[None]]:
        async def on_stop(_: object, exit: Exit) -> None:
            self.lines.append(f"-{name}")

        return on_stop


async def order(ref: Ref[Puppet], *works: Callable[[Puppet], Awaitable[Any]]) -> None:
    for work in works:
        await ref.tell(Order(work))
    await trio.testing.wait_all_tasks_blocked()


async def test_what_is_queued_is_handled_however_long_it_takes(autojump_clock: MockClock) -> None:
    log = Log()
    async with open_system() as system:
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet, nothing, log.leaves("p"), options=ChildOptions(grace=2))
        await order(puppet, *[log.note(f"{n}", 3) for n in range(4)])
        await group.stop(drain=True)
        assert trio.current_time() == 12
        assert log.lines == ["0", "1", "2", "3", "-p"]
        assert system.tree().children == ()


async def test_who_started_last_is_drained_first_so_that_it_can_still_use_the_others(
    autojump_clock: MockClock,
) -> None:
    log = Log()
    async with open_system() as system:
        group = await system.supervise("group")
        below = await group.spawn(Puppet, nothing, log.leaves("below"), name="below")
        inner = await group.supervise("inner")
        above = await inner.spawn(Puppet, nothing, log.leaves("above"), name="above")

        async def use(_: object) -> None:
            await below.ask(Do(log.note("asked")))
            await below.tell(Order(log.note("told")))

        await order(above, use, use)
        await group.stop(drain=True)
    assert log.lines == ["asked", "told", "asked", "-above", "told", "-below"]


async def test_the_children_of_an_actor_that_drains_drain(autojump_clock: MockClock) -> None:
    log = Log()
    child: Ref[Puppet] | None = None

    async def bear(puppet: Puppet) -> None:
        nonlocal child
        child = await puppet.spawn(Puppet, nothing, log.leaves("child"))

    async def feed(_: object) -> None:
        assert child is not None
        await order(child, log.note("1", 9), log.note("2", 9))

    for ends_by in ("ref", "supervisor"):
        async with open_system() as system:
            group = await system.supervise("group")
            options = ChildOptions(grace=60)
            parent = await group.spawn(Puppet, bear, log.leaves("parent"), options=options)
            await order(parent, feed, log.note("parent"))
            await (parent.stop(drain=True) if ends_by == "ref" else group.stop(drain=True))
        assert log.lines == ["parent", "1", "2", "-child", "-parent"], ends_by
        log.lines.clear()


async def test_a_drain_that_is_cut_short_cancels_the_rest(autojump_clock: MockClock) -> None:
    log, heard = Log(), Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        group = await system.supervise("group")
        first = await group.spawn(Puppet, nothing, log.leaves("first"), name="first")
        await order(first, log.note("short"), sleeps(100))
        second = await group.spawn(Puppet, nothing, log.leaves("second"), name="second")
        await order(second, log.note("mine", 4), log.note("too long", 100), nothing)
        with trio.move_on_after(5):
            await group.stop(drain=True)
        assert trio.current_time() == 5
        assert log.lines == ["short", "mine", "-second", "-first"]
        await trio.testing.wait_all_tasks_blocked()
        assert [fact.path for fact in heard.of(DeadLetter)] == ["/group/second"]
        nursery.cancel_scope.cancel()


async def test_an_actor_that_drains_takes_nothing_new_in(autojump_clock: MockClock) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet)
        await order(puppet, sleeps(3))
        nursery.start_soon(lambda: group.stop(drain=True))
        await trio.sleep(1)
        with pytest.raises(ActorStopped):
            await puppet.ask(Do(nothing))


async def test_an_actor_that_crashes_while_it_drains_is_not_started_again(
    autojump_clock: MockClock,
) -> None:
    log, heard = Log(), Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet)
        await order(puppet, sleeps(1), crash, log.note("never"))
        await group.stop(drain=True)
        await trio.testing.wait_all_tasks_blocked()
        assert log.lines == []
        assert len(heard.of(DeadLetter)) == 1
        nursery.cancel_scope.cancel()


async def test_a_stop_is_either_with_what_is_queued_or_now() -> None:
    async with open_system() as system:
        group = await system.supervise("group")
        with pytest.raises(ValueError, match="either drain=True or now=True"):
            await group.stop(drain=True, now=True)
        await group.spawn(Puppet)
