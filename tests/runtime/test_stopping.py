"""A stop has its grace, then comes the cancel, then the clean-up; nothing outlives it (R8)."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import (
    Do,
    DoBeside,
    Heard,
    Order,
    Puppet,
    crash,
    crash_now,
    nothing,
    outcome_of,
    returns,
    sleeps,
)

from runtime import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    Backoff,
    ChildOptions,
    Exit,
    Overdue,
    RestartLimit,
    RestartStrategy,
    open_system,
)

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_a_stop_waits_for_the_grace_and_cancels_then(autojump_clock: MockClock) -> None:
    async def stubborn(puppet: Puppet) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)

    async with open_system() as system:
        for work, took in ((sleeps(2), 2), (stubborn, 4)):
            puppet = await system.spawn(Puppet, options=ChildOptions(grace=3, cleanup=5))
            await puppet.tell(Order(work))
            await trio.testing.wait_all_tasks_blocked()
            begun = trio.current_time()
            await puppet.stop()
            assert trio.current_time() - begun == took


async def test_a_stop_overtakes_what_is_queued(autojump_clock: MockClock) -> None:
    replies, faults, started = list[Any](), list[Any](), list[str]()

    async def start(_: Puppet) -> None:
        started.append("queued")

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet)
        nursery.start_soon(outcome_of, puppet, Do(sleeps(1)), replies)
        await trio.testing.wait_all_tasks_blocked()
        queued = Do(start)
        nursery.start_soon(outcome_of, puppet, queued, faults)
        await trio.testing.wait_all_tasks_blocked()
        await puppet.stop()

    assert (replies, started) == ([None], [])
    (fault,) = faults
    assert isinstance(fault, ActorStopped)
    assert (fault.started, fault.message) == (False, queued)


async def test_what_shields_itself_past_its_cleanup_is_reported_and_waited_for(
    autojump_clock: MockClock,
) -> None:
    async def shielded(puppet: Puppet) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet, options=ChildOptions(grace=3, cleanup=5))
        await puppet.tell(Order(shielded))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(puppet.stop)
        await trio.sleep(7.9)
        assert heard.of(Overdue) == []
        await trio.sleep(0.2)
        assert heard.of(Overdue) == [Overdue(puppet.path, 5)]
        await puppet.stop()
        assert trio.current_time() == 60
        nursery.cancel_scope.cancel()
    assert len(heard.of(Overdue)) == 1


async def test_a_stop_wins_over_the_restart_that_the_actor_is_being_stopped_for(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        group = await system.supervise("group", strategy=RestartStrategy.ONE_FOR_ALL)
        bomb, busy = await group.spawn(Puppet), await group.spawn(Puppet)
        await busy.tell(Order(sleeps(3)))
        await crash_now(bomb)
        nursery.start_soon(busy.stop)
        await trio.sleep(1)
        with pytest.raises(ActorStopped):
            await busy.ask(Do(nothing))
        await trio.sleep(5)
        assert await bomb.ask(Do(returns(1))) == 1
        assert busy.statistics().state == "ended"


async def test_a_stop_that_is_cancelled_goes_on(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=ChildOptions(grace=3))
        await puppet.tell(Order(sleeps(100)))
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await puppet.stop()
        async with puppet.watch() as watch:
            assert await watch.wait() is Exit.STOPPED
        assert trio.current_time() == 3


async def test_the_asker_of_a_handler_that_a_stop_cancelled_learns_that_it_had_started(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet, options=ChildOptions(grace=1))

        async def ask(kind: Any) -> None:
            with pytest.raises(ActorStopped) as caught:
                await puppet.ask(kind(sleeps(100)))
            assert (caught.value.started, caught.value.message) == (True, None)

        nursery.start_soon(ask, DoBeside)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, Do)
        await trio.testing.wait_all_tasks_blocked()
        await puppet.stop()


async def test_a_stop_during_a_backoff_ends_the_actor_at_once(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        group = await system.supervise("group", backoff=Backoff(60, 60, jitter=0))
        puppet = await group.spawn(Puppet)
        await crash_now(puppet)
        await puppet.stop()
        assert trio.current_time() == 0
        assert puppet.statistics().state == "ended"
        await trio.sleep(100)
        await group.spawn(Puppet)


@pytest.mark.parametrize("lives", [1, 2])
async def test_a_stop_while_it_starts_ends_it_after_its_grace(
    lives: int, autojump_clock: MockClock
) -> None:
    begun = 0

    async def hang(puppet: Puppet) -> None:
        nonlocal begun
        begun += 1
        if begun == lives:
            await trio.sleep_forever()

    async with open_system() as system, trio.open_nursery() as nursery:

        async def spawn() -> None:
            try:
                puppet = await system.spawn(Puppet, hang, name="p", options=ChildOptions(grace=2))
                await puppet.tell(Order(crash))
            except ActorStopped:
                assert lives == 1

        nursery.start_soon(spawn)
        await trio.sleep(1)
        puppet = system.whereis("/p", Puppet)
        assert puppet is not None
        assert puppet.statistics().state == "starting"
        await puppet.stop()
        assert trio.current_time() == 3
        assert system.tree().children == ()


async def test_a_system_ends_although_a_restarted_child_hangs_in_its_start(
    autojump_clock: MockClock,
) -> None:
    starts = 0

    async def hang(puppet: Puppet) -> None:
        nonlocal starts
        starts += 1
        if starts > 1:
            await trio.sleep_forever()

    async with open_system() as system:
        puppet = await system.spawn(Puppet, hang, options=ChildOptions(grace=2))
        await crash_now(puppet)
        assert puppet.statistics().state == "starting"
    assert trio.current_time() == 2


async def test_a_concurrent_turn_beside_a_background_task_does_not_hold_up_the_stop(
    autojump_clock: MockClock,
) -> None:
    async def arrange(puppet: Puppet) -> None:
        puppet.start_soon(trio.sleep_forever)

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet, options=ChildOptions(grace=100))
        await puppet.ask(Do(arrange))
        nursery.start_soon(puppet.ask, DoBeside(sleeps(1)))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.stop()
        assert trio.current_time() == 1


async def test_an_actor_that_ends_starts_nothing_more(autojump_clock: MockClock) -> None:
    refusals = list[str]()

    async def on_stop(puppet: Puppet, exit: Exit) -> None:
        with pytest.raises(ActorStopped) as caught:
            await puppet.spawn(Puppet)
        refusals.append(str(caught.value))
        with pytest.raises(ActorStopped) as caught:
            puppet.start_soon(trio.sleep_forever)
        refusals.append(str(caught.value))

    async with open_system() as system:
        puppet = await system.spawn(Puppet, nothing, on_stop)
        await puppet.stop()
    assert refusals == [
        "/puppet-1 is ending; it starts no further actor",
        "/puppet-1 is ending; it starts no further task",
    ]


async def test_stopped_is_called_after_a_start_that_succeeded_and_only_then() -> None:
    ends = list[Exit]()

    async def note(_: Puppet, exit: Exit) -> None:
        ends.append(exit)

    async with open_system() as system:
        with pytest.raises(ValueError, match="crash"):
            await system.spawn(Puppet, crash, note)
        assert ends == []
        await system.spawn(Puppet, nothing, note)
    assert ends == [Exit.STOPPED]


async def test_a_stopped_hook_that_takes_too_long_is_cancelled_and_reported(
    autojump_clock: MockClock,
) -> None:
    async def on_stop(puppet: Puppet, exit: Exit) -> None:
        await trio.sleep_forever()

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(
            Puppet, nothing, on_stop, options=ChildOptions(grace=10, cleanup=3)
        )
        await puppet.stop()
        assert trio.current_time() == 3
        await trio.sleep(1)
        assert heard.of(Overdue) == [Overdue("/puppet-1", 3)]
        nursery.cancel_scope.cancel()


async def test_a_supervisor_is_stopped_for_good_also_while_it_waits_to_be_restarted(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        outer = await system.supervise("outer", backoff=Backoff(60, 60, jitter=0))
        inner = await outer.supervise("inner", limit=RestartLimit(0, 1))
        puppet = await inner.spawn(Puppet)
        with pytest.raises(ActorCrashed):
            await puppet.ask(Do(crash))
        await trio.sleep(1)
        with pytest.raises(ActorRestarting):
            await inner.spawn(Puppet)
        await inner.stop()
        with pytest.raises(ActorStopped):
            await inner.spawn(Puppet)
        with pytest.raises(ActorStopped):
            await puppet.ask(Do(nothing))
        await trio.sleep(100)
        assert [node.path for node in system.tree().children] == ["/outer"]


async def test_a_resting_child_of_a_resting_supervisor_can_be_stopped(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        outer = await system.supervise("outer", backoff=Backoff(5, 5, jitter=0))
        inner = await outer.supervise("inner", limit=RestartLimit(0, 1))
        gone = await inner.spawn(Puppet, name="gone")
        stays = await inner.spawn(Puppet, name="stays")
        with pytest.raises(ActorCrashed):
            await stays.ask(Do(crash))
        await trio.sleep(1)
        await gone.stop()
        await trio.sleep(10)
        assert await stays.ask(Do(returns(1))) == 1
        assert system.whereis("/outer/inner/gone", Puppet) is None


@pytest.mark.parametrize("cause", ["a sibling", "its own child"])
async def test_a_supervisor_that_stops_in_order_to_come_back_says_so(
    cause: str, autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        outer = await system.supervise("outer", strategy=RestartStrategy.ONE_FOR_ALL)
        sibling = await outer.spawn(Puppet)
        inner = await outer.supervise("inner", limit=RestartLimit(0, 1))
        busy = await inner.spawn(Puppet)
        child = await inner.spawn(Puppet)
        await busy.tell(Order(sleeps(2)))
        await crash_now(sibling if cause == "a sibling" else child)
        with pytest.raises(ActorRestarting, match="/outer/inner is restarting"):
            await inner.spawn(Puppet)
        await trio.sleep(3)
        await inner.spawn(Puppet)


async def test_stopping_a_supervisor_now_cancels_its_children(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet)
        await puppet.tell(Order(sleeps(100)))
        await trio.testing.wait_all_tasks_blocked()
        await group.stop(now=True)
        assert trio.current_time() == 0
        assert puppet.statistics().state == "ended"
