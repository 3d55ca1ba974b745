"""One message at a time, in order, and no more waiting than the mailbox holds (R2, R3)."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import Do, DoBeside, Order, Puppet, crash, nothing, outcome_of, returns, sleeps

from runtime import (
    ActorStopped,
    ChildOptions,
    Conflate,
    MailboxFull,
    MailboxOptions,
    MessageDropped,
    Overflow,
    open_system,
)

if TYPE_CHECKING:
    from trio.testing import MockClock


def options(capacity: int, overflow: Overflow | Conflate = Overflow.BLOCK) -> ChildOptions:
    return ChildOptions(mailbox=MailboxOptions(capacity, overflow))


async def test_stop_drops_what_is_queued_and_says_that_it_had_not_started(
    autojump_clock: MockClock,
) -> None:
    outcomes = list[Any]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, puppet, Do(sleeps(1)), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            queued = Do(nothing)
            nursery.start_soon(outcome_of, puppet, queued, outcomes)
            await trio.testing.wait_all_tasks_blocked()
            await puppet.stop()
    assert None in outcomes  # what had begun was finished
    [stopped] = [o for o in outcomes if isinstance(o, ActorStopped)]
    assert (stopped.message, stopped.started) == (queued, False)


async def test_stop_with_drain_finishes_what_is_queued_and_in_line(
    autojump_clock: MockClock,
) -> None:
    outcomes = list[Any]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=options(2))
        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(outcome_of, puppet, Do(sleeps(0.1)), outcomes)
                del number
            await trio.testing.wait_all_tasks_blocked()
            assert puppet.statistics().in_line == 3
            await puppet.stop(drain=True)
    assert outcomes == [None] * 6


async def test_a_full_mailbox_fails_if_that_is_its_policy(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=options(1, Overflow.FAIL))
        await puppet.tell(Order(sleeps(1)))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.tell(Order(nothing))
        message = Do(nothing)
        with pytest.raises(MailboxFull) as caught:
            await puppet.ask(message)
        assert (caught.value.message, caught.value.path) == (message, puppet.path)


@pytest.mark.parametrize(
    ("overflow", "dropped"),
    [(Overflow.DROP_OLDEST, "first"), (Overflow.DROP_NEWEST, "second")],
)
async def test_an_evicted_ask_ends(
    overflow: Overflow, dropped: str, autojump_clock: MockClock
) -> None:
    outcomes = {"first": list[Any](), "second": list[Any]()}
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=options(1, overflow))
        await puppet.tell(Order(sleeps(1)))
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            for name, into in outcomes.items():
                nursery.start_soon(outcome_of, puppet, Do(returns(name)), into)
                await trio.testing.wait_all_tasks_blocked()
    [evicted] = outcomes.pop(dropped)
    assert isinstance(evicted, MessageDropped)
    assert list(outcomes.values()) == [[next(iter(outcomes))]]


async def test_a_newer_message_with_the_same_key_replaces_a_waiting_one(
    autojump_clock: MockClock,
) -> None:
    outcomes = list[Any]()
    conflate = Conflate(lambda message: isinstance(message, Do) or None)
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=options(1, conflate))
        await puppet.tell(Order(sleeps(1)))
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            for value in (1, 2):
                nursery.start_soon(outcome_of, puppet, Do(returns(value)), outcomes)
                await trio.testing.wait_all_tasks_blocked()
    assert isinstance(outcomes[0], MessageDropped)
    assert outcomes[1:] == [2]


async def test_tell_nowait_to_a_full_mailbox_would_block_and_leaves_no_trace(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=options(1))
        await puppet.tell(Order(sleeps(1)))
        await trio.testing.wait_all_tasks_blocked()
        puppet.tell_nowait(Order(nothing))
        with pytest.raises(trio.WouldBlock):
            puppet.tell_nowait(Order(crash))
        await trio.sleep(2)
        assert (puppet.statistics().handled, puppet.statistics().restarts) == (2, 0)


async def test_messages_are_handled_one_at_a_time_in_the_order_of_their_arrival(
    autojump_clock: MockClock,
) -> None:
    steps = list[int]()

    def step(number: int) -> Do:
        async def work(puppet: Puppet) -> None:
            steps.append(number)
            await trio.sleep(1)
            steps.append(number)

        return Do(work)

    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=options(2))
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(puppet.ask, step(number))
                await trio.testing.wait_all_tasks_blocked()
    assert steps == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


async def test_a_concurrent_handler_runs_beside_the_others(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(puppet.ask, DoBeside(sleeps(5)))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(puppet.ask, Do(sleeps(5)))
            await trio.testing.wait_all_tasks_blocked()
            assert puppet.statistics().handling == ("Do", "DoBeside", "DoBeside", "DoBeside")
        assert trio.current_time() == 5


async def test_a_thousand_asks_at_once_all_end(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        replies = list[Any]()

        async def ask(number: int) -> None:
            kind = Do if number % 2 else DoBeside
            replies.append(await puppet.ask(kind(returns(number))))

        async with trio.open_nursery() as nursery:
            for number in range(1000):
                nursery.start_soon(ask, number)
    assert sorted(replies) == list(range(1000))


async def test_a_busy_sender_lets_others_run() -> None:
    rounds = 0

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await trio.lowlevel.checkpoint()

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet, options=options(100_000))
        nursery.start_soon(count)
        for _ in range(640):
            await puppet.tell(Order(nothing))
        assert rounds >= 19
        nursery.cancel_scope.cancel()


async def test_a_tell_that_is_cancelled_was_not_sent(autojump_clock: MockClock) -> None:
    """At whichever of its checkpoints."""
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=options(1000))
        sent = 0
        with trio.CancelScope() as scope:
            scope.cancel()
            while True:
                await puppet.tell(Order(nothing))
                sent += 1
        await trio.testing.wait_all_tasks_blocked()
        assert puppet.statistics().handled == sent
