"""Calls of agents below that need approval: the run at the top waits, and goes on down there."""

from __future__ import annotations

import itertools
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from agents_scripted import (
    Choosing,
    assert_one_truth,
    assert_sendable,
    collect,
    journal_of,
    of_run,
    resumed,
    scripted,
    until_asked,
)
from strict_history import refusals

from actors import AgentOptions, open_agent
from actors.agents import (
    Agent,
    AgentHandle,
    AgentRecipe,
    AgentRun,
    AgentSetup,
    Guard,
    ModelSwitch,
    Report,
    agent_tool,
    fan_out,
    handoff,
)
from actors.budget import Budget
from actors.chat import (
    ApprovalNeeded,
    Outcome,
    Request,
    SystemTurn,
    ToolEnd,
    ToolProgress,
    ToolStatus,
    ToolTurn,
    Usage,
)
from actors.errors import GuardTripped, NeedsApproval, RunNotOpen
from actors.journal import MemoryJournal, RunEnded, SubRunEnded, read, replay, to_markdown
from actors.providers import Model, StartedProvider, call, say, script, usage
from actors.recall import Window
from actors.tools import Toolbox, tool
from runtime import RestartStrategy, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from actors.journal import Entry
    from actors.providers import Script, Step
    from actors.tools import AnyTool
    from runtime import System

CROWDED = 40  # turns
FINE = script("Fine.")
paid: list[str] = []


@tool(effect=True, approve=True)
async def pay(to: str) -> str:
    """Pay somebody."""
    await trio.lowlevel.checkpoint()
    paid.append(to)
    return f"paid {to}"


async def look() -> str:
    """Look."""
    await trio.lowlevel.checkpoint()
    return "seen"


async def forever() -> str:
    """Never end."""
    await trio.sleep_forever()
    return ""


@pytest.fixture(autouse=True)
def _nothing_paid() -> None:
    paid.clear()


def choose(request: Request) -> Script:
    """Do what the instructions say, then tell what became of it.

    `ask clerk` asks that agent, `call look` calls a tool, and every other word is somebody to pay.
    """
    first, last = request.turns[0], request.turns[-1]
    if isinstance(last, ToolTurn):
        found = ", ".join(result.content for result in last.results)
        return script(say(f"[{found}]", pieces=2), usage(10, 1))
    if not isinstance(first, SystemTurn) or getattr(last, "text", "").endswith("What next?"):
        return script("Fine.", usage(1, 1))
    words = iter(first.text.split())
    steps = [step(word, next(words)) for word in words]
    return script(say("Let me. "), *steps, usage(10, 1))


def step(what: str, name: str) -> Step:
    if what == "pay":
        return call("pay", to=name)
    return call(name, task="Go") if what == "ask" else call(name)


def clerk(name: str = "clerk", does: str = "pay Ann", *tools: Any, **more: Any) -> AgentRecipe:
    """An agent that shares the provider, and so has its scripts from `choose`."""
    return AgentRecipe(
        name, tools=(pay, look, *tools), instructions=does, description="Pays.", **more
    )


@asynccontextmanager
async def chief(
    does: str, *tools: AnyTool | Callable[..., Any], requests: list[Request] | None = None
) -> AsyncGenerator[AgentHandle]:
    """An agent as `open_agent` starts one, on a model that does what it is told."""
    async with open_system() as system:
        yield await started(system, AgentSetup(does, Toolbox(tools)), requests)


async def started(
    system: System, setup: AgentSetup, requests: list[Request] | None = None, name: str = "agent"
) -> AgentHandle:
    group = await system.supervise(name, strategy=RestartStrategy.REST_FOR_ONE)
    journal = await group.spawn(MemoryJournal, name="journal")
    asked = [] if requests is None else requests
    provider: Any = await group.spawn(Choosing, choose, asked, name="provider")
    switch = ModelSwitch(StartedProvider(provider, Model("scripted:echo")), group)
    ref = await group.spawn(Agent, switch, journal, setup, name="agent")
    return AgentHandle(ref, system, switch)


