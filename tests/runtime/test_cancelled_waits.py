"""Whoever is cancelled while it waits resumes once, in the right scope, and loses no cancel."""

# ruff: noqa: ARG001 - fixtures are asked for by name
from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import (
    Do,
    DoBeside,
    Feed,
    FeedBeside,
    Puppet,
    alarm,
    returns,
    sleeps,
)
from trio.testing import MockClock, wait_all_tasks_blocked

from runtime import ChildOptions, Ref, Sink, open_system

if TYPE_CHECKING:
    from collections.abc import Generator

BOTH = pytest.mark.parametrize("kind", [Do, DoBeside])


@pytest.fixture(autouse=True)
def bound() -> Generator[None]:
    """What waits here cannot be cancelled: if it hung, no timeout of trio would end it."""
    with alarm():
        yield


class Steps(trio.abc.Instrument):
    """Counts the steps of one task."""

    def __init__(self, task: trio.lowlevel.Task) -> None:
        self.count = 0
        self._task = task

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += task is self._task


async def cleans_up(_: Puppet) -> None:
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(2)


@BOTH
async def test_it_is_woken_once_when_the_handler_has_ended(
    kind: type[Do | DoBeside], autojump_clock: MockClock
) -> None:
    steps, resumed = list[Steps](), list[float]()

    async def ask(scope: trio.CancelScope) -> None:
        steps.append(Steps(trio.lowlevel.current_task()))
        with scope:
            await puppet.ask(kind(cleans_up))
        resumed.append(trio.current_time())

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet)
        for _ in range(20):  # more than may be cancelled in one step
            with trio.move_on_after(1):
                await puppet.ask(kind(sleeps(100)))
        scope = trio.CancelScope()
        nursery.start_soon(ask, scope)
        await wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(steps[0])
        scope.cancel()
        await trio.sleep(5)
        trio.lowlevel.remove_instrument(steps[0])
    assert (steps[0].count, resumed) == (1, [22])


@BOTH
@pytest.mark.parametrize("outer_first", [True, False])
async def test_a_second_cancel_meanwhile_is_not_lost_and_each_ends_its_own_scope(
    outer_first: bool,  # noqa: FBT001 - a parameter of the test
    kind: type[Do | DoBeside],
    autojump_clock: MockClock,
) -> None:
    came_to = list[str]()

    async def ask(outer: trio.CancelScope, inner: trio.CancelScope) -> None:
        with outer:
            with inner:
                await puppet.ask(kind(cleans_up))
            came_to.append("after the inner")
            await trio.lowlevel.checkpoint()
            came_to.append("past the outer")

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet)
        outer, inner = scopes = trio.CancelScope(), trio.CancelScope()
        nursery.start_soon(ask, *scopes)
        await wait_all_tasks_blocked()
        for scope in scopes if outer_first else reversed(scopes):
            scope.cancel()
            await trio.sleep(1)
        await trio.sleep(3)
        assert (outer.cancelled_caught, inner.cancelled_caught) == (True, False)
        assert came_to == []
        assert await puppet.ask(kind(returns(1))) == 1


@pytest.mark.parametrize("length", range(15, 19))
async def test_a_handler_far_down_that_ends_as_it_is_to_be_cancelled_leaves_nothing(
    length: int,
) -> None:
    """Where one step has cancelled as many as it may, the next is left to its asker."""

    def ask_from(index: int, until: trio.Event) -> Any:
        async def work(_: object) -> None:
            if index == length:
                await until.wait()
            else:
                await refs[index].ask(Do(ask_from(index + 1, until)))

        return work

    async def ask(scope: trio.CancelScope, until: trio.Event) -> None:
        with scope:
            await ask_from(0, until)(None)

    async with open_system() as system, trio.open_nursery() as nursery:
        refs = [await system.spawn(Puppet) for _ in range(length)]
        for _ in range(10):  # for trio's order of tasks within a step is a matter of luck
            scope, until = trio.CancelScope(), trio.Event()
            nursery.start_soon(ask, scope, until)
            await wait_all_tasks_blocked()
            until.set()
            scope.cancel()
            await wait_all_tasks_blocked()
            assert scope.cancelled_caught
            assert [ref.statistics().handling for ref in refs] == [()] * length


async def test_a_cancel_of_an_inner_scope_lets_what_is_outside_of_it_go_on(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        for _ in range(3):
            with trio.CancelScope() as outer, trio.move_on_after(1) as inner:
                await puppet.ask(Do(cleans_up))
            await trio.lowlevel.checkpoint()
            assert (outer.cancelled_caught, inner.cancelled_caught) == (False, True)
    assert trio.current_time() == 9


@BOTH
async def test_a_deadline_and_a_cancel_in_one_step_are_one(
    kind: type[Do | DoBeside], autojump_clock: MockClock
) -> None:
    async def ask(scope: trio.CancelScope) -> None:
        with scope:
            await puppet.ask(kind(cleans_up), timeout=1)

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet)
        scope = trio.CancelScope(deadline=1)
        nursery.start_soon(ask, scope)
        await trio.sleep(1)
        scope.cancel()
        await trio.sleep(3)
        assert scope.cancelled_caught
        assert await puppet.ask(kind(returns(1))) == 1


