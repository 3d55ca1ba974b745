"""What has ended is freed at once, without the garbage collector, and nothing grows."""

from __future__ import annotations

import gc
import logging
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from puppet import Do, DoBeside, Feed, FeedBeside, Order, Puppet, crash, nothing, returns, sleeps

from runtime import (
    ActorCrashed,
    ActorRestarting,
    ChildOptions,
    RestartLimit,
    RestartPolicy,
    RuntimeFault,
    Sink,
    System,
    open_system,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from runtime import Ref


@pytest.fixture(autouse=True)
def crashes_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """For pytest keeps what is logged, and with it the errors and their actors."""
    caplog.set_level(logging.CRITICAL, "runtime")


@contextmanager
def no_collector() -> Generator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def objects_of_the_runtime() -> int:
    """Those of trio come and go: it keeps up to 1000 old deadlines."""
    return sum(str(type(o).__module__).startswith(("runtime", "puppet")) for o in gc.get_objects())


async def use(puppet: Ref[Puppet]) -> None:
    async def feeding(_: Puppet, out: Sink[int]) -> None:
        await out.send_many(range(10))

    async def busy(puppet: Puppet) -> None:
        puppet.start_soon(trio.sleep_forever)
        puppet.every(100, Order(nothing), key="key")
        await puppet.spawn(Puppet)

    await puppet.ask(Do(busy))
    await puppet.tell(Order(nothing))
    for ask in (Do, DoBeside):
        await puppet.ask(ask(returns(1)))
        with trio.move_on_after(0.001):
            await puppet.ask(ask(sleeps(100)))
    for stream in (Feed, FeedBeside):
        async with puppet.stream(stream(feeding)) as items:
            async for _ in items:
                break


async def spawned(
    system: System, actors: list[weakref.ref[Any]], options: ChildOptions | None = None
) -> Ref[Puppet]:
    async def on_start(puppet: Puppet) -> None:
        actors.append(weakref.ref(puppet))

    return await system.spawn(Puppet, on_start, options=options)


@pytest.mark.parametrize("how", [nothing, use])
async def test_an_actor_that_was_stopped_is_freed_although_its_ref_is_kept(how: Any) -> None:
    actors = list[weakref.ref[Any]]()
    with no_collector():
        async with open_system() as system:
            puppet = await spawned(system, actors)
            await how(puppet)
            await puppet.stop()
            await trio.testing.wait_all_tasks_blocked()
            assert [actor() for actor in actors] == [None]
            assert puppet.statistics().state == "ended"


async def test_an_actor_that_crashed_is_freed_with_its_error() -> None:
    actors = list[weakref.ref[Any]]()
    with no_collector():
        async with open_system() as system:
            puppet = await spawned(system, actors)
            await use(puppet)
            with suppress(ActorCrashed):
                await puppet.ask(Do(crash))
            await trio.testing.wait_all_tasks_blocked()
            assert len(actors) == 2
            assert actors[0]() is None
            assert actors[1]() is not None


async def test_a_restart_that_failed_is_freed_with_its_error() -> None:
    actors = list[weakref.ref[Any]]()

    async def fail_once(_: object) -> None:
        if len(actors) == 2:
            raise OSError

    def make() -> Puppet:
        puppet = Puppet(fail_once)
        actors.append(weakref.ref(puppet))
        return puppet

    with no_collector():
        async with open_system() as system:
            puppet = await system.spawn(make)
            with suppress(ActorCrashed):
                await puppet.ask(Do(crash))
            await trio.testing.wait_all_tasks_blocked()
            assert [actor() is not None for actor in actors] == [False, False, True]


async def test_a_system_that_was_left_keeps_nothing_alive() -> None:
    actors = list[weakref.ref[Any]]()
    with no_collector():
        async with open_system() as system:
            for _ in range(3):
                await use(await spawned(system, actors))
        assert [actor() for actor in actors] == [None] * 3


async def test_actors_that_tell_each_other_for_ever_do_not_grow() -> None:
    """A message does not hold on to the message in whose turn it was sent."""
    left = 0

    async with open_system() as system:
        a, b = await system.spawn(Puppet), await system.spawn(Puppet)

        def order(to: Ref[Puppet], back: Ref[Puppet]) -> Order:
            async def work(_: Puppet) -> None:
                nonlocal left
                left -= 1
                if left > 0:
                    await to.tell(order(back, to))

            return Order(work)

        with no_collector():
            counts = list[int]()
            for _ in range(3):
                left = 300
                await a.tell(order(b, a))
                await trio.testing.wait_all_tasks_blocked()
                counts.append(objects_of_the_runtime())
        assert counts[1] == counts[2]


async def test_crashes_and_restarts_do_not_grow() -> None:
    async with open_system() as system:
        group = await system.supervise("group", limit=RestartLimit(10**9, 1.0))
        puppet = await group.spawn(Puppet)

        async def cycles(count: int) -> int:
            for _ in range(count):
                try:
                    await puppet.ask(Do(crash))
                except ActorCrashed:
                    await restarted(puppet)
            gc.collect()
            return objects_of_the_runtime()

        before = await cycles(100)
        after = await cycles(500)
        assert puppet.statistics().restarts == 600
    assert after < before + 50


async def restarted(puppet: Ref[Puppet]) -> None:
    while True:
        try:
            await puppet.ask(Do(nothing))
        except ActorRestarting:
            await trio.lowlevel.checkpoint()
        else:
            return


async def test_stopped_children_leave_no_trace_in_their_supervisor() -> None:
    once = ChildOptions(restart=RestartPolicy.TEMPORARY)
    async with open_system() as system:

        async def cycles(count: int) -> int:
            for number in range(count):
                puppet = await system.spawn(Puppet, options=once)
                if number % 2:
                    await puppet.stop()
                else:
                    with pytest.raises(RuntimeFault):
                        await puppet.ask(Do(crash))
            gc.collect()
            return objects_of_the_runtime()

        before = await cycles(20)
        assert await cycles(100) < before + 50  # half an object for each


@pytest.mark.parametrize("kind", [Do, DoBeside])
async def test_an_idle_actor_does_not_keep_the_last_message(kind: type[Any]) -> None:
    class Weighty:
        """What a message carries."""

        async def __call__(self, _: Puppet) -> None: ...

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with no_collector():
            weight = Weighty()
            seen = weakref.ref(weight)
            await puppet.ask(kind(weight))
            del weight
            await trio.testing.wait_all_tasks_blocked()
            assert seen() is None
