"""The rows of the table in docs/supervision.md that no other test is about."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import trio
from puppet import Do, Order, Puppet, crash, crash_now, nothing, returns, sleeps

from runtime import (
    ActorCrashed,
    Backoff,
    ChildOptions,
    Exit,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
    open_system,
)

if TYPE_CHECKING:
    from trio.testing import MockClock


async def finish(puppet: Puppet) -> None:
    puppet.stop()


def test_the_defaults_are_three_restarts_in_five_seconds_and_five_seconds_to_stop() -> None:
    assert RestartLimit() == RestartLimit(restarts=3, seconds=5.0)
    assert (ChildOptions().grace, ChildOptions().cleanup) == (5.0, 5.0)


@pytest.mark.parametrize(
    ("policy", "comes_back"),
    [
        (RestartPolicy.PERMANENT, True),
        (RestartPolicy.TRANSIENT, True),
        (RestartPolicy.TEMPORARY, False),
    ],
)
async def test_a_supervisor_that_gave_up_has_failed(
    policy: RestartPolicy,
    comes_back: bool,  # noqa: FBT001 - a column of the table
) -> None:
    async with open_system() as system:
        group = await system.supervise("group", limit=RestartLimit(0, 1), restart=policy)
        puppet = await group.spawn(Puppet)
        with pytest.raises(ActorCrashed):
            await puppet.ask(Do(crash))
        await trio.testing.wait_all_tasks_blocked()
        assert (puppet.statistics().state == "running") is comes_back
        assert (system.tree().children != ()) is comes_back


async def test_children_that_were_added_later_come_back_with_a_supervisor_but_temporary_ones() -> (
    None
):
    async with open_system() as system:
        group = await system.supervise("group", limit=RestartLimit(1, 60))
        bomb = await group.spawn(Puppet, name="bomb")
        await crash_now(bomb)
        for policy in RestartPolicy:
            await group.spawn(Puppet, name=policy.value, options=ChildOptions(policy))
        await crash_now(bomb)
        names = [node.path for node in system.tree().children[0].children]
        assert names == ["/group/bomb", "/group/permanent", "/group/transient"]


async def test_a_job_that_completes_while_its_supervisor_gives_up_is_done() -> None:
    async with open_system() as system:
        group = await system.supervise("group", limit=RestartLimit(0, 60))
        bomb = await group.spawn(Puppet, name="bomb")
        job = ChildOptions(RestartPolicy.TRANSIENT)
        jobs = [await group.spawn(Puppet, options=job) for _ in range(20)]
        for ref in [bomb, *jobs]:
            await ref.tell(Order(crash if ref == bomb else finish))
        await trio.testing.wait_all_tasks_blocked()
        assert [node.path for node in system.tree().children[0].children] == ["/group/bomb"]


async def test_a_child_that_is_added_during_a_restart_of_its_group_starts_at_once(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        group = await system.supervise(
            "group", strategy=RestartStrategy.ONE_FOR_ALL, backoff=Backoff(5, 5, jitter=0)
        )
        first = await group.spawn(Puppet)
        await crash_now(first)
        added = await group.spawn(Puppet)
        assert (trio.current_time(), await added.ask(Do(returns(1)))) == (0, 1)
        await trio.sleep(6)
        assert await first.ask(Do(returns(1))) == 1
        assert added.statistics().restarts == 0


async def test_a_slow_first_start_holds_up_nobody_but_its_spawner(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        group = await system.supervise("group", strategy=RestartStrategy.REST_FOR_ONE)
        first = await group.spawn(Puppet)
        nursery.start_soon(group.spawn, Puppet, sleeps(10))
        await trio.sleep(1)
        await group.spawn(Puppet)
        await crash_now(await system.spawn(Puppet))
        assert await first.ask(Do(returns(1))) == 1
        assert trio.current_time() == 1


async def test_the_children_of_any_supervisor_stop_one_after_the_other(
    autojump_clock: MockClock,
) -> None:
    async def linger(puppet: Puppet, exit: Exit) -> None:
        await trio.sleep(1)

    async with open_system() as system:
        group = await system.supervise("group")
        for _ in range(10):
            await group.spawn(Puppet, nothing, linger)
        await group.stop()
        assert trio.current_time() == 10


async def test_without_grace_a_child_is_cancelled_at_once_and_still_cleans_up(
    autojump_clock: MockClock,
) -> None:
    ends = list[str]()

    async def work(_: Puppet) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ends.append("finally")

    async def on_stop(puppet: Puppet, exit: Exit) -> None:
        ends.append("stopped")

    async with open_system() as system:
        puppet = await system.spawn(Puppet, nothing, on_stop, options=ChildOptions(grace=0))
        await puppet.tell(Order(work))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.stop()
        assert (trio.current_time(), ends) == (0, ["finally", "stopped"])


async def test_a_grace_may_be_infinite(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=ChildOptions(grace=math.inf, cleanup=math.inf))
        await puppet.tell(Order(sleeps(10_000)))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.stop()
        assert trio.current_time() == 10_000


async def test_a_group_can_be_stopped_when_a_certain_child_has_ended() -> None:
    async with open_system() as system:
        group = await system.supervise("group")
        await group.spawn(Puppet)
        significant = await group.spawn(Puppet, options=ChildOptions(RestartPolicy.TRANSIENT))

        async with trio.open_nursery() as nursery, significant.watch() as watch:
            nursery.start_soon(significant.tell, Order(finish))
            await watch.wait()
            await group.stop()
        assert system.tree().children == ()


async def test_a_child_that_is_taken_along_does_not_count_nor_does_its_backoff_grow(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        group = await system.supervise(
            "group",
            strategy=RestartStrategy.ONE_FOR_ALL,
            limit=RestartLimit(3, 1_000),
            backoff=Backoff(1, 100, factor=10, jitter=0),
        )
        first, second = [await group.spawn(Puppet) for _ in range(2)]
        for ref, wait in ((first, 1), (first, 10), (second, 1)):
            await crash_now(ref)
            await trio.sleep(wait - 0.5)
            assert second.statistics().state == "restarting"
            await trio.sleep(1)
            assert second.statistics().state == "running"
        assert second.statistics().restarts == 3


async def test_a_restart_keeps_a_childs_place_in_the_order() -> None:
    async with open_system() as system:
        group = await system.supervise("group", strategy=RestartStrategy.REST_FOR_ONE)
        a, b, c = [await group.spawn(Puppet, name=name) for name in "abc"]
        await crash_now(a)
        await crash_now(b)
        assert [ref.statistics().restarts for ref in (a, b, c)] == [1, 2, 2]
