"""A process that weighs idle actors, or idle tasks: `python -m runtime.bench._idle actor 5000`.

Prints the `Cost` of each of them as JSON. Nothing imports this: it is run.
"""

from __future__ import annotations

import gc
import itertools
import json
import resource
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

import attrs
import trio
import trio.testing

from actors import AgentOptions
from actors.agents import Agent, AgentSetup
from actors.journal import MemoryJournal
from actors.providers import start_provider
from runtime import open_system

from ._lives import Cost, IdleActor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    Start = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def _open_actors() -> AsyncGenerator[Start]:
    async with open_system() as system:

        async def start(count: int) -> None:
            for _ in range(count):
                await system.spawn(IdleActor)

        yield start


@asynccontextmanager
async def _open_tasks() -> AsyncGenerator[Start]:
    async with trio.open_nursery() as nursery:

        async def start(count: int) -> None:
            for _ in range(count):
                nursery.start_soon(trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()

        yield start
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _open_agents() -> AsyncGenerator[Start]:
    """Agents that share a provider and a journal."""
    async with open_system() as system:
        provider = await start_provider(system, "scripted:echo")
        journal = await system.spawn(MemoryJournal)
        numbers = itertools.count()

        async def start(count: int) -> None:
            for _ in range(count):
                options = AgentOptions(conversation=str(next(numbers)))
                await system.spawn(Agent, provider, journal, AgentSetup(options=options))

        yield start


KINDS: Final[Mapping[str, Callable[[], AbstractAsyncContextManager[Start]]]] = {
    "actor": _open_actors,
    "agent": _open_agents,
    "task": _open_tasks,
}


async def weigh(kind: str, count: int) -> Cost:
    """Start `count` of one kind, stop them, and say what each has cost."""
    spare = count // 10  # room that the allocator keeps ready
    async with KINDS[kind]() as start:
        await start(spare)
        before = _resident()
        begin = perf_counter_ns()
        await start(count)
        started = perf_counter_ns() - begin
        memory = _resident() - before
        begin = perf_counter_ns()
    stopped = perf_counter_ns() - begin
    return Cost(memory / count / 1e3, started / count / 1e3, stopped / (count + spare) / 1e3)


def _resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    cost = trio.run(weigh, sys.argv[1], int(sys.argv[2]))
    print(json.dumps(attrs.asdict(cost)))  # noqa: T201 - its caller reads it
