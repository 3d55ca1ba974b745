"""Waits for ends and for further lives: whoever would wait for itself is told, or let go."""

# ruff: noqa: ARG001 - a clock is asked for, not used
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from puppet import Do, DoBeside, Puppet, crash, nothing, returns, sleeps

from runtime import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    AskCycle,
    ChildOptions,
    Exit,
    Ref,
    RestartStrategy,
    Supervisor,
    open_system,
)
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock


def asks(ref: Ref[Puppet], message: Do | DoBeside) -> Any:
    async def work(_: Puppet) -> Any:
        return await ref.ask(message)

    return work


def begins(task: Callable[[], Awaitable[Any]]) -> Do:
    """A message whose handler begins a background task."""

    async def work(puppet: Puppet) -> None:
        puppet.start_soon(task)

    return Do(work)


def tidies_up(seconds: float) -> Callable[[Puppet, Exit], Awaitable[None]]:
    async def tidy_up(_: Puppet, exit: Exit) -> None:
        del exit
        await trio.sleep(seconds)

    return tidy_up


def asks_shielded(ref: Ref[Puppet], into: list[Any]) -> Any:
    """Work that waits until it is cancelled, and then asks before it ends."""

    async def work(_: object = None) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await note(ref, into)

    return work


async def note(ref: Ref[Puppet], into: list[Any]) -> None:
    try:
        into.append(await ref.ask(Do(returns("reply"))))
    except (AskCycle, ActorRestarting, ActorStopped) as fault:
        into.append(fault)


# A supervisor that is stopped from below


@pytest.mark.parametrize("now", [True, False])
@pytest.mark.parametrize("is_asked", [True, False])
async def test_a_background_task_may_stop_the_supervisor_above_it(
    autojump_clock: MockClock,
    now: bool,  # noqa: FBT001 - a case
    is_asked: bool,  # noqa: FBT001 - a case
) -> None:
    async with assert_no_leaks(), open_system() as system:
        group = await system.supervise("group")
        first = await group.spawn(Puppet, nothing, tidies_up(1))
        outside, puppet = await system.spawn(Puppet), await group.spawn(Puppet)

        async def stop(_: object = None) -> None:
            await group.stop(now=now)

        await puppet.ask(begins((lambda: outside.ask(Do(stop))) if is_asked else stop))
        async with first.watch() as watch:
            assert await watch.wait() is Exit.STOPPED  # with its grace
        assert trio.current_time() == 1
        assert await outside.ask(Do(returns(1))) == 1


async def test_a_background_task_may_give_up_waiting_for_the_end_of_its_supervisor(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet, options=ChildOptions(grace=5))

        async def stop() -> None:
            with trio.move_on_after(1):
                await group.stop()

        async def begin_and_go_on(puppet: Puppet) -> None:
            puppet.start_soon(stop)
            await trio.sleep(3)

        await puppet.ask(Do(begin_and_go_on))
        async with puppet.watch() as watch:
            assert await watch.wait() is Exit.STOPPED
        assert trio.current_time() == 3


@pytest.mark.parametrize("is_asked", [True, False])
async def test_a_handler_that_stops_its_supervisor_now_is_cancelled_with_it(
    is_asked: bool,  # noqa: FBT001 - a case
) -> None:
    ended = list[str]()

    async with open_system() as system:
        group = await system.supervise("group")
        outside, puppet = await system.spawn(Puppet), await group.spawn(Puppet)

        async def stop(_: Puppet) -> None:
            try:
                await group.stop(now=True)
            finally:
                ended.append("cancelled")

        with pytest.raises(ActorStopped) as caught:
            await puppet.ask(Do(asks(outside, Do(stop)) if is_asked else stop))
        assert caught.value.started
        assert ended == ["cancelled"]
        assert puppet.statistics().state == "ended"


async def test_a_stop_that_is_cancelled_outside_still_returns_when_all_has_ended(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet, nothing, tidies_up(2))
        with trio.move_on_after(1) as scope:
            await group.stop()
        assert scope.cancelled_caught
        assert puppet.statistics().state == "ended"
        assert trio.current_time() == 2


# An actor that ends, and what must end with it


