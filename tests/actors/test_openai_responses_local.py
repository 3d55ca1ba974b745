"""The codec against a real server of OpenAI Responses: llama.cpp with the model of this machine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from actors.chat import (
    FinishReason,
    Image,
    Request,
    Settings,
    StreamResponse,
    ToolResult,
    ToolSpec,
    ToolTurn,
    assistant,
    system,
    user,
)
from actors.errors import ProviderError
from actors.local import Address, ModelServer, is_pulled
from actors.providers import Generate, Model, ProviderHandle, start_provider
from runtime import open_system

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.model

MULTIPLY = ToolSpec(
    "multiply",
    "Multiply two numbers",
    {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
    },
)


@pytest.fixture(scope="module", autouse=True)
def pulled() -> None:
    if not is_pulled("smollm2"):
        pytest.skip("the model is not here: `runtime pull smollm2`")


@contextlib.asynccontextmanager
async def serving() -> AsyncGenerator[ProviderHandle]:
    async with open_system() as running:
        server = await running.spawn(ModelServer)
        address = await server.ask(Address())
        model = Model("openai-responses:smollm2", base_url=address, api_key="none")
        yield ProviderHandle(await start_provider(running, model))


SETTINGS = Settings(temperature=0.0, max_tokens=24)


async def test_it_streams_text_and_ends_with_its_terminal_event() -> None:
    async with serving() as provider:
        turns = [system("Be brief."), user("Say hello.")]
        response = await provider.complete(turns, settings=SETTINGS)

    assert response.is_complete
    assert response.text.strip()
    assert len([chunk for chunk in response.chunks if chunk.content]) > 1
    assert response.usage.input_tokens > 0
    assert response.metadata["wire"] == "openai-responses"


async def test_a_conversation_with_its_tools_goes_on() -> None:
    async with serving() as provider:
        asked = [user("What is 12 times 31?")]
        first = await provider.complete(asked, tools=[MULTIPLY], settings=Settings(temperature=0.0))
        assert first.finish_reason is FinishReason.TOOL_CALLS
        (call,) = first.tool_calls
        assert set(call.arguments) == {"a", "b"}

        results = ToolTurn((ToolResult(call.id, call.name, "372"),))
        turns = [*asked, first.turn, results]
        second = await provider.complete(turns, tools=[MULTIPLY], settings=SETTINGS)

    assert second.is_complete
    assert second.text


async def test_an_answer_in_one_piece_is_the_same() -> None:
    request = Request((user("Say hello."),), settings=SETTINGS)
    async with serving() as provider:
        streamed = await provider.complete(request.turns, settings=SETTINGS)
        whole = StreamResponse()
        unstreamed = attrs.evolve(request, streamed=False)
        async with provider.ref.stream(Generate(unstreamed)) as chunks:
            async for chunk in chunks:
                whole.add(chunk)

    assert whole.is_complete
    assert whole.text == streamed.text


async def test_what_it_cannot_do_is_an_error_in_its_own_words() -> None:
    picture: Any = user("What is this?", Image(b"no picture"))
    async with serving() as provider:
        with pytest.raises(ProviderError) as caught:
            await provider.complete([assistant("Hello"), picture], settings=SETTINGS)

    assert caught.value.status is not None
