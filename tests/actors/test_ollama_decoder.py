"""Every documented quirk of Ollama's answers, one fixture each, cut anywhere."""

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
from actors.providers import Ollama
from actors.providers.codecs.ollama._answer import OllamaAnswer

if TYPE_CHECKING:
    from actors.chat import StreamResponse
    from runtime import RuntimeFault

NAMES = names_of("ollama")


def reading(body: bytes, cuts: list[int]) -> tuple[StreamResponse, RuntimeFault | None]:
    return decode(body, cuts, Ollama())


@pytest.mark.parametrize("name", NAMES)
def test_a_body_gives_what_is_expected_whole_and_byte_by_byte(name: str) -> None:
    body, expected = load("ollama", name)
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
    body, _ = load("ollama", name)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12).map(sorted))

    assert seen(*reading(body, cuts)) == seen(*reading(body, []))


@pytest.mark.parametrize("name", NAMES)
def test_exactly_the_last_chunk_of_a_complete_answer_is_final(name: str) -> None:
    response, error = reading(load("ollama", name)[0], [])
    finals = [chunk.is_final for chunk in response.chunks]

    assert response.is_complete == (error is None)
    assert finals == [False] * (len(finals) - 1) + [error is None] if finals else error is not None
    assert [chunk.index for chunk in response.chunks] == list(range(len(finals)))


@given(st.integers(0, 10**6))
def test_a_stream_cut_before_the_end_of_its_done_line_is_never_complete(where: int) -> None:
    body, _ = load("ollama", "text")

    response, error = reading(body[: where % (len(body) - 1)], [])

    assert isinstance(error, StreamTruncated)
    assert not response.is_complete


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5).map(sorted))
def test_any_bytes_at_all_end_with_an_answer_or_one_of_our_errors(
    body: bytes, cuts: list[int]
) -> None:
    response, error = reading(body, [min(cut, len(body)) for cut in cuts])

    assert response.is_complete == (error is None)


LINE = ["message", "done", "done_reason", "error", "model", "eval_count", "created_at"]
MESSAGE = ["content", "thinking", "tool_calls", "role"]
JSON = json_of("function", "name", "arguments", "id", "content", "message")


@given(
    line=st.dictionaries(st.sampled_from(LINE), JSON),
    message=st.dictionaries(st.sampled_from(MESSAGE), JSON),
    arguments=JSON,
    depth=st.integers(0, 2),
)
def test_any_json_at_all_ends_with_an_answer_or_one_of_our_errors(
    line: dict[str, Any], message: dict[str, Any], arguments: object, depth: int
) -> None:
    if depth == 1:
        line = {"message": message, "done": True}
    if depth == 2:
        call = {"function": {"name": "f", "arguments": arguments}}
        line = {"message": {"tool_calls": [call]}, "done": True}

    response, error = reading(json.dumps(line).encode() + b"\n", [])

    assert response.is_complete == (error is None)
    response.text.encode()


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    decoder = Ollama().decoder()
    for _ in range(20):
        decoder.feed(b'{"message": ' + b" " * 1024 * 1024, now=0.0)

    assert isinstance(decoder.failure, ProviderProtocolError)
    assert "16777216 bytes" in str(decoder.failure)


def test_chunks_that_came_before_an_error_in_the_same_bytes_are_not_lost() -> None:
    decoder = Ollama().decoder()

    chunks = decoder.feed(load("ollama", "error_in_the_stream")[0], now=0.0)

    assert "".join(chunk.content for chunk in chunks) == "Hel"
    assert "while running the model" in str(decoder.failure)


def test_an_answer_in_one_piece_is_one_line_for_whoever_has_it_whole() -> None:
    answer = OllamaAnswer()

    [chunk] = answer.whole(load("ollama", "in_one_piece")[0], now=0.0)

    assert (chunk.content, answer.complete) == ("Hello", True)


def test_the_done_line_ends_the_answer_without_waiting_for_the_connection() -> None:
    decoder = Ollama().decoder()

    chunks = decoder.feed(load("ollama", "text")[0], now=0.0)

    assert decoder.done
    assert chunks[-1].is_final


def test_the_same_bytes_give_the_same_ids_and_another_answer_gives_others() -> None:
    body, _ = load("ollama", "several_calls_in_one_line")
    [first, again] = [reading(body, [])[0] for _ in range(2)]
    other = reading(body.replace(b"2025-06", b"2026-06"), [])[0]
    ids = [call.id for call in first.tool_calls]

    assert [call.id for call in again.tool_calls] == ids
    assert not {call.id for call in other.tool_calls} & set(ids)


@pytest.mark.parametrize("place", ['{"function":{"name":"f","arguments":DEEP}}'])
def test_nesting_is_an_answer_or_one_of_our_errors_at_every_depth(place: str) -> None:
    for depth in range(700, 1000):
        body = place.replace("DEEP", '{"a":' * depth + "1" + "}" * depth).encode()

        response, error = reading(b'{"message":{"tool_calls":[' + body + b']},"done":true}', [])

        assert response.is_complete == (error is None)
        if error is None:
            request = Request((user("Hello"), response.turn))
            with contextlib.suppress(ConfigurationError):
                Ollama().encode(request, "m")