async def below(agent: AgentHandle, run: AgentRun) -> list[SubRunEnded]:
    entries = of_run(await read(journal_of(agent), "main"), run)
    return [entry for entry in entries if isinstance(entry, SubRunEnded)]


def who(run: AgentRun) -> list[tuple[str, str]]:
    """Who asks for what, of what waits."""
    return [(call.by, call.arguments["to"]) for call in run.pending]


async def test_the_run_at_the_top_needs_approval_and_says_who_asks() -> None:
    async with chief("ask clerk call look", agent_tool(clerk()), look) as agent:
        run = agent.stream("Go")
        events = await until_asked(run)

        assert paid == []
        assert who(run) == [("clerk", "Ann")]
        assert [e.call for e in events if isinstance(e, ApprovalNeeded)] == list(run.pending)
        assert [e.content for e in events if isinstance(e, ToolEnd)] == ["seen"]
        await assert_one_truth(agent, run, Outcome.NEEDS_APPROVAL)
        assert_sendable(await agent.history())
        left = await agent.unfinished()
        assert left is not None
        assert left.pending == run.pending
        assert len(agent.system.tree().children[0].children) == 3


async def test_what_is_approved_runs_down_there_and_the_call_has_its_result() -> None:
    requests: list[Request] = []
    offered = agent_tool(clerk(does="pay Ann call look"))
    async with chief("ask clerk call look", offered, look, requests=requests) as agent:
        run = agent.stream("Go")
        await until_asked(run)
        following = await resumed(agent, run, *(each.id for each in run.pending))

        assert paid == ["Ann"]
        assert [result.content for result in following.tool_results] == ["[paid Ann, seen]"]
        assert (following.outcome, following.pending) == (Outcome.DONE, ())
        assert following.response.text == "[[paid Ann, seen], seen]"
        assert len(requests) == 4
        assert all(refusals(request.turns[1:]) == [] for request in requests)
        first, then = await below(agent, run)
        assert first.sub_run == then.sub_run
        assert [first.outcome, then.outcome] == [Outcome.NEEDS_APPROVAL, Outcome.DONE]
        with pytest.raises(RunNotOpen, match="is done"):
            await resumed(agent, run)


async def test_what_is_denied_is_told_to_the_model_down_there() -> None:
    async with chief("ask clerk", agent_tool(clerk())) as agent:
        run = agent.stream("Go")
        await until_asked(run)
        (ann,) = run.pending
        following = await resumed(agent, run, deny={ann.id: "not this year"})
        assert paid == []
        (result,) = following.tool_results
        assert result.content == "[the call was denied: not this year]"


async def test_what_is_not_decided_waits_on() -> None:
    async with chief("ask clerk", agent_tool(clerk(does="pay Ann pay Bob"))) as agent:
        run = agent.stream("Go")
        await until_asked(run)
        ann, bob = run.pending
        for approve, left in (((), [ann, bob]), ((ann.id,), [bob])):
            again = agent.resume(run.id, approve=approve)
            events = await until_asked(again)
            assert [e.call for e in events if isinstance(e, ApprovalNeeded)] == left
            assert list(again.pending) == left
        assert paid == ["Ann"]
        following = await resumed(agent, run, bob.id)
        assert paid == ["Ann", "Bob"]
        assert following.response.text == "[[paid Ann, paid Bob]]"
        outcomes = [each.outcome for each in await below(agent, run)]
        assert outcomes == [Outcome.NEEDS_APPROVAL, Outcome.NEEDS_APPROVAL, Outcome.DONE]