@pytest.mark.parametrize("is_child", [True, False])
async def test_whoever_must_end_before_a_crashed_actor_comes_back_may_not_wait_for_it(
    autojump_clock: MockClock,
    is_child: bool,  # noqa: FBT001 - a case
) -> None:
    """Else it would wait for ever, since it shields itself; and so would everybody else."""
    seen = list[Any]()

    async with open_system() as system:
        parent = await system.spawn(Puppet, name="parent")
        last_words = asks_shielded(parent, seen)

        async def begin(puppet: Puppet) -> None:
            if is_child:
                child = await puppet.spawn(Puppet, name="child")
                puppet.start_soon(child.ask, Do(last_words))
            else:
                puppet.start_soon(last_words)
            await trio.sleep(1)

        await parent.ask(Do(begin))
        with pytest.raises(ActorCrashed):
            await parent.ask(Do(crash))
        assert await parent.ask(Do(returns(1))) == 1
    (cycle,) = seen
    assert isinstance(cycle, AskCycle)


@pytest.mark.parametrize("way", ["stop", "kill", "stop the supervisor"])
@pytest.mark.parametrize("is_child", [True, False])
async def test_whoever_waits_for_the_handler_that_is_cancelled_with_its_actor_is_let_go(
    autojump_clock: MockClock,
    way: str,
    is_child: bool,  # noqa: FBT001 - a case
) -> None:
    """A task or a child of that actor: the actor ends only after they have."""
    async with assert_no_leaks(), open_system() as system:
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet)
        long_work = Do(sleeps(1000))

        async def begin(puppet: Puppet) -> None:
            waits_for = await puppet.spawn(Puppet) if is_child else puppet.ref
            work = Do(asks(puppet.ref, long_work)) if is_child else long_work
            puppet.start_soon(waits_for.ask, work)

        await puppet.ask(Do(begin))
        await trio.testing.wait_all_tasks_blocked()
        if way == "stop the supervisor":
            await group.stop()
        else:
            await (puppet.kill() if way == "kill" else puppet.stop())
        assert puppet.statistics().state == "ended"


@pytest.mark.parametrize("keep", [True, False])
async def test_what_such_a_one_had_asked_before_the_crash_ends_with_it(
    autojump_clock: MockClock,
    keep: bool,  # noqa: FBT001 - a case
) -> None:
    seen = list[Any]()

    async with open_system() as system, trio.open_nursery() as nursery:
        options = ChildOptions(keep_mailbox=keep)
        parent = await system.spawn(Puppet, name="parent", options=options)

        async def ask_shielded(_: Puppet) -> None:
            with trio.CancelScope(shield=True):
                await note(parent, seen)

        async def crash_later(puppet: Puppet) -> None:
            child = await puppet.spawn(Puppet)
            puppet.start_soon(child.ask, Do(ask_shielded))
            await trio.sleep(1)
            raise ValueError

        nursery.start_soon(ended_by, parent, Do(crash_later))
        await trio.sleep(2)
        assert await parent.ask(Do(returns(1))) == 1
    assert [type(fault) for fault in seen] == [AskCycle]


async def ended_by(ref: Ref[Puppet], message: Do) -> None:
    with pytest.raises(ActorCrashed):
        await ref.ask(message)


async def test_a_stop_does_not_wait_for_a_turn_that_waits_for_the_mailbox(
    autojump_clock: MockClock,
) -> None:
    seen = list[Any]()

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet, options=ChildOptions(grace=100))

        async def ask_later(me: Puppet) -> None:
            await trio.sleep(1)
            await note(me.ref, seen)

        nursery.start_soon(puppet.ask, DoBeside(ask_later))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(puppet.ask, Do(sleeps(3)))
        await trio.sleep(2)
        assert puppet.statistics().queued == 1
        await puppet.stop()
        assert trio.current_time() == 3
    assert [type(fault) for fault in seen] == [ActorStopped]


async def test_a_start_that_was_cancelled_and_asks_whoever_began_it_is_told(
    autojump_clock: MockClock,
) -> None:
    seen = list[Any]()

    async with open_system() as system:
        parent = await system.spawn(Puppet, name="parent")

        async def begin(puppet: Puppet) -> str:
            with trio.move_on_after(1):
                await puppet.spawn(Puppet, asks_shielded(puppet.ref, seen), name="child")
            return "went on"

        assert await parent.ask(Do(begin)) == "went on"
    (cycle,) = seen
    assert cycle.chain == ("/parent/child (started)", "/parent", "/parent/child (started)")


