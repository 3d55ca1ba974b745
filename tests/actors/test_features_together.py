"""Features that know nothing of each other, at once: what each promises still holds."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import trio
import trio.testing
from agents_parts import agent_of
from agents_scripted import (
    Choosing,
    assert_one_truth,
    collect,
    requests_of,
    scripted,
)
from process_tools import pid
from strict_history import refusals

from actors import AgentOptions, open_agent
from actors.agents import (
    Agent,
    AgentRecipe,
    AgentSetup,
    Guard,
    Report,
    RunReport,
    ask_agent,
    handoff,
)
from actors.chat import Outcome, SystemTurn, ToolStatus
from actors.errors import GuardFailed, GuardTripped, NeedsApproval
from actors.providers import Model, Script, call, pause, say, script
from actors.recall import Summary
from actors.tools import Toolbox, tool

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

FINE = script("Fine.")


def model(name: str, *scripts: Script) -> Model:
    return Model(f"scripted:{name}", script=(*scripts, script("Fine.", repeat=True)))


# Guards and what is below them


async def unruly() -> None:
    try:
        await trio.sleep(60)
    except trio.Cancelled as cancelled:
        raise ValueError("in the cleanup") from cancelled


def careless(on: Any, timeout: float = 30.0) -> Guard:
    async def with_children(text: str) -> None:
        del text
        async with trio.open_nursery() as nursery:
            nursery.start_soon(unruly)
            nursery.start_soon(trio.sleep, 60)

    return Guard(with_children, on=on, timeout=timeout)


async def test_a_guard_whose_children_fail_when_it_is_cancelled_is_cancelled_all_the_same(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    options = AgentOptions(guards=(careless("input"), careless("output")))
    async with scripted(script(pause(1), say("Hi")), FINE, options=options) as agent:
        run = agent.stream("Go")
        with trio.move_on_after(5):
            async with run:
                await collect(run)
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        assert agent.ref.statistics().restarts == 0


async def test_a_guard_whose_children_fail_when_its_time_is_over_has_failed(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    options = AgentOptions(guards=(careless("output", timeout=2.0),))
    async with scripted(FINE, FINE, options=options) as agent:
        with pytest.raises(GuardFailed, match="took longer than 2"):
            await agent.run("Go")
        assert agent.ref.statistics().restarts == 0


async def test_after_a_restart_a_guard_can_ask_an_agent_with_the_model_of_whoever_speaks(
    tmp_path: Path,
) -> None:
    passes = say('{"passes": true, "reason": ""}')
    other = AgentRecipe("other", Model("scripted:other", script=(script(passes, repeat=True),)))
    judge = Guard(ask_agent(AgentRecipe("judge")), on="input")
    first = Model("scripted:first", script=(script(call("transfer_to_other")),))
    for guards in ((), (judge,)):
        options = AgentOptions(journal=tmp_path / "chats.db", guards=guards)
        async with open_agent(first, tools=[handoff(other)], options=options) as agent:
            answer = await agent.run("Go")
            assert answer.text == passes.text


# Tools of the same name, on both sides of a handoff


@tool(approve=True)
def send() -> str:
    """Send it to a friend."""
    return "sent to a friend"


def other_send() -> Any:
    @tool(name="send")
    def send_it() -> str:
        """Send it to everybody."""
        return "sent to everybody"

    return send_it


async def test_what_is_approved_is_the_tool_that_was_asked_for_and_no_namesake() -> None:
    other = AgentRecipe("other", tools=[other_send()])
    together = script(call("transfer_to_other"), call("send"))
    async with scripted(together, FINE, tools=(send, handoff(other))) as agent:
        async with agent.stream("Go") as run:
            with pytest.raises(NeedsApproval):
                await collect(run)
        async with agent.resume(run.id, approve=[run.pending[0].id]) as resumed:
            await collect(resumed)
        assert [each.content for each in resumed.tool_results] == ["sent to a friend"]


async def test_a_namesake_of_another_role_runs_as_itself() -> None:
    @tool(name="pid", concurrency=1)
    async def number() -> int:
        """Say a number."""
        await trio.lowlevel.checkpoint()
        return 0

    other = AgentRecipe("other", tools=[pid])
    asked = (script(call("pid")), script(call("transfer_to_other")), script(call("pid")), FINE)
    async with scripted(*asked, tools=(number, handoff(other))) as agent:
        async with agent.stream("Go") as run:
            await collect(run)
        first, _, last = run.tool_results
        assert (first.content, last.status) == ("0", ToolStatus.OK)
        assert int(last.content) > 0


# A journal that fails while something else does


class CrashesOnce(Agent):
    """Crashes when it is first asked how a run went."""

    asked: ClassVar[list[Report]] = []

    @Report.handles
    async def report(self, message: Report) -> RunReport:
        self.asked.append(message)
        if len(self.asked) == 1:
            raise RuntimeError("just now")
        return await super().report(message)


async def test_a_run_ended_as_its_journal_has_it_even_if_the_agent_crashes_before_it_can_say_so(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    CrashesOnce.asked.clear()
    waiting = script(call("send"))
    async with agent_of(
        provider=lambda: Choosing(lambda _: waiting, []),
        setup=AgentSetup(None, Toolbox((send,))),
        kind=CrashesOnce,
    ) as agent:
        run = agent.stream("Go")
        with pytest.raises(NeedsApproval):
            async with run:
                await collect(run)
        await assert_one_truth(agent, run, Outcome.NEEDS_APPROVAL)
        assert [call.name for call in run.pending] == ["send"]
        assert len(CrashesOnce.asked) == 3


# Memories and what a guard has stopped


async def test_of_a_run_that_a_guard_has_stopped_there_is_nothing_to_sum_up() -> None:
    options = AgentOptions(
        memory=Summary(turns=1, every=1),
        guards=(Guard(lambda text: "no" if "bad" in text else None, on="input"),),
    )
    async with scripted(script("Fine.", repeat=True), options=options) as agent:
        for text in ("bad", "bad", "good"):
            with contextlib.suppress(GuardTripped):
                await agent.run(text)
            await trio.testing.wait_all_tasks_blocked()
        asked = [request.turns for request in await requests_of(agent)]
    assert all(refusals(turns[isinstance(turns[0], SystemTurn) :]) == [] for turns in asked)
    assert not any(isinstance(turns[0], SystemTurn) for turns in asked)