async def test_several_wait_side_by_side_and_what_the_others_found_is_kept() -> None:
    tools = (agent_tool(clerk("one")), agent_tool(clerk("two", "pay Bob")), pay, look)
    free = agent_tool(clerk("free", "call look"))
    async with chief("ask one pay Cid ask free ask two call look", *tools, free) as agent:
        run = agent.stream("Go")
        events = await until_asked(run)
        assert [e.content for e in events if isinstance(e, ToolEnd)].count("[seen]") == 1
        assert sorted(who(run)) == [("", "Cid"), ("one", "Ann"), ("two", "Bob")]

        ids = {call.arguments["to"]: call.id for call in run.pending}
        second = agent.resume(run.id, approve=[ids["Bob"]])
        await until_asked(second)
        assert paid == ["Bob"]
        assert sorted(who(second)) == [("", "Cid"), ("one", "Ann")]
        following = await resumed(agent, run, ids["Ann"], deny={ids["Cid"]: "no"})
        assert paid == ["Bob", "Ann"]
        assert following.response.text == (
            "[[paid Ann], the call was denied: no, [seen], [paid Bob], seen]"
        )
        assert (await agent.history())[-1].text == following.response.text  # type: ignore[union-attr]


@pytest.mark.parametrize("depth", [2, 5])
async def test_it_waits_at_any_depth(depth: int) -> None:
    recipe = clerk("clerk0")
    for number in range(1, depth):
        recipe = clerk(f"clerk{number}", f"ask clerk{number - 1}", agent_tool(recipe))
    names = [f"clerk{number}" for number in reversed(range(depth))]
    async with chief(f"ask {names[0]}", agent_tool(recipe)) as agent:
        run = agent.stream("Go")
        await until_asked(run)
        assert who(run) == [("/".join(names), "Ann")]
        following = await resumed(agent, run, run.pending[0].id)
        assert paid == ["Ann"]
        assert following.response.text == "[" * depth + "[paid Ann]" + "]" * depth


async def test_usage_and_budgets_add_up_over_both_legs() -> None:
    scripts = (
        script(call("clerk", task="Go"), usage(10, 1)),
        script(call("pay", to="Ann"), usage(10, 1)),
        *(script("Fine.", usage(10, 1)) for _ in range(2)),
    )
    async with scripted(*scripts, tools=(agent_tool(clerk()),)) as agent:
        run = agent.stream("Go")
        with Budget(tokens=10_000) as first:
            await until_asked(run)
        assert run.response.usage == Usage(20, 2)
        following = agent.resume(run.id, approve=[run.pending[0].id])
        with Budget(tokens=10_000) as then:
            async with following:
                await collect(following)

        assert first.used.tokens == then.used.tokens == 22
        assert following.response.usage == Usage(40, 4)
        report = await agent.ref.ask(Report(run.id))
        assert (report.usage, report.own_usage) == (Usage(40, 4), Usage(20, 2))
        assert [each.usage for each in await below(agent, run)] == [Usage(10, 1), Usage(20, 2)]
        *_, complete = replay(await read(journal_of(agent), "main"))
        assert complete.response.usage == Usage(40, 4)  # type: ignore[union-attr]


async def test_another_run_denies_what_waits_below_and_the_conversation_goes_on() -> None:
    requests: list[Request] = []
    async with chief("ask clerk", agent_tool(clerk()), requests=requests) as agent:
        run = agent.stream("Go")
        await until_asked(run)
        await agent.run("What next?")
        assert refusals(requests[-1].turns[1:]) == []
        (results,) = [turn for turn in requests[-1].turns if isinstance(turn, ToolTurn)]
        assert results.results[0].status is ToolStatus.CANCELLED
        assert "needs an approval" in results.results[0].content
        with pytest.raises(RunNotOpen, match="only the latest"):
            await resumed(agent, run, run.pending[0].id)
        assert (await agent.ref.ask(Report(run.id))).pending == ()
        assert paid == []


async def test_what_waits_survives_an_interruption_of_the_others() -> None:
    tools = (agent_tool(clerk()), look, forever)
    async with chief("ask clerk call forever", *tools) as agent:
        async with agent.stream("Go") as run:
            await trio.testing.wait_all_tasks_blocked()
            async for event in run:
                if isinstance(event, ApprovalNeeded):
                    break
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        assert who(run) == [("clerk", "Ann")]
        assert_sendable(await agent.history())
        following = await resumed(agent, run, run.pending[0].id)
        assert paid == ["Ann"]
        assert "[paid Ann]" in following.response.text