# An actor that comes back after others


async def two_for_all(
    supervisor: Supervisor, on_start: Any, **options: Any
) -> tuple[Ref[Puppet], Ref[Puppet]]:
    group = await supervisor.supervise("g", strategy=RestartStrategy.ONE_FOR_ALL)
    first = await group.spawn(Puppet, on_start, name="first", options=ChildOptions(**options))
    return first, await group.spawn(Puppet, name="second", options=ChildOptions(**options))


@pytest.mark.parametrize("through", [True, False])
async def test_a_start_may_not_wait_for_who_comes_back_after_it(
    autojump_clock: MockClock,
    through: bool,  # noqa: FBT001 - a case
) -> None:
    seen, second_ref = list[Any](), list[Ref[Puppet]]()

    async with open_system() as system:
        between = await system.spawn(Puppet, name="between")

        async def ask_second(_: Puppet) -> None:
            for ref in second_ref:
                try:
                    message = Do(returns("reply"))
                    to, what = (between, Do(asks(ref, message))) if through else (ref, message)
                    seen.append(await to.ask(what))
                except AskCycle as cycle:
                    seen.append(cycle)

        first, second = await two_for_all(system, ask_second)
        second_ref.append(second)
        with pytest.raises(ActorCrashed):
            await second.ask(Do(crash))
        assert await second.ask(Do(returns(1))) == 1
        assert await first.ask(Do(returns(2))) == 2
    (cycle,) = seen
    assert cycle.chain[-1] == ("/between" if through else "/g/first (started)")
    assert "/g/second" in cycle.chain


@pytest.mark.parametrize("seconds", [0, 2])
async def test_who_is_stopped_for_the_restart_of_another_may_not_wait_for_that(
    autojump_clock: MockClock, seconds: float
) -> None:
    """It asks when the supervisor stops it already, or when the other one still cleans up."""
    seen = list[Any]()

    async with open_system() as system, trio.open_nursery() as nursery:
        first, second = await two_for_all(system, nothing, grace=100)

        async def ask_later(_: Puppet) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
                await note(first, seen)

        async def crash_slowly(puppet: Puppet) -> None:
            puppet.on_stop = tidies_up(seconds)
            raise ValueError

        nursery.start_soon(second.ask, Do(ask_later))
        await trio.testing.wait_all_tasks_blocked()
        await ended_by(first, Do(crash_slowly))
        assert await first.ask(Do(returns(1))) == 1
        assert trio.current_time() < 3
    (fault,) = seen
    assert isinstance(fault, AskCycle)
    assert fault.chain == ("/g/second", "/g/first", "/g/second")


async def test_others_wait_for_the_next_life_as_before(autojump_clock: MockClock) -> None:
    replies = list[Any]()

    async def ask(ref: Ref[Puppet]) -> None:
        replies.append(await ref.ask(Do(returns(1))))

    async with open_system() as system:
        first, _ = await two_for_all(system, sleeps(1))
        outside = await system.spawn(Puppet)
        with pytest.raises(ActorCrashed):
            await first.ask(Do(crash))
        await outside.ask(Do(lambda _: ask(first)))
    assert replies == [1]


async def test_a_start_that_fails_again_and_again_holds_up_nobody_by_itself(
    autojump_clock: MockClock,
) -> None:
    """Who asks while it is between two lives is looked at, too, when its start has just failed."""
    seen = list[Any]()
    failures = 2

    async def fail_at_first(_: Puppet) -> None:
        nonlocal failures
        await trio.sleep(1)
        if up and failures:
            failures -= 1
            raise ValueError

    up = False
    async with open_system() as system, trio.open_nursery() as nursery:
        first, second = await two_for_all(system, fail_at_first, keep_mailbox=True)
        asker = await system.spawn(Puppet)
        up = True
        with pytest.raises(ActorCrashed):
            await second.ask(Do(crash))
        nursery.start_soon(asker.ask, Do(lambda _: note(first, seen)))
    assert seen == ["reply"]
    assert failures == 0
