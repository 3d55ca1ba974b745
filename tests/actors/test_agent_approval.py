"""Calls that need approval: who asks, who decides, what runs, and what a restart leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from agents_scripted import (
    Choosing,
    assert_next_turn_is_accepted,
    assert_one_truth,
    assert_sendable,
    collect,
    entries_of,
    of_run,
    requests_of,
    resumed,
    scripted,
    until_asked,
)
from strict_history import refusals

from actors import AgentOptions, open_agent
from actors.agents import Agent, AgentHandle, AgentSetup, Report, Resume
from actors.chat import (
    ApprovalNeeded,
    Complete,
    Outcome,
    Request,
    ToolCall,
    ToolEnd,
    ToolStart,
    ToolStatus,
    ToolTurn,
)
from actors.errors import ConfigurationError, NeedsApproval, RunNotOpen
from actors.journal import (
    ApprovalAsked,
    CallApproved,
    CallDenied,
    MemoryJournal,
    RunEnded,
    ToolCalled,
    replay,
    to_markdown,
)
from actors.providers import Model, call, say, script
from actors.tools import Toolbox, tool
from runtime import open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock

    from actors.providers import Script

sent: list[str] = []


@tool(effect=True, approve=True)
async def send(to: str) -> str:
    """Send a letter."""
    await trio.lowlevel.checkpoint()
    sent.append(to)
    return f"sent to {to}"


@tool(approve=lambda arguments: arguments["amount"] > 100)
def pay(amount: int) -> str:
    """Pay."""
    sent.append(f"paid {amount}")
    return "paid"


async def look() -> str:
    """Look."""
    await trio.lowlevel.checkpoint()
    return "seen"


TOOLS = (send, pay, look)
ROUND = script(say("I will. "), call("send", to="Ann"), call("look"), call("send", to="Bob"))


@pytest.fixture(autouse=True)
def _nothing_sent() -> None:
    sent.clear()


async def results_of(agent: AgentHandle) -> list[tuple[str, ToolStatus]]:
    """What the latest request said of its last round."""
    turns = [turn for turn in await agent.history() if isinstance(turn, ToolTurn)]
    return [(result.content, result.status) for result in turns[-1].results]


async def test_a_run_ends_as_needs_approval_when_all_else_of_the_round_has_ended() -> None:
    async with scripted(ROUND, tools=TOOLS) as agent:
        run = agent.stream("Write to them")
        events = await until_asked(run)

        assert sent == []
        assert [e.call.arguments["to"] for e in events if isinstance(e, ApprovalNeeded)] == [
            "Ann",
            "Bob",
        ]
        assert [e.content for e in events if isinstance(e, ToolEnd)] == ["seen"]
        assert not any(isinstance(event, Complete) for event in events)
        assert run.response.text == "I will. "
        report = await agent.ref.ask(Report(run.id))
        assert report.pending == run.pending
        await assert_one_truth(agent, run, Outcome.NEEDS_APPROVAL)
        assert_sendable(await agent.history())


async def test_what_is_approved_runs_and_what_is_denied_tells_the_model_why() -> None:
    async with scripted(ROUND, script("Done."), tools=TOOLS) as agent:
        run = agent.stream("Write to them")
        await until_asked(run)
        ann, bob = (each.id for each in run.pending)
        following = await resumed(agent, run, bob, deny={ann: "she has moved"})

        assert sent == ["Bob"]
        assert await results_of(agent) == [
            ("the call was denied: she has moved", ToolStatus.ERROR),
            ("seen", ToolStatus.OK),
            ("sent to Bob", ToolStatus.OK),
        ]
        assert (following.outcome, following.response.text) == (Outcome.DONE, "Done.")
        assert following.pending == ()
        entries = of_run(await entries_of(agent), run)
        kinds = [type(each) for each in entries]
        assert [kinds.count(kind) for kind in (ApprovalAsked, CallApproved, CallDenied)] == [
            2,
            1,
            1,
        ]
        assert kinds.index(CallApproved) < kinds.index(ToolCalled, kinds.index(CallApproved))
        assert all(refusals(request.turns) == [] for request in await requests_of(agent))
        shown = [event.type for event in replay(entries)]
        assert shown.count("approval_needed") == 2
        assert shown.count("tool_end") == 3
        assert "denied (she has moved)" in to_markdown(entries)


async def test_what_is_left_open_waits_on() -> None:
    async with scripted(ROUND, script("Done."), tools=TOOLS) as agent:
        run = agent.stream("Write to them")
        await until_asked(run)
        ann, bob = (each.id for each in run.pending)

        second = agent.resume(run.id, approve=[ann])
        events = await until_asked(second)
        assert sent == ["Ann"]
        assert [type(event) for event in events] == [ToolStart, ApprovalNeeded, ToolEnd]
        assert [each.id for each in second.pending] == [bob]
        with pytest.raises(ConfigurationError, match=f"no call '{ann}' waits"):
            await resumed(agent, run, ann)
        assert sent == ["Ann"]
        await resumed(agent, run, bob)
        assert sent == ["Ann", "Bob"]
        with pytest.raises(RunNotOpen, match="is done"):
            await resumed(agent, run)


@pytest.mark.parametrize(("amount", "asked"), [(100, False), (101, True)])
async def test_a_tool_may_decide_by_its_arguments(amount: int, asked: bool) -> None:  # noqa: FBT001
    async with scripted(script(call("pay", amount=amount)), script("Paid."), tools=TOOLS) as agent:
        run = agent.stream("Pay")
        if asked:
            await until_asked(run)
            assert sent == []
            await resumed(agent, run, run.pending[0].id)
        else:
            async with run:
                await collect(run)
        assert sent == [f"paid {amount}"]


async def test_a_call_that_its_tool_refuses_is_refused_without_asking_anybody() -> None:
    wrong = script(call("pay", amount="much"), call("send"), call("unknown"))
    async with scripted(wrong, script("Oh."), tools=TOOLS) as agent:
        assert (await agent.run("Pay")).text == "Oh."
        assert [status for _, status in await results_of(agent)] == [ToolStatus.ERROR] * 3


async def test_a_tool_that_cannot_say_whether_it_needs_approval_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @tool(approve=lambda arguments: arguments["no such thing"])
    def unsure() -> str:
        """Be unsure."""
        return "sure"

    async with scripted(script(call("unsure")), tools=(unsure,)) as agent:
        with pytest.raises(NeedsApproval, match="unsure"):
            await agent.run("Go")
    assert "cannot say" in caplog.text


async def test_another_run_denies_what_waits_and_the_conversation_goes_on() -> None:
    async with scripted(ROUND, script("Well.", repeat=True), tools=TOOLS) as agent:
        run = agent.stream("Write to them")
        await until_asked(run)
        await assert_next_turn_is_accepted(agent)

        assert [status for _, status in await results_of(agent)] == [
            ToolStatus.CANCELLED,
            ToolStatus.OK,
            ToolStatus.CANCELLED,
        ]
        assert sent == []
        denied = [e for e in await entries_of(agent) if isinstance(e, CallDenied)]
        assert {each.call_id for each in denied} == {each.id for each in run.pending}
        with pytest.raises(RunNotOpen, match="only the latest"):
            await resumed(agent, run, run.pending[0].id)
        assert sent == []


async def test_two_that_approve_at_once_do_not_send_it_twice() -> None:
    async with scripted(ROUND, script("Done.", repeat=True), tools=TOOLS) as agent:
        run = agent.stream("Write to them")
        await until_asked(run)
        refused: list[BaseException] = []

        async def approve() -> None:
            try:
                await resumed(agent, run, *(each.id for each in run.pending))
            except (RunNotOpen, ConfigurationError) as fault:
                refused.append(fault)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(approve)
            nursery.start_soon(approve)
        assert sorted(sent) == ["Ann", "Bob"]
        assert len(refused) == 1


async def test_a_run_that_goes_on_may_need_approval_again() -> None:
    again = script(call("send", to="Cid"))
    async with scripted(ROUND, again, script("Done."), tools=TOOLS) as agent:
        run = agent.stream("Write to them")
        await until_asked(run)
        second = agent.resume(run.id, approve=[each.id for each in run.pending])
        await until_asked(second)
        assert [each.arguments["to"] for each in second.pending] == ["Cid"]
        await resumed(agent, run, second.pending[0].id)
        assert sorted(sent) == ["Ann", "Bob", "Cid"]
        ends = [e.outcome for e in await entries_of(agent) if isinstance(e, RunEnded)]
        assert ends == [Outcome.NEEDS_APPROVAL, Outcome.NEEDS_APPROVAL, Outcome.DONE]


async def test_approvals_wait_over_a_restart_of_the_program(tmp_path: Path) -> None:
    options = AgentOptions(journal=tmp_path / "chats.db")
    first, then = Model("scripted:x", script=ROUND), Model("scripted:x", script=script("Done."))
    async with open_agent(first, tools=TOOLS, options=options) as agent:
        await until_asked(agent.stream("Write to them"))

    async with open_agent(then, tools=TOOLS, options=options) as agent:
        left = await agent.unfinished()
        assert left is not None
        assert left.outcome is Outcome.NEEDS_APPROVAL
        ann, bob = (each.id for each in left.pending)
        async with agent.resume(left.id, approve=[ann], deny={bob: "no"}) as run:
            await collect(run)
        assert (sent, run.outcome) == (["Ann"], Outcome.DONE)


KILLED = """
import os, signal, sys
import trio
from actors import AgentOptions, open_agent
from actors.errors import NeedsApproval
from actors.providers import Model, call, script
from actors.tools import tool