@BOTH
@pytest.mark.parametrize("fails", [True, False])
async def test_a_handler_that_cancels_its_asker_in_its_last_step_leaves_nothing(
    fails: bool,  # noqa: FBT001 - a parameter of the test
    kind: type[Do | DoBeside],
    autojump_clock: MockClock,
) -> None:
    async def work(_: Puppet) -> None:
        scope.cancel()
        if fails:
            raise trio.TooSlowError

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with trio.CancelScope() as scope:
            await puppet.ask(kind(work))
        assert scope.cancelled_caught
        assert await puppet.ask(kind(returns(1))) == 1
        assert puppet.statistics().restarts == fails


async def test_what_is_shielded_is_cancelled_when_the_shield_is_taken_away(
    autojump_clock: MockClock,
) -> None:
    ended = list[float]()

    async def ask(outer: trio.CancelScope, shield: trio.CancelScope) -> None:
        with outer, shield:
            await puppet.ask(Do(cleans_up))
        ended.append(trio.current_time())

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet)
        outer, shield = trio.CancelScope(), trio.CancelScope(shield=True)
        nursery.start_soon(ask, outer, shield)
        await wait_all_tasks_blocked()
        outer.cancel()
        await trio.sleep(10)
        shield.shield = False
        await trio.sleep(1)
        shield.shield = True  # which comes too late: the handler was cancelled
    assert (ended, outer.cancelled_caught, shield.cancelled_caught) == ([12], True, False)


@pytest.mark.parametrize("kind", [Feed, FeedBeside])
async def test_a_cancel_while_a_stream_is_left_comes_after_its_block(
    kind: type[Feed | FeedBeside], autojump_clock: MockClock
) -> None:
    came_to = list[tuple[str, float]]()

    async def feed(puppet: Puppet, _: Sink[int]) -> None:
        await cleans_up(puppet)

    async def read(scope: trio.CancelScope) -> None:
        with scope:
            async with puppet.stream(kind(feed)):
                await trio.sleep(1)
            came_to.append(("after the block", trio.current_time()))
            await trio.lowlevel.checkpoint()
            came_to.append(("too far", trio.current_time()))

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet)
        scope = trio.CancelScope()
        nursery.start_soon(read, scope)
        await trio.sleep(2)
        scope.cancel()
    assert came_to == [("after the block", 3)]
    assert scope.cancelled_caught


async def test_a_deadline_within_a_stream_is_the_reason_of_its_handlers_cancel(
    autojump_clock: MockClock,
) -> None:
    reasons = list[str | None]()

    async def feed(_: Puppet, out: Sink[int]) -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            reasons.append(cancelled.reason)
            raise

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with trio.CancelScope() as scope:
            async with puppet.stream(Feed(feed)) as items:
                scope.deadline = 1  # set here, it does not follow the message
                await anext(items)
    assert reasons == ["the deadline passed"]


@pytest.mark.parametrize("kind", [Do, DoBeside, Feed, FeedBeside])
def test_an_interrupt_while_it_waits_comes_when_the_handler_has_ended_and_so_does_a_second(
    kind: Any,
) -> None:
    ended, clock = list[float](), MockClock(autojump_threshold=0)

    async def work(puppet: Puppet, *_: Any) -> None:
        try:
            await cleans_up(puppet)
        finally:
            ended.append(trio.current_time())

    @trio.lowlevel.enable_ki_protection  # so that it comes where the main task waits
    async def interrupt_at(*times: float) -> None:
        for time in times:
            await trio.sleep_until(time)
            signal.raise_signal(signal.SIGINT)

    async def call(puppet: Ref[Puppet]) -> None:
        if kind in {Do, DoBeside}:
            await puppet.ask(kind(work))
        else:
            async with puppet.stream(kind(work)) as items:
                await anext(items)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupt_at, 1, 2)
            async with open_system() as system:
                puppet = await system.spawn(Puppet, options=ChildOptions(cleanup=100))
                with pytest.raises(KeyboardInterrupt):
                    await call(puppet)
                assert ended == [3]
                if kind in {Feed, FeedBeside}:  # the first had been raised before
                    with pytest.raises(KeyboardInterrupt):
                        await trio.lowlevel.checkpoint()
                assert await puppet.ask(Do(returns(1))) == 1

    trio.run(main, clock=clock)
