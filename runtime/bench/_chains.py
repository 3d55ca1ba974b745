"""Chains of asks: each handler asks the next actor. How long the reply takes, and the cancel."""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

import attrs
import trio

from runtime import Actor, Ask, Ref, Supervisor, open_system

from ._figures import Budget, Effort, Figure, Samples, figure_of
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

DEPTHS: Final = (1, 3, 5, 10)  # actors that an ask passes through
ASKS: Final = 500
CANCELS: Final = 300


class Link: ...


@attrs.frozen
class Pass(Ask[Link, int]):
    """Goes down the chain; the last one answers."""

    number: int


@attrs.frozen
class Hold(Ask[Link, None]):
    """Goes down the chain; the last one sets `reached`, and answers never."""

    reached: trio.Event


class LinkActor(Actor, Link):
    def __init__(self, onward: Ref[Link] | None) -> None:
        self.onward = onward

    @Pass.handles
    async def go_on(self, message: Pass) -> int:
        return message.number if self.onward is None else await self.onward.ask(message)

    @Hold.handles
    async def hold(self, message: Hold) -> None:
        if self.onward is not None:
            await self.onward.ask(message)
        message.reached.set()
        await trio.sleep_forever()


async def link_up(above: Supervisor, depth: int) -> list[Ref[Link]]:
    """Start `depth` actors, each of which asks the next; the first of them is to be asked."""
    links: list[Ref[Link]] = []
    for _ in range(depth):
        links.insert(0, await above.spawn(LinkActor, links[0] if links else None))
    return links


def chain(effort: Effort) -> Sequence[Figure]:
    """An ask down a chain of actors and its reply; and the cancel of one that has no reply.

    The floors are relays over channels without a buffer, and a nest of nurseries.
    """

    async def measure() -> Sequence[Figure]:
        figures: list[Figure] = []
        for depth in DEPTHS:
            async with open_system() as system:
                first = (await link_up(system, depth))[0]
                figures += await _figures(effort, depth, first)
        return sorted(figures, key=lambda figure: "cancel" in figure.name)

    return trio.run(measure)


async def _figures(effort: Effort, depth: int, first: Ref[Link]) -> Sequence[Figure]:
    asks, cancels = effort.samples(ASKS), effort.samples(CANCELS)

    async def hold(reached: trio.Event) -> None:
        await first.ask(Hold(reached))

    subjects: Mapping[str, Callable[[], Awaitable[Samples]]] = {
        "ask": partial(_asks, first, asks),
        "relays": partial(_relayed, depth, asks),
        "cancel": partial(_cancels, hold, cancels),
        "nest": partial(_cancels, partial(_nest, depth), cancels),
    }
    rounds = await take_turns(effort, subjects)
    name = f"chain of {depth}"
    budget = Budget(ratio=1.25)
    return [
        figure_of(name, "µs", rounds["ask"], rounds["relays"], budget),
        figure_of(f"{name}: cancel", "µs", rounds["cancel"], rounds["nest"]),
    ]


async def _asks(first: Ref[Link], count: int) -> Samples:
    samples: list[float] = []
    for number in range(count):
        start = perf_counter_ns()
        await first.ask(Pass(number))
        samples.append((perf_counter_ns() - start) / 1e3)
    return samples


# The floor of an ask: as many tasks, each with a channel to it and one back


class Hop:
    """The two channels before one relay."""

    def __init__(self) -> None:
        self.send, self.taken = trio.open_memory_channel[int](0)
        self.reply, self.receive = trio.open_memory_channel[int](0)


async def _relayed(depth: int, count: int) -> Samples:
    samples: list[float] = []
    async with trio.open_nursery() as nursery:
        first = onward = None
        for _ in range(depth):
            first = Hop()
            nursery.start_soon(_relay, first, onward)
            onward = first
        assert first is not None
        for number in range(count):
            start = perf_counter_ns()
            await first.send.send(number)
            await first.receive.receive()
            samples.append((perf_counter_ns() - start) / 1e3)
        nursery.cancel_scope.cancel()
    return samples


async def _relay(before: Hop, onward: Hop | None) -> None:
    while True:
        number = await before.taken.receive()
        if onward is not None:
            await onward.send.send(number)
            number = await onward.receive.receive()
        await before.reply.send(number)


# Cancels


async def _cancels(hold: Callable[[trio.Event], Awaitable[None]], count: int) -> Samples:
    """From the cancel of `hold` until it has given control back, in microseconds.

    `hold` waits for others, the last of whom sets the event and then waits for ever.
    """
    samples: list[float] = []
    for _ in range(count):
        held = Held(hold)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(held.run)
            await held.reached.wait()
            start = perf_counter_ns()
            held.scope.cancel()
        samples.append((held.back_at - start) / 1e3)
    return samples


class Held:
    """Waits in a scope that is cancelled from outside, and notes when it has control again."""

    def __init__(self, hold: Callable[[trio.Event], Awaitable[None]]) -> None:
        self.scope = trio.CancelScope()
        self.reached = trio.Event()
        self.back_at = 0
        self._hold = hold

    async def run(self) -> None:
        with self.scope:
            await self._hold(self.reached)
        self.back_at = perf_counter_ns()


async def _nest(depth: int, reached: trio.Event) -> None:
    """A task for each actor, each in the nursery of the one before it."""
    if depth == 0:
        reached.set()
        await trio.sleep_forever()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_nest, depth - 1, reached)
