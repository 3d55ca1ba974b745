"""Whoever publishes, subscribes, reads slowly, leaves or is cancelled when: nothing is lost.

A witness reads everything from the beginning, so it says in which order items were published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import (
    Actor,
    ActorStopped,
    Attach,
    ChildOptions,
    Conflate,
    MailboxFull,
    MailboxOptions,
    Overflow,
    Publish,
    Ref,
    Subscribe,
    Tell,
    Topic,
    open_system,
)
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from trio.testing import MockClock

MANY = 10_000
SECONDS = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
POLICIES = st.sampled_from([*[Overflow.BLOCK] * 3, *Overflow, Conflate(lambda item: item % 2)])


@attrs.frozen
class Reader:
    """A subscriber: when it comes, how long it ponders over each item, when it leaves."""

    at: float
    overflow: Overflow | Conflate
    capacity: int
    buffer: int
    ponders: float
    leaves_after: float


@attrs.frozen
class Publisher:
    """Publishes some items at a time, and perhaps loses its patience."""

    at: float
    items: int
    patience: float


READERS = st.builds(
    Reader,
    at=SECONDS,
    overflow=POLICIES,
    capacity=st.integers(1, 3),
    buffer=st.integers(0, 2),
    ponders=st.sampled_from([0.0, 0.1, 0.5, 100.0]),
    leaves_after=st.sampled_from([0.0, 1.0, 2.0, 1_000.0]),
)
PUBLISHERS = st.builds(
    Publisher,
    at=SECONDS,
    items=st.integers(1, 6),
    patience=st.sampled_from([0.0, 0.1, 1.0, 10_000.0, 10_000.0]),
)


class Listener: ...


@attrs.frozen
class Hear(Tell[Listener]):
    item: int


class Ear(Actor, Listener):
    def __init__(self, heard: list[int]) -> None:
        self.heard = heard

    @Hear.handles
    async def hear(self, message: Hear) -> None:
        await trio.sleep(0.1)
        self.heard.append(message.item)


class Record:
    """What was published, and what a reader found."""

    def __init__(self, topic: Ref[Topic[int]]) -> None:
        self.topic = topic
        self.begun = list[int]()  # in the order in which the tells began
        self.told = list[int]()  # whose tell has returned
        self.findings = list[Finding]()

    async def publish(self, publisher: Publisher) -> None:
        await trio.sleep(publisher.at)
        with trio.move_on_after(publisher.patience):
            for _ in range(publisher.items):
                item = len(self.begun)
                self.begun.append(item)
                await self.topic.tell(Publish(item))
                self.told.append(item)

    async def read(self, reader: Reader) -> None:
        await trio.sleep(reader.at)
        finding = Finding(reader)
        self.findings.append(finding)
        mailbox = MailboxOptions(reader.capacity, reader.overflow)
        with trio.move_on_after(reader.leaves_after):
            try:
                async with self.topic.stream(
                    Subscribe[int](mailbox), buffer=reader.buffer
                ) as items:
                    finding.came_after = len(self.begun)
                    async for item in items:
                        finding.items.append(item)
                        await trio.sleep(reader.ponders)
            except (ActorStopped, MailboxFull) as fault:
                finding.fault = type(fault)


@attrs.define
class Finding:
    reader: Reader
    items: list[int] = attrs.Factory(list[int])
    came_after: int | None = None  # how many tells had begun when it had subscribed
    fault: type[Exception] | None = None

    def check(self, published: list[int]) -> None:
        assert len(self.items) == len(set(self.items))
        assert set(self.items) <= set(published)
        overflow = self.reader.overflow
        if isinstance(overflow, Conflate):
            for parity in (0, 1):  # a newer item takes the place of an older one of its key
                self.check_order([item for item in published if item % 2 == parity], parity)
        else:
            self.check_order(published)
        if overflow in {Overflow.BLOCK, Overflow.FAIL}:
            self.check_gapless(published)
        if self.items and self.fault is ActorStopped and overflow is not Overflow.DROP_NEWEST:
            assert published[-1] in self.items  # the newest is never the one that is lost

    def check_order(self, published: list[int], parity: int | None = None) -> None:
        items = [item for item in self.items if parity is None or item % 2 == parity]
        assert items == [item for item in published if item in items]

    def check_gapless(self, published: list[int]) -> None:
        if not self.items:
            return
        first = published.index(self.items[0])
        assert self.items == published[first : first + len(self.items)]
        assert self.came_after is not None
        # It missed nothing whose tell began after it had subscribed.
        assert all(item < self.came_after for item in published[:first])


@given(
    readers=st.lists(READERS, max_size=6),
    publishers=st.lists(PUBLISHERS, max_size=6),
    capacity=st.integers(1, 4),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)
@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
async def test_a_subscriber_that_blocks_sees_every_item_in_order_exactly_once(
    readers: list[Reader],
    publishers: list[Publisher],
    capacity: int,
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    heard = list[int]()
    options = ChildOptions(mailbox=MailboxOptions(capacity), grace=MANY)

    async with assert_no_leaks(), open_system() as system, trio.open_nursery() as reading:
        topic = await system.spawn(Topic[int], options=options)
        ear = await system.spawn(Ear, heard, options=ChildOptions(grace=MANY))
        await topic.tell(Attach(ear, Hear))
        record = Record(topic)
        witness = Reader(0, Overflow.BLOCK, MANY, 0, 0, MANY)
        async with trio.open_nursery() as nursery:
            reading.start_soon(record.read, witness)
            for reader in readers:
                reading.start_soon(record.read, reader)
            await trio.testing.wait_all_tasks_blocked()
            for publisher in publishers:
                nursery.start_soon(record.publish, publisher)
        # A stalled reader leaves in the end, so every publisher has come this far.
        await trio.sleep(5)
        await topic.stop(drain=True)
        await ear.stop(drain=True)
        assert (topic.statistics().queued, topic.statistics().in_line) == (0, 0)
        assert topic.statistics().handling == ()

    published = next(f.items for f in record.findings if f.reader is witness)
    assert sorted(published) == sorted(set(published))
    assert set(record.told) <= set(published) <= set(record.begun)
    assert heard == published
    for finding in record.findings:
        finding.check(published)
