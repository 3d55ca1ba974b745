"""Every ask ends exactly once, in one of the ways that are promised (R4, R9)."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import Do, DoBeside, Order, Puppet, Refused, crash, nothing, outcome_of, returns, sleeps

from runtime import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    AskTimeout,
    Backoff,
    ChildOptions,
    Conflate,
    DeadLetter,
    Fact,
    MailboxOptions,
    MessageFailed,
    Overflow,
    RestartPolicy,
    open_system,
)

if TYPE_CHECKING:
    from trio.testing import MockClock

    from runtime._subscription import Subscription

ONCE = ChildOptions(restart=RestartPolicy.TEMPORARY)


def options(capacity: int, overflow: Overflow | Conflate = Overflow.BLOCK) -> ChildOptions:
    return ChildOptions(mailbox=MailboxOptions(capacity, overflow))


async def test_an_ask_ends_with_the_reply() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        assert await puppet.ask(Do(returns(5))) == 5
        assert await puppet.ask(DoBeside(returns(6))) == 6


async def test_an_ask_ends_with_a_declared_error_and_the_actor_lives_on() -> None:
    async def refuse(puppet: Puppet) -> None:
        raise Refused("no")

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        for message in (Do(refuse), DoBeside(refuse)):
            with pytest.raises(Refused, match="no"):
                await puppet.ask(message)
        assert puppet.statistics().restarts == 0


async def test_a_declared_error_out_of_a_nursery_arrives_bare() -> None:
    async def refuse_in_a_nursery(puppet: Puppet) -> None:
        async def refuse() -> None:
            raise Refused

        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            nursery.start_soon(trio.sleep_forever)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with pytest.raises(Refused):
            await puppet.ask(Do(refuse_in_a_nursery))


async def test_an_undeclared_error_crashes_the_actor_and_is_the_cause_of_what_the_asker_gets() -> (
    None
):
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with pytest.raises(ActorCrashed, match="crashed while it handled Do: ValueError") as caught:
            await puppet.ask(Do(crash))
        assert isinstance(caught.value.__cause__, ValueError)
        await trio.testing.wait_all_tasks_blocked()
        assert puppet.statistics().restarts == 1


async def test_a_fault_of_another_actor_passes_through_and_crashes_nobody() -> None:
    async with open_system() as system:
        gone = await system.spawn(Puppet)
        await gone.stop()
        middle = await system.spawn(Puppet)
        with pytest.raises(ActorStopped) as caught:
            await middle.ask(Do(lambda _: gone.ask(Do(nothing))))
        assert caught.value.path == gone.path
        assert middle.statistics().restarts == 0


async def test_queued_asks_end_with_restarting_and_can_be_sent_again(
    autojump_clock: MockClock,
) -> None:
    async def crash_later(puppet: Puppet) -> None:
        await trio.sleep(1)
        raise ValueError

    outcomes = list[Any]()
    queued = Do(returns(1))
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, puppet, Do(crash_later), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(outcome_of, puppet, queued, outcomes)
        [restarting] = [o for o in outcomes if isinstance(o, ActorRestarting)]
        assert restarting.message is queued
        assert await puppet.ask(queued) == 1


async def test_a_tell_that_was_queued_at_a_crash_is_a_dead_letter(
    autojump_clock: MockClock,
) -> None:
    lost = Order(nothing)
    async with open_system() as system, system.events() as facts:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(crash))
        await puppet.tell(lost)
        await trio.sleep(1)
        letters = [f for f in await until_quiet(facts) if isinstance(f, DeadLetter)]
    assert [letter.message for letter in letters] == [lost]
    assert "is restarting" in letters[0].reason


async def until_quiet(facts: Subscription) -> list[Fact]:
    """The facts of the next second."""
    heard = list[Fact]()
    with trio.move_on_after(1):
        async for fact in facts:
            heard.append(fact)
    return heard


async def test_a_tell_whose_handler_refuses_is_a_failed_message(
    autojump_clock: MockClock,
) -> None:
    async def refuse(puppet: Puppet) -> None:
        raise Refused

    async with open_system() as system, system.events() as facts:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(refuse))
        failed = [f for f in await until_quiet(facts) if isinstance(f, MessageFailed)]
    assert [type(f.error) for f in failed] == [Refused]


async def test_asks_during_a_backoff_fail_at_once(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        group = await system.supervise("group", backoff=Backoff(10, 10, jitter=0))
        puppet = await group.spawn(Puppet)
        with pytest.raises(ActorCrashed):
            await puppet.ask(Do(crash))
        await trio.sleep(1)
        with pytest.raises(ActorRestarting):
            await puppet.ask(Do(nothing))
        assert trio.current_time() < 2
        await trio.sleep(10)
        assert await puppet.ask(Do(returns(1))) == 1


async def test_a_kept_mailbox_survives_a_crash_and_takes_messages_during_the_backoff(
    autojump_clock: MockClock,
) -> None:
    outcomes = list[Any]()
    async with open_system() as system:
        group = await system.supervise("group", backoff=Backoff(10, 10, jitter=0))
        puppet = await group.spawn(Puppet, options=ChildOptions(keep_mailbox=True))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, puppet, Do(crash), outcomes)
            await trio.testing.wait_all_tasks_blocked(0.001)
            nursery.start_soon(outcome_of, puppet, Do(returns(1)), outcomes)
            await trio.sleep(1)
            nursery.start_soon(outcome_of, puppet, Do(returns(2)), outcomes)
    assert isinstance(outcomes.pop(0), ActorCrashed)
    assert sorted(outcomes) == [1, 2]


async def test_a_kept_mailbox_is_emptied_when_there_is_no_further_life(
    autojump_clock: MockClock,
) -> None:
    outcomes = list[Any]()
    async with open_system() as system:
        group = await system.supervise("group", backoff=Backoff(10, 10, jitter=0))
        puppet = await group.spawn(Puppet, options=ChildOptions(keep_mailbox=True))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, puppet, Do(crash), outcomes)
            await trio.sleep(1)
            nursery.start_soon(outcome_of, puppet, Do(nothing), outcomes)
            await trio.sleep(1)
            await group.stop()
    assert [type(o) for o in outcomes] == [ActorCrashed, ActorStopped]


async def test_an_ask_of_one_that_has_ended_says_so() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.stop()
        message = Do(nothing)
        with pytest.raises(ActorStopped) as caught:
            await puppet.ask(message)
        assert (caught.value.message, caught.value.started) == (message, False)


async def test_a_timeout_ends_the_ask_and_its_handler(autojump_clock: MockClock) -> None:
    ended_at = list[float]()

    async def sleep(puppet: Puppet) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended_at.append(trio.current_time())

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        for message in (Do(sleep), DoBeside(sleep)):
            with pytest.raises(AskTimeout, match="within 3 s") as caught:
                await puppet.ask(message, timeout=3)
            assert caught.value.message is None
    assert ended_at == [3, 6]


async def test_a_timeout_of_a_queued_message_gives_it_back(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(sleeps(10)))
        queued = Do(crash)
        with pytest.raises(AskTimeout) as caught:
            await puppet.ask(queued, timeout=3)
        assert caught.value.message is queued
        assert puppet.statistics().queued == 0


async def test_a_crash_beside_ends_every_ask_of_the_actor(autojump_clock: MockClock) -> None:
    async def crash_later(puppet: Puppet) -> None:
        await trio.sleep(1)
        raise ValueError

    outcomes = list[Any]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with trio.open_nursery() as nursery:
            for message in (DoBeside(sleeps(5)), DoBeside(crash_later), Do(sleeps(5))):
                nursery.start_soon(outcome_of, puppet, message, outcomes)
                await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == 1
        assert [type(o) for o in outcomes] == [ActorCrashed] * 3
        assert {type(o.__cause__) for o in outcomes} == {ValueError}
        assert await puppet.ask(Do(returns(1))) == 1


async def test_a_serial_crash_ends_the_concurrent_handlers_too(autojump_clock: MockClock) -> None:
    outcomes = list[Any]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, puppet, DoBeside(trio_forever), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(outcome_of, puppet, Do(crash), outcomes)
        await trio.testing.wait_all_tasks_blocked()
        assert [type(o) for o in outcomes] == [ActorCrashed] * 2
        assert puppet.statistics().restarts == 1


async def trio_forever(_: object) -> None:
    await trio.sleep_forever()


async def test_two_that_crash_at_once_each_tell_their_own_error() -> None:
    def fail(error: Exception) -> Any:
        async def work(puppet: Puppet) -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise error

        return work

    async def fail_first(puppet: Puppet) -> None:
        raise KeyError

    outcomes = list[Any]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=ONCE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, puppet, DoBeside(fail(OSError())), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(outcome_of, puppet, DoBeside(fail_first), outcomes)
    assert {type(o.__cause__) for o in outcomes} == {KeyError, OSError}


@pytest.mark.parametrize("kind", [Do, DoBeside])
async def test_declared_errors_and_faults_of_several_tasks_fail_the_message_with_the_first(
    kind: type[Do | DoBeside],
) -> None:
    """As a group they would crash the actor, and a group is not what an asker asked for."""

    async def refuse() -> None:
        raise Refused

    async def work(puppet: Puppet) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            nursery.start_soon(refuse)
            nursery.start_soon(gone.ask, Do(nothing))

    async with open_system() as system:
        gone, puppet = await system.spawn(Puppet), await system.spawn(Puppet)
        await gone.stop()
        with pytest.raises((Refused, ActorStopped)):
            await puppet.ask(kind(work))
        assert puppet.statistics().restarts == 0
