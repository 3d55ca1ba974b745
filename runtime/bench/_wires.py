"""Each wire format through provider and agent, alone and with many streams at once.

The floor reads the same bytes from the same server with plain httpx2 and `json`.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns, process_time_ns
from typing import TYPE_CHECKING, Final

import attrs
import trio

from ._clients import WIRES, Read, Wire, open_agents_on, open_plain_on
from ._figures import Effort, Figure, Samples, figure_of
from ._host import open_server
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

CLIENTS: Final = {"agent": open_agents_on, "plain httpx2": open_plain_on}
ROUNDS: Final = 3  # a round is long, and there are many
PACE: Final = 200  # chunks a second
PACED: Final = 100  # chunks a round
FLOOD: Final = 10_000
CROWDS: Final = (10, 100, 1000)  # streams at once
CROWD_PACE: Final = 20  # chunks a second and stream
CROWD_CHUNKS: Final = 60  # of a stream, the first half of which do not count


async def _each(
    effort: Effort, wire: Wire, url: str, measure: Callable[[Read], Awaitable[Samples]]
) -> tuple[list[Samples], list[Samples]]:
    """The agent's rounds and the floor's."""

    async def turn(name: str) -> Samples:
        async with CLIENTS[name](wire, url) as read:
            return await measure(read)

    effort = attrs.evolve(effort, rounds=min(effort.rounds, ROUNDS))
    rounds = await take_turns(effort, {name: partial(turn, name) for name in CLIENTS})
    return rounds["agent"], rounds["plain httpx2"]


def codecs(effort: Effort) -> Sequence[Figure]:
    """One stream at a time on each wire: latency of a chunk when paced, CPU in a flood."""

    async def measure() -> Sequence[Figure]:
        figures: list[Figure] = []
        paced, many = effort.samples(PACED), effort.samples(FLOOD)
        async with open_server() as server:
            for name, wire in WIRES.items():
                rounds = await _each(effort, wire, server.root(PACE, paced), _latencies)
                figures.append(figure_of(f"{name}: chunk", "µs", *rounds))
                rounds = await _each(effort, wire, server.root(0, many), _cpu)
                figures.append(figure_of(f"{name}: flood", "µs", *rounds))
        return figures

    return trio.run(measure)


async def _latencies(read: Read) -> Samples:
    samples: list[float] = []

    def take(text: str) -> bool:
        samples.append((perf_counter_ns() - int(text)) / 1e3)
        return False

    await read(take)
    return samples[len(samples) // 10 :]


async def _cpu(read: Read) -> Samples:
    taken = 0

    def take(_: str) -> bool:
        nonlocal taken
        taken += 1
        return False

    start = process_time_ns()
    await read(take)
    return [(process_time_ns() - start) / 1e3 / taken]


def streams(effort: Effort) -> Sequence[Figure]:
    """Many paced streams at once on each wire: latency of a chunk, and CPU for it."""

    async def measure() -> Sequence[Figure]:
        figures: list[Figure] = []
        async with open_server() as server:
            url = server.root(CROWD_PACE, effort.samples(CROWD_CHUNKS))
            for name, wire in WIRES.items():
                for full in CROWDS:
                    count = effort.samples(full)
                    figures += await _crowd(effort, wire, url, f"{name} x {count}", count)
        return figures

    return trio.run(measure)


async def _crowd(effort: Effort, wire: Wire, url: str, name: str, count: int) -> Sequence[Figure]:
    async def both(read: Read) -> Samples:
        """The latencies, and before them the CPU of a chunk."""
        late: list[float] = []

        def take(text: str) -> bool:
            late.append((perf_counter_ns() - int(text)) / 1e3)
            return False

        start = process_time_ns()
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(read, take)
        busy = (process_time_ns() - start) / 1e3 / len(late)
        return [busy, *late[len(late) // 2 :]]

    mine, floor = await _each(effort, wire, url, both)
    return [
        figure_of(f"{name}: chunk", "µs", [s[1:] for s in mine], [s[1:] for s in floor]),
        figure_of(f"{name}: CPU", "µs", [s[:1] for s in mine], [s[:1] for s in floor]),
    ]
