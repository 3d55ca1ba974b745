"""Many agents in one process, and how fast one goes from a tool's result to its next request."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from actors import AgentOptions
from actors.agents import Agent, AgentSetup, Run, RunLimits
from actors.chat import FinishReason, Request, StreamChunk, ToolCallDelta, UserTurn
from actors.journal import MemoryJournal
from actors.providers import Generate, ProviderApi
from actors.tools import Toolbox, tool
from runtime import Actor, Sink, open_system

from ._figures import Effort, Figure, Samples, figure_of
from ._lives import cost_of
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from actors.agents import Conversation
    from runtime import Ref, System

AGENTS: Final = 1_000
ROUNDS_OF_TOOLS: Final = 20  # in a run; a longer history would only measure the history
RUNS: Final = 10
SECONDS: Final = 2.0  # in which a thousand agents stream as fast as they can
FEWEST: Final = 200  # agents
PATIENCE: Final = 60.0  # seconds until each of them has got something
KINDS: Final = ("agent", "actor")  # of what idles


class Notes:
    """When a tool has returned, and how long it was from there to the next request."""

    def __init__(self) -> None:
        self.begun_at = 0
        self.gaps: list[float] = []


class CallingModel(Actor, ProviderApi):
    """Calls the tool so many times, then says that it is done."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._left = ROUNDS_OF_TOOLS

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        del message
        if self._notes.begun_at:
            self._notes.gaps.append((perf_counter_ns() - self._notes.begun_at) / 1e3)
        if not self._left:
            await out.send(StreamChunk("done", is_final=True, finish_reason=FinishReason.STOP))
            return
        self._left -= 1
        delta = ToolCallDelta(0, f"call-{self._left}", "work", "{}")
        ends = FinishReason.TOOL_CALLS
        await out.send(StreamChunk(tool_calls=(delta,), is_final=True, finish_reason=ends))


def tool_round(effort: Effort) -> Sequence[Figure]:
    """From a tool's return until the provider has the next request; the floor calls it at once."""

    async def measure() -> Sequence[Figure]:
        count = max(1, effort.samples(RUNS) // 2)
        async with open_system() as system:
            subjects = {
                "agent": partial(_rounds, system, count),
                "floor": partial(_calls, system, count),
            }
            rounds = await take_turns(effort, subjects)
        return [figure_of("tool round", "µs", rounds["agent"], rounds["floor"])]

    return trio.run(measure)


async def _rounds(system: System, count: int) -> Samples:
    notes = Notes()

    @tool
    async def work() -> str:
        """Work."""
        notes.begun_at = perf_counter_ns()
        return "done"

    limits = RunLimits(model_calls=ROUNDS_OF_TOOLS + 1)
    setup = AgentSetup(None, Toolbox((work,)), AgentOptions(limits=limits))
    for _ in range(count):
        notes.begun_at = 0
        async with _agent(system, CallingModel(notes), setup) as agent:
            await _read(agent)
    return notes.gaps


async def _calls(system: System, count: int) -> Samples:
    """The provider's stream, opened again and again, without an agent."""
    notes = Notes()
    message = Generate(Request((UserTurn("go"),)))
    provider: Ref[ProviderApi] = await system.spawn(CallingModel, notes)
    for _ in range(count * ROUNDS_OF_TOOLS):
        notes.begun_at = perf_counter_ns()
        async with provider.stream(message) as stream:
            async for _chunk in stream:
                pass
    await provider.stop()
    return notes.gaps


@asynccontextmanager
async def _agent(
    system: System, model: CallingModel, setup: AgentSetup
) -> AsyncGenerator[Ref[Agent]]:
    journal = await system.spawn(MemoryJournal)
    provider: Ref[ProviderApi] = await system.spawn(lambda: model)
    agent = await system.spawn(Agent, provider, journal, setup)
    yield agent
    for ref in (agent, provider, journal):
        await ref.stop()


async def _read(agent: Ref[Agent]) -> None:
    async with agent.stream(Run("run", "go"), buffer=0) as run:
        async for _event in run:
            pass


# Many


class EndlessModel(Actor, ProviderApi):
    """Answers for ever, a word at a time, to as many as ask."""

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        del message
        while True:
            await out.send(StreamChunk("word "))


@attrs.frozen
class Got:
    """What a thousand readers got in a while: events of each, and of all together a second."""

    each: Sequence[int]
    seconds: float

    @property
    def spread(self) -> Samples:
        return [max(self.each) / max(1, min(self.each))]

    @property
    def pace(self) -> Samples:
        return [sum(self.each) / self.seconds / 1e3]


def agents(effort: Effort) -> Sequence[Figure]:
    """A thousand agents in one process: the memory of an idle one, and how evenly busy ones go on.

    The floors are an idle actor, and as many streams of the same provider without agents.
    """

    async def measure() -> Sequence[Figure]:
        few = attrs.evolve(effort, rounds=min(3, effort.rounds))
        size = max(FEWEST, effort.samples(AGENTS))
        idle = await take_turns(few, {kind: partial(cost_of, kind, size) for kind in KINDS})
        subjects = {
            "agents": partial(_crowd, size, with_agents=True),
            "floor": partial(_crowd, size, with_agents=False),
        }
        rounds = await take_turns(few, subjects)
        mine, floor = rounds["agents"], rounds["floor"]
        weights, floors = ([[cost.memory] for cost in idle[kind]] for kind in KINDS)
        return [
            figure_of("agents: memory", "KB", weights, floors),
            figure_of("agents: spread", "x", [r.spread for r in mine], [r.spread for r in floor]),
            figure_of("agents: events", "k/s", [r.pace for r in mine], [r.pace for r in floor]),
        ]

    return trio.run(measure)


async def _crowd(size: int, *, with_agents: bool) -> Got:
    got = [0] * size

    async def read(number: int, ref: Ref[Conversation] | Ref[ProviderApi]) -> None:
        stream: Any = ref.stream(_message(number, with_agents=with_agents), buffer=0)
        async with stream as items:
            async for _ in items:
                got[number] += 1

    async with open_system() as system, trio.open_nursery() as nursery:
        provider: Ref[ProviderApi] = await system.spawn(EndlessModel)
        journal = await system.spawn(MemoryJournal)
        for number in range(size):
            ref: Any = provider
            if with_agents:
                setup = AgentSetup(options=AgentOptions(conversation=str(number)))
                ref = await system.spawn(Agent, provider, journal, setup)
            nursery.start_soon(read, number, ref)
        with trio.fail_after(PATIENCE):
            while not all(got):  # noqa: ASYNC110 - each has begun
                await trio.sleep(0.01)
        before, begin = list(got), perf_counter_ns()
        await trio.sleep(SECONDS)
        seconds = (perf_counter_ns() - begin) / 1e9
        each = [now - then for now, then in zip(got, before, strict=True)]
        nursery.cancel_scope.cancel()
    return Got(each, seconds)


def _message(number: int, *, with_agents: bool) -> Any:
    return Run(str(number), "go") if with_agents else Generate(Request((UserTurn("go"),)))
