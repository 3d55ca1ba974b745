"""Actors that idle and have no hooks end by a shorter way; nobody can tell, but by the clock."""

# ruff: noqa: ARG001, ARG002 - arguments need not be used
from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.testing
from puppet import Heard

from runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Ask,
    ChildOptions,
    DeadLetter,
    Exit,
    Ref,
    Restarted,
    RestartStrategy,
    Spawned,
    Stopped,
    Supervisor,
    Tell,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock


class Counter: ...


@attrs.frozen
class Add(Tell[Counter]):
    number: int


@attrs.frozen
class Total(Ask[Counter, int]):
    pass


@attrs.frozen
class Begin(Ask[Counter, None]):
    """Have something go on beside the handlers."""

    what: Callable[[Plain], Any]


class Plain(Actor, Counter):
    """Without a hook."""

    def __init__(self, numbers: list[int] | None = None) -> None:
        self.numbers = list[int]() if numbers is None else numbers

    @Add.handles
    async def add(self, message: Add) -> None:
        self.numbers.append(message.number)

    @Total.handles
    async def total(self, message: Total) -> int:
        return sum(self.numbers)

    @Begin.handles
    async def begin(self, message: Begin) -> None:
        result = message.what(self)
        if result is not None:
            await result


class Hooked(Plain):
    def stopping(self) -> None:
        self.numbers.append(1)


async def stop(ref: Ref[Any], group: Supervisor) -> None:
    await ref.stop()


async def drain(ref: Ref[Any], group: Supervisor) -> None:
    await ref.stop(drain=True)


async def kill(ref: Ref[Any], group: Supervisor) -> None:
    await ref.kill()


async def stop_group(ref: Ref[Any], group: Supervisor) -> None:
    await group.stop()


async def end_group(ref: Ref[Any], group: Supervisor) -> None:
    await group.stop(now=True)


WAYS = [stop, drain, kill, stop_group, end_group]
End = Callable[[Ref[Any], Supervisor], Awaitable[None]]


@pytest.mark.parametrize("end", WAYS)
async def test_it_ends_once_and_for_good(end: End, autojump_clock: MockClock) -> None:
    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        await trio.testing.wait_all_tasks_blocked()
        group = await system.supervise("group")
        plain = await group.spawn(Plain, name="plain")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(end, plain, group)
        await end(plain, group)
        assert plain.statistics().state == "ended"
        with pytest.raises(ActorStopped):
            await plain.ask(Total())
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    about = [fact for fact in heard.facts if fact.path == "/group/plain"]
    assert [type(fact) for fact in about] == [Spawned, Stopped]
    assert about[-1] == Stopped("/group/plain", Exit.STOPPED)
    assert trio.current_time() == 100


@pytest.mark.parametrize("end", WAYS)
async def test_what_has_just_been_sent_fares_as_with_one_that_is_busy(
    end: End, autojump_clock: MockClock
) -> None:
    numbers, heard = list[int](), Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        group = await system.supervise("group")
        plain = await group.spawn(Plain, numbers)
        await trio.testing.wait_all_tasks_blocked()
        plain.tell_nowait(Add(1))
        await end(plain, group)
        plain.tell_nowait(Add(2))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    handled = [1] if end is drain or (end in {stop_group, end_group} and numbers) else []
    assert numbers == handled
    lost = [fact.message for fact in heard.of(DeadLetter)]
    assert lost == [Add(number) for number in (1, 2) if number not in numbers]


OTHER = list[Any]()
BESIDE: list[Callable[[Plain], Any]] = [
    lambda plain: plain.every(1, Add(1)),
    lambda plain: plain.after(1, Add(1)),
    lambda plain: plain.watch(OTHER[0], lambda _: Add(1)),
    lambda plain: plain.link(OTHER[0]),
    lambda plain: plain.start_soon(trio.sleep_forever),
    lambda plain: plain.pipe_to_self(trio.sleep, 1, to=lambda _: Add(1)),
    lambda plain: plain.spawn(Plain),
]


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("what", BESIDE)
async def test_what_goes_on_beside_it_ends_with_it(
    what: Any, end: End, autojump_clock: MockClock
) -> None:
    numbers = list[int]()
    async with open_system() as system:
        OTHER[:] = [await system.spawn(Plain)]
        with assert_no_leaks():
            group = await system.supervise("group")
            plain = await group.spawn(Plain, numbers)
            await plain.ask(Begin(what))
            await trio.testing.wait_all_tasks_blocked()
            await end(plain, group)
            await group.stop()
        await OTHER[0].stop()
        await trio.sleep(10)
    assert numbers == []


@pytest.mark.parametrize("end", WAYS)
async def test_a_hook_is_called_when_it_stops_with_grace(
    end: End, autojump_clock: MockClock
) -> None:
    numbers = list[int]()
    async with open_system() as system:
        group = await system.supervise("group")
        hooked = await group.spawn(Hooked, numbers)
        await trio.testing.wait_all_tasks_blocked()
        await end(hooked, group)
    assert numbers == ([] if end in {kill, end_group} else [1])


async def test_it_comes_back_with_its_group(autojump_clock: MockClock) -> None:
    async def fail(_: Plain) -> None:
        raise OSError

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        await trio.testing.wait_all_tasks_blocked()
        group = await system.supervise("group", strategy=RestartStrategy.ONE_FOR_ALL)
        first = await group.spawn(Plain, name="first")
        second = await group.spawn(Plain, name="second")
        with pytest.raises(ActorCrashed):
            await first.ask(Begin(fail))
        assert await second.ask(Total()) == 0
        nursery.cancel_scope.cancel()
    assert heard.of(Restarted) == [Restarted("/group/first", 1), Restarted("/group/second", 1)]


async def test_cancelled_anywhere_its_end_leaves_nothing(autojump_clock: MockClock) -> None:
    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            group = await system.supervise("group")
            plains = [
                await group.spawn(Plain, options=ChildOptions(grace=grace))
                for grace in (0, 1, 5, 5)
            ]
            await plains[0].stop()
            await plains[1].kill()
            await group.stop()

    await cancel_everywhere(scenario)
