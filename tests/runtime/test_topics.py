"""Topics: every subscriber has its own bound and policy, and what blocks one blocks no other."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.testing
from puppet import Do, Heard, Order, Puppet, crash_now, nothing

from runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    AskCycle,
    Attach,
    ChildOptions,
    Conflate,
    DeadLetter,
    Detach,
    MailboxFull,
    MailboxOptions,
    MessageFailed,
    Overflow,
    Publish,
    Ref,
    RestartPolicy,
    RestartStrategy,
    StreamBlock,
    Subscribe,
    System,
    Tell,
    Topic,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from trio.testing import MockClock

Numbers = Ref[Topic[int]]
LOSSY = [
    Overflow.DROP_OLDEST,
    Overflow.DROP_NEWEST,
    Overflow.FAIL,
    Conflate(lambda item: item % 1),
]


def subscribe(capacity: int, overflow: Overflow | Conflate = Overflow.BLOCK) -> Subscribe[int]:
    return Subscribe(MailboxOptions(capacity, overflow))


@asynccontextmanager
async def numbers(capacity: int = 64) -> AsyncGenerator[tuple[System, Numbers]]:
    """A system with a topic."""
    async with open_system() as system:
        options = ChildOptions(mailbox=MailboxOptions(capacity))
        yield system, await system.spawn(Topic[int], name="numbers", options=options)


async def publish(topic: Numbers, items: Iterable[int]) -> None:
    for item in items:
        await topic.tell(Publish(item))


async def settled() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def read(items: StreamBlock[int], count: int) -> list[int]:
    return [await anext(items) for _ in range(count)]


async def rest_of(items: StreamBlock[int], fault: type[Exception]) -> list[int]:
    """All that is left to read, up to the fault that ends the stream."""
    found = list[int]()
    try:
        async for item in items:
            found.append(item)
    except fault:
        return found
    pytest.fail(f"no {fault.__name__} after {found}")


# What reaches whom


async def test_every_subscriber_gets_what_is_published_after_it_came() -> None:
    async with numbers() as (_, topic):
        await publish(topic, [1])
        async with topic.stream(subscribe(8)) as first:
            await publish(topic, [2])
            async with topic.stream(subscribe(8)) as second:
                await publish(topic, [3, 4])
                assert await read(first, 3) == [2, 3, 4]
                assert await read(second, 2) == [3, 4]


async def test_what_is_published_right_after_the_block_was_entered_is_not_missed() -> None:
    for _ in range(50):  # trio runs what is ready in a random order
        async with numbers() as (_, topic), topic.stream(subscribe(8)) as items:
            topic.tell_nowait(Publish(1))
            assert await read(items, 1) == [1]


async def test_what_nobody_subscribes_to_is_gone() -> None:
    async with numbers() as (_, topic):
        await publish(topic, range(100))
        async with topic.stream(subscribe(8)) as items:
            await publish(topic, [100])
            assert await read(items, 1) == [100]


async def test_a_topic_without_a_name_is_called_after_its_class() -> None:
    async with open_system() as system:
        topic = await system.spawn(Topic[int])
        assert topic.path == "/topic-1"


# A policy for each subscriber


async def test_a_full_subscriber_that_blocks_makes_the_publishers_wait(
    autojump_clock: MockClock,
) -> None:
    async with numbers(capacity=1) as (_, topic), topic.stream(subscribe(1), buffer=0) as items:
        # One is in hand, one waits for the reader, one for room, one in the topic's mailbox.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publish, topic, range(1, 100))
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert topic.statistics().handled == 1 + 3
        assert (topic.statistics().queued, topic.statistics().in_line) == (1, 0)
        assert topic.statistics().handling == ("Publish", "Subscribe")
        assert await read(items, 4) == [1, 2, 3, 4]
        await publish(topic, [100])
        assert await read(items, 1) == [100]


async def test_the_others_have_got_the_item_that_a_full_subscriber_has_no_room_for() -> None:
    async with (
        numbers() as (_, topic),
        topic.stream(subscribe(1), buffer=0) as full,
        topic.stream(subscribe(8)) as free,
    ):
        await publish(topic, [1, 2, 3, 4])
        assert await read(free, 3) == [1, 2, 3]
        await settled()
        assert topic.statistics().queued == 1  # the topic waits for the full one to take 3
        assert await read(full, 1) == [1]
        assert await read(free, 1) == [4]


@pytest.mark.parametrize("overflow", LOSSY)
async def test_a_slow_subscriber_with_any_other_policy_slows_nobody(
    overflow: Overflow | Conflate,
) -> None:
    async with (
        numbers(capacity=1) as (_, topic),
        topic.stream(subscribe(2, overflow)),
        topic.stream(subscribe(200)) as free,
    ):
        await publish(topic, range(100))
        assert await read(free, 100) == list(range(100))


@pytest.mark.parametrize(
    ("overflow", "expected"),
    [
        (Overflow.DROP_OLDEST, [0, 7, 8, 9]),
        (Overflow.DROP_NEWEST, [0, 1, 2, 3]),
        (Conflate(lambda item: item % 2), [0, 9, 8]),
        (Conflate(lambda item: None if item < 3 else "three and more"), [0, 1, 2, 9]),
    ],
)
async def test_a_slow_subscriber_gets_what_its_policy_keeps(
    overflow: Overflow | Conflate, expected: list[int]
) -> None:
    async with numbers() as (_, topic), topic.stream(subscribe(3, overflow), buffer=0) as items:
        await publish(topic, [0])
        await settled()  # 0 is in hand
        await publish(topic, range(1, 10))
        await settled()
        assert await read(items, len(expected)) == expected
        await publish(topic, [10])
        assert await read(items, 1) == [10]


async def test_a_slow_subscriber_that_fails_reads_what_came_before_and_then_the_fault() -> None:
    async with numbers() as (_, topic):
        async with topic.stream(subscribe(2, Overflow.FAIL), buffer=0) as items:
            await publish(topic, range(10))
            await settled()
            assert await read(items, 2) == [0, 1]
            with pytest.raises(MailboxFull, match="holds 2 messages") as caught:
                await read(items, 2)
            assert (caught.value.path, caught.value.message) == ("/numbers", 3)
        assert topic.statistics().restarts == 0
        assert topic.statistics().handling == ()


async def test_an_error_in_a_key_ends_the_stream_of_its_subscriber_and_no_other() -> None:
    def key(item: int) -> int:
        return 1 // (item - 2)

    async with numbers() as (_, topic):
        async with (
            topic.stream(subscribe(8, Conflate(key)), buffer=0) as bad,
            topic.stream(subscribe(8)) as good,
        ):
            await publish(topic, [0])
            await settled()  # 0 is in hand
            await publish(topic, [1, 2, 3])
            assert await read(good, 4) == [0, 1, 2, 3]
            assert await rest_of(bad, ZeroDivisionError) == [0, 1]
        assert topic.statistics().restarts == 0


# Who leaves


async def test_a_subscriber_that_leaves_frees_the_publishers(autojump_clock: MockClock) -> None:
    async with numbers(capacity=1) as (_, topic), trio.open_nursery() as nursery:
        async with topic.stream(subscribe(1)):
            nursery.start_soon(publish, topic, range(50))
            await trio.sleep(1)
            assert topic.statistics().in_line == 1
        await trio.sleep(1)
        assert topic.statistics().handled == 1 + 50
        assert topic.statistics().handling == ()


async def test_a_subscriber_that_leaves_frees_the_others(autojump_clock: MockClock) -> None:
    async with numbers() as (_, topic), topic.stream(subscribe(1)) as items:
        async with topic.stream(subscribe(1)), topic.stream(subscribe(2)):
            await publish(topic, range(10))
            await trio.sleep(1)
        assert await read(items, 10) == list(range(10))


async def test_a_publisher_that_is_cancelled_while_it_waits_has_published_nothing(
    autojump_clock: MockClock,
) -> None:
    async with numbers(capacity=1) as (_, topic), topic.stream(subscribe(1), buffer=0) as items:
        await publish(topic, [1, 2, 3, 4])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publish, topic, [5])
            await trio.sleep(1)
            assert topic.statistics().in_line == 1
            nursery.cancel_scope.cancel()
        assert await read(items, 4) == [1, 2, 3, 4]
        await publish(topic, [6])
        assert await read(items, 1) == [6]


# Actors as subscribers


class Listener: ...


@attrs.frozen
class Hear(Tell[Listener]):
    item: int


class Ear(Actor, Listener):
    """Writes down what it hears; an item below 0 crashes it."""

    def __init__(self, heard: list[int], takes: float = 0) -> None:
        self.heard = heard
        self.takes = takes

    @Hear.handles
    async def hear(self, message: Hear) -> None:
        await trio.sleep(self.takes)
        if message.item < 0:
            raise ValueError
        self.heard.append(message.item)


async def test_an_attached_actor_is_told_what_is_published_until_it_is_detached() -> None:
    heard = list[int]()
    async with numbers() as (system, topic):
        ear = await system.spawn(Ear, heard)
        await publish(topic, [1])
        await topic.tell(Attach(ear, Hear))
        await publish(topic, [2, 3])
        await topic.tell(Attach[int, Ear](ear, lambda item: Hear(item * 10)))  # instead, not too
        await publish(topic, [4])
        await topic.tell(Detach(ear))
        await publish(topic, [5])
        await topic.tell(Detach(ear))
        await settled()
        assert heard == [2, 3, 40]


async def test_an_attached_actor_may_subscribe_with_its_own_ref() -> None:
    heard = list[int]()

    class SelfAttaching(Ear):
        async def started(self) -> None:
            await topic.tell(Attach(self.ref, Hear))

    async with numbers() as (system, topic):
        await system.spawn(SelfAttaching, heard)
        await publish(topic, [1])
        await settled()
        assert heard == [1]


async def test_a_full_attached_actor_makes_the_topic_wait_after_all_others_were_told(
    autojump_clock: MockClock,
) -> None:
    slow, quick = list[int](), list[int]()
    options = ChildOptions(mailbox=MailboxOptions(1))
    async with numbers(capacity=1) as (system, topic):
        for heard, takes in ((slow, 10), (quick, 0)):
            ear = await system.spawn(Ear, heard, takes, options=options)
            await topic.tell(Attach(ear, Hear))
        with trio.move_on_after(1):
            await publish(topic, range(100))
        assert quick == [0, 1, 2]
        assert topic.statistics().queued == 1
        await trio.sleep(100)
        assert slow == quick == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("overflow", "expected"), [(Overflow.FAIL, [0, 1]), (Overflow.DROP_OLDEST, [0, 9])]
)
async def test_the_policy_of_an_attached_actor_is_that_of_its_mailbox(
    overflow: Overflow, expected: list[int], autojump_clock: MockClock
) -> None:
    heard, events = list[int](), Heard()
    options = ChildOptions(mailbox=MailboxOptions(1, overflow))
    async with numbers() as (system, topic), trio.open_nursery() as nursery:
        nursery.start_soon(events.listen, system)
        ear = await system.spawn(Ear, heard, 1, options=options)
        await topic.tell(Attach(ear, Hear))
        for item in range(10):
            await publish(topic, [item])
            await settled()
        await trio.sleep(10)
        assert heard == expected
        assert len(events.of(DeadLetter)) == 8
        await publish(topic, [10])  # it is attached still
        await trio.sleep(2)
        assert heard == [*expected, 10]
        nursery.cancel_scope.cancel()


async def test_an_attached_actor_stays_attached_over_a_restart() -> None:
    heard = list[int]()
    async with numbers() as (system, topic):
        ear = await system.spawn(Ear, heard)
        await topic.tell(Attach(ear, Hear))
        await publish(topic, [1, -1])
        await settled()
        assert ear.statistics().restarts == 1
        await publish(topic, [2])
        await settled()
        assert heard == [1, 2]


async def test_an_attached_actor_that_has_ended_for_good_is_dropped(
    autojump_clock: MockClock,
) -> None:
    events = Heard()
    async with numbers() as (system, topic), trio.open_nursery() as nursery:
        nursery.start_soon(events.listen, system)
        options = ChildOptions(mailbox=MailboxOptions(1), restart=RestartPolicy.TEMPORARY, grace=1)
        ear = await system.spawn(Ear, list[int](), 100, options=options)
        await topic.tell(Attach(ear, Hear))
        await publish(topic, range(5))
        await settled()
        assert ear.statistics().in_line == 1
        await ear.stop()
        await publish(topic, [5, 6])
        await settled()
        assert topic.statistics().queued == 0
        assert topic.statistics().handling == ()
        # What was under way when it ended, and nothing since.
        assert [letter.message.item for letter in events.of(DeadLetter)] == [1, 2]
        nursery.cancel_scope.cancel()


async def test_actors_that_have_ended_do_not_pile_up_in_a_topic_where_nothing_is_published() -> (
    None
):
    kept = list[Topic[int]]()

    class Kept(Topic[int]):
        async def started(self) -> None:
            kept.append(self)

    async with open_system() as system:
        topic = await system.spawn(Kept)
        for _ in range(20):
            ear = await system.spawn(Ear, list[int]())
            await topic.tell(Attach(ear, Hear))
            await ear.stop()
        await settled()
        assert len(kept[0]._attached) <= 1  # noqa: SLF001 - memory is not visible otherwise


def fails_at_zero(item: int) -> Hear:
    return Hear(1 // item)


def what_is_not_handled(item: int) -> Order:
    return Order(nothing)


@pytest.mark.parametrize("wrap", [fails_at_zero, what_is_not_handled])
async def test_an_actor_that_cannot_be_told_is_detached_and_the_topic_goes_on(
    wrap: Callable[[int], Any],
) -> None:
    heard, events = list[int](), Heard()
    async with numbers() as (system, topic), trio.open_nursery() as nursery:
        nursery.start_soon(events.listen, system)
        good, bad = [await system.spawn(Ear, heard) for _ in range(2)]
        await topic.tell(Attach(bad, wrap))
        await topic.tell(Attach(good, Hear))
        await publish(topic, [0, 1])
        await settled()
        assert heard == [0, 1]
        (failed,) = events.of(MessageFailed)
        assert (failed.path, failed.message) == ("/numbers", Publish(0))
        assert isinstance(failed.error, ZeroDivisionError | TypeError)
        nursery.cancel_scope.cancel()


async def test_an_actor_may_read_a_stream_beside_its_messages_with_a_policy_of_its_own(
    autojump_clock: MockClock,
) -> None:
    heard = list[int]()

    class Latest(Ear):
        async def started(self) -> None:
            self.start_soon(self.follow)

        async def follow(self) -> None:
            async with topic.stream(subscribe(1, Overflow.DROP_OLDEST), buffer=0) as items:
                async for item in items:
                    await self.ref.tell(Hear(item))

    async with numbers() as (system, topic):
        options = ChildOptions(mailbox=MailboxOptions(1))
        await system.spawn(Latest, heard, 1, options=options)
        await settled()
        for item in range(20):
            await publish(topic, [item])
            await settled()
        await trio.sleep(10)
        assert heard == [0, 1, 2, 3, 19]


# The end of the topic


async def test_when_the_topic_stops_the_subscribers_read_what_is_there_and_then_the_fault(
    autojump_clock: MockClock,
) -> None:
    async with numbers() as (_, topic), topic.stream(subscribe(8)) as items:
        await publish(topic, [1, 2, 3])
        await settled()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(topic.stop)
            assert await rest_of(items, ActorStopped) == [1, 2, 3]
        assert trio.current_time() == 0


async def test_a_topic_that_is_stopped_with_drain_hands_out_all_that_was_published(
    autojump_clock: MockClock,
) -> None:
    found = list[list[int]]()

    async def read_all(capacity: int, *, task_status: trio.TaskStatus[None]) -> None:
        async with topic.stream(subscribe(capacity)) as items:
            task_status.started()
            await trio.sleep(1)
            found.append(await rest_of(items, ActorStopped))

    async with numbers() as (_, topic), trio.open_nursery() as nursery:
        for capacity in (1, 2, 8):
            await nursery.start(read_all, capacity)
        await publish(topic, range(20))
        await topic.tell(Detach(topic))  # the last message need not be an item
        await topic.stop(drain=True)
    assert found == [list(range(20))] * 3
    assert trio.current_time() == 1


async def test_a_topic_without_drain_finishes_the_item_in_hand_only(
    autojump_clock: MockClock,
) -> None:
    async with numbers() as (_, topic), topic.stream(subscribe(1), buffer=0) as items:
        await publish(topic, range(20))
        await settled()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(topic.stop)
            await settled()
            assert await rest_of(items, ActorStopped) == [0, 1, 2]
        assert trio.current_time() == 0


async def test_a_reader_that_stands_still_delays_the_stop_by_the_grace_of_the_topic(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        topic = await system.spawn(Topic[int], options=ChildOptions(grace=3))
        async with topic.stream(subscribe(1)) as items:
            await publish(topic, range(20))
            await settled()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(topic.stop)
            assert trio.current_time() == 3
            assert await rest_of(items, ActorStopped) == [0]  # what the stream had accepted


async def test_an_idle_topic_with_idle_subscribers_stops_at_once(
    autojump_clock: MockClock,
) -> None:
    async with numbers() as (system, topic), topic.stream(subscribe(1)) as items:
        ear = await system.spawn(Ear, list[int]())
        await topic.tell(Attach(ear, Hear))
        await settled()
        await topic.stop()
        assert await rest_of(items, ActorStopped) == []
        assert trio.current_time() == 0


async def test_a_topic_may_stop_itself(autojump_clock: MockClock) -> None:
    class UntilZero(Topic[int]):
        async def publish(self, message: Publish[int]) -> None:
            await super().publish(message)
            if message.item == 0:
                self.stop()

    async with open_system() as system:
        options = ChildOptions(restart=RestartPolicy.TRANSIENT)
        topic: Numbers = await system.spawn(UntilZero, options=options)
        async with topic.stream(subscribe(8)) as items:
            await publish(topic, [2, 1, 0])
            assert await rest_of(items, ActorStopped) == [2, 1, 0]
        assert trio.current_time() == 0


async def test_when_the_topic_crashes_the_streams_of_its_subscribers_end_with_that() -> None:
    class Fragile(Topic[int]):
        async def publish(self, message: Publish[int]) -> None:
            if message.item == 0:
                raise ValueError
            await super().publish(message)

    async with open_system() as system:
        topic: Numbers = await system.spawn(Fragile)
        async with topic.stream(subscribe(8)) as items:
            await publish(topic, [1, 0])
            assert await rest_of(items, ActorCrashed) == [1]
        async with topic.stream(subscribe(8)) as items:  # the next incarnation has no subscribers
            await publish(topic, [2])
            assert await read(items, 1) == [2]


async def test_under_one_for_all_an_attached_actor_attaches_anew_when_the_topic_is_restarted() -> (
    None
):
    heard = list[int]()

    class SelfAttaching(Ear):
        async def started(self) -> None:
            await topic.tell(Attach(self.ref, Hear))

    async with open_system() as system:
        group = await system.supervise("group", strategy=RestartStrategy.ONE_FOR_ALL)
        topic = await group.spawn(Topic[int])
        await group.spawn(SelfAttaching, heard)
        puppet = await group.spawn(Puppet)
        await crash_now(puppet)
        await publish(topic, [1])
        await settled()
        assert heard == [1]


async def test_a_topic_survives_a_cancel_at_every_checkpoint() -> None:
    async def consume(items: StreamBlock[int]) -> None:
        assert await read(items, 4) == [0, 1, 2, 3]

    async def scenario() -> None:
        heard = list[int]()
        async with assert_no_leaks(), numbers(capacity=1) as (system, topic):
            ear = await system.spawn(Ear, heard)
            await topic.tell(Attach(ear, Hear))
            try:
                async with (
                    topic.stream(subscribe(1)) as items,
                    topic.stream(subscribe(1, Overflow.DROP_OLDEST)),
                    trio.open_nursery() as nursery,
                ):
                    nursery.start_soon(consume, items)
                    await publish(topic, range(4))
                await topic.stop(drain=True)
            finally:
                with trio.CancelScope(shield=True):  # whatever was cut off, the rest goes on
                    await settled()
                    assert topic.statistics().handling == ()
                    assert topic.statistics().queued == 0
                    assert heard == sorted(set(heard))

    assert await cancel_everywhere(scenario) > 50


# Loops


@pytest.mark.parametrize("capacity", [1, 2])
async def test_a_reader_that_publishes_more_than_there_is_room_for_is_told(
    autojump_clock: MockClock, capacity: int
) -> None:
    """Nothing is lost, and the other subscribers do not notice."""
    others = list[int]()

    async def read_all() -> None:
        async with topic.stream(subscribe(64)) as items:
            others.extend(await rest_of(items, ActorStopped))

    async with numbers(capacity) as (_, topic), trio.open_nursery() as nursery:
        nursery.start_soon(read_all)
        await settled()
        async with topic.stream(subscribe(1), buffer=0) as items:
            with pytest.raises(AskCycle) as caught:
                await publish(topic, range(100))
            count = 3 + capacity
            assert caught.value.message == Publish(count)
            assert await read(items, count) == list(range(count))
            await publish(topic, [count])
        await topic.stop(drain=True)
    assert others == list(range(count + 1))


async def test_a_loop_through_a_topic_that_goes_by_others_is_found(
    autojump_clock: MockClock,
) -> None:
    async with numbers(1) as (system, topic), topic.stream(subscribe(1), buffer=0) as items:
        publisher = await system.spawn(Puppet)
        with pytest.raises(AskCycle) as caught:
            await publisher.ask(Do(lambda _: publish(topic, range(100))))
        assert publisher.path in caught.value.chain
        assert await read(items, 4) == [0, 1, 2, 3]
        assert topic.statistics().waiting_for == ()


@pytest.mark.parametrize("has_others", [True, False])
async def test_an_attached_actor_that_waits_for_the_topic_does_not_hold_it_up(
    autojump_clock: MockClock,
    has_others: bool,  # noqa: FBT001 - a case
) -> None:
    told: dict[str, list[int]] = {"publisher": [], "other": []}
    heard = Heard()

    def noted(name: str) -> Callable[[int], Order]:
        def wrap(item: int) -> Order:
            async def note(_: Puppet) -> None:
                await trio.sleep(0.1)
                told[name].append(item)

            return Order(note)

        return wrap

    async with numbers(1) as (system, topic), trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        small = ChildOptions(mailbox=MailboxOptions(1))
        publisher = await system.spawn(Puppet, options=small)
        other = await system.spawn(Puppet, options=small)
        await topic.tell(Attach(publisher, noted("publisher")))
        if has_others:
            await topic.tell(Attach(other, noted("other")))
        await publisher.ask(Do(lambda _: publish(topic, range(8))))
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert told["other"] == (list(range(8)) if has_others else [])
    lost = [letter for letter in heard.of(DeadLetter) if letter.path == publisher.path]
    assert len(told["publisher"]) + len(lost) == 8
    assert lost
    assert heard.of(MessageFailed) == []
