"""A cancel follows the message, and nobody who was cancelled is left behind (R5)."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

import math
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
    nothing,
    returns,
    sleeps,
)

from runtime import (
    ChildOptions,
    Crashed,
    MailboxOptions,
    MessageFailed,
    Overdue,
    Ref,
    Sink,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock

BOTH = pytest.mark.parametrize("kind", [Do, DoBeside])


@BOTH
async def test_the_handler_is_cancelled_and_has_ended_when_the_asker_resumes(
    kind: type[Do | DoBeside], autojump_clock: MockClock
) -> None:
    steps = list[str]()

    async def work(puppet: Puppet) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)
            steps.append("handler ended")

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with trio.move_on_after(1) as scope:
            await puppet.ask(kind(work))
        steps.append("asker resumed")
        assert scope.cancelled_caught
        assert trio.current_time() == 3
        assert await puppet.ask(Do(returns("next"))) == "next"
        assert puppet.statistics().restarts == 0
    assert steps == ["handler ended", "asker resumed"]


async def test_a_chain_is_cancelled_leaf_first_and_the_reason_travels(
    autojump_clock: MockClock,
) -> None:
    ended = list[tuple[str, str | None]]()

    def through(name: str, next_: Ref[Puppet] | None, inner: Any) -> Any:
        async def work(puppet: Puppet) -> None:
            try:
                if next_ is None:
                    await trio.sleep_forever()
                else:
                    await next_.ask(Do(inner))
            except trio.Cancelled as cancelled:
                ended.append((name, cancelled.reason))
                raise

        return work

    async with open_system() as system:
        a, b, c = [await system.spawn(Puppet) for _ in "abc"]
        work = through("a", b, through("b", c, through("c", None, None)))
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(a.ask, Do(work))
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel("enough")
    assert ended == [("c", "enough"), ("b", "enough"), ("a", "enough")]


@BOTH
async def test_a_handler_that_returns_in_spite_of_a_cancel_leaves_none_for_the_next_message(
    kind: type[Do | DoBeside], autojump_clock: MockClock
) -> None:
    async def finish(puppet: Puppet) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(2)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(puppet.ask, kind(finish))
                await trio.testing.wait_all_tasks_blocked()
                await puppet.tell(Order(sleeps(3)))
                scope.cancel()
        assert trio.current_time() == 2
        assert await puppet.ask(kind(sleeps(1))) is None
        assert trio.current_time() == (6 if kind is Do else 4)


@BOTH
async def test_the_last_of_a_chain_is_cancelled_in_the_step_in_which_the_first_asker_is(
    kind: type[Do | DoBeside], autojump_clock: MockClock
) -> None:
    told = list[str]()

    async def wait(_: Puppet) -> None:
        def abort(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            told.append("cancelled")
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def pass_on(_: Puppet) -> None:
        await last.ask(kind(wait))

    async def ask(scope: trio.CancelScope) -> None:
        with scope:
            await first.ask(kind(pass_on))

    async with open_system() as system, trio.open_nursery() as nursery:
        first, last = await system.spawn(Puppet), await system.spawn(Puppet)
        scope = trio.CancelScope()
        nursery.start_soon(ask, scope)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()

        assert told == ["cancelled"]


async def test_a_chain_of_any_length_is_cancelled() -> None:
    """Deeper than Python's recursion limit would allow."""
    async with open_system() as system:
        refs = [await system.spawn(Puppet) for _ in range(300)]

        def ask_from(index: int) -> Any:
            async def work(puppet: Puppet) -> None:
                if index == len(refs):
                    await trio.sleep_forever()
                await refs[index].ask(Do(ask_from(index + 1)))

            return work

        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask_from(0), None)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert [ref.statistics().handling for ref in refs] == [()] * 300


async def test_cancelled_while_queued_the_handler_never_starts(autojump_clock: MockClock) -> None:
    started = list[int]()

    async def work(puppet: Puppet) -> None:
        started.append(1)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(sleeps(5)))
        with trio.move_on_after(1):
            await puppet.ask(Do(work))
        assert puppet.statistics().queued == 0
        await trio.sleep(10)
    assert started == []


