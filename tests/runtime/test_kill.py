"""`ref.kill()`: the actor is cancelled at once and for good, and has ended when it returns."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from puppet import (
    Do,
    DoBeside,
    Feed,
    Heard,
    Order,
    Puppet,
    Refused,
    alarm,
    crash,
    crash_now,
    does,
    nothing,
    outcome_of,
    returns,
    sleeps,
)

from runtime import (
    ActorCrashed,
    ActorStopped,
    Backoff,
    ChildOptions,
    Crashed,
    DeadLetter,
    Exit,
    Overdue,
    Ref,
    Restarted,
    RestartPolicy,
    RuntimeFault,
    Sink,
    Stopped,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock


@pytest.mark.parametrize("kind", [Do, DoBeside])
async def test_what_is_handled_is_cancelled_without_grace_and_what_is_queued_never_starts(
    kind: Any, autojump_clock: MockClock
) -> None:
    reasons, handled, queued, heard = list[Any](), list[Any](), list[Any](), Heard()

    async def work(_: Puppet) -> None:
        try:
            await trio.sleep(100)
        except trio.Cancelled as error:
            reasons.append(error.reason)
            raise

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet, name="p", options=ChildOptions(grace=50))
        nursery.start_soon(outcome_of, puppet, kind(work), handled)
        await trio.testing.wait_all_tasks_blocked()
        await puppet.tell(Order(sleeps(100)))
        tell, ask = Order(nothing), Do(nothing)
        await puppet.tell(tell)
        nursery.start_soon(outcome_of, puppet, ask, queued)
        await trio.testing.wait_all_tasks_blocked()

        await puppet.kill()
        assert trio.current_time() == 0
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert reasons == ["its supervisor stops it" if kind is Do else "the actor ends"]
    assert (handled[0].started, handled[0].message) == (True, None)
    assert (queued[0].started, queued[0].message) == (False, ask)
    assert {type(error) for error in (*handled, *queued)} == {ActorStopped}
    assert tell in [fact.message for fact in heard.of(DeadLetter)]
    assert heard.of(Stopped) == [Stopped("/p", Exit.STOPPED)]
    assert heard.of(Crashed) == []


async def test_statistics_and_further_messages_say_that_it_has_ended() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet, name="p")
        await puppet.ask(Do(nothing))
        await puppet.kill()
        statistics = puppet.statistics()
        assert (statistics.state, statistics.handled, statistics.restarts) == ("ended", 1, 0)
        assert (statistics.queued, statistics.handling, statistics.since) == (0, (), None)
        assert repr(puppet) == "<Ref /p ended>"
        assert system.whereis("/p", Puppet) is None
        with pytest.raises(ActorStopped):
            await puppet.ask(Do(nothing))
        assert await system.spawn(Puppet, name="p") != puppet  # the name is free again


async def test_a_kill_cuts_the_grace_of_a_stop_short(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=ChildOptions(grace=50))
        await puppet.tell(Order(sleeps(100)))
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(puppet.stop)
            await trio.sleep(1)
            assert puppet.statistics().state == "stopping"
            await puppet.kill()
        assert trio.current_time() == 1


async def test_twice_is_as_good_as_once(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(sleeps(100)))
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(puppet.kill)
        await puppet.kill()
        assert puppet.statistics().state == "ended"


async def test_what_stopped_does_still_runs_within_its_cleanup(
    autojump_clock: MockClock,
) -> None:
    exits, heard = list[Exit](), Heard()

    async def on_stop(_: Puppet, exit: Exit) -> None:
        await trio.sleep(1)
        exits.append(exit)
        await trio.sleep(100)

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet, nothing, on_stop, options=ChildOptions(cleanup=3))
        await puppet.kill()
        assert trio.current_time() == 3
        nursery.cancel_scope.cancel()
    assert exits == [Exit.STOPPED]


async def test_one_that_shields_itself_is_waited_for_and_reported(
    autojump_clock: MockClock,
) -> None:
    heard = Heard()

    async def shielded(_: Puppet) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(10)

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet, name="p", options=ChildOptions(cleanup=3))
        await puppet.tell(Order(shielded))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.kill()
        assert trio.current_time() == 10
        nursery.cancel_scope.cancel()
    assert heard.of(Overdue) == [Overdue("/p", 3)]


async def test_children_and_tasks_beside_end_with_it_children_in_reverse(
    autojump_clock: MockClock,
) -> None:
    ended = list[str]()

    def noting(name: str) -> Any:
        async def on_stop(_: Puppet, exit: Exit) -> None:
            ended.append(f"{name} {exit.value}")

        return on_stop

    async def task() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("task")

    async def family(puppet: Puppet) -> None:
        puppet.start_soon(task)
        for name in ("first", "second"):
            child = await puppet.spawn(Puppet, nothing, noting(name), name=name)
            await child.tell(Order(sleeps(100)))

    async with open_system() as system:
        puppet = await system.spawn(Puppet, nothing, noting("parent"))
        await puppet.ask(Do(family))
        await puppet.kill()
        assert trio.current_time() == 0
    assert ended == ["task", "second stopped", "first stopped", "parent stopped"]


async def test_a_start_can_be_killed(autojump_clock: MockClock) -> None:
    errors = list[BaseException]()
    async with open_system() as system:

        async def spawn() -> None:
            with pytest.raises(ActorStopped) as caught:
                await system.spawn(Puppet, sleeps(100), name="p")
            errors.append(caught.value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(spawn)
            await trio.testing.wait_all_tasks_blocked()
            puppet = system.whereis("/p", Puppet)
            assert puppet is not None
            await puppet.kill()
        assert "before it had started" in str(errors[0])
        assert system.tree().children == ()


@pytest.mark.parametrize("is_starting", [False, True])
async def test_one_between_two_lives_gets_no_other(
    is_starting: bool,  # noqa: FBT001 - a parameter
    autojump_clock: MockClock,
) -> None:
    starts, heard = list[float](), Heard()

    async def on_start(_: Puppet) -> None:
        starts.append(trio.current_time())
        if len(starts) > 1:
            await trio.sleep(100)

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        backoff = None if is_starting else Backoff(10, 10, jitter=0)
        group = await system.supervise("group", backoff=backoff)
        puppet = await group.spawn(Puppet, on_start, name="p")
        await crash_now(puppet)
        assert puppet.statistics().state == ("starting" if is_starting else "restarting")
        await puppet.kill()
        assert (puppet.statistics().state, trio.current_time()) == ("ended", 0)
        await trio.sleep(50)
        nursery.cancel_scope.cancel()
    assert len(starts) == 1 + is_starting
    assert heard.of(Restarted) == []
    assert Stopped("/group/p", Exit.STOPPED) in heard.of(Stopped)


@pytest.mark.parametrize("policy", RestartPolicy)
async def test_it_is_not_started_again_whatever_its_policy(
    policy: RestartPolicy, autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=ChildOptions(restart=policy))
        await puppet.kill()
        await trio.sleep(10)
        assert (puppet.statistics().state, system.tree().children) == ("ended", ())


@pytest.mark.parametrize("kind", [Do, DoBeside])
async def test_a_handler_that_kills_its_own_actor_is_cancelled_there(
    kind: type[Any], autojump_clock: MockClock
) -> None:
    reached = list[str]()

    async def kill_oneself(puppet: Puppet) -> None:
        reached.append("before")
        await puppet.ref.kill()
        reached.append("after")

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with pytest.raises(ActorStopped) as caught:
            await puppet.ask(kind(kill_oneself))
        assert caught.value.started
        async with puppet.watch() as watch:  # who asked a turn beside resumes a step before that
            assert await watch.wait() is Exit.STOPPED
    assert reached == ["before"]


async def test_whoever_kills_an_actor_that_waits_for_it_is_cancelled_with_its_handler(
    autojump_clock: MockClock,
) -> None:
    async def kill_a(_: Puppet) -> None:
        await a.kill()

    async with open_system() as system:
        a, b = await system.spawn(Puppet, name="a"), await system.spawn(Puppet, name="b")
        with pytest.raises(ActorStopped):
            await a.ask(Do(lambda _: b.ask(Do(kill_a))))
        assert [ref.statistics().state for ref in (a, b)] == ["ended", "running"]
        assert await b.ask(Do(returns(1))) == 1
        assert trio.current_time() == 0


async def test_a_task_beside_may_kill_its_own_actor(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(does(lambda p: p.start_soon(p.ref.kill)))
        async with puppet.watch() as watch:
            with trio.fail_after(5):
                assert await watch.wait() is Exit.STOPPED


async def test_whoever_is_cancelled_while_it_waits_has_killed_all_the_same(
    autojump_clock: MockClock,
) -> None:
    async def shielded(_: Puppet) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(10)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(shielded))
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await puppet.kill()
        assert trio.current_time() == 1
        await trio.sleep(10)
        assert puppet.statistics().state == "ended"


async def test_a_stream_of_it_ends_with_an_error() -> None:
    async def feeding(_: Puppet, out: Sink[int]) -> None:
        await out.send(1)
        await trio.sleep_forever()

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(feeding)) as items:
            assert await anext(aiter(items)) == 1
            await puppet.kill()
            with pytest.raises(ActorStopped) as caught:
                await anext(aiter(items))
            assert caught.value.started


async def test_cancelled_anywhere_a_kill_leaves_nothing() -> None:
    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            puppet, other = await system.spawn(Puppet), await system.spawn(Puppet)
            await puppet.ask(Do(lambda p: p.spawn(Puppet)))
            await puppet.tell(Order(lambda _: other.ask(Do(sleeps(100)))))
            await trio.lowlevel.checkpoint()
            await puppet.kill()
            assert other.statistics().handling == ()
            await other.tell(Order(crash))
            await other.kill()

    await cancel_everywhere(scenario)


@pytest.mark.parametrize("message", [Do, DoBeside])
async def test_what_a_task_of_the_handler_leaves_when_it_is_cancelled_is_judged_as_ever(
    message: type[Do | DoBeside],
) -> None:
    """Trio puts it into one group with the cancels of the others."""

    async def refuse_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise Refused

    async def work(_: Puppet) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    async def ask() -> None:
        with pytest.raises(Refused):
            await puppet.ask(message(work))

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        await puppet.kill()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert heard.of(Crashed) == []
    assert [fact.exit for fact in heard.of(Stopped)] == [Exit.STOPPED]


@pytest.mark.parametrize("how", ["kill", "stop", "now", "crash"])
async def test_a_concurrent_handler_that_waits_for_its_own_actor_ends_with_it(
    how: str, autojump_clock: MockClock
) -> None:
    """The serial handler ends first, and the other one hears of it before the actor has ended."""

    async def ask_oneself(puppet: Puppet) -> None:
        await puppet.ref.ask(Do(sleeps(100)))

    outcomes = list[object]()
    with alarm():
        async with open_system() as system, trio.open_nursery() as nursery:
            group = await system.supervise("group")
            puppet = await group.spawn(Puppet, options=ChildOptions(grace=1))
            if how == "crash":
                nursery.start_soon(crash_beside_later, puppet)
                await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(outcome_of, puppet, DoBeside(ask_oneself), outcomes)
            await trio.sleep(1)
            if how == "kill":
                await puppet.kill()
            elif how == "stop":
                await puppet.stop()
            elif how == "now":
                await group.stop(now=True)
    kind = ActorCrashed if how == "crash" else ActorStopped
    assert [type(outcome) for outcome in outcomes] == [kind]


async def crash_beside_later(puppet: Ref[Puppet]) -> None:
    async def crash_later(_: Puppet) -> None:
        await trio.sleep(1)
        raise ValueError

    with pytest.raises(ActorCrashed):
        await puppet.ask(DoBeside(crash_later))


async def test_a_stop_that_drains_begins_nothing_in_an_actor_that_was_killed(
    autojump_clock: MockClock,
) -> None:
    begun = list[str]()

    async def end_slowly(_: Puppet) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(2)

    async def begin(_: Puppet) -> None:
        begun.append("begun")

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(end_slowly))
        await puppet.tell(Order(begin))
        await trio.sleep(0.5)
        nursery.start_soon(puppet.kill)
        await trio.sleep(0.5)
        await puppet.stop(drain=True)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert begun == []
    assert len(heard.of(DeadLetter)) == 1


async def test_a_fault_that_comes_out_of_a_handler_together_with_its_cancel_is_no_crash(
    autojump_clock: MockClock,
) -> None:
    heard, seen = Heard(), list[RuntimeFault]()

    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ActorStopped("a fault of somebody else", path="/x")

    async def both(_: Puppet) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    async def ask(ref: Ref[Puppet]) -> None:
        try:
            await ref.ask(Do(both))
        except RuntimeFault as fault:
            seen.append(fault)

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet)
        nursery.start_soon(ask, puppet)
        await trio.testing.wait_all_tasks_blocked()
        await puppet.kill()
        async with puppet.watch() as watch:
            exit = await watch.wait()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert (exit, heard.of(Crashed)) == (Exit.STOPPED, [])
    assert isinstance(seen[0], ActorStopped)
