"""Counts and times what happens in a system, with OpenTelemetry's metrics.

What is there is counted every few seconds by the actor itself, and told as differences. An
observable gauge would be asked by a thread of the exporter, which cannot read the tree of a
trio run; and it cannot be taken back, so that one of a meter that has ended would be asked for
ever. Differences of several systems add up, and a meter that ends takes its own back.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from typing import TYPE_CHECKING, Final

import trio
from opentelemetry import metrics

from runtime import (
    Actor,
    Crashed,
    DeadLetter,
    GaveUp,
    MessageEnded,
    MessageFailed,
    Overdue,
    Restarted,
    Spawned,
    Stopped,
)

from . import _conventions as called
from ._following import follow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.metrics import Meter

    from runtime import Fact, Node, System

    Labels = tuple[tuple[str, str], ...]
    Stock = Tally[tuple[called.Name, Labels]]

COUNTED: Final[dict[type, called.Name]] = {
    Spawned: called.SPAWNED,
    Crashed: called.CRASHED,
    Restarted: called.RESTARTED,
    Stopped: called.STOPPED,
    Overdue: called.OVERDUE,
    GaveUp: called.GAVE_UP,
    DeadLetter: called.DEAD_LETTERS,
    MessageFailed: called.FAILED,
}
PRESENT: Final = (called.ALIVE, called.QUEUED, called.IN_LINE)


class FactMeter(Actor):
    """Measures what happens in a system: `await system.spawn(FactMeter, system)`.

    Without an SDK of OpenTelemetry, it tells nobody. Spawn it first, and it is there until all
    others have stopped.

    Args:
        system: What to measure.
        meter: Whose instruments to use; one of the global meter provider's if None.
        durations: Whether to time each handler, too.
        seconds: How often the actors, and what waits in their mailboxes, are counted.
        buffer: How many facts may wait; beyond, the oldest are lost, and their number counted.

    Raises:
        ValueError: If `seconds` is no time, or `buffer` is below 1.
    """

    def __init__(
        self,
        system: System,
        meter: Meter | None = None,
        *,
        durations: bool = False,
        seconds: float = 10.0,
        buffer: int = 1024,
    ) -> None:
        if not 0 < seconds < math.inf:
            raise ValueError(f"seconds must be more than 0, not {seconds}")
        meter = meter or metrics.get_meter(called.SCOPE, called.release() or "")
        self._system = system
        self._seconds = seconds
        # Two, so that a flood of messages does not displace what happens to actors.
        self._facts = system.events(buffer=buffer, messages=durations)
        self._lives = system.events(buffer=buffer)
        self._lost = 0  # facts, so far
        self._kinds: dict[str, str] = {}  # of all that is there, by path
        self._stock: Stock = Tally()  # as it was told
        self._counters = {name: meter.create_counter(*name) for name in COUNTED.values()}
        self._lost_counter = meter.create_counter(*called.FACTS_LOST)
        self._levels = {name: meter.create_up_down_counter(*name) for name in PRESENT}
        self._durations = meter.create_histogram(
            *called.DURATION, explicit_bucket_boundaries_advisory=called.DURATION_BUCKETS
        )

    async def started(self) -> None:
        """Returns when nothing is missed any longer."""
        is_listening = trio.Event()
        self.start_soon(self._listen, is_listening)
        await is_listening.wait()
        self.start_soon(self._take_stock)

    async def _listen(self, is_listening: trio.Event) -> None:
        async with self._lives:
            self._kinds = kinds_of(self._system.tree())
            await follow(self._facts, self._hear, is_listening)

    def _hear(self, facts: list[Fact]) -> None:
        ended: set[str] = set()  # forgotten only after their last messages
        for fact in self._lives.take_nowait():
            if isinstance(fact, Spawned):
                self._kinds[fact.path] = fact.kind
                ended.discard(fact.path)
            elif isinstance(fact, Stopped):
                ended.add(fact.path)
            self._counters[COUNTED[type(fact)]].add(1, self._labels_of(fact))
        for fact in facts:
            if isinstance(fact, MessageEnded):
                self._durations.record(fact.seconds, self._labels_of(fact))
        for path in ended:
            self._kinds.pop(path, None)
        if self._facts.dropped > self._lost:
            self._lost_counter.add(self._facts.dropped - self._lost)
            self._lost = self._facts.dropped
            self._kinds = kinds_of(self._system.tree())

    def _labels_of(self, fact: Fact) -> dict[str, str]:
        labels: dict[str, str] = {}
        kind = self._kinds.get(fact.path)
        if kind is not None and not isinstance(fact, DeadLetter):  # most of those have ended
            labels[called.ACTOR_KIND] = kind
        if isinstance(fact, Stopped):
            labels[called.ACTOR_EXIT] = fact.exit.value
        if isinstance(fact, (DeadLetter, MessageFailed, MessageEnded)):
            labels[called.MESSAGE_TYPE] = called.name_of(type(fact.message))
        if isinstance(fact, MessageEnded):
            outcome, error = called.outcome_of(fact.message, fact.error)
            labels[called.MESSAGE_OUTCOME] = outcome.value
            if error is not None:
                labels[called.ERROR_TYPE] = called.name_of(type(error))
        elif isinstance(fact, (Crashed, GaveUp, MessageFailed)):
            labels[called.ERROR_TYPE] = called.name_of(type(fact.error))
        return labels

    async def _take_stock(self) -> None:
        try:
            while True:
                self._tell_stock(stock_of(self._system.tree()))
                await trio.sleep(self._seconds)
        finally:
            self._tell_stock(Tally())

    def _tell_stock(self, stock: Stock) -> None:
        """Tell by how much it differs from what was told."""
        for key in self._stock.keys() | stock.keys():
            name, labels = key
            if difference := stock[key] - self._stock[key]:
                self._levels[name].add(difference, dict(labels))
        self._stock = stock


def nodes_of(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    yield node
    for child in node.children:
        yield from nodes_of(child)


def kinds_of(tree: Node) -> dict[str, str]:
    return {node.path: node.kind for node in nodes_of(tree)}


def stock_of(tree: Node) -> Stock:
    """How many actors and messages there are, by what they are."""
    stock: Stock = Tally()
    for node in nodes_of(tree):
        if node.statistics is None:
            continue
        kind = (called.ACTOR_KIND, node.kind)
        stock[called.ALIVE, (kind, (called.ACTOR_STATE, node.statistics.state))] += 1
        stock[called.QUEUED, (kind,)] += node.statistics.queued
        stock[called.IN_LINE, (kind,)] += node.statistics.in_line
    return stock