async def test_cancelled_in_line_the_message_is_not_sent_and_the_next_moves_up(
    autojump_clock: MockClock,
) -> None:
    done = list[int]()

    def step(number: int) -> Do:
        async def work(puppet: Puppet) -> None:
            done.append(number)

        return Do(work)

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet, options=ChildOptions(mailbox=MailboxOptions(1)))
        await puppet.tell(Order(sleeps(5)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(puppet.ask, step(1))
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            nursery.start_soon(later, puppet, step(3))
            await puppet.ask(step(2))
        assert puppet.statistics().in_line == 1
    assert done == [1, 3]


async def later(puppet: Ref[Puppet], message: Do) -> None:
    await trio.sleep(0.5)
    await puppet.ask(message)


async def test_a_reply_that_arrives_with_the_cancel_is_either_taken_or_given_up() -> None:
    """Cancelled at every checkpoint of asker and actor: the actor handles the next message."""
    async with open_system() as system:
        puppet = await system.spawn(Puppet)

        async def scenario() -> None:
            assert await puppet.ask(Do(returns(1))) == 1
            assert await puppet.ask(DoBeside(returns(2))) == 2

        async def check() -> None:
            await trio.testing.wait_all_tasks_blocked()
            assert puppet.statistics().handling == ()
            assert await puppet.ask(Do(returns(3))) == 3

        assert await cancel_everywhere(scenario, check=check) > 3
        assert puppet.statistics().restarts == 0


@BOTH
async def test_another_error_while_being_cancelled_crashes_the_actor_and_the_asker_is_cancelled(
    kind: type[Do | DoBeside], autojump_clock: MockClock
) -> None:
    async def work(puppet: Puppet) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in clean-up")

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet)
        with trio.move_on_after(1) as scope:
            await puppet.ask(kind(work))
        assert scope.cancelled_caught
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert [str(fact.error) for fact in heard.of(Crashed)] == ["in clean-up"]


@BOTH
async def test_a_declared_error_while_being_cancelled_is_not_lost(
    kind: type[Do | DoBeside], autojump_clock: MockClock
) -> None:
    async def work(puppet: Puppet) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise Refused

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet)
        with trio.move_on_after(1) as scope:
            await puppet.ask(kind(work))
        assert scope.cancelled_caught
        await trio.sleep(1)
        assert puppet.statistics().restarts == 0
        nursery.cancel_scope.cancel()
    assert [type(fact.error) for fact in heard.of(MessageFailed)] == [Refused]


async def test_a_nursery_in_the_handler_that_is_cancelled_leaves_nothing_but_the_cancel(
    autojump_clock: MockClock,
) -> None:
    async def work(puppet: Puppet) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(trio.sleep_forever)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with trio.move_on_after(1) as scope:
            await puppet.ask(Do(work))
        assert scope.cancelled_caught
        assert puppet.statistics().restarts == 0


@pytest.mark.parametrize("kind", [Do, DoBeside, Feed, FeedBeside])
async def test_a_handler_that_shields_itself_past_its_cleanup_is_reported_while_it_runs(
    kind: Any, autojump_clock: MockClock
) -> None:
    async def shielded(*_: object) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet, name="p", options=ChildOptions(cleanup=2))

        async def leave() -> None:
            with trio.move_on_after(1):
                if kind in {Do, DoBeside}:
                    await puppet.ask(kind(shielded))
                else:
                    async with puppet.stream(kind(shielded)) as items:
                        async for _ in items:
                            ...
            assert trio.current_time() == 60

        nursery.start_soon(leave)
        await trio.sleep(2.9)
        assert heard.of(Overdue) == []
        await trio.sleep(0.2)
        assert heard.of(Overdue) == [Overdue("/p", 2)]
        await trio.sleep(100)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("where", ["serial", "beside", "background"])
async def test_a_crash_that_others_hold_up_is_reported(
    where: str, autojump_clock: MockClock
) -> None:
    async def shielded(*_: object) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    async def crash_later() -> None:
        await trio.sleep(1)
        raise ValueError

    async def arrange(puppet: Puppet) -> None:
        if where == "background":
            puppet.start_soon(shielded)
        puppet.start_soon(crash_later)

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet, name="p", options=ChildOptions(cleanup=2))
        await puppet.ask(Do(arrange))
        if where != "background":
            kind = Order if where == "serial" else None
            if kind:
                await puppet.tell(kind(shielded))
            else:
                nursery.start_soon(ignore_crash, puppet, DoBeside(shielded))
        await trio.sleep(3.1)
        assert heard.of(Overdue) == [Overdue("/p", 2)]
        await trio.sleep(100)
        assert puppet.statistics().restarts == 1
        nursery.cancel_scope.cancel()


