"""Partitions: supervisors side by side; trouble in one of them is no trouble for another."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from puppet import Do, Heard, Puppet, crash_now, nothing, returns, sleeps

from runtime import (
    ActorRestarting,
    ActorStopped,
    Backoff,
    GaveUp,
    Partitions,
    Ref,
    RestartLimit,
    RestartStrategy,
    Supervisor,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock


async def crash_often(times: int, ref: Ref[Puppet]) -> None:
    for _ in range(times):
        await crash_now(ref)


def two_keys_apart(partitions: Partitions) -> tuple[Supervisor, Supervisor]:
    """The partitions of two keys that do not share one."""
    one = partitions.supervisor_for(0)
    others = (partitions.supervisor_for(key) for key in range(1, 100))
    return one, next(other for other in others if other is not one)


async def test_a_key_has_the_same_partition_always_and_all_partitions_are_used() -> None:
    async with open_system() as system:
        partitions = await system.partition("users", 4)
        found = [partitions.supervisor_for(f"user-{number}") for number in range(100)]
        assert found == [partitions.supervisor_for(f"user-{number}") for number in range(100)]
        assert set(found) == set(partitions.supervisors)
        assert partitions.supervisor_for(("a", 1)) in partitions.supervisors


async def test_the_partitions_stand_in_the_tree_with_their_children() -> None:
    async with open_system() as system:
        partitions = await system.partition("users", 2, strategy=RestartStrategy.ONE_FOR_ALL)
        ref = await partitions.supervisor_for("ada").spawn(Puppet, name="ada")
        (node,) = system.tree().children
        assert node.path == partitions.path == "/users"
        assert [(child.path, child.kind) for child in node.children] == [
            ("/users/partition-1", "one_for_all"),
            ("/users/partition-2", "one_for_all"),
        ]
        assert ref.path in {f"/users/partition-{number}/ada" for number in (1, 2)}
        assert repr(partitions) == "<Partitions /users of 2>"


async def test_a_partition_that_gives_up_is_restarted_and_the_others_do_not_notice(
    autojump_clock: MockClock,
) -> None:
    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        await trio.testing.wait_all_tasks_blocked()
        partitions = await system.partition("users", 8, limit=RestartLimit(1, 5))
        wild, calm = two_keys_apart(partitions)
        wild_one, neighbour = [await wild.spawn(Puppet) for _ in range(2)]
        calm_one = await calm.spawn(Puppet)

        await crash_often(2, wild_one)
        assert [fact.path for fact in heard.of(GaveUp)] == [wild.path]
        with pytest.raises(ActorRestarting):
            await neighbour.ask(Do(nothing))
        with pytest.raises(ActorRestarting, match="it starts no children"):
            await wild.spawn(Puppet)
        assert await calm_one.ask(Do(returns(1))) == 1
        await calm.spawn(Puppet)

        await trio.sleep(1)
        assert await wild_one.ask(Do(returns(2))) == 2
        assert await neighbour.ask(Do(returns(3))) == 3
        assert neighbour.statistics().restarts == 1
        assert calm_one.statistics().restarts == 0
        nursery.cancel_scope.cancel()


async def test_a_partition_that_gives_up_again_and_again_never_ends_the_others(
    autojump_clock: MockClock,
) -> None:
    heard = Heard()

    async def crash_loop(ref: Ref[Puppet]) -> None:
        while True:
            if ref.statistics().state == "running":
                await crash_now(ref)
            await trio.sleep(0.01)

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        await trio.testing.wait_all_tasks_blocked()
        partitions = await system.partition("users", 4, limit=RestartLimit(0))
        wild, calm = two_keys_apart(partitions)
        calm_one = await calm.spawn(Puppet)
        nursery.start_soon(crash_loop, await wild.spawn(Puppet))
        await trio.sleep(60)
        assert len(heard.of(GaveUp)) > 8
        assert {fact.path for fact in heard.of(GaveUp)} == {wild.path}
        assert calm_one.statistics().restarts == 0
        assert await calm_one.ask(Do(returns(1))) == 1
        nursery.cancel_scope.cancel()


async def test_a_slow_start_in_one_partition_delays_no_restart_in_another(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        partitions = await system.partition("users", 4)
        slow, quick = two_keys_apart(partitions)
        slow_one = await slow.spawn(Puppet, sleeps(10))
        beside_slow = await slow.spawn(Puppet)
        quick_one = await quick.spawn(Puppet)
        for ref in (slow_one, beside_slow, quick_one):
            await crash_now(ref)
        began = trio.current_time()
        assert await quick_one.ask(Do(returns(1))) == 1
        assert await beside_slow.ask(Do(returns(1))) == 1  # nor in its own, one for one
        assert trio.current_time() == began


async def test_every_partition_has_the_limit_and_the_backoff_that_were_given(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        partitions = await system.partition(
            "users", 2, limit=RestartLimit(2), backoff=Backoff(3, 3, jitter=0)
        )
        for supervisor in partitions.supervisors:
            ref = await supervisor.spawn(Puppet)
            await crash_now(ref)
            assert ref.statistics().state == "restarting"
            await trio.sleep(2.5)
            assert ref.statistics().state == "restarting"
            await trio.sleep(1)
            assert ref.statistics().state == "running"


async def test_stopping_the_partitions_stops_all_that_is_in_them() -> None:
    async with open_system() as system:
        partitions = await system.partition("users", 3)
        refs = [await supervisor.spawn(Puppet) for supervisor in partitions.supervisors]
        await partitions.stop()
        assert [ref.statistics().state for ref in refs] == ["ended"] * 3
        assert system.tree().children == ()
        with pytest.raises(ActorStopped):
            await partitions.supervisor_for("ada").spawn(Puppet)


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        ({"count": 0}, ValueError, "count must be 1 or more partitions, not 0"),
        ({"strategy": "all"}, TypeError, "strategy must be a RestartStrategy"),
        ({"name": "a/b"}, ValueError, "has no '/'"),
    ],
)
async def test_what_makes_no_partitions_is_refused_and_leaves_nothing(
    wrong: dict[str, Any], error: type[Exception], match: str
) -> None:
    arguments: dict[str, Any] = {"name": "users", "count": 2, **wrong}
    async with open_system() as system:
        with pytest.raises(error, match=match):
            await system.partition(**arguments)
        assert system.tree().children == ()


async def test_what_cannot_be_a_key_is_refused() -> None:
    async with open_system() as system:
        partitions = await system.partition("users", 2)
        with pytest.raises(TypeError, match="a key is text, bytes, an integer or a tuple"):
            partitions.supervisor_for(1.5)  # type: ignore[arg-type]


async def test_partitions_survive_a_cancel_at_every_checkpoint() -> None:
    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            try:
                partitions = await system.partition("users", 2)
            except trio.Cancelled:
                assert system.tree().children == ()
                raise
            ref = await partitions.supervisor_for("ada").spawn(Puppet)
            assert await ref.ask(Do(returns(1))) == 1
            await partitions.stop()

    assert await cancel_everywhere(scenario) > 20
