"""Five kinds of cut, on five wires, in three places: `StreamTruncated`, with what had arrived.

The matrix that no framework measured passes: a cut answer is never taken for a whole one.
"""

from __future__ import annotations

from typing import Any

import pytest

from actors.chat import user
from actors.errors import ProviderUnavailable, StreamStalled, StreamTruncated, UnknownModel
from actors.providers import (
    Limits,
    Model,
    Retry,
    call,
    open_provider,
    resolve,
    say,
    think,
    usage,
)
from actors.testing import CUTS, FakeAnswer, Fault, Place, answer, open_fake_provider

PROVIDERS = {
    "openai-chat": "openai",
    "openai-responses": "openai-responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "ollama": "ollama",
}
SEAL = "c2VhbGVk"


def _known(provider: str) -> bool:
    try:
        resolve(Model(f"{provider}:m", api_key="k"))
    except UnknownModel:
        return False
    return True


def _cases() -> list[Any]:
    return [
        pytest.param(
            wire,
            marks=pytest.mark.skipif(
                not _known(provider), reason=f"there is no codec for {provider} yet"
            ),
        )
        for wire, provider in PROVIDERS.items()
    ]


each_wire = pytest.mark.parametrize("wire", _cases())
each_place = pytest.mark.parametrize("place", list(Place), ids=lambda place: place.name.lower())
each_cut = pytest.mark.parametrize("fault", CUTS)


async def outcome(wire: Any, given: FakeAnswer, limits: Limits | None = None) -> Any:
    """What `complete` makes of an answer: the response, or the error."""
    async with open_fake_provider(given, wire=wire) as server:
        model = Model(
            f"{PROVIDERS[wire]}:gemini-3-m",
            base_url=server.base_url,
            api_key="k",
            limits=limits or Limits(),
            retry=Retry(attempts=1),
        )
        async with open_provider(model) as provider:
            try:
                result: object = await provider.complete([user("Hello")])
            except Exception as error:  # noqa: BLE001 - which one it is, is what the tests ask
                result = error
    (request,) = server.requests
    assert request.refused is None
    return result


@each_wire
async def test_without_a_fault_the_answer_is_whole(wire: str) -> None:
    response = await outcome(wire, answer(say("one,two,six,", pieces=3), usage(3, 2)))

    assert response.is_complete
    assert response.text == "one,two,six,"


@each_wire
@each_place
@each_cut
async def test_a_cut_text_is_truncated_with_what_had_arrived(
    wire: str, place: Place, fault: Fault
) -> None:
    given = answer(say("one,two,six,", pieces=3), usage(3, 2), fault=fault, place=place)
    error = await outcome(wire, given)

    assert type(error) is StreamTruncated
    wanted = {Place.FIRST: "", Place.INSIDE: "one,", Place.LAST: "one,two,six,"}
    assert error.partial.text == wanted[place]
    assert not error.partial.is_complete
    assert error.partial.finish_reason is None


@each_wire
@each_cut
async def test_all_that_was_said_before_the_cut_is_in_the_partial(wire: str, fault: Fault) -> None:
    said = (think("Hm. ", signature=SEAL), say("Let me ", pieces=2), call("add", a=1), call("now"))
    error = await outcome(wire, answer(*said, fault=fault, place=Place.LAST))

    assert type(error) is StreamTruncated
    partial = error.partial
    assert (partial.thinking, partial.text) == ("Hm. ", "Let me ")
    assert [(each.name, each.arguments) for each in partial.tool_calls] == [
        ("add", {"a": 1}),
        ("now", {}),
    ]


@each_wire
@each_place
async def test_silence_is_stalled_in_the_same_places(wire: str, place: Place) -> None:
    given = answer(say("one,two,six,", pieces=3), fault=Fault.STALL, place=place)
    error = await outcome(wire, given, Limits(first_byte=0.2, idle=0.05))

    assert type(error) is StreamStalled
    wanted = {Place.FIRST: "", Place.INSIDE: "one,", Place.LAST: "one,two,six,"}
    assert error.partial.text == wanted[place]


@each_wire
@each_place
async def test_an_error_of_the_provider_in_the_same_places_is_its_error(
    wire: str, place: Place
) -> None:
    given = answer(say("one,two,six,", pieces=3), fault=Fault.ERROR, place=place)
    error = await outcome(wire, given)

    assert type(error) is ProviderUnavailable
    assert "The model is overloaded" in str(error)
    wanted = {Place.FIRST: "", Place.INSIDE: "one,", Place.LAST: "one,two,six,"}
    assert error.partial.text == wanted[place]
