"""Several models of several wire formats: a conversation that goes from one to any other."""

from __future__ import annotations

import random

import pytest
from several_models import HELLO

from actors import open_agent
from actors.chat import Outcome, ToolSpec
from actors.providers import (
    Capabilities,
    Fallback,
    Model,
    Race,
    Retry,
    RoundRobin,
    call,
    open_provider,
    say,
    think,
    usage,
)
from actors.testing import WIRES, FakeProvider, WireName, answer, error, open_fake_provider

NAMES: dict[WireName, str] = {
    "openai-chat": "openai:gpt-5-mini",
    "openai-responses": "openai-responses:gpt-5-mini",
    "anthropic": "anthropic:claude-sonnet-4-5",
    "gemini": "gemini:gemini-2.5-pro",
    "ollama": "ollama:qwen3",
}
SPEC = ToolSpec("look_up", "Look it up", {"type": "object", "properties": {}})


def model(server: FakeProvider, wire: WireName, *, streaming: bool = True) -> Model:
    return Model(
        NAMES[wire],
        base_url=server.base_url,
        api_key="key",
        retry=Retry(attempts=1),
        capabilities=Capabilities(streaming=streaming),
    )


def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}!"


def test_every_wire_there_is_is_tried() -> None:
    assert set(NAMES) == set(WIRES)


@pytest.mark.parametrize("wire", NAMES)
async def test_a_model_that_does_not_stream_answers_in_one_chunk(wire: WireName) -> None:
    given = answer(say("Let me see.", pieces=3), call("look_up", word="a"), usage(11, 7))
    async with (
        open_fake_provider(given, wire=wire) as server,
        open_provider(model(server, wire, streaming=False)) as provider,
    ):
        response = await provider.complete(HELLO, tools=[SPEC])

    (received,) = server.requests
    assert received.body.get("stream", False) is False
    assert "stream" not in received.path
    assert response.chunk_count == 1
    assert response.metadata["streamed"] is False
    assert response.text == "Let me see."
    assert [(each.name, each.arguments) for each in response.tool_calls] == [
        ("look_up", {"word": "a"})
    ]
    assert (response.usage.input_tokens, response.usage.output_tokens) == (11, 7)


@pytest.mark.parametrize("after", NAMES)
@pytest.mark.parametrize("before", NAMES)
async def test_a_conversation_goes_on_with_a_model_of_any_other_wire(
    before: WireName, after: WireName
) -> None:
    """With thoughts, their seals and calls in it; the servers refuse what the real ones would."""
    first = answer(think("Hm."), say("Let me see."), call("look_up", word="ship"))
    async with (
        open_fake_provider(first, answer("A ship!"), first, wire=before) as one,
        open_fake_provider(answer("Yes."), first, answer("Twice."), wire=after) as two,
        open_agent(model(one, before), tools=[look_up]) as agent,
    ):
        assert (await agent.run("What is a ship?")).text == "A ship!"
        await agent.use(model(two, after))
        assert (await agent.run("Really?")).text == "Yes."
        await agent.use(model(one, before))
        async with agent.stream("Once more.") as run:  # and in the middle of a round of tools
            async for event in run:
                if event.type == "tool_start":
                    await agent.use(model(two, after))
        history = await agent.history()

    assert run.outcome is Outcome.DONE
    assert run.response.text == "Let me see.Let me see.Twice."
    assert len(two.requests) == 3
    assert len(history) == 12


async def test_five_wires_in_turn_with_a_race_and_faults_keep_one_conversation() -> None:
    dice = random.Random(11)  # noqa: S311 - dice
    says = answer(think("Hm."), say("Well.", pieces=2))
    asks = answer(think("Hm."), say("See.", pieces=2), call("look_up", word="a"))
    for _ in range(6):
        given = [
            dice.choice([says, asks, error(503, "busy"), error(429, "slower")]) for _ in range(30)
        ]
        async with (
            open_fake_provider(*given, says, wire="openai-chat") as a,
            open_fake_provider(*reversed(given), says, wire="openai-responses") as b,
            open_fake_provider(*given, says, wire="anthropic") as c,
            open_fake_provider(*reversed(given), says, wire="gemini") as d,
            open_fake_provider(says, wire="ollama") as e,
        ):
            several = Fallback(
                RoundRobin(model(a, "openai-chat"), model(c, "anthropic")),
                Race(model(b, "openai-responses"), model(d, "gemini")),
                model(e, "ollama"),
            )
            async with open_agent(several, tools=[look_up]) as agent:
                for _ in range(8):
                    await agent.run("Go on.")
