"""Supervisors in awkward moments: an error or an end where it is least expected."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
from puppet import (
    Do,
    DoBeside,
    Feed,
    FeedBeside,
    Heard,
    Order,
    Puppet,
    Work,
    alarm,
    crash,
    nothing,
    returns,
)

from runtime import (
    ActorCrashed,
    AskCycle,
    Backoff,
    Crashed,
    Ref,
    Restarted,
    RestartLimit,
    RestartStrategy,
    RuntimeFault,
    Sink,
    Spawned,
    Stopped,
    Supervisor,
    System,
    open_system,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

NEVER = RestartLimit(10**9)


async def crashed(puppet: Ref[Puppet]) -> None:
    with pytest.raises(ActorCrashed):
        await puppet.ask(Do(crash))


async def test_nobody_is_started_before_those_in_front_who_wait_longer(
    autojump_clock: MockClock,
) -> None:
    starts = list[tuple[str, float]]()

    def noting(name: str) -> Work:
        async def on_start(_: Puppet) -> None:
            starts.append((name, trio.current_time()))

        return on_start

    async with open_system() as system:
        group = await system.supervise(
            "group", strategy=RestartStrategy.REST_FOR_ONE, limit=NEVER, backoff=Backoff(1, 8, 2, 0)
        )
        first = await group.spawn(Puppet, noting("first"))
        for _ in range(2):
            await crashed(first)
            await trio.sleep(3)
        await crashed(first)  # at 6 s: the next wait is 4 s
        later = await group.spawn(Puppet, noting("later"))
        await crashed(later)  # its own first wait would be 1 s
        await trio.sleep(10)
    assert starts[-3:] == [("later", 6), ("first", 10), ("later", 10)]


async def kept_cancel() -> trio.Cancelled:
    """A cancel that somebody has kept, as a cache of failures would."""
    kept = list[trio.Cancelled]()
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            kept.append(cancelled)
            raise
    return kept[0]


@pytest.mark.parametrize(
    "where", ["handler", "beside", "background", "stopped", "restart", "factory"]
)
def test_a_cancel_that_was_kept_and_raised_elsewhere_crashes_the_actor(where: str) -> None:
    heard = Heard()

    async def main() -> str:
        async with open_system() as system, trio.open_nursery() as nursery:
            nursery.start_soon(heard.listen, system)
            await raise_kept_cancel(where, system)
            nursery.cancel_scope.cancel()
        return "done"

    assert trio.run(main) == "done"  # pytest's own run would take the cancel for its own
    error = heard.of(Crashed)[-1].error
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, trio.Cancelled)
    assert heard.of(Restarted)


async def raise_kept_cancel(where: str, system: System) -> None:
    cancelled = await kept_cancel()
    lives = 0

    async def raise_it(*_: object) -> None:
        raise cancelled

    async def in_the_background(puppet: Puppet) -> None:
        puppet.start_soon(raise_it)

    async def raise_at_restart(_: object) -> None:
        if where == "restart" and lives == 2:
            raise cancelled

    def factory() -> Puppet:
        nonlocal lives
        lives += 1
        if where == "factory" and lives == 2:
            raise cancelled
        return Puppet(raise_at_restart, raise_it if where == "stopped" and lives == 1 else nothing)

    messages = {"handler": Do(raise_it), "beside": DoBeside(raise_it)}
    messages |= {"background": Do(in_the_background)}
    puppet = await system.spawn(factory)
    await trio.testing.wait_all_tasks_blocked()
    with suppress(ActorCrashed):
        await puppet.ask(messages.get(where, Do(crash)))
    await trio.testing.wait_all_tasks_blocked()
    assert await puppet.ask(Do(returns("back"))) == "back"


class Insider:
    """Ways in which an actor of a group, or somebody that it waits for, stops the group."""

    def __init__(self, group: Supervisor, other: Ref[Puppet], *, now: bool) -> None:
        self._group = group
        self._other = other
        self._now = now
        self.reached = list[str]()

    async def stop(self, _: object, __: object = None) -> None:
        self.reached.append("before")
        with suppress(AskCycle):
            await self._group.stop(now=self._now)
            self.reached.append("after")

    async def in_the_background(self, puppet: Puppet) -> None:
        puppet.start_soon(self.stop, puppet)
        await trio.sleep(1)

    async def through_another(self, _: Puppet) -> None:
        await self._other.ask(Do(self.stop))

    async def through_another_in_the_background(self, puppet: Puppet) -> None:
        puppet.start_soon(self.through_another, puppet)
        await trio.sleep(1)

    async def through_a_stream(self, _: Puppet) -> None:
        async with self._other.stream(Feed(self.stop)) as items:
            await items.take_many()

    async def through_a_child(self, puppet: Puppet) -> None:
        child = await puppet.spawn(Puppet)
        await child.ask(Do(self.stop))

    async def through_a_system(self, _: Puppet) -> None:
        async with open_system() as system:
            puppet = await system.spawn(Puppet)
            await puppet.tell(Order(self.stop))
            await trio.sleep(1)

    async def through_a_system_of_another(self, _: Puppet) -> None:
        await self._other.ask(Do(self.through_a_system))


@pytest.mark.parametrize("now", [False, True])
@pytest.mark.parametrize(
    "way",
    [
        Insider.stop,
        Insider.in_the_background,
        Insider.through_another,
        Insider.through_another_in_the_background,
        Insider.through_a_stream,
        Insider.through_a_child,
        Insider.through_a_system,
        Insider.through_a_system_of_another,
    ],
)
@pytest.mark.parametrize("kind", [Do, DoBeside])
async def test_whoever_stops_the_group_that_waits_for_it_is_cancelled_or_refused(
    kind: type[Do | DoBeside],
    way: Callable[[Insider, Puppet], Awaitable[None]],
    now: bool,  # noqa: FBT001 - a parameter of the test
    autojump_clock: MockClock,
) -> None:
    with alarm():
        async with open_system() as system:
            group = await system.supervise("group")
            puppet, sibling = await group.spawn(Puppet), await group.spawn(Puppet)
            insider = Insider(group, await system.spawn(Puppet), now=now)
            with suppress(RuntimeFault):
                await puppet.ask(kind(partial(way, insider)))
            await trio.sleep(10)
            states = {each.statistics().state for each in (puppet, sibling)}
            assert states == {"ended"} if now else {"running", "ended"} >= states
        assert insider.reached == ["before"]


@pytest.mark.parametrize("is_in_an_actor", [False, True])
async def test_a_stop_that_is_cancelled_has_done_its_work_unless_an_actor_called_it(
    is_in_an_actor: bool,  # noqa: FBT001 - a parameter of the test
    autojump_clock: MockClock,
) -> None:
    async def last_words(_: object, __: object) -> None:
        await trio.sleep(3)

    async with open_system() as system:
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet, nothing, last_words)
        stopper = await system.spawn(Puppet)
        async with stopper.stream(Feed(nothing)) as items:  # a reader is still an outsider
            await items.take_many()
        with trio.move_on_after(1):
            if is_in_an_actor:
                await stopper.ask(Do(lambda _: group.stop()))
            else:
                await group.stop()
        state, now = puppet.statistics().state, trio.current_time()
        assert (state, now) == (("stopping", 1) if is_in_an_actor else ("ended", 3))
        await group.stop()
        assert (puppet.statistics().state, trio.current_time()) == ("ended", 3)


async def test_groups_that_stop_each_other_come_to_an_end(autojump_clock: MockClock) -> None:
    async def stop_when_stopped(puppet: Puppet, _: object) -> None:
        await groups[puppets[0] == puppet.ref].stop(now=True)

    with alarm():
        async with open_system() as system:
            groups = [await system.supervise(name) for name in ("first", "second")]
            puppets = [await group.spawn(Puppet, nothing, stop_when_stopped) for group in groups]
            for puppet in puppets:
                await puppet.tell(Order(lambda p: groups[puppets[0] == p.ref].stop(now=True)))
            for puppet in puppets:
                async with puppet.watch() as watch:
                    await watch.wait()


async def test_what_never_came_up_does_not_stop() -> None:
    heard = Heard()

    async def add_to(group: Supervisor) -> None:
        with suppress(RuntimeFault):
            await group.supervise("below")

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(40):  # in trio's random order of tasks
            group = await system.supervise(f"group-{number}")
            nursery.start_soon(group.stop)
            nursery.start_soon(add_to, group)
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert {fact.path for fact in heard.of(Stopped)} == {fact.path for fact in heard.of(Spawned)}


async def test_a_cancelled_stop_does_not_wait_for_who_will_wait_for_it(
    autojump_clock: MockClock,
) -> None:
    """It is cancelled while its reader, who is in the group, does not wait for it yet."""

    async def read_and_be_slow(_: Puppet) -> None:
        async with stopper.stream(FeedBeside(stop_group)) as items:
            await anext(items)
            with trio.CancelScope(shield=True):
                await trio.sleep(5)

    async def stop_group(_: Puppet, out: Sink[str]) -> None:
        await out.send("begin")
        await group.stop(now=True)

    with alarm():
        async with open_system() as system:
            group = await system.supervise("group")
            reader, stopper = await group.spawn(Puppet), await system.spawn(Puppet)
            await reader.tell(Order(read_and_be_slow))
            await trio.sleep(1)
            await stopper.kill()
            assert trio.current_time() == 1
            await group.stop()
        assert trio.current_time() == 5
