"""A stream is a scope: bounded, owned by its reader's block, ended with it (S1, S2, S3)."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from puppet import Do, Feed, FeedBeside, Order, Puppet, Refused, nothing, returns, sleeps

from runtime import (
    ActorCrashed,
    ActorStopped,
    ChildOptions,
    MailboxOptions,
    MessageDropped,
    Overflow,
    Sink,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from trio.testing import MockClock

BOTH = pytest.mark.parametrize("kind", [Feed, FeedBeside])


def sends(count: int, sent: list[int] | None = None) -> Callable[[Puppet, Sink[int]], Any]:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        for number in range(count):
            await out.send(number)
            if sent is not None:
                sent.append(number)

    return feeding


def sends_at_once(count: int) -> Callable[[Puppet, Sink[int]], Any]:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        await out.send_many(range(count))

    return feeding


@BOTH
@pytest.mark.parametrize("buffer", [0, 1, 3])
@pytest.mark.parametrize("feeding", [sends(100), sends_at_once(100)])
async def test_a_reader_gets_every_item_in_order(kind: Any, buffer: int, feeding: Any) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(kind(feeding), buffer=buffer) as items:
            assert [item async for item in items] == list(range(100))
            assert items.taken == 100


@pytest.mark.parametrize("buffer", [0, 1, 4])
async def test_a_handler_is_never_more_than_the_buffer_ahead(
    buffer: int, autojump_clock: MockClock
) -> None:
    sent = list[int]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(sends(100, sent)), buffer=buffer) as items:
            await trio.sleep(1)
            assert len(sent) == buffer
            async for item in items:
                await trio.sleep(1)
                assert len(sent) <= item + 1 + buffer
    assert sent == list(range(100))


async def test_send_many_returns_when_all_but_the_buffer_were_taken(
    autojump_clock: MockClock,
) -> None:
    returned_at = list[int]()

    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        await out.send_many(range(10))
        returned_at.append(out.taken)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(feeding), buffer=2) as items:
            async for _ in items:
                await trio.sleep(1)
    assert returned_at == [8]


async def test_take_many_gives_what_is_there_and_then_nothing(autojump_clock: MockClock) -> None:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        await out.send_many(range(5))
        await trio.sleep(1)
        await out.send(5)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(feeding)) as items:
            await trio.sleep(0.5)
            assert await items.take_many() == [0, 1, 2, 3, 4]
            assert await items.take_many() == [5]
            assert await items.take_many() == []
            assert items.taken == 6


@BOTH
async def test_leaving_the_block_cancels_the_handler_and_waits_for_its_end(
    kind: Any, autojump_clock: MockClock
) -> None:
    steps = list[str]()

    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        try:
            for number in range(100):
                await out.send(number)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
            steps.append("handler ended")

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(kind(feeding)) as items:
            async for item in items:
                if item == 3:
                    break
        steps.append("block left")
        assert await puppet.ask(Do(returns(1))) == 1
        assert puppet.statistics().restarts == 0
    assert steps == ["handler ended", "block left"]


async def test_a_stream_that_is_left_before_it_started_never_starts(
    autojump_clock: MockClock,
) -> None:
    sent = list[int]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(sleeps(5)))
        async with puppet.stream(Feed(sends(3, sent))):
            await trio.sleep(1)
        await trio.sleep(10)
    assert sent == []


@BOTH
@pytest.mark.parametrize("error", [Refused("no"), ActorStopped("elsewhere")])
async def test_what_was_sent_comes_before_the_error_of_the_handler(
    kind: Any, error: Exception
) -> None:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        await out.send_many([1, 2, 3])
        raise error

    taken = list[int]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(kind(feeding)) as items:
            with pytest.raises(type(error)) as caught:
                await take_all(items, taken)
        assert caught.value is error
        assert puppet.statistics().restarts == 0
    assert taken == [1, 2, 3]


async def take_all(items: AsyncIterable[int], into: list[int]) -> None:
    async for item in items:
        into.append(item)  # noqa: PERF401 - they shall be there also after an error


@BOTH
async def test_a_crash_reaches_the_reader(kind: Any) -> None:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        raise KeyError

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(kind(feeding)) as items:
            with pytest.raises(ActorCrashed) as caught:
                await anext(items)
        assert isinstance(caught.value.__cause__, KeyError)


async def test_two_tasks_may_send_into_one_sink(autojump_clock: MockClock) -> None:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        async with trio.open_nursery() as nursery:
            for start in (0, 100):
                nursery.start_soon(out.send_many, range(start, start + 50))

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(feeding)) as items:
            taken = [item async for item in items]
    assert sorted(taken) == [*range(50), *range(100, 150)]
    assert [t for t in taken if t < 100] == sorted(t for t in taken if t < 100)


async def test_a_send_that_was_given_up_was_not_sent(autojump_clock: MockClock) -> None:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        for number in range(5):
            with trio.move_on_after(1):
                await out.send(number)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(feeding), buffer=1) as items:
            await trio.sleep(2.5)  # 0 is in the buffer, 1 and 2 were given up
            assert [item async for item in items] == [0, 3, 4]


@given(given_up=st.lists(st.booleans(), min_size=1, max_size=100), buffer=st.integers(0, 3))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30
)
async def test_no_item_is_lost_or_doubled_whatever_sends_are_given_up(
    given_up: list[bool], buffer: int
) -> None:
    """Also where the cancel comes at a checkpoint that `send` makes to be fair."""
    sent = list[int]()

    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        for number, cancel in enumerate(given_up):
            with trio.CancelScope() as scope:
                if cancel:
                    scope.cancel()
                await out.send(number)
                sent.append(number)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(feeding), buffer=buffer) as items:
            assert [item async for item in items] == sent


async def test_a_reader_that_is_cancelled_loses_no_item(autojump_clock: MockClock) -> None:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        for number in range(5):
            await trio.sleep(1)
            await out.send(number)

    taken = list[int]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(feeding)) as items:
            while len(taken) < 5:
                with trio.move_on_after(0.3):
                    taken.append(await anext(items))
    assert taken == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("buffer", [0, 1, 2])
async def test_a_reader_that_leaves_at_any_point_leaves_nothing_behind(buffer: int) -> None:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        await out.send(0)
        await out.send_many([1, 2, 3, 4])
        await trio.lowlevel.checkpoint()
        await out.send(5)
        raise Refused

    async with open_system() as system:
        puppet = await system.spawn(Puppet)

        async def scenario() -> None:
            for kind in (Feed, FeedBeside):
                async with (
                    assert_no_leaks(),
                    puppet.stream(kind(feeding), buffer=buffer) as items,
                ):
                    with pytest.raises(Refused):
                        assert [item async for item in items] == [0, 1, 2, 3, 4, 5]

        async def check() -> None:
            assert puppet.statistics().handling == ()
            assert await puppet.ask(Do(returns(1))) == 1

        assert await cancel_everywhere(scenario, check=check) > 10
        assert puppet.statistics().restarts == 0


async def test_items_that_are_pending_when_the_loop_is_left_are_gone() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(sends_at_once(10)), buffer=5) as items:
            async for _ in items:
                break
        assert puppet.statistics().handling == ()


@pytest.mark.parametrize("side", ["handler", "reader"])
async def test_a_busy_stream_lets_others_run(side: str) -> None:
    rounds = 0
    counted = list[int]()

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await trio.lowlevel.checkpoint()

    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        begun = rounds
        for number in range(640):
            await out.send(number)
        counted.append(rounds - begun)

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet)
        nursery.start_soon(count)
        async with puppet.stream(Feed(feeding), buffer=640) as items:
            while not counted:
                await trio.lowlevel.checkpoint()
            begun = rounds
            assert [item async for item in items] == list(range(640))
            counted.append(rounds - begun)
        nursery.cancel_scope.cancel()
    assert counted[side == "reader"] >= 15


async def test_a_stream_is_used_once() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        stream = puppet.stream(Feed(sends(1)))
        async with stream:
            ...
        with pytest.raises(RuntimeError, match="was used already"):
            async with stream:
                ...


async def test_a_stream_is_read_inside_its_block() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        stream = puppet.stream(Feed(sends(1)))
        with pytest.raises(RuntimeError, match="read inside its block"):
            await anext(stream)
        async with stream as items:
            ...
        with pytest.raises(RuntimeError, match="read inside its block"):
            await items.take_many()


async def test_a_stream_has_one_reader(autojump_clock: MockClock) -> None:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        await trio.sleep(1)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(feeding)) as items, trio.open_nursery() as nursery:

            async def drain() -> None:
                assert [item async for item in items] == []

            nursery.start_soon(drain)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(RuntimeError, match="one stream has one reader"):
                await anext(items)


async def test_nothing_is_sent_after_the_handler_has_returned(autojump_clock: MockClock) -> None:
    errors = list[str]()

    async def outlive(out: Sink[int]) -> None:
        for delay in (0, 1, 2):
            with trio.CancelScope():
                await trio.sleep(delay)
                try:
                    await out.send_many([1, 2, 3])
                except RuntimeError as error:
                    errors.append(str(error))

    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        puppet.start_soon(outlive, out)
        await trio.sleep(0.5)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(Feed(feeding)) as items:
            await trio.sleep(10)
            assert [item async for item in items] == [1]
    assert len(errors) == 3
    assert "has ended with its handler" in errors[0]


async def test_a_stream_that_the_mailbox_does_not_take_fails_on_entry(
    autojump_clock: MockClock,
) -> None:
    dropping = ChildOptions(mailbox=MailboxOptions(1, Overflow.DROP_NEWEST))
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=dropping)
        await puppet.tell(Order(sleeps(1)))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.tell(Order(nothing))
        with pytest.raises(MessageDropped):
            await puppet.stream(Feed(sends(1))).__aenter__()
        await puppet.stop()
        with pytest.raises(ActorStopped):
            await puppet.stream(Feed(sends(1))).__aenter__()


async def test_a_stream_waits_on_entry_for_room_in_the_mailbox(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=ChildOptions(mailbox=MailboxOptions(1)))
        await puppet.tell(Order(sleeps(3)))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.tell(Order(nothing))
        with trio.move_on_after(1) as scope:
            await puppet.stream(Feed(sends(1))).__aenter__()
        assert scope.cancelled_caught
        assert puppet.statistics().in_line == 0
        async with puppet.stream(Feed(sends(1))) as items:
            assert trio.current_time() == 3
            assert [item async for item in items] == [0]


async def test_the_deadline_of_the_reader_holds_for_the_handler_and_cancels_the_reader(
    autojump_clock: MockClock,
) -> None:
    seen = list[float]()

    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        seen.append(trio.current_effective_deadline())
        await trio.sleep_forever()

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with trio.move_on_after(4) as scope:
            async with puppet.stream(Feed(feeding)) as items:
                assert [item async for item in items] == []
        assert scope.cancelled_caught
    assert seen == [4]


def test_a_negative_buffer_is_refused() -> None:
    async def main() -> None:
        async with open_system() as system:
            puppet = await system.spawn(Puppet)
            with pytest.raises(ValueError, match="buffer must be 0 or more items, not -1"):
                puppet.stream(Feed(sends(1)), buffer=-1)

    trio.run(main)
