"""Approval on the real model on this machine, which calls tools itself or writes ReAct."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import trio
from agents_scripted import assert_sendable, collect

from actors import AgentOptions, open_agent
from actors.agents import AgentRun, RunLimits
from actors.chat import Outcome, Settings, ToolCall, ToolEnd, ToolStatus
from actors.errors import LimitReached, NeedsApproval
from actors.local import is_pulled, pull
from actors.providers import Model, Script, script
from actors.tools import Tool, tool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.model

BRIEF = Model("local:smollm2", settings=Settings(temperature=0.0, max_tokens=60))
SECONDS = 120  # generous: some six model calls of 60 tokens on a busy machine
KNOWN = ("Oslo", "Rome", "Bonn")


@pytest.fixture(scope="module", autouse=True)
def pulled() -> None:
    if os.environ.get("TROUPE_PULL") == "1":
        pull("smollm2")
    elif not is_pulled("smollm2"):
        pytest.skip("the model is not here: `runtime pull smollm2`, or TROUPE_PULL=1")


class Town:
    """What the tool has done."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @property
    def weather(self) -> Tool[..., Any]:
        return tool(self._weather, name="weather", effect=True, approve=self._is_new)

    async def _weather(self, city: str) -> str:
        """Say what the weather is in a city."""
        self.asked.append(city)
        return "rain"

    @staticmethod
    def _is_new(arguments: Mapping[str, Any]) -> bool:
        return arguments["city"] not in KNOWN


def options_of(folder: Path, **more: Any) -> AgentOptions:
    limits = RunLimits(model_calls=4)
    return AgentOptions(journal=folder / "chats.db", limits=limits, **more)


async def waiting_calls(run: AgentRun) -> tuple[ToolCall, ...]:
    """Follow a run that needs approval to its end; the calls that wait."""
    with pytest.raises(NeedsApproval) as caught, trio.fail_after(SECONDS):
        async with run:
            await collect(run)
    assert run.outcome is Outcome.NEEDS_APPROVAL
    assert caught.value.pending == run.pending != ()
    return run.pending


async def to_its_end(run: AgentRun) -> list[ToolEnd]:
    """Follow a run in which the model may do anything, within its limits; its tools' ends."""
    ends: list[ToolEnd] = []
    try:
        with trio.fail_after(SECONDS):
            async with run:
                ends += [event async for event in run if isinstance(event, ToolEnd)]
    except (NeedsApproval, LimitReached):
        assert run.outcome in {Outcome.NEEDS_APPROVAL, Outcome.LIMIT}
    else:
        assert run.outcome is Outcome.DONE
    return ends


@pytest.mark.parametrize("status", [ToolStatus.OK, ToolStatus.ERROR])
async def test_a_call_of_a_real_model_waits_over_a_restart_until_it_is_decided(
    status: ToolStatus, tmp_path: Path
) -> None:
    approved = status is ToolStatus.OK
    town = Town()
    async with open_agent(BRIEF, tools=[town.weather], options=options_of(tmp_path)) as agent:
        calls = await waiting_calls(agent.stream("What is the weather in Paris?"))
    assert town.asked == []

    async with open_agent(BRIEF, tools=[town.weather], options=options_of(tmp_path)) as agent:
        left = await agent.unfinished()
        assert left is not None
        assert left.pending == calls
        decided: dict[str, Any] = (
            {"approve": [call.id for call in calls]}
            if approved
            else {"deny": {call.id: "not today" for call in calls}}
        )
        ends = await to_its_end(agent.resume(left.id, **decided))
        assert [end.result.status for end in ends][: len(calls)] == [status] * len(calls)
        assert len(town.asked) == (len(calls) if approved else 0)
        assert_sendable(await agent.history())
        following = agent.stream("Thanks.")
        await to_its_end(following)
        assert following.response.usage.input_tokens > 0


def said_of(city: str) -> tuple[Script, Script]:
    action = f'Thought: I look it up.\nAction: weather\nAction Input: {{"city": "{city}"}}'
    return script(action), script("Thought: I know.\nFinal Answer: rain")


async def test_a_real_model_goes_on_with_react_as_it_was_begun_and_asks_before_it_acts(
    tmp_path: Path,
) -> None:
    """So small a model writes actions only after the example of a greater one."""
    town = Town()
    options = options_of(tmp_path, style="react")
    greater = Model("scripted:greater", script=[each for city in KNOWN for each in said_of(city)])
    async with open_agent(greater, tools=[town.weather], options=options) as agent:
        for city in KNOWN:
            await agent.run(f"What is the weather in {city}?")

    async with open_agent(BRIEF, tools=[town.weather], options=options) as agent:
        run = agent.stream("What is the weather in Paris?")
        (call,) = await waiting_calls(run)
        assert call.name == "weather"
        assert town.asked == [*KNOWN]
        (end, *_) = await to_its_end(agent.resume(run.id, approve=[call.id]))
        assert (end.result.call_id, end.content) == (call.id, "rain")
        assert town.asked[: len(KNOWN) + 1] == [*KNOWN, call.arguments["city"]]
        assert_sendable(await agent.history())
