"""Gemini and Ollama on a socket: strict fake servers, an agent with a tool, and every cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors import open_agent
from actors.chat import Request, Settings, StreamResponse, Thinking, user
from actors.errors import ProviderError, StreamTruncated
from actors.providers import Generate, Model, Retry, call, open_provider, say, think
from actors.testing import CUTS, Fault, Place, answer, open_fake_provider
from actors.tools import tool

if TYPE_CHECKING:
    from actors.testing import WireName

MODELS = ["gemini:gemini-2.5-flash", "gemini:gemini-3-flash", "ollama:qwen3"]
each_model = pytest.mark.parametrize("name", MODELS)
TEXT = "Hello, world"
ONCE = Retry(attempts=1)
THINKING = Settings(thinking="high", seed=1)


def model(name: str, base_url: str) -> Model:
    return Model(name, base_url=base_url, api_key="key-1", settings=THINKING, retry=ONCE)


def wire_of(name: str) -> WireName:
    return "gemini" if name.startswith("gemini:") else "ollama"


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@each_model
async def test_an_agent_calls_tools_and_the_strict_server_takes_its_history(name: str) -> None:
    wire = wire_of(name)
    rounds = (
        answer(think("Let me see."), call("add", a=1, b=2), call("add", a=3, b=4)),
        answer("I see. ", call("add", a=5, b=6)),
        answer(say(TEXT, pieces=3)),
    )
    async with (
        open_fake_provider(*rounds, wire=wire) as server,
        open_agent(model(name, server.base_url), tools=[add]) as agent,
    ):
        first = await agent.run("Add")
        again = await agent.run("And again?")

    assert (first.text, again.text) == (TEXT, TEXT)
    assert len(server.requests) == 4
    assert [request.refused for request in server.requests] == [None] * 4


@each_model
@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_comes_whole_and_in_pieces(name: str, streamed: bool) -> None:  # noqa: FBT001
    wire = wire_of(name)
    given = answer(think("Hm."), say(TEXT, pieces=3), split=7)
    response = StreamResponse()
    async with (
        open_fake_provider(given, wire=wire) as server,
        open_provider(model(name, server.base_url)) as provider,
    ):
        request = Request((user("Hello"),), settings=THINKING, streamed=streamed)
        async with provider.ref.stream(Generate(request)) as chunks:
            async for chunk in chunks:
                response.add(chunk)

    assert response.is_complete
    assert response.text == TEXT
    assert response.thinking == "Hm."
    assert any(isinstance(part, Thinking) for part in response.turn.parts)


@each_model
@pytest.mark.parametrize("fault", CUTS)
@pytest.mark.parametrize("place", list(Place))
async def test_an_answer_that_is_cut_says_so_and_keeps_what_came(
    name: str, fault: Fault, place: Place
) -> None:
    wire = wire_of(name)
    given = answer(say(TEXT, pieces=3), fault=fault, place=place)
    async with (
        open_fake_provider(given, wire=wire) as server,
        open_provider(model(name, server.base_url)) as provider,
    ):
        with pytest.raises(StreamTruncated) as caught:
            await provider.complete([user("Hello")])

    partial = caught.value.partial
    assert TEXT.startswith(partial.text)
    assert not partial.is_complete
    if place is Place.LAST:
        assert partial.text == TEXT or fault is Fault.RESET  # which may overtake what was sent


@each_model
async def test_an_error_inside_an_answer_keeps_what_came(name: str) -> None:
    wire = wire_of(name)
    given = answer(say(TEXT, pieces=3), fault=Fault.ERROR, place=Place.LAST)
    async with (
        open_fake_provider(given, wire=wire) as server,
        open_provider(model(name, server.base_url)) as provider,
    ):
        with pytest.raises(ProviderError) as caught:
            await provider.complete([user("Hello")])

    assert caught.value.partial.text == TEXT