@tool(approve=True)
def send(to: str) -> str:
    \"\"\"Send a letter.\"\"\"
    print("sent to", to, flush=True)
    if to == "Bob":
        os.kill(os.getpid(), signal.SIGKILL)
    return "sent"

ROUND = script(call("send", to="Ann"), call("send", to="Bob"))

async def main() -> None:
    options = AgentOptions(journal=sys.argv[1])
    model = Model("scripted:x", script=(ROUND,) if sys.argv[2] == "ask" else script("Done."))
    async with open_agent(model, tools=[send], options=options) as agent:
        if sys.argv[2] == "ask":
            try:
                await agent.run("Write to them")
            except NeedsApproval as needed:
                print(*(call.id for call in needed.pending), flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
        left = await agent.unfinished()
        print(left.outcome, *(call.id for call in left.pending), flush=True)
        async with agent.resume(left.id, approve=sys.argv[3:]) as run:
            async for event in run:
                pass
        print(run.outcome, run.response.text)

trio.run(main)
"""


def run_until_killed(path: Path, *arguments: str) -> list[str]:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", KILLED, path, *arguments],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return [*done.stdout.splitlines(), str(done.returncode)]


def test_approvals_survive_sigkill_and_a_call_that_was_killed_is_not_run_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "chats.db"
    asked, killed = run_until_killed(path, "ask")
    ann, bob = asked.split()
    assert killed == "-9"

    assert run_until_killed(path, "go on", ann, bob)[0] == f"needs approval {ann} {bob}"
    # Both were on their way when the second killed the program: nobody knows what became of them.
    assert run_until_killed(path, "go on") == ["failed", "done Done.", "0"]
    assert trio.run(told_of, path)[-1] is ToolStatus.UNKNOWN


async def told_of(path: Path) -> list[ToolStatus]:
    options = AgentOptions(journal=path)
    async with open_agent("scripted:echo", options=options) as agent:
        return [status for _, status in await results_of(agent)]


def choose(request: Request) -> Script:
    last = request.turns[-1]
    if isinstance(last, ToolTurn):
        return script(say("Sent.", pieces=3))
    return script("Fine.") if getattr(last, "text", "").endswith("What next?") else ROUND


async def test_wherever_an_approval_is_cancelled_nothing_is_sent_twice_and_it_goes_on() -> None:
    requests: list[Request] = []
    setup = AgentSetup(None, Toolbox(TOOLS))
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal, name="journal")
        provider = await system.spawn(Choosing, choose, requests, name="provider")
        ref = await system.spawn(Agent, provider, journal, setup, name="agent")
        agent = AgentHandle(ref, system, Model("scripted:echo"))
        await agent.run("What next?")

        async def scenario() -> None:
            sent.clear()
            run = agent.stream("Write to them")
            with assert_no_leaks():
                await until_asked(run)
                ann, bob = (each.id for each in run.pending)
                async with agent.resume(run.id, approve=[ann], deny={bob: "no"}) as following:
                    await collect(following)

        async def check() -> None:
            assert agent.ref.statistics().handling == ()
            assert sent in ([], ["Ann"])
            assert_sendable(await agent.history())
            left = await agent.unfinished()
            if left is not None and left.id != "":
                await go_on(agent, left.id)
            assert sent in ([], ["Ann"])
            await agent.run("What next?")
            assert all(refusals(request.turns) == [] for request in requests)
            requests.clear()

        assert await cancel_everywhere(scenario, check=check) > 50


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


async def test_a_run_waits_for_approval_behind_no_other(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    """It has ended: the next one need not wait, and may be the one that goes on with it."""
    async with scripted(ROUND, script("Done.", repeat=True), tools=TOOLS) as agent:
        run = agent.stream("Write to them")
        await until_asked(run)
        with trio.fail_after(1):
            await resumed(agent, run, deny={each.id: "" for each in run.pending})


def test_what_is_approved_is_named_by_ids() -> None:
    wrong: Any
    call_itself = ToolCall("c1", "pay")
    for wrong, said in (("c1", r"write approve=\['c1'\]"), ([call_itself], r"\[call.id\]")):
        with pytest.raises(TypeError, match=said):
            Resume("run", approve=wrong)