async def ignore_crash(puppet: Ref[Puppet], message: DoBeside) -> None:
    await puppet.ask(message)


async def test_the_deadline_of_the_asker_is_in_force_three_hops_down(
    autojump_clock: MockClock,
) -> None:
    seen = list[float]()

    async with open_system() as system:
        a, b, c = [await system.spawn(Puppet) for _ in "abc"]

        async def deadline(puppet: Puppet) -> None:
            seen.append(trio.current_effective_deadline())

        async def ask_c(puppet: Puppet) -> None:
            await deadline(puppet)
            await c.ask(Do(deadline))

        async def ask_b(puppet: Puppet) -> None:
            await deadline(puppet)
            await b.ask(DoBeside(ask_c), timeout=20)

        with trio.move_on_after(7):
            await a.ask(Do(ask_b))
        assert seen == [7, 7, 7]
        seen.clear()
        with trio.move_on_after(70):
            await a.ask(Do(ask_b))
        assert seen == [70, 20, 20]
        await a.tell(Order(deadline))
        await trio.testing.wait_all_tasks_blocked()
        assert seen[-1] == float("inf")


async def test_a_tell_takes_no_deadline_along(autojump_clock: MockClock) -> None:
    seen = list[float]()

    async def note(_: Puppet) -> None:
        seen.append(trio.current_effective_deadline())

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with trio.move_on_after(1):
            await puppet.tell(Order(sleeps(2)))
            await puppet.tell(Order(note))
        await puppet.stop(drain=True)
    assert seen == [math.inf]


async def test_expired_work_never_starts_and_its_asker_is_cancelled_not_failed() -> None:
    """Without virtual time: the deadline passes while the actor is busy in one step."""
    started = list[int]()

    async def work(puppet: Puppet, out: Sink[int] | None = None) -> None:
        started.append(1)

    async def hog(puppet: Puppet) -> None:
        until = trio.current_time() + 0.05
        while trio.current_time() < until:
            ...

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        for kind in (Do, DoBeside):
            await puppet.tell(Order(hog))
            with trio.move_on_after(0.02) as scope:
                await puppet.ask(kind(work))
            assert scope.cancelled_caught
        for stream in (Feed, FeedBeside):
            await puppet.tell(Order(hog))
            with trio.move_on_after(0.02) as scope:
                async with puppet.stream(stream(work)) as items:
                    await anext(items)
            assert scope.cancelled_caught
    assert started == []


async def test_no_handler_starts_after_its_asker_was_cancelled() -> None:
    started_late = list[str]()

    async def work(puppet: Puppet) -> None:
        if trio.current_effective_deadline() == -math.inf:
            started_late.append("late")

    async with open_system() as system:
        puppet = await system.spawn(Puppet)

        async def scenario() -> None:
            for kind in (Do, DoBeside):
                await puppet.ask(kind(work))

        for _ in range(5):  # the order of the tasks in a step is random
            await cancel_everywhere(scenario)
    assert started_late == []


async def test_a_cancel_in_every_step_of_a_system_leaves_nothing() -> None:
    async def listing(puppet: Puppet, out: Sink[int]) -> None:
        for number in range(3):
            await out.send(number)

    async def background(puppet: Puppet) -> None:
        puppet.start_soon(trio.sleep_forever)
        child = await puppet.spawn(Puppet, name="child")
        await child.ask(Do(nothing))

    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            group = await system.supervise("group")
            puppet = await group.spawn(Puppet, background, name="puppet")
            async with puppet.stream(Feed(listing)) as items:
                assert [item async for item in items] == [0, 1, 2]
            assert await puppet.ask(DoBeside(returns(1))) == 1
            await puppet.stop()

    assert await cancel_everywhere(scenario) > 30


async def test_a_spawn_that_is_cancelled_during_started_leaves_nothing(
    autojump_clock: MockClock,
) -> None:
    async def slow(puppet: Puppet) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(60)

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        with trio.move_on_after(1) as scope:
            await system.spawn(Puppet, slow, name="p", options=ChildOptions(cleanup=2))
        assert scope.cancelled_caught
        assert trio.current_time() == 61
        assert system.tree().children == ()
        assert heard.facts == [Overdue("/p", 2)]
        nursery.cancel_scope.cancel()
