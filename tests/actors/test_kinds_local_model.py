"""Kinds of agents on the real model on this machine: the flow holds, whatever it makes of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
from agents_scripted import assert_sendable, collect

from actors import AgentOptions, open_agent
from actors.agents import RunLimits
from actors.chat import Outcome, Recalled, Settings, user
from actors.errors import LimitReached
from actors.journal import AssistantSaid, SummedUp
from actors.local import is_pulled, pull
from actors.providers import Capabilities, Model, open_provider
from actors.react import ReActStyle
from actors.recall import Summary, tokens_of

if TYPE_CHECKING:
    from actors.agents import AgentHandle

pytestmark = pytest.mark.model

BRIEF = Model("local:smollm2", settings=Settings(temperature=0.0, max_tokens=60))


@pytest.fixture(scope="module", autouse=True)
def pulled() -> None:
    if os.environ.get("TROUPE_PULL") == "1":
        pull("smollm2")
    elif not is_pulled("smollm2"):
        pytest.skip("the model is not here: `runtime pull smollm2`, or TROUPE_PULL=1")


def multiply(a: float, b: float) -> float:
    """Multiply two numbers."""
    return a * b


@pytest.mark.parametrize("question", ["What is 12 times 31?", "Who are you?"])
async def test_a_model_that_writes_react_ends_with_an_answer_or_at_a_limit(question: str) -> None:
    options = AgentOptions(style=ReActStyle(attempts=2), limits=RunLimits(model_calls=4))
    async with open_agent(BRIEF, tools=[multiply], options=options) as agent:
        async with agent.stream(question) as run:
            try:
                events = await collect(run)
            except LimitReached:
                assert run.outcome is Outcome.LIMIT
            else:
                assert events[-1].content.strip() == run.response.text.strip() != ""
        assert_sendable(await agent.history())
        assert all("Observation:" not in text for text in await said_by(agent))
        assert (await agent.run("Thanks.")).usage.input_tokens > 0


async def said_by(agent: AgentHandle) -> list[str]:
    """Thoughts and answers of the model."""
    turns = [entry.turn for entry in await agent.entries() if isinstance(entry, AssistantSaid)]
    return [turn.text for turn in turns]


async def test_older_turns_are_summed_up_by_the_model_itself() -> None:
    memory = Summary(turns=1, every=2, words=40)
    async with open_agent(BRIEF, options=AgentOptions(memory=memory)) as agent:
        for text in ("My name is Ada.", "I live in Ulm.", "I like cats."):
            await agent.run(text)
        with trio.fail_after(60):
            while not (summaries := await summaries_of(agent)):  # noqa: ASYNC110 - no event
                await trio.sleep(0.05)
        async with agent.stream("Who am I?") as run:
            events = await collect(run)

    assert summaries[0].usage.input_tokens > 100
    (event,) = [event for event in events if isinstance(event, Recalled)]
    assert summaries[0].text in event.notes[0]
    assert len(event.told_of) == 2


async def summaries_of(agent: AgentHandle) -> list[SummedUp]:
    return [entry for entry in await agent.entries() if isinstance(entry, SummedUp)]


async def test_what_is_sent_stays_within_what_the_model_takes_by_its_own_count() -> None:
    """Said to be small, so that the test is quick."""
    model = attrs.evolve(BRIEF, capabilities=Capabilities(context_tokens=300))
    options = AgentOptions(settings=Settings(temperature=0.0, max_tokens=4))
    async with open_agent(model, options=options) as agent:
        used = [
            (await agent.run(f"{number}. The quick brown fox jumps. " * 6)).usage.input_tokens
            for number in range(6)
        ]
        assert len(await agent.history()) == 12

    assert 120 < max(used) < 300


async def test_the_estimate_of_tokens_is_near_what_the_model_counts() -> None:
    """Beyond what its template adds, which is as long for any text."""
    texts = [
        "The supervisor starts its children in order, and stops them in the reverse order. ",
        "def population(city: str) -> int:\n    return int(inhabitants.get(city, 0))\n\n",
        '{"name": "look_up", "arguments": {"word": "supervisor", "limit": 10}}\n',
    ]

    async with open_provider(BRIEF) as provider:

        async def counted(text: str) -> int:
            response = await provider.complete([user(text)], settings=Settings(max_tokens=2))
            return response.usage.input_tokens

        for text in texts:
            count = await counted(text * 6) - await counted(text)
            assert 5 * tokens_of(text) == pytest.approx(count, rel=0.35), text
