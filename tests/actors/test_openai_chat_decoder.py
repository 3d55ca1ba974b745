"""Every documented quirk of OpenAI's chat stream, one fixture each, cut anywhere.

The fixtures are written by hand from the documented format: `NAME.body` is what a server sends,
`NAME.json` what must come out.
"""

from __future__ import annotations

import json
from typing import Any

import answer_fixtures
import pytest
from answer_fixtures import names_of, seen
from chat_decoding import decode
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ProviderProtocolError, StreamTruncated
from actors.providers import OpenAIChat

WIRE = "openai_chat"
NAMES = names_of(WIRE)


def load(name: str) -> tuple[bytes, dict[str, Any]]:
    return answer_fixtures.load(WIRE, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_body_gives_what_is_expected_whole_and_byte_by_byte(name: str) -> None:
    body, expected = load(name)
    metadata = expected.pop("metadata", {})

    whole = decode(body, [])
    assert seen(*whole) == expected
    assert metadata.items() <= whole[0].metadata.items()
    assert seen(*decode(body, list(range(1, len(body))))) == expected


@given(name=st.sampled_from(NAMES), data=st.data())
def test_where_a_body_is_cut_makes_no_difference(name: str, data: st.DataObject) -> None:
    body, expected = load(name)
    expected.pop("metadata", None)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12).map(sorted))

    assert seen(*decode(body, cuts)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_exactly_the_last_chunk_of_a_complete_answer_is_final(name: str) -> None:
    response, error = decode(load(name)[0], [])
    finals = [chunk.is_final for chunk in response.chunks]

    assert response.is_complete == (error is None)
    assert finals == [False] * (len(finals) - 1) + [error is None] if finals else error is not None
    assert [chunk.index for chunk in response.chunks] == list(range(len(finals)))


@given(st.integers(0, 10**6))
def test_a_stream_cut_before_its_finish_reason_is_never_complete(where: int) -> None:
    body, _ = load("usage_in_extra_chunk")
    cut = body[: where % body.index(b'"finish_reason": "stop"')]

    response, error = decode(cut, [])

    assert isinstance(error, StreamTruncated)
    assert not response.is_complete


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5).map(sorted))
def test_any_bytes_at_all_end_with_an_answer_or_one_of_our_errors(
    body: bytes, cuts: list[int]
) -> None:
    response, error = decode(body, [min(cut, len(body)) for cut in cuts])

    assert response.is_complete == (error is None)


TEXTS = st.sampled_from(["", "x", "null", "{}", "Grüße", "\ud83c", "\udf0d"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "index", "id", "function", "arguments", "text", "type"]),
            inner,
        )
    ),
    max_leaves=8,
)


@given(
    chunk=st.dictionaries(st.sampled_from(["choices", "usage", "x_groq", "error", "model"]), JSON),
    delta=st.dictionaries(
        st.sampled_from(["content", "tool_calls", "refusal", "reasoning", "function_call"]), JSON
    ),
    nested=st.booleans(),
)
def test_any_json_at_all_ends_with_an_answer_or_one_of_our_errors(
    chunk: dict[str, Any],
    delta: dict[str, Any],
    nested: bool,  # noqa: FBT001
) -> None:
    if nested:
        chunk = {"choices": [{"delta": delta, "finish_reason": "stop"}]}
    payload = json.dumps(chunk).encode()

    for body in (payload, b"data: " + payload + b"\n\n"):
        response, error = decode(body, [])
        assert response.is_complete == (error is None)
        response.text.encode()


def test_the_model_and_the_id_come_with_the_first_chunk() -> None:
    response, _ = decode(load("text")[0], [])

    assert response.chunks[0].metadata == {
        "id": "chatcmpl-1",
        "model": "m-1",
        "wire": "openai-chat",
    }


def test_a_name_that_is_empty_at_first_is_taken_from_the_chunk_that_has_it() -> None:
    """Azure's first chunk is about its filters alone."""
    first = b'data: {"choices": [], "id": "", "model": "", "prompt_filter_results": []}\n\n'
    response, _ = decode(first + load("text")[0], [])

    assert (response.metadata["id"], response.metadata["model"]) == ("chatcmpl-1", "m-1")


def test_an_event_without_end_is_refused_before_it_fills_the_memory() -> None:
    decoder = OpenAIChat().decoder()
    piece = b"x" * 1024 * 1024
    decoder.feed(b"data: ", now=0.0)
    for _ in range(20):
        decoder.feed(piece, now=0.0)
        if decoder.failure is not None:
            break

    assert isinstance(decoder.failure, ProviderProtocolError)
    assert "16777216 bytes" in str(decoder.failure)


def test_a_json_object_without_end_is_refused_before_it_fills_the_memory() -> None:
    decoder = OpenAIChat().decoder()
    for _ in range(20):
        decoder.feed(b"{" + b" " * 1024 * 1024, now=0.0)

    assert isinstance(decoder.failure, ProviderProtocolError)
    with pytest.raises(ProviderProtocolError, match="16777216 bytes"):
        decoder.finish(now=0.0)


def test_chunks_that_came_before_an_error_in_the_same_bytes_are_not_lost() -> None:
    body, _ = load("error_in_the_stream")
    decoder = OpenAIChat().decoder()

    chunks = decoder.feed(body, now=0.0)

    assert "".join(chunk.content for chunk in chunks) == "Hello"
    assert "The server had an error" in str(decoder.failure)
