"""Many streams at once: `python benchmarks/many_streams.py [streams] [seconds]`.

Each stream brings 20 chunks a second. Prints the one-way latency of a chunk, and how much the
process has grown, for agents (one provider, one journal, an agent a stream), for a provider
alone and for plain httpx2. With 1 000 streams the client has no time to spare: latency is then
what has piled up. Every client runs in a process of its own.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter_ns, process_time
from typing import TYPE_CHECKING, Any

import httpx2
import trio

from actors.agents import Agent, AgentOptions, AgentSetup, Run
from actors.chat import Request, Token, user
from actors.journal import MemoryJournal
from actors.providers import Generate, Model, start_provider
from runtime import open_system
from runtime.bench import open_server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    Take = Callable[[str], None]
    Read = Callable[[int, Take], Awaitable[None]]

PACE = 20  # chunks a second and stream
NO_LIMIT = httpx2.Limits(max_connections=None, max_keepalive_connections=None)


@asynccontextmanager
async def plain(base_url: str) -> AsyncGenerator[Read]:
    """The floor: one httpx2 client for all streams."""
    body: dict[str, Any] = {"model": "bench", "messages": [], "stream": True}
    async with httpx2.AsyncClient(limits=NO_LIMIT, timeout=60) as client:

        async def read(_: int, take: Take) -> None:
            url = f"{base_url}/chat/completions"
            async with client.stream("POST", url, json=body) as response:
                async for line in response.aiter_lines():
                    if line[:6] != "data: " or line == "data: [DONE]":
                        continue
                    choices = json.loads(line[6:])["choices"]
                    if choices and (text := choices[0]["delta"].get("content")):
                        take(text)

        yield read


@asynccontextmanager
async def provider(base_url: str) -> AsyncGenerator[Read]:
    """One provider actor for all streams."""
    async with open_system() as system:
        ref = await start_provider(system, Model("openai-compatible:bench", base_url=base_url))

        async def read(_: int, take: Take) -> None:
            async with ref.stream(Generate(Request((user("go"),)))) as chunks:
                async for chunk in chunks:
                    if chunk.content:
                        take(chunk.content)

        yield read


@asynccontextmanager
async def agents(base_url: str) -> AsyncGenerator[Read]:
    """One provider, one journal, and an agent for each stream."""
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal)
        ref = await start_provider(system, Model("openai-compatible:bench", base_url=base_url))

        async def read(number: int, take: Take) -> None:
            setup = AgentSetup(options=AgentOptions(conversation=str(number)))
            agent = await system.spawn(Agent, ref, journal, setup)
            async with agent.stream(Run(str(number), "go")) as events:
                async for event in events:
                    if isinstance(event, Token):
                        take(event.content)

        yield read


CLIENTS = {"agents": agents, "provider": provider, "plain httpx2": plain}


async def measure(client: str, streams: int, seconds: int) -> None:
    """Print one line for one client."""
    samples: list[float] = []
    half = streams * PACE * seconds // 2

    def take(text: str) -> None:
        samples.append((perf_counter_ns() - int(text)) / 1e6)

    async with open_server() as server:
        before = resident()
        async with CLIENTS[client](server.base_url(PACE, PACE * seconds)) as read:
            busy = process_time()
            async with trio.open_nursery() as nursery:
                for number in range(streams):
                    nursery.start_soon(read, number, take)
            busy = process_time() - busy
        grown = (resident() - before) / 1e6
    late = statistics.quantiles(samples[half:], n=100)  # all streams have begun by then
    print(
        f"{client:<13} p50 {late[49]:7.1f} ms   p99 {late[98]:7.1f} ms   "
        f"{busy / len(samples) * 1e6:5.0f} µs CPU a chunk   at most {grown:4.0f} MB more"
    )


def resident() -> int:
    """The most bytes that this process has had in memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(arguments: list[str]) -> None:
    """Run every client in a process of its own; with three arguments, be that process."""
    if arguments and arguments[0] in CLIENTS:
        client, streams, seconds = arguments
        trio.run(measure, client, int(streams), int(seconds))
        return
    streams, seconds = arguments + ["1000", "10"][len(arguments) :]
    for client in CLIENTS:
        subprocess.run(  # noqa: S603 - this very script
            [sys.executable, str(Path(__file__)), client, streams, seconds], check=True
        )


if __name__ == "__main__":
    main(sys.argv[1:])
