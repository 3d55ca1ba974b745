"""Handoffs: one conversation, several who speak in it, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from agents_scripted import (
    assert_one_truth,
    assert_sendable,
    collect,
    entries_of,
    of_run,
    types_of,
)
from strict_history import refusals

from actors import AgentOptions, open_agent
from actors.agents import AgentRecipe, AgentSetup, RunLimits, handoff
from actors.agents._roles import Roster
from actors.chat import Complete, Outcome, Request, SystemTurn, ToolStatus
from actors.errors import MissingKey
from actors.journal import HandedOver
from actors.providers import (
    Model,
    Requests,
    Retry,
    Script,
    ScriptedApi,
    call,
    say,
    script,
    together,
)
from actors.testing import WIRES, FakeProvider, WireName, answer, open_fake_provider
from actors.tools import Toolbox
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from pathlib import Path

    from actors.agents import AgentHandle, AgentRun

TO_BILLING = script(say("One moment. "), call("transfer_to_billing"))
BACK = script(call("transfer_to_triage"))
TRIAGE = AgentOptions(name="triage")


PROVIDERS: dict[WireName, str] = {
    "openai-chat": "openai-compatible",
    "openai-responses": "openai-responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "ollama": "ollama",
}


def model_on(wire: WireName, server: FakeProvider) -> Model:
    return Model(
        f"{PROVIDERS[wire]}:gemini-3-m",
        base_url=server.base_url,
        api_key="sk-fake",
        retry=Retry(attempts=1),
    )


def model(name: str, *scripts: Script) -> Model:
    return Model(f"scripted:{name}", script=scripts)


def refund(amount: int) -> str:
    """Give money back."""
    return f"{amount} refunded"


def billing(*scripts: Script, back: bool = False) -> AgentRecipe:
    tools = [refund, handoff("triage")] if back else [refund]
    return AgentRecipe(
        "billing",
        model("billing", *scripts) if scripts else None,
        tools=tools,
        instructions="You refund.",
        description="Knows about money.",
    )


async def requests_to(agent: AgentHandle, name: str) -> tuple[Request, ...]:
    provider = agent.system.whereis(f"/agent/{name}", ScriptedApi)
    assert provider is not None
    return await provider.ask(Requests())


async def test_the_other_goes_on_with_its_instructions_its_tools_and_its_model() -> None:
    other = billing(script(call("refund", amount=5)), script("You have it back."))
    async with open_agent(
        model("triage", TO_BILLING),
        tools=[handoff(other)],
        instructions="You sort.",
        options=TRIAGE,
    ) as agent:
        async with agent.stream("Money!") as run:
            events = await collect(run)
        (first,) = await requests_to(agent, "provider")
        second, third = await requests_to(agent, "billing-provider")

    assert isinstance(events[-1], Complete)
    assert (events[-1].content, events[-1].by) == ("You have it back.", "billing")
    assert run.answered_by == "billing"
    assert types_of(events) == [
        "token",
        "tool_start",
        "tool_end",
        "tool_start",
        "tool_end",
        "token",
        "answer",
        "complete",
    ]
    assert first.turns[0] == SystemTurn("You sort.")
    assert second.turns[0] == SystemTurn("You refund.")
    assert [spec.name for spec in first.tools] == ["transfer_to_billing"]
    assert [spec.name for spec in third.tools] == ["refund"]
    assert first.tools[0].description == "Hand the conversation over to billing. Knows about money."
    for request in (first, second, third):
        assert refusals(request.turns[1:]) == []


async def test_it_keeps_the_conversation_until_it_hands_it_back() -> None:
    other = billing(script("Mine now."), script("Still mine."), BACK, back=True)
    async with open_agent(
        model("triage", TO_BILLING, script("Back here.")), tools=[handoff(other)], options=TRIAGE
    ) as agent:
        by: list[str] = []
        for text in ("Money!", "More?", "Thanks."):
            async with agent.stream(text) as run:
                await collect(run)
            by.append(run.answered_by)
        assert_sendable(await agent.history())
        to = [entry.to for entry in await entries_of(agent) if isinstance(entry, HandedOver)]
    assert by == ["billing", "billing", "triage"]
    assert to == ["billing", "triage"]


async def test_who_speaks_is_the_same_after_a_restart_of_the_program(tmp_path: Path) -> None:
    options = AgentOptions(name="triage", journal=tmp_path / "chats.db")
    async with open_agent(
        model("triage", TO_BILLING), tools=[handoff(billing(script("Mine.")))], options=options
    ) as agent:
        await agent.run("Money!")
    async with open_agent(
        model("triage", script("wrong")), tools=[handoff(billing(script("Mine.")))], options=options
    ) as agent:
        assert (await agent.run("More?")).text == "Mine."
    async with open_agent(model("triage", script("Alone.")), options=options) as agent:
        assert (await agent.run("And now?")).text == "Alone."


async def test_without_a_model_of_its_own_it_speaks_with_that_of_the_first() -> None:
    scripts = TO_BILLING, script("Same model.")
    async with open_agent(model("one", *scripts), tools=[handoff(billing())]) as agent:
        async with agent.stream("Money!") as run:
            await collect(run)
        _, second = await requests_to(agent, "provider")
    assert run.answered_by == "billing"
    assert second.turns[0] == SystemTurn("You refund.")


async def test_the_back_and_forth_is_bounded() -> None:
    forth = script(call("transfer_to_billing"))
    other = billing(BACK, BACK, script("I stay."), back=True)
    options = AgentOptions(name="triage", limits=RunLimits(handoffs=3))
    async with open_agent(
        model("triage", forth, forth), tools=[handoff(other)], options=options
    ) as agent:
        async with agent.stream("Money!") as run:
            await collect(run)
        await assert_one_truth(agent, run, Outcome.DONE)
    statuses = [result.status for result in run.tool_results]
    assert statuses == [ToolStatus.OK, ToolStatus.OK, ToolStatus.OK, ToolStatus.ERROR]
    assert "handed over 3 times" in run.tool_results[-1].content
    assert run.answered_by == "billing"


async def test_of_two_handoffs_in_one_answer_the_first_counts() -> None:
    legal = AgentRecipe("legal", model("legal", script("Law.")))
    both = script(together(call("transfer_to_billing"), call("transfer_to_legal")))
    async with open_agent(
        model("triage", both), tools=[handoff(billing(script("Money."))), handoff(legal)]
    ) as agent:
        async with agent.stream("Both!") as run:
            await collect(run)
        entries = of_run(await entries_of(agent), run)
    (over,) = [entry for entry in entries if isinstance(entry, HandedOver)]
    assert run.answered_by == over.to
    assert sorted(result.status for result in run.tool_results) == [
        ToolStatus.ERROR,
        ToolStatus.OK,
    ]


@pytest.mark.parametrize("far", WIRES)
@pytest.mark.parametrize("near", ["openai-chat", "anthropic"])
async def test_the_history_is_accepted_on_the_wire_of_the_other(
    near: WireName, far: WireName
) -> None:
    """The fakes refuse what the real providers refuse."""
    first, other = answer(say("One moment. "), call("transfer_to_billing")), answer("Here it is.")
    async with (
        open_fake_provider(first, wire=near) as here,
        open_fake_provider(other, wire=far) as there,
    ):
        recipe = AgentRecipe(
            "billing", model_on(far, there), tools=[refund], instructions="You refund."
        )
        async with open_agent(model_on(near, here), tools=[handoff(recipe)]) as agent:
            async with agent.stream("Money!") as run:
                await collect(run)
            assert run.answered_by == "billing"
            assert run.response.text == "One moment. Here it is."


async def test_wherever_a_run_with_a_handoff_is_cancelled_nothing_is_left() -> None:
    runs: list[AgentRun] = []

    async def scenario() -> None:
        with assert_no_leaks():
            async with open_agent(
                model("triage", TO_BILLING),
                tools=[handoff(billing(script(say("Mine now.", pieces=2))))],
            ) as agent:
                runs.append(agent.stream("Money!"))
                async with runs[-1] as run:
                    await collect(run)

    assert await cancel_everywhere(scenario) > 50
    assert runs[-1].answered_by == "billing"


async def test_what_is_acting_and_what_the_journal_says_are_the_same_after_a_cancel() -> None:
    same: list[bool] = []

    async def note(agent: AgentHandle) -> None:
        over = [entry for entry in await entries_of(agent) if isinstance(entry, HandedOver)]
        before = len(await requests_to(agent, "provider"))
        await agent.run("Who is there?")
        asked = (await requests_to(agent, "provider"))[before]
        same.append(bool(over) == (asked.turns[0] == SystemTurn("You refund.")))

    async def scenario() -> None:
        scripts = TO_BILLING, script("Here."), script("Here.")
        async with open_agent(model("one", *scripts), tools=[handoff(billing())]) as agent:
            run = agent.stream("Money!")
            try:
                async with run:
                    await collect(run)
            finally:
                with trio.CancelScope(shield=True):
                    await note(agent)

    assert await cancel_everywhere(scenario) > 50
    assert len(same) > 20
    assert all(same)


def test_names_are_known_and_given_once() -> None:
    with pytest.raises(ValueError, match="nobody here is called 'legal': there are agent"):
        Roster(AgentSetup(None, Toolbox((handoff("legal"),))))
    twins = (
        handoff(AgentRecipe("twin")),
        handoff(AgentRecipe("twin"), name="transfer_to_other_twin"),
    )
    with pytest.raises(ValueError, match="two agents are called 'twin'"):
        Roster(AgentSetup(None, Toolbox(twins)))


async def test_a_missing_key_of_the_other_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    recipe = AgentRecipe("billing", "openai:gpt-4o-mini")
    with pytest.raises(MissingKey):
        async with open_agent(model("one", TO_BILLING), tools=[handoff(recipe)]):
            pass
