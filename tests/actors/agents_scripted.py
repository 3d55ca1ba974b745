"""Agents on scripted models, and what their journals and models got to see."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from strict_history import refusals

from actors import AgentOptions, open_agent
from actors.agents import AgentHandle, Report
from actors.chat import Event, Outcome, Request, StreamChunk, Turn, UserTurn
from actors.errors import NeedsApproval
from actors.journal import AssistantSaid, Entry, Journal, RunEnded, RunStarted, read
from actors.providers import (
    Generate,
    Model,
    ProviderApi,
    Requests,
    Script,
    ScriptedApi,
    ScriptedPause,
    play,
)
from runtime import Actor, Sink

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from actors.agents import AgentRun
    from actors.tools import AnyTool
    from runtime import Ref, System

USUAL = AgentOptions()


@asynccontextmanager
async def scripted(
    *scripts: Script,
    tools: tuple[AnyTool | Callable[..., Any], ...] = (),
    options: AgentOptions = USUAL,
    system: System | None = None,
) -> AsyncGenerator[AgentHandle]:
    """An agent whose model answers with these scripts, one a request."""
    model = Model("scripted:test", script=scripts)
    async with open_agent(model, tools=tools, options=options, system=system) as agent:
        yield agent


class Choosing(Actor, ProviderApi):
    """A model that chooses its script by the request, and may be asked for ever."""

    def __init__(self, choose: Callable[[Request], Script], requests: list[Request]) -> None:
        self._choose = choose
        self._requests = requests

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        self._requests.append(message.request)
        number = len(self._requests)
        for item in play(self._choose(message.request), message.request, number):
            if isinstance(item, ScriptedPause):
                await trio.sleep(item.seconds)
                continue
            assert isinstance(item, StreamChunk), "faults are for `Scripted`"
            await out.send(item)


def beside(agent: AgentHandle, name: str) -> str:
    return f"{agent.ref.path.rpartition('/')[0]}/{name}"


def journal_of(agent: AgentHandle) -> Ref[Journal]:
    journal = agent.system.whereis(beside(agent, "journal"), Journal)
    assert journal is not None
    return journal


async def entries_of(agent: AgentHandle) -> tuple[Entry, ...]:
    return await read(journal_of(agent), "main")


async def requests_of(agent: AgentHandle) -> tuple[Request, ...]:
    provider = agent.system.whereis(beside(agent, "provider"), ScriptedApi)
    assert provider is not None
    return await provider.ask(Requests())


async def collect(run: AgentRun) -> list[Event]:
    return [event async for event in run]


def types_of(events: list[Event]) -> list[str]:
    """The types of events, those in a row once."""
    return [kind for kind, _ in itertools.groupby(event.type for event in events)]


def of_run(entries: tuple[Entry, ...], run: AgentRun) -> list[Entry]:
    return [entry for entry in entries if entry.run == run.id]


def said_in(entries: list[Entry]) -> str:
    """All that the model said, by the journal."""
    return "".join(entry.turn.text for entry in entries if isinstance(entry, AssistantSaid))


async def assert_one_truth(agent: AgentHandle, run: AgentRun, outcome: Outcome) -> None:
    """The run's reader, the journal and the agent say the same of a run that was begun."""
    entries = of_run(await entries_of(agent), run)
    ends = [entry for entry in entries if isinstance(entry, RunEnded)]
    report = await agent.ref.ask(Report(run.id))
    assert [type(entry) for entry in entries].count(RunStarted) == 1
    assert (run.outcome, [end.outcome for end in ends], report.outcome) == (
        outcome,
        [outcome],
        outcome,
    )
    assert said_in(entries) == run.response.text


def assert_sendable(history: tuple[Turn, ...]) -> None:
    """A strict provider takes it, with a question behind it."""
    assert refusals(history) == []
    last = history[-1:]
    if not last or not isinstance(last[0], UserTurn):
        assert refusals((*history, UserTurn("next"))) == []


async def assert_next_turn_is_accepted(agent: AgentHandle) -> None:
    """Ask something more, and look at all that the model has ever got."""
    answer = await agent.run("What next?")
    assert answer.text
    for request in await requests_of(agent):
        assert refusals(request.turns) == []


async def until_asked(run: AgentRun) -> list[Event]:
    """Read a run that needs approval."""
    events: list[Event] = []
    async with run:
        with pytest.raises(NeedsApproval) as caught:
            await read_into(events, run)
    assert run.outcome is Outcome.NEEDS_APPROVAL
    assert caught.value.run == run.id
    assert caught.value.pending == run.pending != ()
    assert caught.value.partial is run.response
    return events


async def read_into(events: list[Event], run: AgentRun) -> None:
    async for event in run:
        events.append(event)  # noqa: PERF401 - kept where it raises


async def resumed(
    agent: AgentHandle, run: AgentRun, *approve: str, deny: Mapping[str, str] | None = None
) -> AgentRun:
    async with agent.resume(run.id, approve=approve, deny=deny) as following:
        await collect(following)
    return following
