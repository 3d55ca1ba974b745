"""Messages that an actor puts aside: they wait on, and come first when it takes them back."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    Refused,
    Work,
    crash,
    crash_now,
    forwards,
    nothing,
    outcome_of,
    returns,
    sleeps,
)

from runtime import (
    ActorRestarting,
    ActorStopped,
    AskTimeout,
    ChildOptions,
    Conflate,
    DeadLetter,
    Exit,
    MailboxFull,
    MailboxOptions,
    Ref,
    Sink,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock

KINDS = pytest.mark.parametrize("kind", [Do, DoBeside])


class Door:
    """Work that is put aside while the door is closed.

    Attributes:
        came: What was let in, in that order.
    """

    def __init__(self) -> None:
        self.is_open = False
        self.came = list[Any]()

    def enter(self, name: object) -> Work:
        async def work(puppet: Puppet) -> Any:
            if not self.is_open:
                return puppet.stash()
            self.came.append(name)
            return name

        return work

    async def feed(self, puppet: Puppet, out: Sink[str]) -> None:
        if not self.is_open:
            return puppet.stash()
        self.came.append("stream")
        return await out.send("item")

    async def open(self, puppet: Puppet) -> None:
        self.is_open = True
        puppet.unstash()


async def read(ref: Ref[Puppet], message: Any, into: list[Any]) -> None:
    async with ref.stream(message) as items:
        into += [item async for item in items]


@pytest.mark.parametrize("stream", [Feed, FeedBeside])
async def test_what_was_put_aside_comes_before_what_is_queued_in_the_order_of_arrival(
    stream: Any, autojump_clock: MockClock
) -> None:
    door, outcomes = Door(), list[Any]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with trio.open_nursery() as nursery:
            await puppet.tell(Order(door.enter("tell")))
            nursery.start_soon(outcome_of, puppet, Do(door.enter("ask")), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(read, puppet, stream(door.feed), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(outcome_of, puppet, DoBeside(door.enter("beside")), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            statistics = puppet.statistics()
            assert (statistics.handling, statistics.put_aside, outcomes) == ((), 4, [])
            await puppet.tell(Order(sleeps(1)))
            await puppet.tell(Order(door.open))
            await puppet.tell(Order(door.enter("queued")))
    door.came.remove("beside")  # runs beside what comes after it
    assert door.came == ["tell", "ask", "stream", "queued"]
    assert sorted(outcomes) == ["ask", "beside", "item"]


async def test_it_counts_as_handled_each_time_it_is_started() -> None:
    door = Door()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(door.enter(1)))
        await puppet.ask(Do(door.open))
        await puppet.ask(Do(nothing))
        assert puppet.statistics().handled == 4


async def test_it_can_be_put_aside_again_and_keeps_its_place() -> None:
    door = Door()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        for name in range(3):
            await puppet.tell(Order(door.enter(name)))

        async def knock(puppet: Puppet) -> None:
            puppet.unstash()

        for _ in range(3):
            await puppet.ask(Do(knock))
        await puppet.tell(Order(door.enter(3)))
        await puppet.ask(Do(door.open))
        await puppet.ask(Do(nothing))
    assert door.came == [0, 1, 2, 3]


async def test_a_task_beside_may_take_them_back_while_the_actor_is_idle() -> None:
    door = Door()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)

        async def later(puppet: Puppet) -> None:
            await trio.testing.wait_all_tasks_blocked(0.001)
            await door.open(puppet)

        async def begin(puppet: Puppet) -> None:
            puppet.start_soon(later, puppet)

        await puppet.ask(Do(begin))
        assert await puppet.ask(Do(door.enter("in"))) == "in"


@KINDS
async def test_as_many_are_put_aside_as_the_mailbox_holds(kind: Any) -> None:
    door, outcomes = Door(), list[Any]()
    options = ChildOptions(mailbox=MailboxOptions(2))
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=options)
        async with trio.open_nursery() as nursery:
            for name in range(2):
                nursery.start_soon(outcome_of, puppet, kind(door.enter(name)), outcomes)
                await trio.testing.wait_all_tasks_blocked()
            one_more = kind(door.enter(2))
            with pytest.raises(MailboxFull) as caught:
                await puppet.ask(one_more)
            assert (caught.value.message, caught.value.path) == (one_more, puppet.path)
            assert puppet.statistics().restarts == 0
            await puppet.ask(Do(door.open))
    assert sorted(outcomes) == [0, 1]


@pytest.mark.parametrize("how", ["cancel", "deadline", "timeout"])
@KINDS
async def test_an_asker_that_leaves_takes_its_message_along(
    kind: Any, how: str, autojump_clock: MockClock
) -> None:
    door = Door()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        message = kind(door.enter("gone"))
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                if how == "timeout":
                    with pytest.raises(AskTimeout) as caught:
                        await puppet.ask(message, timeout=1)
                    assert caught.value.message is message
                elif how == "deadline":
                    scope.deadline = 1
                    await puppet.ask(message)
                else:
                    nursery.start_soon(puppet.ask, message)
                    await trio.testing.wait_all_tasks_blocked()
                    scope.cancel()
        await puppet.ask(Do(door.open))
        await puppet.ask(Do(nothing))
        assert (door.came, puppet.statistics().queued) == ([], 0)


async def test_a_reader_that_leaves_takes_its_message_along() -> None:
    door = Door()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(door.feed)):
            await trio.testing.wait_all_tasks_blocked()
        await puppet.ask(Do(door.open))
        await puppet.ask(Do(nothing))
    assert door.came == []


@pytest.mark.parametrize("keep_mailbox", [False, True])
async def test_a_crash_does_with_them_what_it_does_with_the_mailbox(
    keep_mailbox: bool,  # noqa: FBT001 - a parameter
) -> None:
    door, outcomes, heard = Door(), list[Any](), Heard()
    async with open_system() as system, trio.open_nursery() as listening:
        listening.start_soon(heard.listen, system)
        options = ChildOptions(keep_mailbox=keep_mailbox)
        puppet = await system.spawn(Puppet, options=options)
        tell, ask = Order(door.enter("tell")), Do(door.enter("ask"))
        async with trio.open_nursery() as nursery:
            await puppet.tell(tell)
            nursery.start_soon(outcome_of, puppet, ask, outcomes)
            await trio.testing.wait_all_tasks_blocked()
            door.is_open = True  # for the next incarnation
            await crash_now(puppet)
        listening.cancel_scope.cancel()
    if keep_mailbox:
        assert (door.came, outcomes, heard.of(DeadLetter)) == (["tell", "ask"], ["ask"], [])
    else:
        [error] = outcomes
        assert isinstance(error, ActorRestarting)
        assert error.message is ask
        assert ([fact.message for fact in heard.of(DeadLetter)], door.came) == ([tell], [])


@pytest.mark.parametrize("drain", [False, True])
async def test_a_stop_ends_them_as_not_started_and_a_drain_does_not_wait_for_them(
    drain: bool,  # noqa: FBT001 - a parameter
) -> None:
    door, outcomes, heard = Door(), list[Any](), Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet)
        tell, ask = Order(door.enter("tell")), Do(door.enter("ask"))
        await puppet.tell(tell)
        nursery.start_soon(outcome_of, puppet, ask, outcomes)
        await trio.testing.wait_all_tasks_blocked()
        await puppet.stop(drain=drain)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    [error] = outcomes
    assert isinstance(error, ActorStopped)
    assert (error.message, error.started) == (ask, False)
    assert [fact.message for fact in heard.of(DeadLetter)] == [tell]


async def test_a_drain_handles_what_is_taken_back_while_it_lasts() -> None:
    door = Door()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(door.enter("tell")))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.tell(Order(door.open))
        await puppet.stop(drain=True)
    assert door.came == ["tell"]


async def test_what_is_put_aside_while_the_actor_ends_shares_the_fate_of_the_others(
    autojump_clock: MockClock,
) -> None:
    by_type = Conflate(lambda message: type(message).__name__)
    outcomes, old = list[Any](), list[Any]()

    async def stash_late(puppet: Puppet) -> Any:
        try:
            await trio.sleep(100)
        finally:
            return puppet.stash()  # noqa: B012 - the worst that a handler can do

    async def stopped_slowly(_: Puppet, exit: Exit) -> None:
        await trio.sleep(1)

    async with open_system() as system:
        options = ChildOptions(mailbox=MailboxOptions(9, by_type))
        puppet = await system.spawn(Puppet, nothing, stopped_slowly, options=options)
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(outcome_of, puppet, DoBeside(stash_late), old)
                await trio.testing.wait_all_tasks_blocked()
                await crash_now(puppet)
                nursery.start_soon(outcome_of, puppet, DoBeside(returns("new")), outcomes)
    assert outcomes == ["new"]
    assert isinstance(old[0], ActorRestarting)


async def test_an_error_after_stash_is_the_end_of_the_message() -> None:
    async def work(puppet: Puppet) -> None:
        puppet.stash()
        raise Refused

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        for kind in (Do, DoBeside):
            with pytest.raises(Refused):
                await puppet.ask(kind(work))
        assert await puppet.ask(Do(returns(1))) == 1


async def test_a_message_is_put_aside_or_forwarded_once() -> None:
    errors = list[str]()
    async with open_system() as system:
        puppet, other = await system.spawn(Puppet), await system.spawn(Puppet)

        async def twice(puppet: Puppet) -> Any:
            puppet.forward(other, Do(returns("there")))
            try:
                puppet.stash()
            except RuntimeError as error:
                errors.append(str(error))

        assert await puppet.ask(Do(twice)) == "there"

        async def beside(puppet: Puppet) -> None:
            try:
                puppet.stash()
            except RuntimeError as error:
                errors.append(str(error))

        async def begin(puppet: Puppet) -> None:
            puppet.start_soon(beside, puppet)

        await puppet.ask(Do(begin))
        await trio.testing.wait_all_tasks_blocked()
    assert "was put aside or forwarded already" in errors[0]
    assert "call this in a handler" in errors[1]


async def test_only_the_message_that_is_handled_is_put_aside() -> None:
    other = Do(nothing)

    async def work(puppet: Puppet) -> str:
        with pytest.raises(ValueError, match="puts the message aside that is handled, not Do"):
            puppet.stash(other)
        return "handled"

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        assert await puppet.ask(Do(work)) == "handled"


async def test_a_forwarded_message_can_be_put_aside_and_then_forwarded() -> None:
    door = Door()
    async with open_system() as system:
        first, second, third = [await system.spawn(Puppet) for _ in range(3)]

        async def work(puppet: Puppet) -> Any:
            if not door.is_open:
                return puppet.stash()
            return puppet.forward(third, Do(returns("third")))

        outcomes = list[Any]()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, first, Do(forwards(second, Do(work))), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            await first.stop()
            await second.ask(Do(door.open))
        assert outcomes == ["third"]


async def test_cancelled_anywhere_what_was_put_aside_leaves_nothing() -> None:
    async def scenario() -> None:
        door, outcomes = Door(), list[Any]()
        async with assert_no_leaks(), open_system() as system:
            puppet = await system.spawn(Puppet)
            async with trio.open_nursery() as nursery:
                for kind in (Do, DoBeside):
                    nursery.start_soon(outcome_of, puppet, kind(door.enter("in")), outcomes)
                nursery.start_soon(read, puppet, Feed(door.feed), outcomes)
                await trio.lowlevel.checkpoint()
                await puppet.ask(Do(door.open))
            assert sorted(outcomes) == ["in", "in", "item"]
            await puppet.tell(Order(crash))

    await cancel_everywhere(scenario)
