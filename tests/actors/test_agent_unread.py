"""Runs without a reader: each event is taken in the agent's task."""

# ruff: noqa: ARG001 - fixtures are asked for by name

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest
import trio

from actors import open_agent
from actors.agents import Agent, AgentOptions, AgentRun, AgentSetup
from actors.chat import AssistantTurn, Complete, Outcome, StreamChunk, Token
from actors.journal import MemoryJournal
from actors.providers import Generate, Model, ProviderApi, pause, say, script
from actors.tools import Toolbox
from runtime import Actor, ActorStopped, Sink, open_system

if TYPE_CHECKING:
    from trio.testing import MockClock

    from actors.chat import Event

TALK = Model("scripted:test", script=(script(say("Hello, "), say("you")),))
COUNT = Model("scripted:test", script=(script(say("one "), pause(5), say("two ")),))
WHERE: ContextVar[str] = ContextVar("where", default="nowhere")


async def test_a_run_without_a_reader_hands_on_what_a_reader_gets() -> None:
    heard: list[tuple[Event, str]] = []
    async with open_agent(TALK) as agent:
        WHERE.set("here")
        run = agent.stream("Hi")
        answer = await run.complete(lambda event: heard.append((event, WHERE.get())))
    tokens = [event.content for event, _ in heard if isinstance(event, Token)]
    assert "".join(tokens) == run.response.text == answer.text == "Hello, you"
    assert isinstance(heard[-1][0], Complete)
    assert {where for _, where in heard} == {"here"}  # the context is that of the caller
    assert run.outcome is Outcome.DONE


async def test_a_cancelled_run_without_a_reader_keeps_what_was_heard(
    autojump_clock: MockClock,
) -> None:
    heard: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Token):
            heard.append(event.content)

    async with open_agent(COUNT) as agent:
        run = agent.stream("Count")
        with trio.move_on_after(2):
            await run.complete(hear)
        assert run.outcome is Outcome.CANCELLED
        assert "".join(heard) == run.response.text == "one "
        last = (await agent.history())[-1]
        assert isinstance(last, AssistantTurn)
        assert last.text.startswith("one ")
        assert "two" not in last.text


async def test_a_run_is_either_read_or_completed_and_once() -> None:
    async with open_agent("scripted:echo") as agent:
        run = agent.stream("Hi")
        await run.complete()
        with pytest.raises(RuntimeError, match="used already"):
            await run.complete()
        with pytest.raises(RuntimeError, match="used already"):
            async with run:
                pass


async def test_a_run_that_was_refused_has_no_outcome() -> None:
    async with open_system() as system:
        async with open_agent("scripted:echo", system=system) as agent:
            pass
        run = AgentRun(agent.ref, "Hi")
        with pytest.raises(ActorStopped):
            await run.complete()
        assert run.outcome is None


class Torrent(Actor, ProviderApi):
    """Answers without waiting for anything."""

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        del message
        for _ in range(1_000):
            await out.send(StreamChunk("word "))
        await out.send(StreamChunk("end", is_final=True))


async def test_a_model_that_never_waits_lets_others_go_on_while_nobody_reads() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with open_system() as system, trio.open_nursery() as nursery:
        provider = await system.spawn(Torrent)
        journal = await system.spawn(MemoryJournal)
        setup = AgentSetup(None, Toolbox(()), AgentOptions())
        agent = await system.spawn(Agent, provider, journal, setup)
        nursery.start_soon(take_turns)
        before = turns
        answer = await AgentRun(agent, "Talk").complete()
        assert answer.text.count("word") == 1_000
        assert turns - before > 1_000 / 32
        nursery.cancel_scope.cancel()
