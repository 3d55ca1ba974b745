"""Every documented quirk of Gemini's answers, one fixture each, cut anywhere."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from answer_fixtures import json_of, load, names_of, seen, told
from chat_decoding import decode
from hypothesis import given
from hypothesis import strategies as st

from actors.chat import Request, user
from actors.errors import ConfigurationError, ProviderProtocolError, StreamTruncated
from actors.providers import Gemini

if TYPE_CHECKING:
    from actors.chat import StreamResponse
    from runtime import RuntimeFault

NAMES = names_of("gemini")
# A body that is one JSON value is read when it has ended, so that it has no parts before.
STREAMS = [
    name for name in NAMES if load("gemini", name)[0].lstrip(b"\xef\xbb\xbf")[:1] not in b"[{"
]


def reading(body: bytes, cuts: list[int]) -> tuple[StreamResponse, RuntimeFault | None]:
    return decode(body, cuts, Gemini())


def expected_of(name: str) -> tuple[bytes, dict[str, Any]]:
    body, expected = load("gemini", name)
    expected.pop("metadata", None)
    expected.pop("parts", None)
    return body, expected


@pytest.mark.parametrize("name", NAMES)
def test_a_body_gives_what_is_expected_whole_and_byte_by_byte(name: str) -> None:
    body, expected = load("gemini", name)
    metadata = expected.pop("metadata", {})
    parts = expected.pop("parts", None)

    response, error = reading(body, [])

    assert seen(response, error) == expected
    assert metadata.items() <= response.metadata.items()
    assert parts is None or [told(part) for part in response.turn.parts] == parts
    step = 1 if len(body) < 20_000 else 997
    again = reading(body, list(range(1, len(body), step)))
    assert seen(*again) == expected
    assert again[0].turn == response.turn


@given(name=st.sampled_from(NAMES), data=st.data())
def test_where_a_body_is_cut_makes_no_difference(name: str, data: st.DataObject) -> None:
    body, expected = expected_of(name)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12).map(sorted))

    assert seen(*reading(body, cuts)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_exactly_the_last_chunk_of_a_complete_answer_is_final(name: str) -> None:
    response, error = reading(load("gemini", name)[0], [])
    finals = [chunk.is_final for chunk in response.chunks]

    assert response.is_complete == (error is None)
    assert finals == [False] * (len(finals) - 1) + [error is None] if finals else error is not None
    assert [chunk.index for chunk in response.chunks] == list(range(len(finals)))


@given(st.integers(0, 10**6))
def test_a_stream_cut_before_its_finish_reason_is_never_complete(where: int) -> None:
    body, _ = load("gemini", "usage_in_every_event")
    cut = body[: where % body.index(b'"finishReason": "STOP"')]

    response, error = reading(cut, [])

    assert isinstance(error, StreamTruncated)
    assert not response.is_complete


@given(st.integers(0, 10**6))
def test_a_list_cut_before_its_end_is_never_complete(where: int) -> None:
    body, _ = load("gemini", "a_list_instead_of_events")

    response, error = reading(body[: where % body.rindex(b"]")], [])

    assert isinstance(error, StreamTruncated)
    assert not response.is_complete


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5).map(sorted))
def test_any_bytes_at_all_end_with_an_answer_or_one_of_our_errors(
    body: bytes, cuts: list[int]
) -> None:
    response, error = reading(body, [min(cut, len(body)) for cut in cuts])

    assert response.is_complete == (error is None)


RESPONSE = ["candidates", "usageMetadata", "promptFeedback", "error", "modelVersion", "responseId"]
CANDIDATE = [
    "content",
    "finishReason",
    "index",
    "citationMetadata",
    "groundingMetadata",
    "safetyRatings",
]
PART = ["text", "thought", "thoughtSignature", "functionCall", "inlineData"]
CALL = ["name", "args", "id", "partialArgs", "willContinue", "jsonPath", "stringValue", "boolValue"]
JSON = json_of(*CALL, "parts", "text", "citations", "blockReason", "promptTokenCount")


@given(
    response=st.dictionaries(st.sampled_from(RESPONSE), JSON),
    candidate=st.dictionaries(st.sampled_from(CANDIDATE), JSON),
    parts=st.lists(st.dictionaries(st.sampled_from(PART), JSON), max_size=3),
    depth=st.integers(0, 2),
)
def test_any_json_at_all_ends_with_an_answer_or_one_of_our_errors(
    response: dict[str, Any],
    candidate: dict[str, Any],
    parts: list[dict[str, Any]],
    depth: int,
) -> None:
    if depth == 1:
        response = {"candidates": [candidate]}
    if depth == 2:
        response = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    payload = json.dumps(response).encode()

    for body in (payload, b"[" + payload + b"]", b"data: " + payload + b"\n\n"):
        answer, error = reading(body, [])
        assert answer.is_complete == (error is None)
        answer.text.encode()


@given(
    st.lists(
        st.fixed_dictionaries(
            {"jsonPath": st.from_regex(r"\A\$(\.[ab]|\[[01]\]|\['[ab]'\]){0,3}\Z")},
            optional={"stringValue": st.sampled_from(["", "x"]), "numberValue": st.floats()},
        ),
        max_size=5,
    )
)
def test_arguments_in_pieces_are_an_object_or_an_error(pieces: list[dict[str, Any]]) -> None:
    calls = [{"name": "f", "willContinue": True}, {"partialArgs": pieces}]
    parts = [{"functionCall": call} for call in calls]
    event = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}

    response, error = reading(b"data: " + json.dumps(event).encode() + b"\n\n", [])

    if error is None:
        [call] = response.tool_calls
        assert call.arguments_error is None


def test_the_usage_so_far_is_known_while_the_answer_comes() -> None:
    body, _ = load("gemini", "usage_in_every_event")
    decoder = Gemini().decoder()

    chunks = decoder.feed(body[: body.rindex(b"data:")], now=0.0)

    assert [chunk.usage and chunk.usage.output_tokens for chunk in chunks] == [1, 2]


def test_an_answer_ends_with_its_connection_and_not_before() -> None:
    decoder = Gemini().decoder()

    chunks = decoder.feed(load("gemini", "text")[0], now=0.0)

    assert not decoder.done
    assert not any(chunk.is_final for chunk in chunks)
    assert [chunk.is_final for chunk in decoder.finish(now=0.0)] == [True]


def test_the_same_bytes_give_the_same_ids_and_another_answer_gives_others() -> None:
    body, _ = load("gemini", "several_calls_in_one_event")
    [first, again] = [reading(body, [])[0] for _ in range(2)]
    other = reading(body.replace(b"r-1", b"r+/=2" + b"x" * 99), [])[0]
    ids = [call.id for call in first.tool_calls]

    assert [call.id for call in again.tool_calls] == ids
    assert not {call.id for call in other.tool_calls} & set(ids)
    assert all(len(call.id) <= 40 and "=" not in call.id for call in other.tool_calls)


@pytest.mark.parametrize("start", [b"data: ", b"{", b"[{"])
def test_a_body_without_end_is_refused_before_it_fills_the_memory(start: bytes) -> None:
    decoder = Gemini().decoder()
    decoder.feed(start, now=0.0)
    for _ in range(20):
        decoder.feed(b" " * 1024 * 1024, now=0.0)

    assert isinstance(decoder.failure, ProviderProtocolError)
    assert "16777216 bytes" in str(decoder.failure)


def test_a_list_of_arguments_is_not_made_longer_than_what_was_sent() -> None:
    piece = {"jsonPath": "$.a[999999999]", "stringValue": "x"}
    call = {"functionCall": {"name": "f", "partialArgs": [piece]}}
    event = {"candidates": [{"content": {"parts": [call]}}]}

    _, error = reading(b"data: " + json.dumps(event).encode() + b"\n\n", [])

    assert isinstance(error, ProviderProtocolError)
    assert "no place 999999999" in str(error)


@pytest.mark.parametrize("name", STREAMS)
def test_what_came_before_an_error_in_the_same_bytes_is_not_lost(name: str) -> None:
    body, expected = expected_of(name)
    decoder = Gemini().decoder()

    chunks = decoder.feed(body, now=0.0)

    assert expected["text"].startswith("".join(chunk.content for chunk in chunks))
    if expected["outcome"].startswith("Provider") and expected["text"]:
        assert decoder.failure is not None
        assert chunks


@pytest.mark.parametrize(
    "place", ['{"functionCall":{"name":"f","args":DEEP}}', '{"inlineData":DEEP}']
)
def test_nesting_is_an_answer_or_one_of_our_errors_at_every_depth(place: str) -> None:
    for depth in range(700, 1000):
        body = place.replace("DEEP", '{"a":' * depth + "1" + "}" * depth).encode()

        response, error = reading(
            b'data: {"candidates":[{"content":{"parts":['
            + body
            + b']},"finishReason":"STOP"}]}\n\n',
            [],
        )

        assert response.is_complete == (error is None)
        if error is None:
            request = Request((user("Hello"), response.turn))
            with contextlib.suppress(ConfigurationError):
                Gemini().encode(request, "m")