async def test_a_window_over_the_conversation_tells_the_same_of_it() -> None:
    requests: list[Request] = []
    setup = AgentSetup(
        "ask clerk", Toolbox((agent_tool(clerk()),)), AgentOptions(memory=Window(turns=50))
    )
    async with open_system() as system:
        agent = await started(system, setup, requests)
        run = agent.stream("Go")
        await until_asked(run)
        await agent.run("What next?")
        (results,) = [turn for turn in requests[-1].turns if isinstance(turn, ToolTurn)]
        assert "needs an approval" in results.results[0].content


async def test_a_transcript_tells_of_it() -> None:
    async with chief("ask clerk", agent_tool(clerk())) as agent:
        run = agent.stream("Go")
        live = await until_asked(run)
        following = agent.resume(run.id, approve=[run.pending[0].id])
        async with following:
            live += await collect(following)
        entries = await read(journal_of(agent), "main")
    shown = [each for each in live if not isinstance(each, ToolProgress)]
    assert types(replay(entries)) == types(shown)
    assert f"The call {run.pending[0].id} was approved" in to_markdown(entries)


def types(events: Any) -> list[str]:
    """The types of events, those in a row once: how the pieces were cut is not recorded."""
    return [kind for kind, _ in itertools.groupby(event.type for event in events)]


async def test_an_agent_that_runs_already_waits_likewise() -> None:
    async with chief("pay Ann", pay) as shared:
        offered = agent_tool(shared, name="clerk", description="Pays.")
        setup = AgentSetup("ask clerk", Toolbox((offered,)))
        agent = await started(shared.system, setup, name="above")
        run = agent.stream("Go")
        await until_asked(run)
        assert who(run) == [("clerk", "Ann")]
        following = await resumed(agent, run, run.pending[0].id)
        assert (paid, following.response.text) == (["Ann"], "[[paid Ann]]")

        await until_asked(again := agent.stream("Go"))
        await shared.run("What next?")
        following = await resumed(agent, again, again.pending[0].id)
        (result,) = following.tool_results
        assert result.status is ToolStatus.ERROR
        assert "only the latest goes on" in result.content
        assert paid == ["Ann"]


async def test_where_code_has_asked_the_agent_it_is_an_error_of_that_code() -> None:
    """Its frame could not be gone on with."""
    offered = agent_tool(clerk())

    async def several() -> str:
        """Ask several."""
        await fan_out([(clerk(), "Go"), (clerk("other"), "Go")])
        return "never"

    async def itself() -> str:
        """Call the tool as a function."""
        return str(await offered(task="Go"))

    async with chief("call several call itself", offered, several, itself) as agent:
        async with agent.stream("Go") as run:
            await collect(run)
        assert [result.status for result in run.tool_results] == [ToolStatus.ERROR] * 2
        assert all("need approval" in result.content for result in run.tool_results)
        assert all(each.call_id == "" for each in await below(agent, run))
        assert (paid, run.outcome) == ([], Outcome.DONE)


async def test_whoever_had_asked_the_agent_goes_on_with_it_after_a_handoff() -> None:
    """Both have a tool of that name; the one that spoke when the call was made is meant."""
    poor = AgentRecipe("clerk", tools=[look], description="Has nothing to pay with.")
    other = AgentRecipe("other", tools=[agent_tool(poor)], instructions="call look")
    tools = (agent_tool(clerk()), handoff(other))
    async with chief("ask clerk call transfer_to_other", *tools) as agent:
        run = agent.stream("Go")
        await until_asked(run)
        await resumed(agent, run, run.pending[0].id)
        assert paid == ["Ann"]


