"""An actor that is told of the end of another, or that shares it."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from puppet import Do, Heard, Order, Puppet, crash, crash_now, does, nothing, returns, sleeps

from runtime import (
    Actor,
    ActorStopped,
    ChildOptions,
    Crashed,
    DeadLetter,
    Exit,
    LinkBroken,
    MailboxOptions,
    Overflow,
    Ref,
    RestartLimit,
    RestartPolicy,
    Stopped,
    System,
    Tell,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock

ONCE = ChildOptions(restart=RestartPolicy.TEMPORARY)


class Observer: ...


@attrs.frozen
class Look(Tell[Observer]):
    """Watch these, each with a name."""

    refs: dict[str, Ref[Any]]


@attrs.frozen
class Gone(Tell[Observer]):
    name: str
    exit: Exit


@attrs.frozen
class Wait(Tell[Observer]):
    seconds: float


class Lookout(Actor, Observer):
    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen

    @Look.handles
    async def look(self, message: Look) -> None:
        for name, ref in message.refs.items():
            self.watch(ref, lambda how, name=name: Gone(name, how))

    @Gone.handles
    async def gone(self, message: Gone) -> None:
        self.seen.append((message.name, message.exit))

    @Wait.handles
    async def wait(self, message: Wait) -> None:
        await trio.sleep(message.seconds)
        self.seen.append(message.seconds)


async def watching(system: System, refs: dict[str, Ref[Any]], **options: Any) -> tuple[Any, Any]:
    """An actor that watches them, and the list of what it has seen."""
    seen = list[Any]()
    lookout = await system.spawn(Lookout, seen, options=ChildOptions(**options))
    await lookout.tell(Look(refs))
    await trio.testing.wait_all_tasks_blocked()
    return lookout, seen


async def finish(puppet: Puppet) -> None:
    puppet.stop()


@pytest.mark.parametrize(
    ("work", "exit"), [(finish, Exit.COMPLETED), (crash, Exit.FAILED), (None, Exit.STOPPED)]
)
async def test_an_end_is_told_once_with_how_it_came(
    work: Any, exit: Exit, autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=ONCE)
        _, seen = await watching(system, {"it": puppet})
        if work is None:
            await puppet.stop()
        else:
            await puppet.tell(Order(work))
        await trio.sleep(1)
        assert seen == [("it", exit)]


async def test_an_actor_that_is_gone_already_is_told_of_as_well() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.stop()
        _, seen = await watching(system, {"it": puppet})
        assert seen == [("it", Exit.STOPPED)]


async def test_a_restart_is_no_end(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        _, seen = await watching(system, {"it": puppet})
        await crash_now(puppet)
        await trio.sleep(1)
        assert seen == []


@pytest.mark.parametrize("overflow", [Overflow.FAIL, Overflow.BLOCK, Overflow.DROP_OLDEST])
async def test_a_notice_overtakes_what_is_queued_and_needs_no_room(
    overflow: Overflow, autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        puppets = [await system.spawn(Puppet) for _ in range(3)]
        refs = {str(number): puppet for number, puppet in enumerate(puppets)}
        lookout, seen = await watching(system, refs, mailbox=MailboxOptions(2, overflow))
        await lookout.tell(Wait(1))
        await trio.testing.wait_all_tasks_blocked()
        await lookout.tell(Wait(2))
        await lookout.tell(Wait(3))
        for puppet in reversed(puppets):
            await puppet.stop()
        await trio.sleep(10)
        gone = [(str(number), Exit.STOPPED) for number in (2, 1, 0)]
        assert seen == [1, *gone, 2, 3]


async def test_ends_of_one_moment_are_told_in_their_order(autojump_clock: MockClock) -> None:
    heard = Heard()
    for _ in range(10):  # trio draws the order in which tasks run
        async with open_system() as system, trio.open_nursery() as nursery:
            nursery.start_soon(heard.listen, system)
            group = await system.supervise(
                "group", limit=RestartLimit(0, 1), restart=RestartPolicy.TEMPORARY
            )
            puppets = {f"/group/{name}": await group.spawn(Puppet, name=name) for name in "abcd"}
            _, seen = await watching(system, puppets)
            await puppets["/group/b"].tell(Order(crash))
            await trio.sleep(1)
            assert len(seen) == 4
            stops = [(fact.path, fact.exit) for fact in heard.of(Stopped) if fact.path in puppets]
            assert seen == stops
            heard.facts.clear()
            nursery.cancel_scope.cancel()


async def test_one_actor_may_be_watched_more_than_once() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        lookout, seen = await watching(system, {"a": puppet, "b": puppet})
        await puppet.stop()
        await lookout.tell(Wait(0))
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(seen[:2]) == [("a", Exit.STOPPED), ("b", Exit.STOPPED)]


@pytest.mark.parametrize("keep_mailbox", [False, True])
async def test_a_watch_ends_with_its_incarnation_and_so_does_a_notice_that_waits(
    keep_mailbox: bool,  # noqa: FBT001 - a parameter
    autojump_clock: MockClock,
) -> None:
    heard, seen = Heard(), list[Exit]()

    async def tell_exit(puppet: Puppet, ref: Ref[Puppet]) -> None:
        def notice(exit: Exit) -> Order:
            async def work(_: Puppet) -> None:
                seen.append(exit)

            return Order(work)

        puppet.watch(ref, notice)

    async def crash_late(_: Puppet) -> None:
        await trio.sleep(1)
        raise ValueError

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        options = ChildOptions(keep_mailbox=keep_mailbox)
        watcher = await system.spawn(Puppet, options=options)
        now, later = await system.spawn(Puppet), await system.spawn(Puppet)
        for ref in (now, later):
            await watcher.ask(Do(lambda p, ref=ref: tell_exit(p, ref)))
        await watcher.tell(Order(crash_late))
        await trio.testing.wait_all_tasks_blocked()
        await now.stop()
        await trio.sleep(2)
        await later.stop()
        await trio.sleep(2)
        assert (watcher.statistics().restarts, watcher.statistics().queued) == (1, 0)
        nursery.cancel_scope.cancel()
    assert (seen, heard.of(DeadLetter)) == ([], [])


async def test_a_thousand_watchers_leave_nothing_at_the_one_they_watch() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await one_watcher(system, puppet)
        before = objects_of_the_runtime()
        for _ in range(1_000):
            await one_watcher(system, puppet)
        assert objects_of_the_runtime() - before < 10


def objects_of_the_runtime() -> int:
    gc.collect()
    return sum(str(type(o).__module__).startswith(("runtime", "puppet")) for o in gc.get_objects())


async def one_watcher(system: System, puppet: Ref[Puppet]) -> None:
    watcher = await system.spawn(Puppet, name="watcher")
    await watcher.ask(does(lambda p: p.watch(puppet, lambda _: Order(nothing))))
    await watcher.ask(does(lambda p: p.link(puppet)))
    await watcher.stop()


async def test_a_notice_that_is_no_message_of_the_actor_crashes_it(
    autojump_clock: MockClock,
) -> None:
    def strange(exit: Exit) -> Any:
        return Gone("it", exit)

    def no_tell(exit: Exit) -> Any:
        return Do(nothing)

    def broken(exit: Exit) -> Any:
        raise KeyError("notice")

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        gone = await system.spawn(Puppet)
        await gone.stop()
        for notice in (strange, no_tell, broken):
            watcher = await system.spawn(Puppet)
            await watcher.ask(does(lambda p, notice=notice: p.watch(gone, notice)))
            await trio.sleep(1)
            assert watcher.statistics().restarts == 1
            assert await watcher.ask(Do(returns(1))) == 1
        nursery.cancel_scope.cancel()
    no_handler, kind, key = [str(fact.error) for fact in heard.of(Crashed)]
    assert "no handler for Gone" in no_handler
    assert "Do is sent with `ref.ask(...)`" in kind
    assert "notice" in key


async def test_nobody_watches_or_links_itself() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        for call in ("watch", "link"):

            def attempt(p: Puppet, call: str = call) -> None:
                with pytest.raises(ValueError, match="`stopped`"):
                    p.watch(p.ref, lambda _: Order(nothing)) if call == "watch" else p.link(p.ref)

            await puppet.ask(does(attempt))


async def test_who_ends_watches_nobody_any_more() -> None:
    refusals = list[str]()
    async with open_system() as system:
        other = await system.spawn(Puppet)

        async def on_stop(puppet: Puppet, _: Exit) -> None:
            with pytest.raises(ActorStopped) as watching:
                puppet.watch(other, lambda _: Order(nothing))
            with pytest.raises(ActorStopped) as linking:
                puppet.link(other)
            refusals.extend(str(caught.value) for caught in (watching, linking))

        watcher = await system.spawn(Puppet, nothing, on_stop)
        await watcher.ask(does(lambda p: p.watch(other, lambda _: Order(nothing))))
        await watcher.stop()
    assert ["is ending" in refusal for refusal in refusals] == [True, True]


async def test_a_notice_can_be_put_aside(autojump_clock: MockClock) -> None:
    seen = list[str]()
    is_open = False

    async def work(puppet: Puppet) -> None:
        if not is_open:
            return puppet.stash()
        return seen.append("gone")

    async with open_system() as system:
        watcher, gone = await system.spawn(Puppet), await system.spawn(Puppet)
        await watcher.ask(does(lambda p: p.watch(gone, lambda _: Order(work))))
        await gone.stop()
        await watcher.ask(Do(sleeps(1)))
        is_open = True
        await watcher.ask(does(lambda p: p.unstash()))
        await watcher.ask(Do(nothing))
    assert seen == ["gone"]


async def test_cancelled_anywhere_watches_and_links_leave_nothing() -> None:
    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            a, b = await system.spawn(Puppet), await system.spawn(Puppet)
            _, seen = await watching(system, {"a": a, "b": b})
            linked = await system.spawn(Puppet, options=ONCE)
            await linked.ask(does(lambda p: p.link(a)))
            await a.stop()
            await b.kill()
            async with linked.watch() as watch:
                assert await watch.wait() is Exit.FAILED
                assert isinstance(watch.error, LinkBroken)
            assert seen == [("a", Exit.STOPPED), ("b", Exit.STOPPED)]

    await cancel_everywhere(scenario)
