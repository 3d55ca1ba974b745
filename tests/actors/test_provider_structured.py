"""A class asked of a provider: what is sent, what is fed back, and what there is before the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest
from agents_scripted import Choosing
from provider_parts import KEY
from strict_history import refusals

from actors.chat import FinishReason, Request, Settings, SystemTurn, system, user
from actors.errors import ConfigurationError, OutputInvalid, StreamTruncated
from actors.output import Output
from actors.providers import (
    Capabilities,
    Fallback,
    Model,
    ProviderHandle,
    Requests,
    finish,
    open_provider,
    pause,
    say,
    script,
    think,
    truncate,
    usage,
)
from actors.testing import WIRES, WireName, answer, open_fake_provider
from runtime import open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from actors.providers import Script, ScriptedApi, Step, StructuredStream
    from runtime import Ref

ASKED = [user("The weather in Oslo?")]
GOOD = '{"city": "Oslo", "high": 21.5}'
BAD = '{"city": "Oslo", "high": "warm"}'
PROVIDERS = {"openai-chat": "openai"}  # the other wires have the names of their providers


@attrs.frozen
class Weather:
    """What the weather will be."""

    city: str
    high: float


SCHEMA = Output(Weather).schema


def saying(*steps: str | Step, pieces: int = 1) -> Script:
    return script(*(say(each, pieces=pieces) if isinstance(each, str) else each for each in steps))


def scripted(*scripts: Script, json_schema: bool | None = None) -> Model:
    capabilities = Capabilities(json_schema=json_schema)
    return Model("scripted:test", script=scripts, capabilities=capabilities)


async def requests_of(provider: ProviderHandle) -> tuple[Request, ...]:
    playing = cast("Ref[ScriptedApi]", provider.ref)
    return await playing.ask(Requests())


async def read(stream: StructuredStream[Weather]) -> None:
    async with stream:
        async for _ in stream:
            pass


async def test_a_right_answer_is_an_instance() -> None:
    async with open_provider(scripted(saying(GOOD, usage(5, 4)))) as provider:
        found = await provider.complete_as(Weather, ASKED, settings=Settings(temperature=0))
        (request,) = await requests_of(provider)

    assert found.value == Weather("Oslo", 21.5)
    assert (found.response.text, found.attempts, found.usage.output_tokens) == (GOOD, 1, 4)
    assert (request.output, request.settings.temperature) == (SCHEMA, 0)


async def test_a_wrong_answer_is_fed_back_with_what_is_wrong() -> None:
    async with open_provider(
        scripted(saying(BAD, usage(5, 4)), saying(GOOD, usage(9, 4)))
    ) as provider:
        found = await provider.complete_as(Weather, ASKED)
        _, second = await requests_of(provider)

    assert (found.value, found.attempts) == (Weather("Oslo", 21.5), 2)
    assert (found.usage.input_tokens, found.usage.output_tokens) == (14, 8)
    assert [turn.text for turn in second.turns[:2]] == [ASKED[0].text, BAD]  # type: ignore[union-attr]
    assert 'high must be a number, not "warm"' in second.turns[2].text  # type: ignore[union-attr]
    assert refusals(second.turns) == []


async def test_an_answer_without_a_word_can_be_followed_by_a_correction() -> None:
    async with open_provider(scripted(saying(think("Hm.")), saying(GOOD))) as provider:
        found = await provider.complete_as(Weather, ASKED)
        _, second = await requests_of(provider)

    assert found.attempts == 2
    assert refusals(second.turns) == []


async def test_a_model_that_stays_wrong_is_an_error_that_tells_all() -> None:
    wrong = saying(BAD, usage(5, 4))
    async with open_provider(scripted(wrong, wrong, saying("No idea.", usage(5, 4)))) as provider:
        with pytest.raises(OutputInvalid) as caught:
            await provider.complete_as(Weather, ASKED, attempts=3)

    error = caught.value
    assert (error.said, error.attempts, error.usage.output_tokens) == ("No idea.", 3, 12)
    assert error.partial.text == "No idea."
    assert error.problems[0].startswith("the answer is no JSON")
    assert str(error).startswith("no Weather in 3 answers: the answer is no JSON")
    assert not error.retryable


async def test_a_refusal_is_not_argued_with() -> None:
    refused = saying("I cannot say that.", finish(FinishReason.REFUSAL))
    async with open_provider(scripted(refused, saying(GOOD))) as provider:
        with pytest.raises(OutputInvalid, match="the model refused to answer") as caught:
            await provider.complete_as(Weather, ASKED)

    assert (caught.value.said, caught.value.attempts) == ("I cannot say that.", 1)


async def test_an_answer_cut_at_its_length_says_what_to_raise() -> None:
    cut = saying(GOOD[:9], finish(FinishReason.LENGTH))
    async with open_provider(scripted(cut)) as provider:
        with pytest.raises(OutputInvalid, match=r"raise Settings\(max_tokens=...\)"):
            await provider.complete_as(Weather, ASKED)


async def test_an_answer_that_is_cut_off_is_never_an_instance() -> None:
    async with open_provider(scripted(saying(GOOD, truncate()))) as provider:
        with pytest.raises(StreamTruncated) as caught:
            await provider.complete_as(Weather, ASKED)

    assert caught.value.partial.text == GOOD


@pytest.mark.parametrize("first", [[], [system("Be brief.")]])
async def test_a_model_without_schemas_is_asked_in_words(first: list[Any]) -> None:
    fenced = saying(f"```json\n{GOOD}\n```")
    async with open_provider(scripted(fenced, json_schema=False)) as provider:
        found = await provider.complete_as(Weather, [*first, *ASKED])
        (request,) = await requests_of(provider)

    assert found.value == Weather("Oslo", 21.5)
    assert request.output is None
    assert len(request.turns) == 2
    told = request.turns[0]
    assert isinstance(told, SystemTurn)
    assert json.dumps(SCHEMA.schema) in told.text
    assert told.text.startswith("Be brief.\n\n" if first else "Answer with one JSON object")


async def test_one_of_several_models_without_schemas_is_enough_to_ask_in_words() -> None:
    several = Fallback(
        scripted(saying(GOOD), json_schema=True), scripted(saying(GOOD), json_schema=False)
    )
    async with open_provider(several) as provider:
        found = await provider.complete_as(Weather, ASKED)

    assert found.value == Weather("Oslo", 21.5)


async def test_partials_grow_and_the_value_is_there_at_the_end() -> None:
    answer = saying(think("Hm."), GOOD, usage(5, 4), pieces=len(GOOD))
    async with (
        open_provider(scripted(answer)) as provider,
        provider.stream_as(Weather, ASKED) as stream,
    ):
        with pytest.raises(RuntimeError, match="before the loop"):
            _ = stream.value
        partials = [dict(partial) async for partial in stream]
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    grown = [{"city": "Oslo"[:length]} for length in range(5)]
    whole = {"city": "Oslo", "high": 21.5}
    assert partials == [{}, *grown, whole]
    assert stream.partial == whole
    assert stream.partial.done == {"city", "high"}
    assert stream.value == Weather("Oslo", 21.5)
    assert stream.response.thinking == "Hm."


async def test_a_stream_that_is_left_keeps_what_it_has() -> None:
    answer = saying('{"city": "Os', pause(1000), 'lo"}')
    async with (
        open_provider(scripted(answer)) as provider,
        provider.stream_as(Weather, ASKED) as stream,
    ):
        async for partial in stream:
            assert partial == {"city": "Os"}
            break

    assert stream.partial == {"city": "Os"}
    with pytest.raises(RuntimeError, match="`partial`"):
        _ = stream.value


@pytest.mark.parametrize(
    ("steps", "error"), [((BAD,), OutputInvalid), ((GOOD[:20], truncate()), StreamTruncated)]
)
async def test_a_stream_that_ends_badly_raises(
    steps: tuple[str | Step, ...], error: type[Exception]
) -> None:
    async with open_provider(scripted(saying(*steps))) as provider:
        stream = provider.stream_as(Weather, ASKED)
        with pytest.raises(error):
            await read(stream)

    assert stream.partial["city"] == "Oslo"


async def test_what_cannot_be_asked_for_is_refused_before_anything_is_sent() -> None:
    async with open_provider(scripted(saying(GOOD))) as provider:
        with pytest.raises(TypeError, match="write an attrs class or a dataclass"):
            await provider.complete_as(int, ASKED)
        with pytest.raises(TypeError, match="write an attrs class or a dataclass"):
            provider.stream_as(int, ASKED)
        with pytest.raises(ValueError, match="attempts must be 1 or more, not 0"):
            await provider.complete_as(Weather, ASKED, attempts=0)
        with pytest.raises(ConfigurationError, match="a list of turns"):
            await provider.complete_as(Weather, "Oslo?")  # type: ignore[arg-type]
        assert await requests_of(provider) == ()


def in_its_place(wire: WireName, body: dict[str, Any]) -> object:
    match wire:
        case "openai-chat":
            return body["response_format"]["json_schema"]["schema"]
        case "openai-responses":
            return body["text"]["format"]["schema"]
        case "anthropic":
            return body["output_config"]["format"]["schema"]
        case "gemini":
            return body["generationConfig"]["responseJsonSchema"]
        case "ollama":
            return body["format"]


@pytest.mark.parametrize("wire", WIRES)
async def test_the_schema_arrives_where_the_wire_has_it_and_partials_come(wire: WireName) -> None:
    half = answer(say(GOOD[:13]), pause(0.01), say(GOOD[13:]))
    async with open_fake_provider(answer(BAD), answer(GOOD), half, wire=wire) as server:
        model = Model(f"{PROVIDERS.get(wire, wire)}:m", base_url=server.base_url, api_key=KEY)
        async with open_provider(model) as provider:
            found = await provider.complete_as(Weather, ASKED)
            async with provider.stream_as(Weather, ASKED) as stream:
                partials = [dict(partial) async for partial in stream]

    assert (found.value, found.attempts) == (Weather("Oslo", 21.5), 2)
    assert stream.value == found.value
    assert partials[0] == {"city": "Osl"}
    assert [each.refused for each in server.requests] == [None, None, None]
    for received in server.requests:
        assert in_its_place(wire, received.body) == SCHEMA.schema


async def test_wherever_it_is_cancelled_the_provider_stays_usable() -> None:
    def choose(request: Request) -> Script:
        return saying(BAD if len(request.turns) == 1 else GOOD, pieces=3)

    requests: list[Request] = []
    async with open_system() as system, assert_no_leaks():
        ref = await system.spawn(Choosing, choose, requests, name="provider")
        provider = ProviderHandle(ref)

        async def scenario() -> None:
            found = await provider.complete_as(Weather, ASKED)
            async with provider.stream_as(Weather, [*ASKED, *ASKED]) as stream:
                async for _ in stream:
                    pass
            assert found.value == stream.value

        async def check() -> None:
            assert (await provider.complete_as(Weather, ASKED)).attempts == 2

        assert await cancel_everywhere(scenario, check=check) > 20
        await ref.stop()