async def test_an_approval_below_counts_as_an_effect_for_the_guards() -> None:
    @tool(approve=True)
    def sign() -> str:
        """Sign."""
        return "signed"

    async def no(text: str) -> str:
        del text
        await trio.testing.wait_all_tasks_blocked()
        return "no"

    offered = agent_tool(AgentRecipe("clerk", tools=[sign], description="Signs."))
    assert offered.effect
    setup = AgentSetup(
        "ask clerk", Toolbox((offered,)), AgentOptions(guards=(Guard(no, on="input"),))
    )
    async with open_system() as system:
        agent = await started(system, setup)
        async with agent.stream("Go") as run:
            with pytest.raises(GuardTripped):
                await collect(run)
        assert await below(agent, run) == []


@pytest.mark.parametrize("own", [False, True])
async def test_it_waits_over_a_restart_of_the_program(tmp_path: Path, own: bool) -> None:  # noqa: FBT001
    options = AgentOptions(journal=tmp_path / "chats.db")
    kept = [AgentOptions(journal=tmp_path / f"{name}.db" if own else None) for name in "ab"]
    leaf = AgentRecipe("leaf", tools=[pay], description="Pays.", options=kept[0])
    recipe = AgentRecipe("clerk", tools=[agent_tool(leaf)], description="Asks.", options=kept[1])
    tools: list[Any] = [agent_tool(recipe), look]
    asking = (script(call("clerk", task="Go"), call("look")), script(call("leaf", task="Go")))
    before = Model("scripted:x", script=(*asking, script(call("pay", to="Ann"))))
    async with open_agent(before, tools=tools, options=options) as agent:
        await until_asked(agent.stream("Go"))

    after = Model("scripted:x", script=(script("leaf"), script("clerk"), script("chief")))
    async with open_agent(after, tools=tools, options=options) as agent:
        left = await agent.unfinished()
        assert left is not None
        (ann,) = left.pending
        assert (left.outcome, ann.by) == (Outcome.NEEDS_APPROVAL, "clerk/leaf")
        async with agent.resume(left.id, approve=[ann.id]) as run:
            await collect(run)
        assert [result.content for result in run.tool_results] == ["clerk"]
        assert (paid, run.outcome, run.response.text) == (["Ann"], Outcome.DONE, "chief")


KILLED = """
import os, signal, sys
import trio
from actors import AgentOptions, open_agent
from actors.agents import AgentRecipe, agent_tool
from actors.errors import NeedsApproval
from actors.providers import Model, call, script
from actors.tools import tool

@tool(approve=True)
def pay(to: str) -> str:
    \"\"\"Pay.\"\"\"
    os.kill(os.getpid(), signal.SIGKILL)

async def main() -> None:
    recipe = AgentRecipe("clerk", tools=[pay], description="Pays.")
    answers = (script(call("clerk", task="Go")), script(call("pay", to="Ann")))
    model = Model("scripted:x", script=answers)
    options = AgentOptions(journal=sys.argv[1])
    async with open_agent(model, tools=[agent_tool(recipe)], options=options) as agent:
        left = await agent.unfinished()
        if left is None:
            try:
                await agent.run("Go")
            except NeedsApproval:
                os.kill(os.getpid(), signal.SIGKILL)
        async with agent.resume(left.id, approve=[left.pending[0].id]) as run:
            async for event in run:
                pass

trio.run(main)
"""


async def test_it_survives_sigkill_and_what_was_killed_below_is_not_run_again(
    tmp_path: Path,
) -> None:
    options = AgentOptions(journal=tmp_path / "chats.db")
    recipe = AgentRecipe("clerk", tools=[pay], description="Pays.")
    for pending in (1, 0):
        done = await trio.run_process(
            [sys.executable, "-c", KILLED, str(options.journal)], check=False
        )
        assert done.returncode == -9
        async with scripted(FINE, tools=(agent_tool(recipe),), options=options) as agent:
            left = await agent.unfinished()
            assert left is not None
            assert len(left.pending) == pending
            assert_sendable(await agent.history())
    async with scripted(FINE, tools=(agent_tool(recipe),), options=options) as agent:
        async with agent.resume(left.id) as run:
            await collect(run)
        (results,) = [turn for turn in await agent.history() if isinstance(turn, ToolTurn)]
        assert results.results[0].status is ToolStatus.UNKNOWN
        assert (run.outcome, paid) == (Outcome.DONE, [])


