"""Agents as tools: they start below, count for who called them, and end leaf first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from agents_scripted import (
    Choosing,
    assert_next_turn_is_accepted,
    assert_one_truth,
    assert_sendable,
    collect,
    entries_of,
    journal_of,
    of_run,
    scripted,
)
from strict_history import refusals

from actors import AgentOptions
from actors.agents import (
    Agent,
    AgentHandle,
    AgentRecipe,
    AgentSetup,
    ModelSwitch,
    Report,
    RunLimits,
    agent_tool,
)
from actors.budget import Budget, move_on_after_tokens
from actors.chat import Outcome, Request, ToolProgress, ToolStatus, Usage, UserTurn
from actors.errors import BudgetSpent, ConfigurationError
from actors.journal import MemoryJournal, RunEnded, SubRunEnded, UserSaid, conversations, read
from actors.providers import (
    Model,
    Script,
    StartedProvider,
    call,
    crash,
    pause,
    say,
    script,
    stall,
    usage,
)
from actors.tools import Toolbox, tool
from runtime import RestartStrategy, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

    from actors.agents import AgentRun
    from runtime import Node

WHOLE = (
    *("/", "/agent", "/agent/journal", "/agent/provider", "/agent/agent", "/agent/researcher-1"),
    *(f"/agent/researcher-1/{name}" for name in ("journal", "provider", "agent")),
)
LONG = script(say("word " * 100, pieces=100))
FINE = script("Fine.", usage(10, 2))


def model(*scripts: Script) -> Model:
    return Model("scripted:below", script=scripts)


def recipe(*scripts: Script, **more: Any) -> AgentRecipe:
    more.setdefault("description", "Looks things up.")
    return AgentRecipe("researcher", model(*scripts), **more)


def asks(task: str = "What is it?", name: str = "researcher") -> Script:
    return script(say("Let me ask. "), call(name, task=task), usage(20, 4))


def paths(node: Node) -> list[str]:
    return [node.path, *(path for child in node.children for path in paths(child))]


async def test_a_recipe_is_started_for_the_call_and_has_ended_with_it() -> None:
    seen: list[str] = []

    def look() -> str:
        """Look around."""
        seen.extend(paths(agent.system.tree()))
        return "seen"

    looking = tool(look, isolation="inline")
    helper = recipe(script(call("look")), FINE, tools=[looking])
    async with scripted(asks(), FINE, tools=(agent_tool(helper),)) as agent:
        async with agent.stream("Go") as run:
            await collect(run)
        assert [result.content for result in run.tool_results] == ["Fine."]
        assert "/agent/researcher-1/agent" in seen
        assert "/agent/researcher-1/provider" in seen
        assert paths(agent.system.tree()) == [
            "/",
            "/agent",
            "/agent/journal",
            "/agent/provider",
            "/agent/agent",
        ]


async def test_each_call_has_a_conversation_of_its_own_in_the_journal() -> None:
    helper = recipe(FINE)
    twice = script(call("researcher", task="one"), call("researcher", task="two"))
    async with scripted(twice, FINE, tools=(agent_tool(helper),)) as agent:
        await agent.run("Go")
        ids = await conversations(journal_of(agent))
        said = {
            entry.text
            for id in ids
            for entry in await read(journal_of(agent), id)
            if isinstance(entry, UserSaid)
        }
    assert ids[0] == "main"
    assert all(id.startswith("main/researcher/") for id in ids[1:])
    assert len(set(ids)) == 3
    assert said == {"Go", "one", "two"}


async def test_what_it_uses_counts_for_the_run_and_both_are_readable() -> None:
    async with scripted(asks(), FINE, tools=(agent_tool(recipe(FINE)),)) as agent:
        async with agent.stream("Go") as run:
            await collect(run)
        report = await agent.ref.ask(Report(run.id))
        (below,) = [e for e in of_run(await entries_of(agent), run) if isinstance(e, SubRunEnded)]

    assert (report.own_usage, report.usage) == (Usage(30, 6), Usage(40, 8))
    assert run.response.usage == report.usage
    assert (below.agent, below.outcome, below.usage) == ("researcher", Outcome.DONE, Usage(10, 2))


async def test_usage_adds_up_through_every_level() -> None:
    leaf = AgentRecipe("leaf", model(FINE), description="The last.")
    middle = AgentRecipe(
        "middle", model(asks(name="leaf"), FINE), tools=[agent_tool(leaf)], description="Between."
    )
    async with scripted(asks(name="middle"), FINE, tools=(agent_tool(middle),)) as agent:
        answer = await agent.run("Go")
    assert answer.usage == Usage(20 + 10 + 20 + 10 + 10, 4 + 2 + 4 + 2 + 2)


@pytest.mark.parametrize("runs_already", [False, True])
async def test_every_budget_around_counts_it(runs_already: bool) -> None:  # noqa: FBT001
    outer, inner = Budget(tokens=10_000), Budget(calls=10)
    async with open_system() as system, scripted(FINE, system=system) as other:
        shared = agent_tool(other, name="researcher", description="Looks things up.")
        offered = shared if runs_already else agent_tool(recipe(FINE))
        async with scripted(asks(), FINE, tools=(offered,), system=system) as agent:
            run = agent.stream("Go")
            with outer, inner:
                async with run:
                    await collect(run)
            assert (outer.used.calls, inner.used.calls) == (3, 3)
            assert outer.used.tokens == run.response.usage.total_tokens == 48


async def test_a_budget_that_is_spent_below_stops_the_run_above() -> None:
    options = AgentOptions(limits=RunLimits(tokens=100))
    helper = recipe(LONG)
    async with scripted(asks(), FINE, tools=(agent_tool(helper),), options=options) as agent:
        async with agent.stream("Go") as run:
            with pytest.raises(BudgetSpent):
                await collect(run)
        await assert_one_truth(agent, run, Outcome.LIMIT)
        (below,) = [e for e in of_run(await entries_of(agent), run) if isinstance(e, SubRunEnded)]
        assert below.outcome is Outcome.CANCELLED


async def test_a_budget_of_the_caller_ends_all_of_it() -> None:
    async with scripted(asks(), FINE, tools=(agent_tool(recipe(LONG)),)) as agent:
        run = agent.stream("Go")
        with move_on_after_tokens(80) as budget:
            async with run:
                await collect(run)
        assert budget.cancelled_caught
        await assert_one_truth(agent, run, Outcome.CANCELLED)


async def test_an_agent_that_runs_is_shared_and_remembers() -> None:
    async with open_system() as system, scripted(FINE, FINE, system=system) as shared:
        offered = agent_tool(shared, name="researcher", description="Looks things up.")
        twice = script(call("researcher", task="one"), call("researcher", task="two"))
        async with scripted(twice, FINE, tools=(offered,), system=system) as agent:
            await agent.run("Go")
        history = await shared.history()
    assert sorted(turn.text for turn in history[::2]) == ["one", "two"]  # type: ignore[union-attr]


async def test_what_ends_its_run_is_an_error_that_the_model_reads() -> None:
    busy = AgentOptions(limits=RunLimits(model_calls=1))

    def more() -> str:
        """Do more."""
        return "more"

    helper = recipe(script(call("more")), tools=[more], options=busy)
    async with scripted(asks(), FINE, tools=(agent_tool(helper),)) as agent:
        async with agent.stream("Go") as run:
            await collect(run)
        (result,) = run.tool_results
        assert result.status is ToolStatus.ERROR
        assert "made 1 model calls" in result.content
        await assert_one_truth(agent, run, Outcome.DONE)


async def test_an_agent_that_crashes_is_an_error_and_troubles_nobody() -> None:
    helper = recipe(script(crash("boom")))
    async with scripted(asks(), FINE, FINE, tools=(agent_tool(helper),)) as agent:
        async with agent.stream("Go") as run:
            await collect(run)
        assert [result.status for result in run.tool_results] == [ToolStatus.ERROR]
        assert len(agent.system.tree().children[0].children) == 3
        assert (await agent.run("Still there?")).text == "Fine."


async def test_an_agent_may_not_ask_itself() -> None:
    agents: list[AgentHandle] = []

    async def again(question: str) -> str:
        """Ask the agent again."""
        return (await agents[0].run(question)).text

    helper = recipe(script(call("again", question="?")), FINE, tools=[again])
    async with scripted(asks(), FINE, tools=(agent_tool(helper),)) as agent:
        agents.append(agent)
        with trio.fail_after(5):
            async with agent.stream("Go") as run:
                await collect(run)
        (below,) = [id for id in await conversations(journal_of(agent)) if id != "main"]
        sealed = [str(entry) for entry in await read(journal_of(agent), below)]
    assert any("AskCycle" in line for line in sealed)


async def test_the_depth_is_bounded() -> None:
    inner = AgentRecipe("inner", model(FINE), description="The last.")
    middle = AgentRecipe(
        "middle", model(asks(name="inner"), FINE), tools=[agent_tool(inner)], description="Between."
    )
    options = AgentOptions(limits=RunLimits(depth=1))
    offered = (agent_tool(middle),)
    async with scripted(asks(name="middle"), FINE, tools=offered, options=options) as agent:
        await agent.run("Go")
        ids = await conversations(journal_of(agent))
        lines = [str(entry) for id in ids for entry in await read(journal_of(agent), id)]
    assert any("would be 2 agents below /agent/agent, which allows 1" in line for line in lines)


async def test_a_recipe_without_a_model_shares_the_provider() -> None:
    helper = AgentRecipe("researcher", description="Looks things up.")
    scripts = asks(), script("from below"), FINE
    async with (
        scripted(*scripts, tools=(agent_tool(helper),)) as agent,
        agent.stream("Go") as run,
    ):
        await collect(run)
    assert [result.content for result in run.tool_results] == ["from below"]


async def test_an_answer_that_is_an_object_is_told_as_json() -> None:
    @attrs.frozen
    class City:
        name: str

    helper = recipe(script('{"name": "Oslo"}'), options=AgentOptions(output=City))
    async with (
        scripted(asks(), FINE, tools=(agent_tool(helper),)) as agent,
        agent.stream("Go") as run,
    ):
        await collect(run)
    assert [result.content for result in run.tool_results] == ['{"name": "Oslo"}']


async def test_wherever_a_run_with_agents_below_is_cancelled_nothing_is_left() -> None:
    leaf = AgentRecipe(
        "leaf", model(script(say("one two ", pieces=2), usage(1, 1))), description="."
    )
    helper = recipe(asks(name="leaf"), FINE, tools=[agent_tool(leaf)])
    runs: list[AgentRun] = []

    async def scenario() -> None:
        with assert_no_leaks():
            async with scripted(asks(), FINE, FINE, FINE, tools=(agent_tool(helper),)) as agent:
                runs.append(agent.stream("Go"))
                async with runs[-1] as run:
                    await collect(run)

    assert await cancel_everywhere(scenario) > 100
    assert runs[-1].outcome is Outcome.DONE


def choose(request: Request) -> Script:
    last = request.turns[-1]
    if request.tools and isinstance(last, UserTurn) and not last.text.endswith("What next?"):
        return script(say("Let me ask. ", pieces=2), call("researcher", task="What?"))
    return script(say("Fine, then.", pieces=2), usage(1, 1))


async def test_wherever_it_is_cancelled_the_conversation_goes_on() -> None:
    """Each time in the same conversation, so that every trace of a cancel would add up."""
    requests: list[Request] = []
    outcomes: set[Outcome | None] = set()
    runs: list[AgentRun] = []
    setup = AgentSetup(None, Toolbox((agent_tool(AgentRecipe("researcher", description=".")),)))

    async with open_system() as system:
        group = await system.supervise("agent", strategy=RestartStrategy.REST_FOR_ONE)
        journal = await group.spawn(MemoryJournal, name="journal")
        provider: Any = await group.spawn(Choosing, choose, requests, name="provider")
        echo = Model("scripted:echo")
        switch = ModelSwitch(StartedProvider(provider, echo), group)
        ref = await group.spawn(Agent, switch, journal, setup, name="agent")
        agent = AgentHandle(ref, system, switch)

        async def scenario() -> None:
            runs.append(agent.stream("Go"))
            with assert_no_leaks():
                async with runs[-1] as run:
                    await collect(run)

        async def check() -> None:
            outcomes.add(runs[-1].outcome)
            assert ref.statistics().handling == ()
            (below,) = system.tree().children
            assert [child.path for child in below.children] == [
                "/agent/journal",
                "/agent/provider",
                "/agent/agent",
            ]
            entries = of_run(await read(journal, "main"), runs[-1])
            for each in entries:
                if isinstance(each, SubRunEnded):
                    sub = await read(journal, each.conversation)
                    ends = [entry.outcome for entry in sub if isinstance(entry, RunEnded)]
                    assert ends == [each.outcome] or (sub == () and not ends)
            assert_sendable(await agent.history())
            await agent.run("What next?")
            assert refusals(requests[-1].turns) == []

        assert await cancel_everywhere(scenario, check=check) > 50
    assert outcomes == {Outcome.CANCELLED, Outcome.DONE, None}


async def test_a_cancel_during_the_call_seals_it_and_the_next_turn_is_accepted() -> None:
    helper = recipe(script(say("So far "), stall()))
    async with scripted(asks(), script("Fine.", repeat=True), tools=(agent_tool(helper),)) as agent:
        async with agent.stream("Go") as run:
            async for event in run:
                if event.type == "tool_start":
                    break
            await trio.testing.wait_all_tasks_blocked()
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        (below,) = [e for e in of_run(await entries_of(agent), run) if isinstance(e, SubRunEnded)]
        assert below.outcome is Outcome.CANCELLED
        assert len(agent.system.tree().children[0].children) == 3
        await assert_next_turn_is_accepted(agent)


async def test_outside_of_an_agent_the_tool_is_a_function() -> None:
    offered = agent_tool(recipe(FINE))
    assert await offered(task="Go") == "Fine."


def test_a_model_has_to_be_told_what_it_can_ask() -> None:
    with pytest.raises(ConfigurationError, match=r"name=\.\.\., description="):
        agent_tool(AgentRecipe("researcher", model(FINE)))
    with pytest.raises(ValueError, match="no name for an agent"):
        AgentRecipe("two words", model(FINE))


def test_the_tool_has_an_effect_if_one_below_has() -> None:
    @tool(effect=True)
    def buy() -> str:
        """Buy."""
        return "bought"

    middle = AgentRecipe("middle", model(FINE), tools=[buy], description="Buys.")
    outer = AgentRecipe("outer", model(FINE), tools=[agent_tool(middle)], description="Asks.")
    assert agent_tool(outer).effect
    assert not agent_tool(recipe(FINE)).effect


async def test_what_it_says_and_calls_is_told_to_the_reader_as_progress(
    autojump_clock: MockClock,
) -> None:
    del autojump_clock

    async def look() -> str:
        """Look."""
        await trio.sleep(1)
        return "seen"

    words = [step for _ in range(5) for step in (say("word " * 10), pause(1))]
    helper = recipe(script(call("look")), script(*words), tools=[look])
    async with (
        scripted(asks(), FINE, tools=(agent_tool(helper),)) as agent,
        agent.stream("Go") as run,
    ):
        events = await collect(run)
    told = [event.content for event in events if isinstance(event, ToolProgress)]
    assert told[0] == "researcher calls look"
    assert told[-1] == "word " * 40


async def test_control_is_back_only_when_what_it_held_is_closed(tmp_path: Path) -> None:
    """A journal on disk of its own takes a thread, and so a while, to close."""
    own = AgentOptions(journal=tmp_path / "below.db")
    helper = recipe(script(say("So far "), stall()), options=own)
    async with scripted(asks(), tools=(agent_tool(helper),)) as agent:
        with trio.CancelScope() as scope:
            async with agent.stream("Go") as run:
                await anext(run)
                await anext(run)
                while len(paths(agent.system.tree())) < len(WHOLE):  # noqa: ASYNC110
                    await trio.sleep(0.001)
                scope.cancel()
                await trio.lowlevel.checkpoint()
        assert len(agent.system.tree().children[0].children) == 3
