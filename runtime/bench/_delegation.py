"""Agents that ask agents, and the cancel of all of them.

Each has a provider of its own. Those that ask have had their answer, and those at the ends are
in the middle of theirs when the run at the top is cancelled.
"""

from __future__ import annotations

import json
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

import attrs
import httpx2
import trio

from actors import AgentOptions, open_agent
from actors.agents import AgentRecipe, Guard, agent_tool
from actors.providers import Model

from ._chains import Held
from ._clients import BODY, NO_LIMIT
from ._figures import Budget, Effort, Figure, Samples, figure_of
from ._host import Server, open_server
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.tools import AnyTool

FAN_OUT: Final = 4  # as many tools as the server calls
DEPTH: Final = 5
CHUNKS: Final = 6_000  # of an answer that goes on until it is cancelled
FIRST_TEXT: Final = 2  # the event before it has none
MODEL: Final = "openai-compatible:bench"
PATIENCE: Final = 120.0  # seconds until all of a thousand agents stream
CANCELS: Final = 10  # a round
# A thousand that start at once share one journal.
OPTIONS: Final = AgentOptions(journal_patience=60.0)


@attrs.frozen
class Family:
    """Agents below one another.

    Attributes:
        depth: Levels below the first.
        deeper: How many of the four at each level ask four more.
        rate: Chunks a second of each answer.
    """

    depth: int
    deeper: int
    rate: int

    def url(self, server: Server) -> str:
        """Where the answers come from."""
        return server.base_url(self.rate, CHUNKS)

    @property
    def streams(self) -> int:
        """How many are at an end, and stream."""
        if self.depth == 1:
            return FAN_OUT
        below = attrs.evolve(self, depth=self.depth - 1).streams
        return self.deeper * below + FAN_OUT - self.deeper


NARROW: Final = Family(DEPTH, 1, 20)  # 20 agents below the first, 16 of which stream
FULL: Final = Family(DEPTH, FAN_OUT, 1)  # 1 364, and 1 024


def delegate(effort: Effort) -> Sequence[Figure]:
    """Five deep and four wide, where one of the four at each level asks four more."""
    return _measure(effort, NARROW, "delegate", Budget(value=50))


def households(effort: Effort) -> Sequence[Figure]:
    """Five deep, where each of four asks four more. One round: to start them takes seconds."""
    return _measure(attrs.evolve(effort, rounds=1), FULL, "household")


def _measure(
    effort: Effort, family: Family, name: str, budget: Budget | None = None
) -> Sequence[Figure]:
    async def measure() -> Sequence[Figure]:
        count = 1 if family is FULL else effort.samples(CANCELS)
        back: dict[str, list[Samples]] = {"agents": [], "floor": []}
        async with open_server() as server:
            subjects = {
                "agents": partial(_agents, server, family, count, back["agents"]),
                "floor": partial(_plain, server, family, count, back["floor"]),
            }
            closed = await take_turns(effort, subjects)
        back = {name: returns[1:] for name, returns in back.items()}  # the first is no round
        return [
            figure_of(f"{name}: return", "ms", back["agents"], back["floor"], budget),
            figure_of(f"{name}: close", "ms", closed["agents"], closed["floor"], budget),
        ]

    return trio.run(measure)


async def _cancels(
    server: Server,
    family: Family,
    count: int,
    returns: list[Samples],
    hold: Callable[[trio.Event], Awaitable[None]],
) -> Samples:
    """Milliseconds until the server saw the last close; those until control was back are added."""
    back: list[float] = []
    closed: list[float] = []
    for _ in range(count):
        held = Held(hold)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(held.run)
            with trio.fail_after(PATIENCE):
                await held.reached.wait()
            start = perf_counter_ns()
            held.scope.cancel()
        back.append((held.back_at - start) / 1e6)
        last = max([await server.closed_at() for _ in range(family.streams)])
        closed.append((last - start) / 1e6)
    returns.append(back)
    return closed


class Beginnings:
    """Sets the event of a round when all streams have begun."""

    def __init__(self, family: Family) -> None:
        self._streams = family.streams
        self._begun: set[str] = set()
        self._reached = trio.Event()

    def expect(self, reached: trio.Event) -> None:
        self._begun, self._reached = set(), reached

    def look(self, text: str) -> None:
        """A stream has brought so much; its first word, a time, is like no other's."""
        self._begun.add(text.partition(" ")[0])
        if len(self._begun) == self._streams:
            self._reached.set()


async def _agents(server: Server, family: Family, count: int, returns: list[Samples]) -> Samples:
    beginnings = Beginnings(family)
    asks = Model(MODEL, base_url=f"{server.base_url(0, 0)}/calling", api_key="none")
    talks = Model(MODEL, base_url=family.url(server), api_key="none")
    watched = attrs.evolve(OPTIONS, guards=(Guard(beginnings.look, on="output", every=1),))

    def tools(depth: int) -> list[AnyTool]:
        talking = AgentRecipe("talks", talks, description="Talk.", options=watched)
        if depth == 1:
            below = [talking] * FAN_OUT
        else:
            asking = AgentRecipe(
                "asks", asks, tools=tools(depth - 1), description="Ask.", options=OPTIONS
            )
            below = [asking] * family.deeper + [talking] * (FAN_OUT - family.deeper)
        return [agent_tool(each, name=f"ask_{number}") for number, each in enumerate(below)]

    async with open_agent(asks, tools=tools(family.depth), options=OPTIONS) as agent:

        async def hold(reached: trio.Event) -> None:
            beginnings.expect(reached)
            await agent.run("go")

        return await _cancels(server, family, count, returns, hold)


async def _plain(server: Server, family: Family, count: int, returns: list[Samples]) -> Samples:
    """A stream of plain httpx2 for each that streams, below as many nurseries."""
    beginnings = Beginnings(family)
    async with httpx2.AsyncClient(limits=NO_LIMIT, timeout=60) as client:
        talk = partial(_talk, client, f"{family.url(server)}/chat/completions", beginnings)

        async def nest(depth: int) -> None:
            async with trio.open_nursery() as nursery:
                for number in range(FAN_OUT):
                    if depth > 1 and number < family.deeper:
                        nursery.start_soon(nest, depth - 1)
                    else:
                        nursery.start_soon(talk)

        async def hold(reached: trio.Event) -> None:
            beginnings.expect(reached)
            await nest(family.depth)

        return await _cancels(server, family, count, returns, hold)


async def _talk(client: httpx2.AsyncClient, url: str, beginnings: Beginnings) -> None:
    events = 0
    async with client.stream("POST", url, json=BODY) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                events += 1
                if events == FIRST_TEXT:
                    beginnings.look(json.loads(line[6:])["choices"][0]["delta"]["content"])