async def test_an_agent_that_is_gone_by_then_is_an_error_and_nothing_runs(tmp_path: Path) -> None:
    options = AgentOptions(journal=tmp_path / "chats.db")
    recipe = AgentRecipe("clerk", tools=[pay], description="Pays.")
    before = Model(
        "scripted:x", script=(script(call("clerk", task="Go")), script(call("pay", to="Ann")))
    )
    async with open_agent(before, tools=[agent_tool(recipe)], options=options) as agent:
        await until_asked(run := agent.stream("Go"))

    def another(task: str) -> str:
        """Do another thing under that name."""
        paid.append(task)
        return "done"

    async with scripted(
        script("Oh."), tools=(tool(another, name="clerk"),), options=options
    ) as agent:
        following = await resumed(agent, run, run.pending[0].id)
        assert [result.content for result in following.tool_results] == [
            "the agent that clerk had asked is not there any more"
        ]
        assert (paid, following.response.text) == ([], "Oh.")


async def test_wherever_it_is_cancelled_nothing_is_paid_twice_and_it_goes_on() -> None:
    requests: list[Request] = []
    leaf = clerk("leaf", "pay Ann pay Bob")
    tools = (agent_tool(clerk("clerk", "ask leaf", agent_tool(leaf))), look)
    setup = AgentSetup("ask clerk call look", Toolbox(tools))
    async with open_system() as system:
        agents = [await started(system, setup, requests)]

        async def scenario() -> None:
            paid.clear()
            agent = agents[-1]
            run = agent.stream("Go")
            with assert_no_leaks():
                await until_asked(run)
                ann, bob = (each.id for each in run.pending)
                await resumed(agent, run, ann, deny={bob: "no"})

        async def check() -> None:
            agent = agents[-1]
            assert agent.ref.statistics().handling == ()
            assert paid in ([], ["Ann"])
            assert len(system.tree().children[-1].children) == 3
            assert_sendable(await agent.history())
            await assert_ends_are_known(agent)
            left = await agent.unfinished()
            if left is not None:
                await go_on(agent, left.id)
            assert paid in ([], ["Ann"])
            await agent.run("What next?")
            assert all(refusals(request.turns[1:]) == [] for request in requests)
            requests.clear()
            if len(await agent.history()) > CROWDED:  # a long history makes every check longer
                agents.append(await started(system, setup, requests, f"agent{len(agents)}"))

        assert await cancel_everywhere(scenario, check=check) > 100


async def assert_ends_are_known(agent: AgentHandle) -> None:
    """The run above says of each run below what that one's own conversation says."""
    entries = await read(journal_of(agent), "main")
    latest: dict[str, SubRunEnded] = {}
    for entry in entries:
        if isinstance(entry, SubRunEnded):
            latest[entry.sub_run] = entry
    for each in list(latest.values())[-2:]:
        said: tuple[Entry, ...] = await read(journal_of(agent), each.conversation)
        ends = [entry.outcome for entry in said if isinstance(entry, RunEnded)]
        assert ends[-1:] == [each.outcome] or said == ()


async def go_on(agent: AgentHandle, id: str) -> None:
    """Deny what waits, and let the run come to its end."""
    left = await agent.unfinished()
    assert left is not None
    try:
        async with agent.resume(id, deny={call.id: "no" for call in left.pending}) as run:
            await collect(run)
        assert run.outcome is Outcome.DONE
    except NeedsApproval as needed:  # it had not come to its calls before
        await go_on(agent, needed.run)
