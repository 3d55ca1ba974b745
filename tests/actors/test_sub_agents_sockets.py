"""Agents below agents on real servers: a cancel at the top closes every socket below it.

How fast it does so is what `runtime bench delegate` shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from agents_scripted import assert_sendable, entries_of, of_run
from test_truncation_matrix import PROVIDERS

from actors import open_agent
from actors.agents import AgentRecipe, agent_tool
from actors.chat import Outcome
from actors.journal import SubRunEnded
from actors.providers import Model, Retry, call, say, together
from actors.testing import WIRES, FakeProvider, WireName, answer, open_fake_provider
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from actors.tools import AnyTool

FAN_OUT = 4
ASKS = answer(together(*(call(f"ask_{number}", task="go") for number in range(FAN_OUT))))
TALKS = answer(say("word " * 2_000, pieces=2_000), slow=0.02)


def model(server: FakeProvider, wire: WireName) -> Model:
    return Model(
        f"{PROVIDERS[wire]}:gemini-3-m",
        base_url=server.base_url,
        api_key="sk-fake",
        retry=Retry(attempts=1),
    )


def tools(asks: Model, talks: Model, *, depth: int, deeper: int) -> list[AnyTool]:
    """Four agents, some of which ask four more, so many levels deep."""
    talking = AgentRecipe("talks", talks, description="Talks.")
    below = [talking] * FAN_OUT
    if depth > 1:
        further = tools(asks, talks, depth=depth - 1, deeper=deeper)
        asking = AgentRecipe("asks", asks, tools=further, description="Asks.")
        below = [asking] * deeper + [talking] * (FAN_OUT - deeper)
    return [agent_tool(each, name=f"ask_{number}") for number, each in enumerate(below)]


async def until_all_stream(server: FakeProvider, count: int) -> None:
    with trio.fail_after(30):
        while len(  # noqa: ASYNC110
            server.requests
        ) < count or not all(each.written for each in server.requests):
            await trio.sleep(0.01)  # the server has no event for it


@pytest.mark.parametrize(
    ("wire", "depth", "deeper"), [*((wire, 5, 1) for wire in WIRES), ("openai-chat", 3, 4)]
)
async def test_a_cancel_at_the_top_closes_all_that_is_below(
    wire: WireName, depth: int, deeper: int
) -> None:
    streams = FAN_OUT
    for _ in range(depth - 1):
        streams = deeper * streams + FAN_OUT - deeper
    with assert_no_leaks():
        async with (
            open_fake_provider(ASKS, wire=wire) as asked,
            open_fake_provider(TALKS, wire=wire) as talking,
        ):
            offered = tools(model(asked, wire), model(talking, wire), depth=depth, deeper=deeper)
            async with open_agent(model(asked, wire), tools=offered) as agent:
                async with agent.stream("Go") as run:
                    for _ in range(FAN_OUT):
                        await anext(run)
                    await until_all_stream(talking, streams)
                assert run.outcome is Outcome.CANCELLED
                (group,) = agent.system.tree().children
                assert len(group.children) == 3
                below = [
                    entry
                    for entry in of_run(await entries_of(agent), run)
                    if isinstance(entry, SubRunEnded)
                ]
                assert [entry.outcome for entry in below] == [Outcome.CANCELLED] * FAN_OUT
                assert_sendable(await agent.history())
                with trio.fail_after(5):
                    for request in talking.requests:
                        await request.closed.wait()
                assert not any(request.finished for request in talking.requests)
