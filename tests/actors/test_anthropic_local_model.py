"""The real model on this machine, through the server's Anthropic route."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from actors import open_agent
from actors.chat import (
    Complete,
    FinishReason,
    Outcome,
    Request,
    Settings,
    StreamResponse,
    ToolStart,
    user,
)
from actors.errors import ProviderRejected
from actors.http import HttpClient
from actors.local import Address, ModelServer, is_pulled, pull
from actors.providers import Generate, Model, open_provider
from actors.tools import tool
from runtime import open_system

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from runtime import System

pytestmark = pytest.mark.model

SHORT = Settings(max_tokens=24, temperature=0.0)
LONGER = Settings(max_tokens=64, temperature=0.0)


@pytest.fixture(scope="module", autouse=True)
def pulled() -> None:
    if os.environ.get("TROUPE_PULL") == "1":
        pull("smollm2")
    elif not is_pulled("smollm2"):
        pytest.skip("the model is not here: `runtime pull smollm2`, or TROUPE_PULL=1")


@contextlib.asynccontextmanager
async def serving() -> AsyncGenerator[tuple[System, Model]]:
    async with open_system() as system:
        server = await system.spawn(ModelServer)
        address = await server.ask(Address())
        root = address.removesuffix("/v1")  # the SDK's base address: the path is the codec's
        yield system, Model("anthropic:smollm2", base_url=root, api_key="none", settings=SHORT)


async def test_it_streams_text_in_pieces_and_counts_its_tokens() -> None:
    async with (
        serving() as (system, model),
        open_provider(model, system=system) as provider,
        provider.stream([user("Say hello.")]) as stream,
    ):
        pieces = [chunk.content async for chunk in stream if chunk.content]

    response = stream.response
    assert len(pieces) > 3
    assert "".join(pieces) == response.text
    assert response.metadata["wire"] == "anthropic"
    assert response.finish_reason in (FinishReason.STOP, FinishReason.LENGTH)
    assert response.usage.input_tokens > 10
    assert 0 < response.usage.output_tokens <= 24


async def test_an_answer_in_one_piece_says_what_the_stream_says() -> None:
    async with serving() as (system, model), open_provider(model, system=system) as provider:
        streamed = await provider.complete([user("Say hello.")])
        whole = StreamResponse()
        request = Request((user("Say hello."),), streamed=False)
        async with provider.ref.stream(Generate(request)) as chunks:
            async for chunk in chunks:
                whole.add(chunk)

    assert whole.is_complete
    assert whole.text == streamed.text
    assert whole.finish_reason is streamed.finish_reason
    assert whole.usage.output_tokens == streamed.usage.output_tokens


async def test_it_calls_a_tool_and_is_told_the_result() -> None:
    @tool
    def multiply(a: float, b: float) -> float:
        """Multiply two numbers."""
        return a * b

    async with (
        serving() as (system, model),
        open_agent(attrs.evolve(model, settings=LONGER), tools=[multiply], system=system) as agent,
        agent.stream("What is 12 times 31?") as run,
    ):
        events = [event async for event in run]

    (start,) = [event for event in events if isinstance(event, ToolStart)]
    assert (start.call.name, set(start.call.arguments)) == ("multiply", {"a", "b"})
    assert start.call.id
    assert run.outcome is Outcome.DONE
    assert isinstance(events[-1], Complete)


async def test_a_prompt_beyond_the_context_is_refused_in_the_servers_words() -> None:
    async with serving() as (system, model), open_provider(model, system=system) as provider:
        with pytest.raises(ProviderRejected, match="context") as caught:
            await provider.complete([user("one two three " * 5000)])

    assert caught.value.status == 400


async def test_it_stops_generating_when_the_reader_leaves() -> None:
    async with serving() as (system, model), open_provider(model, system=system) as provider:
        endless = Settings(max_tokens=4000, extra={"ignore_eos": True})
        async with provider.stream([user("Tell me a story.")], settings=endless) as stream:
            await anext(stream)
        client = HttpClient()
        try:
            with trio.fail_after(2):
                while await is_busy(client, str(model.base_url)):  # noqa: ASYNC110 - nobody tells
                    await trio.sleep(0.01)
        finally:
            await client.aclose()


async def is_busy(client: HttpClient, root: str) -> bool:
    async with client.stream("GET", f"{root}/slots") as answer:
        slots: list[dict[str, Any]] = json.loads(await answer.read_at_most(100_000))
    return any(slot["is_processing"] for slot in slots)
