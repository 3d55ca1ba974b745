"""Silence: how long after its limit a reader is told that nothing comes any more."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from time import perf_counter_ns
from typing import Final

import httpx2
import trio

from actors import open_agent
from actors.errors import StreamStalled
from actors.providers import Limits, Model

from ._clients import BODY
from ._figures import Budget, Effort, Figure, Samples, figure_of
from ._host import Server, open_server
from ._rounds import take_turns

AGENT: Final = "agent"
FLOOR: Final = "plain httpx2"
LIMIT: Final = 0.05  # seconds
STALLS: Final = 10  # a round

Stalled = Callable[[], Awaitable[None]]  # asks for an answer, and returns at its stall
Open = Callable[[str], AbstractAsyncContextManager[Stalled]]


@asynccontextmanager
async def _open_agent(base_url: str) -> AsyncGenerator[Stalled]:
    model = Model(
        "openai-compatible:bench",
        base_url=base_url,
        api_key="none",
        limits=Limits(idle=LIMIT),
        breaker=None,  # which would open at the fifth
    )
    async with open_agent(model) as agent:

        async def ask() -> None:
            try:
                await agent.run("go")
            except StreamStalled:
                return
            raise RuntimeError("the server was not silent")

        yield ask


@asynccontextmanager
async def _open_plain(base_url: str) -> AsyncGenerator[Stalled]:
    async with httpx2.AsyncClient(timeout=httpx2.Timeout(5, read=LIMIT)) as client:

        async def ask() -> None:
            try:
                await client.post(f"{base_url}/chat/completions", json=BODY)
            except httpx2.ReadTimeout:
                return
            raise RuntimeError("the server was not silent")

        yield ask


CLIENTS: Final[Mapping[str, Open]] = {
    AGENT: _open_agent,
    FLOOR: _open_plain,
}


def stall(effort: Effort) -> Sequence[Figure]:
    """From the call of an answer that begins and goes silent to its error, beyond the limit.

    So it has the connection and the request in it.
    """

    async def measure() -> Sequence[Figure]:
        async with open_server() as server:
            url = server.base_url(1, 60)  # a chunk a second: the first one comes too late
            turns = {
                name: partial(_turn, opened, url, server, effort.samples(STALLS))
                for name, opened in CLIENTS.items()
            }
            rounds = await take_turns(effort, turns)
        budget = Budget(value=50)
        return [figure_of("stall", "ms", rounds[AGENT], rounds[FLOOR], budget)]

    return trio.run(measure)


async def _turn(
    opened: Open,
    url: str,
    server: Server,
    count: int,
) -> Samples:
    samples: list[float] = []
    async with opened(url) as ask:
        for _ in range(count):
            start = perf_counter_ns()
            await ask()
            samples.append((perf_counter_ns() - start) / 1e6 - LIMIT * 1e3)
            await server.closed_at()
    return samples
