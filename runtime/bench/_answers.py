"""Streamed answers, from the server's socket to the consumer: latency, CPU, interruption.

Every way to read takes its turn within one round, against one server in another process.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns, process_time_ns
from typing import TYPE_CHECKING, Final

import trio

from ._clients import (
    Open,
    Read,
    open_agent_reader,
    open_plain,
    open_provider_reader,
    open_raw,
)
from ._figures import Budget, Effort, Figure, Samples, figure_of
from ._host import Server, open_server
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

FLOOR: Final = "plain httpx2"
AGENT: Final = "agent"
CLIENTS: Final[Mapping[str, Open]] = {
    AGENT: open_agent_reader,
    "provider alone": open_provider_reader,
    FLOOR: open_plain,
    "raw socket": open_raw,
}

PACE: Final = 200  # chunks a second
PACED: Final = 200  # chunks a round
FIRST_ONES: Final = 10  # chunks of each stream that do not count: connections are made
FLOOD: Final = 20_000  # chunks a round
LEAVES: Final = 20  # streams a round
CHUNKS_BEFORE: Final = 5  # that are read before the stream is left


async def _turn(
    open_reader: Open, url: str, measure: Callable[[Read], Awaitable[Samples]]
) -> Samples:
    """One turn of a client, opened for it: a conversation must not grow from turn to turn."""
    async with open_reader(url) as read:
        return await measure(read)


async def _rounds(
    effort: Effort, url: str, measure: Callable[[Read], Awaitable[Samples]]
) -> dict[str, list[Samples]]:
    turns = {name: partial(_turn, opened, url, measure) for name, opened in CLIENTS.items()}
    return await take_turns(effort, turns)


def _figures(
    what: str, rounds: Mapping[str, Sequence[Samples]], budget: Budget
) -> Sequence[Figure]:
    """All clients against the floor; the budget is the agent's."""
    return [
        figure_of(
            what if name == AGENT else f"{what}: {name}",
            "µs",
            rounds[name],
            rounds[FLOOR],
            budget if name == AGENT else None,
        )
        for name in CLIENTS
        if name != FLOOR
    ]


def chunk(effort: Effort) -> Sequence[Figure]:
    """From just before the server's write to the consumer's hand, one way, paced."""

    async def measure() -> Sequence[Figure]:
        count = effort.samples(PACED)
        async with open_server() as server:
            rounds = await _rounds(effort, server.base_url(PACE, count + FIRST_ONES), _latencies)
        return _figures("chunk", rounds, Budget(ratio=1.4))

    return trio.run(measure)


async def _latencies(read: Read) -> Samples:
    samples: list[float] = []

    def take(text: str) -> bool:
        samples.append((perf_counter_ns() - int(text)) / 1e3)
        return False

    await read(take)
    return samples[FIRST_ONES:]


def flood(effort: Effort) -> Sequence[Figure]:
    """Processor time of the client's process for each chunk, at full speed."""

    async def measure() -> Sequence[Figure]:
        async with open_server() as server:
            url = server.base_url(0, effort.samples(FLOOD))
            rounds = await _rounds(effort, url, _cpu)
        return _figures("flood", rounds, Budget(value=20))

    return trio.run(measure)


async def _cpu(read: Read) -> Samples:
    taken = 0

    def take(_: str) -> bool:
        nonlocal taken
        taken += 1
        return False

    start = process_time_ns()
    await read(take)
    return [(process_time_ns() - start) / 1e3 / taken]


def interrupt(effort: Effort) -> Sequence[Figure]:
    """From leaving a stream's block: until control returns, and until the server sees the close.

    The stream is paced and is left in the middle, with a chunk in hand.
    """

    async def measure() -> Sequence[Figure]:
        count = effort.samples(LEAVES)
        async with open_server() as server:
            url = server.base_url(PACE, PACE * 60)
            back: dict[str, list[Samples]] = {AGENT: [], FLOOR: []}
            turns = {
                name: partial(_turn, CLIENTS[name], url, partial(_leaves, server, count, returns))
                for name, returns in back.items()
            }
            closed = await take_turns(effort, turns)
        back = {name: returns[1:] for name, returns in back.items()}  # the first is no round
        return [
            figure_of("interrupt: return", "ms", back[AGENT], back[FLOOR], Budget(value=0.6)),
            figure_of("interrupt: close", "ms", closed[AGENT], closed[FLOOR], Budget(value=0.3)),
        ]

    return trio.run(measure)


async def _leaves(server: Server, count: int, returns: list[Samples], read: Read) -> Samples:
    """Milliseconds until the server saw each close; those until control returned are added."""
    back: list[float] = []
    closed: list[float] = []
    for _ in range(count):
        leaving = Leaving()
        await read(leaving.take)
        back.append((perf_counter_ns() - leaving.left_at) / 1e6)
        closed.append((await server.closed_at() - leaving.left_at) / 1e6)
    returns.append(back)
    return closed


class Leaving:
    """Takes a few chunks, then notes the time and leaves."""

    def __init__(self) -> None:
        self.taken = 0
        self.left_at = 0

    def take(self, _: str) -> bool:
        self.taken += 1
        if self.taken < CHUNKS_BEFORE:
            return False
        self.left_at = perf_counter_ns()
        return True
