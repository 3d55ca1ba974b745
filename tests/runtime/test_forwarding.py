"""A handler lets another actor answer: the asker waits there, and the one in between is free."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import (
    Do,
    DoBeside,
    Feed,
    Heard,
    Order,
    Puppet,
    Refused,
    crash,
    crash_now,
    forwards,
    nothing,
    outcome_of,
    returns,
    sleeps,
)

from runtime import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    ChildOptions,
    Conflate,
    DeadLetter,
    MailboxFull,
    MailboxOptions,
    MessageDropped,
    Overflow,
    open_system,
)

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_the_asker_gets_the_reply_of_the_second_actor() -> None:
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        for kind in (Do, DoBeside):
            for onward in (Do, DoBeside):
                assert await first.ask(kind(forwards(second, onward(returns(7))))) == 7


async def test_the_actor_in_between_takes_the_next_message_meanwhile(
    autojump_clock: MockClock,
) -> None:
    outcomes = list[Any]()
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        async with trio.open_nursery() as nursery:
            slow = Do(forwards(second, Do(sleeps(5))))
            nursery.start_soon(outcome_of, first, slow, outcomes)
            await trio.testing.wait_all_tasks_blocked()
            assert await first.ask(Do(returns("free"))) == "free"
            assert first.statistics().handling == ()
            assert second.statistics().handling == ("Do",)
            assert trio.current_time() == 0
        assert outcomes == [None]


async def test_a_declared_error_reaches_the_asker_bare() -> None:
    async def refuse(_: Puppet) -> None:
        raise Refused("no")

    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        with pytest.raises(Refused, match="no"):
            await first.ask(Do(forwards(second, Do(refuse))))
        assert (first.statistics().restarts, second.statistics().restarts) == (0, 0)


async def test_a_crash_of_the_second_reaches_the_asker_and_not_the_first() -> None:
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet, name="second")
        with pytest.raises(ActorCrashed) as caught:
            await first.ask(Do(forwards(second, Do(crash))))
        assert caught.value.path == "/second"
        assert isinstance(caught.value.__cause__, ValueError)
        await trio.testing.wait_all_tasks_blocked()
        assert (first.statistics().restarts, second.statistics().restarts) == (0, 1)


async def test_what_the_first_does_after_it_forwarded_does_not_concern_the_asker(
    autojump_clock: MockClock,
) -> None:
    outcomes = list[Any]()
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        async with trio.open_nursery() as nursery:

            async def work(_: Puppet) -> str:
                await trio.sleep(1)
                return "done"

            nursery.start_soon(outcome_of, first, Do(forwards(second, Do(work))), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            await crash_now(first)
            await first.stop()
        assert outcomes == ["done"]


async def test_an_error_after_forward_is_the_end_of_the_message() -> None:
    seen = list[str]()

    async def note(_: Puppet) -> None:
        seen.append("second")

    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)

        async def work(puppet: Puppet) -> None:
            puppet.forward(second, Do(note))
            raise Refused

        with pytest.raises(Refused):
            await first.ask(Do(work))
        await second.ask(Do(nothing))
    assert seen == []


@pytest.mark.parametrize("drain", [False, True])
async def test_a_stop_of_the_second_ends_what_is_queued_there(
    drain: bool,  # noqa: FBT001 - a parameter
    autojump_clock: MockClock,
) -> None:
    outcomes = list[Any]()
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet, name="second")
        sent = Do(returns("late"))
        async with trio.open_nursery() as nursery:
            await second.tell(Order(sleeps(1)))
            nursery.start_soon(outcome_of, first, Do(forwards(second, sent)), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            assert second.statistics().queued == 1
            await second.stop(drain=drain)
    if drain:
        assert outcomes == ["late"]
    else:
        [error] = outcomes
        assert isinstance(error, ActorStopped)
        assert (error.path, error.message, error.started) == ("/second", sent, False)


@pytest.mark.parametrize("keep_mailbox", [False, True])
async def test_a_crash_of_the_second_while_it_is_queued_there(
    keep_mailbox: bool,  # noqa: FBT001 - a parameter
    autojump_clock: MockClock,
) -> None:
    outcomes = list[Any]()

    async def crash_late(_: Puppet) -> None:
        await trio.sleep(1)
        raise ValueError

    async with open_system() as system:
        first = await system.spawn(Puppet)
        options = ChildOptions(keep_mailbox=keep_mailbox)
        second = await system.spawn(Puppet, options=options)
        async with trio.open_nursery() as nursery:
            await second.tell(Order(crash_late))
            message = Do(forwards(second, Do(returns("next life"))))
            nursery.start_soon(outcome_of, first, message, outcomes)
    if keep_mailbox:
        assert outcomes == ["next life"]
    else:
        assert isinstance(outcomes[0], ActorRestarting)


async def test_an_actor_that_has_ended_answers_with_that() -> None:
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        await second.stop()
        with pytest.raises(ActorStopped) as caught:
            await first.ask(Do(forwards(second, Do(nothing))))
        assert caught.value.path == second.path
        assert first.statistics().restarts == 0


BY_NOTHING = Conflate(lambda _: "all")


@pytest.mark.parametrize(
    ("overflow", "endings"),
    [
        (Overflow.BLOCK, ["a", "b"]),
        (Overflow.FAIL, ["a", MailboxFull]),
        (Overflow.DROP_NEWEST, ["a", MessageDropped]),
        (Overflow.DROP_OLDEST, [MessageDropped, "b"]),
        (BY_NOTHING, [MessageDropped, "b"]),
    ],
)
async def test_a_full_mailbox_does_with_it_what_its_policy_says(
    overflow: Overflow | Conflate, endings: list[Any], autojump_clock: MockClock
) -> None:
    a, b = list[Any](), list[Any]()
    options = ChildOptions(mailbox=MailboxOptions(1, overflow))
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet, options=options)
        async with trio.open_nursery() as nursery:
            await second.tell(Order(sleeps(1)))
            await trio.testing.wait_all_tasks_blocked()
            for value, outcome in (("a", a), ("b", b)):
                message = Do(forwards(second, Do(returns(value))))
                nursery.start_soon(outcome_of, first, message, outcome)
                await trio.testing.wait_all_tasks_blocked()
            assert first.statistics().handling == ()
    [ended_a], [ended_b] = a, b
    assert [ended if isinstance(ended, str) else type(ended) for ended in (ended_a, ended_b)] == (
        endings
    )


async def test_a_mailbox_whose_key_fails_fails_the_ask_and_not_the_actor_in_between(
    autojump_clock: MockClock,
) -> None:
    def key(_: object) -> str:
        raise KeyError("a key")

    options = ChildOptions(mailbox=MailboxOptions(9, Conflate(key)))
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet, options=options)
        await second.tell(Order(sleeps(50)))
        await trio.testing.wait_all_tasks_blocked()
        await second.tell(Order(nothing))
        for kind in (Do, DoBeside):
            with trio.fail_after(1), pytest.raises(KeyError):
                await first.ask(kind(forwards(second, Do(nothing))))
        assert first.statistics().restarts == 0


# Misuse


async def test_misuse_is_told_to_whoever_wrote_it() -> None:
    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        errors = list[str]()

        def attempt(puppet: Puppet, message: Any) -> None:
            try:
                puppet.forward(second, message)
            except (RuntimeError, TypeError) as error:
                errors.append(str(error))

        async def wrongly(puppet: Puppet) -> Any:
            attempt(puppet, Order(nothing))
            attempt(puppet, Feed(nothing))
            attempt(puppet, "text")
            puppet.forward(second, Do(returns("once")))
            attempt(puppet, Do(returns("twice")))

        async def in_a_tell(puppet: Puppet) -> None:
            attempt(puppet, Order(nothing))

        assert await first.ask(Do(wrongly)) == "once"
        await first.tell(Order(in_a_tell))
        await first.ask(Do(nothing))
        nursery.cancel_scope.cancel()
    told, streamed, text, twice, tell = errors
    assert "Order is sent with `ref.tell(...)`" in told
    assert "Feed is sent with `ref.stream(...)`" in streamed
    assert "no handler for str" in text
    assert "was put aside or forwarded already" in twice
    assert "await ref.tell" in tell
    assert heard.of(DeadLetter) == []


async def test_there_is_nothing_to_forward_outside_of_a_handler() -> None:
    errors = list[str]()
    late = trio.Event()
    async with open_system() as system, trio.open_nursery() as nursery:
        second = await system.spawn(Puppet)

        def attempt(puppet: Puppet) -> None:
            try:
                puppet.forward(second, Do(nothing))
            except RuntimeError as error:
                errors.append(str(error))

        async def on_start(puppet: Puppet) -> None:
            attempt(puppet)

        async def background(puppet: Puppet) -> None:
            attempt(puppet)

        async def outlives_its_handler(puppet: Puppet) -> None:
            await late.wait()
            attempt(puppet)

        async def work(puppet: Puppet) -> None:
            puppet.start_soon(background, puppet)
            nursery.start_soon(outlives_its_handler, puppet)  # in the context of this handler

        first = await system.spawn(Puppet, on_start)
        await first.ask(Do(work))
        await trio.testing.wait_all_tasks_blocked()
        late.set()
        await trio.testing.wait_all_tasks_blocked()
        attempt(Puppet())
    assert ["call this in a handler" in error for error in errors] == [True, True, True, False]
    assert "is not running" in errors[-1]
