"""Crashes around a conversation: of the agent, its provider, its journal; what each one costs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from agents_parts import agent_of, no_harm, remembering, until_it_is_back
from agents_scripted import (
    Choosing,
    assert_one_truth,
    collect,
    requests_of,
    said_in,
    scripted,
)
from strict_history import refusals

from actors import AgentOptions, open_agent
from actors.agents import Agent, AgentHandle, AgentSetup
from actors.chat import AssistantTurn, Outcome, StreamChunk, Text, UserTurn
from actors.errors import StreamTruncated
from actors.journal import MemoryJournal, RunEnded
from actors.providers import Generate, Model, ProviderApi, crash, pause, script
from runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Sink,
    SystemFailed,
    Tell,
    open_system,
)

if TYPE_CHECKING:
    from trio.testing import MockClock

    from actors.agents import AgentRun
    from actors.chat import Turn

HELLO = (UserTurn("Hello"), AssistantTurn((Text("Fine."),)))


async def test_a_crash_of_the_provider_ends_the_run_and_keeps_what_was_said(
    autojump_clock: MockClock,
) -> None:
    scripts = (script("Fine."), script("one two ", crash()), script("three", repeat=True))
    async with scripted(*scripts) as agent:
        await agent.run("Hello")
        async with agent.stream("Count") as run:
            with pytest.raises(ActorCrashed) as caught:
                await collect(run)
        assert caught.value.path == "/agent/provider"
        await until_it_is_back(agent)
        await assert_one_truth(agent, run, Outcome.FAILED)
        assert run.response.text == "one two "

        began = autojump_clock.current_time()
        assert (await agent.run("Go on")).text == "three"
        assert autojump_clock.current_time() - began < 0.1
        assert (await agent.history())[:2] == HELLO
        assert all(refusals(request.turns) == [] for request in await requests_of(agent))


async def test_a_run_right_after_a_crash_waits_until_the_agent_is_back(
    autojump_clock: MockClock,
) -> None:
    scripts = (script("one ", crash()), script("two", repeat=True))
    async with scripted(*scripts) as agent:
        with pytest.raises(ActorCrashed):
            await agent.run("Count")
        assert (await agent.run("Go on")).text == "two"
    assert autojump_clock.current_time() < 0.2


async def test_one_restart_after_the_other_takes_longer_and_none_loses_anything(
    autojump_clock: MockClock,
) -> None:
    waited: list[float] = []
    async with scripted(script("one ", crash(), repeat=True)) as agent:
        for _ in range(4):
            began = autojump_clock.current_time()
            with pytest.raises(ActorCrashed):
                await agent.run("Count")
            await until_it_is_back(agent)
            waited.append(autojump_clock.current_time() - began)
        history = await agent.history()

    assert waited == sorted(waited)
    assert waited[-1] > 4 * waited[0]
    assert len(history) == 8


class Breakable:
    """Whoever can be broken from outside."""


@attrs.frozen
class Break(Tell[Breakable]):
    """Crash, please."""


class BreakableAgent(Agent, Breakable):
    @Break.handles
    async def break_down(self, message: Break) -> None:
        raise KeyError(message)


async def test_a_crash_of_the_agent_ends_the_run_and_loses_nothing(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal, name="journal")
        provider = await system.spawn(
            lambda: Choosing(lambda _: script("one ", pause(1), "two"), []), name="provider"
        )
        ref = await system.spawn(BreakableAgent, provider, journal, AgentSetup(), name="agent")
        agent = AgentHandle(ref, system, Model("scripted:echo"))
        async with agent.stream("Count") as run:
            await anext(run)
            await ref.tell(Break())
            with pytest.raises(ActorCrashed) as caught:
                await collect(run)
        assert caught.value.path == "/agent"
        # The run was cut short by the end of its agent, which is a cancel like any other.
        await assert_one_truth(agent, run, Outcome.CANCELLED)

        assert (await agent.run("Go on")).text == "one two"
        assert ref.statistics().restarts == 1
        assert await agent.history() == (
            UserTurn("Count"),
            AssistantTurn((Text("one "),)),
            UserTurn("Go on"),
            AssistantTurn((Text("one two"),)),
        )


async def test_a_provider_that_ends_without_a_final_chunk_was_cut() -> None:
    class Short(Actor, ProviderApi):
        @Generate.handles(concurrent=True)
        async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
            await out.send(StreamChunk(str(len(message.request.turns))))

    async with agent_of(provider=Short) as agent:
        async with agent.stream("Hello") as run:
            with pytest.raises(StreamTruncated, match="final chunk") as caught:
                await collect(run)
        assert caught.value.partial.text == run.response.text == "1"
        await assert_one_truth(agent, run, Outcome.TRUNCATED)


async def test_an_agent_that_is_asked_to_stop_finishes_the_run_that_it_has_begun(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(script("one ", pause(4), "two")) as agent:
        async with trio.open_nursery() as nursery, agent.stream("Count") as run:
            await anext(run)
            nursery.start_soon(agent.ref.stop)
            await collect(run)
        assert (run.outcome, run.response.text) == (Outcome.DONE, "one two")

        refused = agent.stream("More")
        with pytest.raises(ActorStopped):
            async with refused:
                pass
        assert refused.outcome is None


async def test_a_run_that_outlives_its_agents_grace_is_cut_short_and_all_say_so(
    autojump_clock: MockClock,
) -> None:
    entries: dict[str, list[Any]] = {}
    runs: list[AgentRun] = []

    async def read(agent: AgentHandle) -> None:
        async with agent.stream("Count") as run:
            runs.append(run)
            with pytest.raises(ActorStopped) as caught:
                await collect(run)
        assert caught.value.started

    async with (
        trio.open_nursery() as nursery,
        agent_of(provider=Endless, journal=remembering(entries, no_harm)) as agent,
    ):
        nursery.start_soon(read, agent)
        await trio.sleep(1)

    (run,) = runs
    assert autojump_clock.current_time() == pytest.approx(6.0)  # with its grace
    assert run.response.text == said_in(entries["main"]) == "one "
    ends = [entry for entry in entries["main"] if isinstance(entry, RunEnded)]
    assert [end.outcome for end in ends] == [run.outcome] == [Outcome.CANCELLED]


class Endless(Actor, ProviderApi):
    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        del message
        await out.send(StreamChunk("one "))
        await trio.sleep_forever()


async def test_a_provider_that_stops_is_a_failure_of_the_run(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    class Stopping(Actor, ProviderApi):
        @Generate.handles(concurrent=True)
        async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
            del message
            await out.send(StreamChunk("one "))
            raise ActorStopped("gone", path="/elsewhere", started=True)

    async with agent_of(provider=Stopping) as agent:
        async with agent.stream("Count") as run:
            with pytest.raises(ActorStopped, match="gone"):
                await collect(run)
        await assert_one_truth(agent, run, Outcome.FAILED)


async def test_a_conversation_is_resumed_by_its_id_and_by_no_other(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal, name="journal")
        provider = await system.spawn(
            lambda: Choosing(lambda _: script("Fine."), []), name="provider"
        )

        async def talk(conversation: str) -> tuple[Turn, ...]:
            setup = AgentSetup(options=AgentOptions(conversation=conversation))
            ref = await system.spawn(Agent, provider, journal, setup, name="agent")
            agent = AgentHandle(ref, system, Model("scripted:echo"))
            await agent.run("Hello")
            history = await agent.history()
            await ref.stop()
            return history

        assert await talk("support-17") == HELLO
        assert await talk("support-18") == HELLO
        assert await talk("support-17") == HELLO * 2


async def test_an_agent_that_keeps_crashing_ends_its_own_system_with_the_cause(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    broken = Model("scripted:broken", script=script(crash("no luck"), repeat=True))

    with pytest.raises(SystemFailed) as caught:
        async with open_agent(broken) as agent:
            await crash_again_and_again(agent)

    assert "no luck" in repr(root_cause(caught.value))


async def test_an_agent_that_keeps_crashing_leaves_a_shared_system_alone(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    broken = Model("scripted:broken", script=script(crash("no luck"), repeat=True))

    async with (
        open_system() as system,
        open_agent("scripted:echo", system=system) as healthy,
        open_agent(broken, system=system) as agent,
    ):
        await crash_again_and_again(agent)
        with pytest.raises(ActorStopped):
            await agent.run("Hello?")

        assert (await healthy.run("still here")).text == "still here"


async def crash_again_and_again(agent: AgentHandle) -> None:
    for _ in range(10):
        with contextlib.suppress(ActorCrashed, ActorStopped):
            await agent.run("Go")
    await trio.sleep(1)


def root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
