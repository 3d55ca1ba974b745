"""What models can do: the table, what is asked of it before a request, answers in one piece."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from several_models import HELLO, model, speaker

from actors import open_agent
from actors.chat import (
    File,
    FinishReason,
    Image,
    Opaque,
    OutputSchema,
    Request,
    Settings,
    StreamChunk,
    StreamResponse,
    ToolCallDelta,
    ToolSpec,
    Usage,
    user,
)
from actors.errors import (
    CapabilityMissing,
    ConfigurationError,
    StreamTruncated,
    UnknownModel,
)
from actors.providers import (
    Capabilities,
    Fallback,
    Generate,
    Model,
    Race,
    call,
    capabilities_of,
    open_provider,
    say,
    script,
    think,
    truncate,
    usage,
)
from actors.providers._capabilities import AS_OF, MODELS, PROVIDERS
from actors.providers._whole import in_one
from actors.testing import answer, open_fake_openai, raw

if TYPE_CHECKING:
    from collections.abc import Sequence

LACKING = Capabilities(tools=False, images=False, files=False, json_schema=False, thinking=False)
TOOL = ToolSpec("multiply", "Multiply", {"type": "object"})
NEEDS = {
    "call tools": Request((user("Hi"),), (TOOL,)),
    "be shown pictures": Request((user("Hi", Image(b"\x89PNG")),)),
    "be given documents": Request((user("Hi"), user(File(b"%PDF")))),
    "be held to a JSON schema": Request((user("Hi"),), output=OutputSchema({"type": "object"})),
    "reason before it answers": Request((user("Hi"),), settings=Settings(thinking="low")),
}


def lacking(name: str = "lacking", **more: Any) -> Model:
    return attrs.evolve(speaker(name), capabilities=attrs.evolve(LACKING, **more))


# The table


def test_a_known_model_has_its_figures_and_so_has_a_dated_name_of_it() -> None:
    mini = capabilities_of("openai:gpt-4o-mini")

    assert (mini.tools, mini.images, mini.thinking) == (True, True, False)
    assert (mini.context_tokens, mini.output_tokens) == (128_000, 16_384)
    for name in ("gpt-4o-mini-2024-07-18", "gpt-4o-mini-latest"):
        assert capabilities_of(f"openai:{name}") == mini
    sonnet = capabilities_of("anthropic:claude-sonnet-4-5")
    assert capabilities_of("anthropic:claude-sonnet-4-5-20250929") == sonnet
    assert capabilities_of("gemini:models/gemini-2.5-pro").context_tokens == 1_048_576
    assert sonnet.context_tokens == 200_000


def test_of_an_unknown_model_only_what_holds_for_its_provider_is_known() -> None:
    assert capabilities_of("openai-compatible:anything") == Capabilities()
    assert capabilities_of("openai:gpt-4o-mini-turbo-ultra") == Capabilities()
    new = capabilities_of("anthropic:claude-nobody-knows")
    assert (new.tools, new.json_schema, new.context_tokens) == (True, None, None)
    assert capabilities_of("scripted:echo").streaming


def test_every_row_of_the_table_is_of_a_date_and_names_a_model_once() -> None:
    assert date(2026, 1, 1) < AS_OF
    for provider, models in MODELS.items():
        assert models
        assert all(name == name.strip().lower() for name in models), provider
    assert all(record.streaming for record in PROVIDERS.values())


def test_what_a_model_is_given_goes_before_the_table_and_needs_no_key() -> None:
    own = Capabilities(tools=False, context_tokens=7)

    assert capabilities_of(Model("openai:gpt-4o", capabilities=own)) == own


@pytest.mark.parametrize("name", ["gpt-4o", "nonsense:x", "openai:"])
def test_a_name_that_is_none_is_told_what_one_is(name: str) -> None:
    with pytest.raises(UnknownModel, match="provider:model"):
        capabilities_of(name)


def test_tokens_are_a_number() -> None:
    wrong: Any = "8k"
    for value in (0, -1, True, wrong):
        with pytest.raises(ValueError, match="context_tokens is a number of tokens"):
            Capabilities(context_tokens=value)


def test_of_several_models_what_each_can_is_what_can_be_relied_on() -> None:
    small = Model("scripted:a", capabilities=Capabilities(tools=True, context_tokens=8_000))
    other = Model(
        "scripted:b",
        capabilities=Capabilities(tools=True, images=True, context_tokens=4_000, streaming=False),
    )
    blind = Model("scripted:c", capabilities=Capabilities(images=False, tools=None))

    both = capabilities_of(Fallback(small, other))
    assert (both.tools, both.images, both.context_tokens, both.streaming) == (
        True,
        None,
        4_000,
        False,
    )
    three = capabilities_of(Race(small, Fallback(other, blind)))
    assert (three.tools, three.images, three.context_tokens) == (None, False, None)


async def test_a_handle_says_what_its_model_can() -> None:
    async with open_provider(lacking()) as provider:
        assert provider.capabilities == LACKING
    async with open_agent(lacking()) as agent:
        assert agent.capabilities.tools is False
        await agent.use(speaker("b"))
        assert agent.capabilities == Capabilities()


# Before a request is sent


@pytest.mark.parametrize("what", NEEDS)
async def test_what_a_model_lacks_is_an_error_before_anything_is_sent(what: str) -> None:
    async with open_fake_openai() as server:
        lame = Model("openai-compatible:m", base_url=server.base_url, capabilities=LACKING)
        for chosen in (lame, lacking()):
            async with open_provider(chosen) as provider:
                with pytest.raises(CapabilityMissing, match=f"cannot {what}") as caught:
                    await _ask(provider.ref, NEEDS[what])
        assert isinstance(caught.value, ConfigurationError)
        assert server.requests == []


@pytest.mark.parametrize("what", NEEDS)
@pytest.mark.parametrize("known", [None, True])
async def test_what_is_not_known_is_tried(what: str, known: bool | None) -> None:  # noqa: FBT001 - a parameter
    fields = ("tools", "images", "files", "json_schema", "thinking")
    able = Capabilities(**dict.fromkeys(fields, known))
    async with open_provider(attrs.evolve(speaker("able"), capabilities=able)) as provider:
        assert (await _ask(provider.ref, NEEDS[what])).text == "able one two"


async def test_settings_of_the_model_count_as_the_requests_own() -> None:
    async with open_fake_openai() as server:
        thoughtful = Model(
            "openai-compatible:m",
            base_url=server.base_url,
            settings=Settings(thinking="high"),
            capabilities=LACKING,
        )
        async with open_provider(thoughtful) as provider:
            with pytest.raises(CapabilityMissing, match=r"Capabilities\(thinking=True\)"):
                await provider.complete(HELLO)
            assert (await provider.complete(HELLO, settings=Settings(thinking="off"))).text


async def test_of_several_the_first_that_can_is_asked() -> None:
    for several in (Fallback(lacking(), speaker("able")), Race(lacking(), speaker("able"))):
        async with open_provider(several) as provider:
            assert (await provider.complete(HELLO, tools=[TOOL])).text == "able one two"


async def test_an_agent_with_tools_on_a_model_without_fails_its_run() -> None:
    def tool() -> None:
        """Do nothing."""

    async with open_agent(lacking(), tools=[tool]) as agent:
        with pytest.raises(CapabilityMissing, match="give it none, or set AgentOptions"):
            await agent.run("Hi")
        await agent.use(speaker("able"))
        assert (await agent.run("Hi")).text == "able one two"


async def _ask(ref: Any, request: Request) -> StreamResponse:
    response = StreamResponse()
    async with ref.stream(Generate(request)) as chunks:
        async for chunk in chunks:
            response.add(chunk)
    return response


# An answer in one piece

WHOLE = Capabilities(streaming=False)


async def test_a_model_that_does_not_stream_is_not_asked_to_and_its_answer_is_one_chunk() -> None:
    body = msgspec.json.encode(
        {
            "id": "x",
            "model": "m",
            "choices": [
                {"message": {"content": "Hello", "role": "assistant"}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1},
        }
    )
    async with open_fake_openai(raw(body, content_type="application/json", split=7)) as server:
        slow = Model("openai-compatible:m", base_url=server.base_url, capabilities=WHOLE)
        async with open_provider(slow) as provider, provider.stream(HELLO) as stream:
            chunks = [chunk async for chunk in stream]
        (request,) = server.requests

    assert request.body["stream"] is False
    assert "stream_options" not in request.body
    (chunk,) = chunks
    assert (chunk.content, chunk.is_final, chunk.index) == ("Hello", True, 0)
    assert (chunk.finish_reason, chunk.usage) == (FinishReason.STOP, Usage(3, 1))
    assert chunk.metadata["streamed"] is False
    assert stream.response.metadata["model"] == "m"


async def test_a_server_that_streams_all_the_same_still_gives_one_chunk() -> None:
    async with open_fake_openai(answer(say("Hello", pieces=5), usage(1, 2))) as server:
        slow = Model("openai-compatible:m", base_url=server.base_url, capabilities=WHOLE)
        async with open_provider(slow) as provider:
            response = await provider.complete(HELLO)

    assert (response.text, response.chunk_count) == ("Hello", 1)


async def test_an_answer_of_one_piece_that_is_cut_is_truncated() -> None:
    half = attrs.evolve(model("half", say("Hel"), truncate()), capabilities=WHOLE)
    async with open_provider(half) as provider, provider.stream(HELLO) as stream:
        with pytest.raises(StreamTruncated) as caught:
            [chunk async for chunk in stream]

    assert stream.response.chunk_count == 0
    assert caught.value.partial.text == "Hel"


async def test_an_agent_runs_its_tools_on_a_model_that_does_not_stream() -> None:
    def shout(word: str) -> str:
        """Say it loud."""
        return word.upper()

    slow = Model(
        "scripted:slow",
        script=(script(think("Hm."), say("So: ", pieces=2), call("shout", word="a")), script("A")),
        capabilities=WHOLE,
    )
    async with open_agent(slow, tools=[shout]) as agent, agent.stream("Go") as run:
        events = [event.type async for event in run]

    assert events == [
        "thought",
        "token",
        "tool_start",
        "tool_end",
        "token",
        "answer",
        "complete",
    ]
    assert run.response.text == "So: A"


async def test_a_request_may_ask_for_one_piece_itself() -> None:
    async with open_provider(speaker("a")) as provider:
        response = await _ask(provider.ref, Request((user("Hi"),), streamed=False))

    assert (response.text, response.chunk_count) == ("a one two", 1)
    assert response.metadata["streamed"] is False


PIECES = st.builds(
    StreamChunk,
    content=st.sampled_from(["", "a", "b"]),
    thinking=st.sampled_from(["", "x", "y"]),
    signature=st.sampled_from([None, None, "seal"]),
    tool_calls=st.sampled_from([(), (), (ToolCallDelta(0, "id", "f", "{}"),), (ToolCallDelta(1),)]),
    opaque=st.sampled_from([(), (), (Opaque("test", {"a": 1}),)]),
    usage=st.sampled_from([None, Usage(1, 1), Usage(2, 2)]),
    finish_reason=st.sampled_from([None, None, *FinishReason]),
    raw_finish_reason=st.sampled_from(["stop", "length"]),
    metadata=st.sampled_from([{}, {"id": 1}, {"model": "m"}]),
)


@given(st.lists(PIECES, max_size=6), PIECES)
@example([StreamChunk("a", finish_reason=FinishReason.LENGTH)], StreamChunk())
def test_in_one_piece_nothing_of_an_answer_is_lost(
    chunks: Sequence[StreamChunk], last: StreamChunk
) -> None:
    every = [*chunks, attrs.evolve(last, is_final=True)]
    before, after = StreamResponse(), StreamResponse()
    for chunk in every:
        before.add(chunk)

    made = in_one(every)
    for chunk in made:
        after.add(chunk)

    assert (after.turn, after.usage, after.is_complete) == (before.turn, before.usage, True)
    assert after.finish_reason == before.finish_reason
    assert after.raw_finish_reason == before.raw_finish_reason
    assert after.metadata == {**before.metadata, "streamed": False}
    assert [chunk.is_final for chunk in made] == [False] * (len(made) - 1) + [True]
