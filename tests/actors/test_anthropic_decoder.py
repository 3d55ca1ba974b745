"""Every documented turn of Anthropic's Messages stream, one fixture each, cut anywhere.

The fixtures are written by hand from the documented format: `NAME.body` is what a server sends,
`NAME.json` what must come out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from chat_decoding import decode
from hypothesis import given
from hypothesis import strategies as st

from actors.chat import Opaque, Text, Thinking, ToolCall
from actors.errors import ProviderError, ProviderProtocolError, StreamTruncated
from actors.providers import AnthropicMessages
from actors.providers.codecs import refusal

if TYPE_CHECKING:
    from actors.chat import Part, StreamResponse
    from runtime import RuntimeFault

FIXTURES = Path(__file__).parents[1] / "fixtures" / "anthropic"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.body"))
CODEC = AnthropicMessages()


def load(name: str) -> tuple[bytes, dict[str, Any]]:
    expected = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return (FIXTURES / f"{name}.body").read_bytes(), expected


def plain(part: Part) -> list[Any]:
    match part:
        case Text(text):
            return ["text", text]
        case Thinking(text, signature):
            return ["thinking", text, signature]
        case ToolCall():
            arguments = None if part.arguments_error else dict(part.arguments)
            return ["call", part.id, part.name, arguments, part.signature]
        case Opaque(wire, data):
            assert wire == "anthropic"
            return ["opaque", dict(data)]


def seen(response: StreamResponse, error: RuntimeFault | None) -> dict[str, Any]:
    usage = response.usage
    return {
        "outcome": "complete" if error is None else type(error).__name__,
        "parts": [plain(part) for part in response.turn.parts],
        "finish_reason": response.finish_reason and response.finish_reason.value,
        "raw_finish_reason": response.raw_finish_reason,
        "usage": [
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
        ],
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_body_gives_what_is_expected_whole_and_byte_by_byte(name: str) -> None:
    body, expected = load(name)
    metadata = expected.pop("metadata", {})

    whole = decode(body, [], CODEC)
    assert seen(*whole) == expected
    assert metadata.items() <= whole[0].metadata.items()
    again = decode(body, list(range(1, len(body))), CODEC)
    assert seen(*again) == expected
    assert again[0].metadata == whole[0].metadata


@given(name=st.sampled_from(NAMES), data=st.data())
def test_where_a_body_is_cut_makes_no_difference(name: str, data: st.DataObject) -> None:
    body, expected = load(name)
    expected.pop("metadata", None)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12).map(sorted))

    assert seen(*decode(body, cuts, CODEC)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_exactly_the_last_chunk_of_a_complete_answer_is_final(name: str) -> None:
    response, error = decode(load(name)[0], [], CODEC)
    finals = [chunk.is_final for chunk in response.chunks]

    assert response.is_complete == (error is None)
    assert finals == [False] * (len(finals) - 1) + [error is None] if finals else error is not None
    assert [chunk.index for chunk in response.chunks] == list(range(len(finals)))


@given(name=st.sampled_from(["text", "call", "web_search", "thinking"]), where=st.integers(0))
def test_a_stream_cut_before_its_message_stop_is_never_complete(name: str, where: int) -> None:
    body, _ = load(name)
    cut = body[: where % body.rindex(b"data:")]

    response, error = decode(cut, [], CODEC)

    assert isinstance(error, StreamTruncated)
    assert not response.is_complete


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5).map(sorted))
def test_any_bytes_at_all_end_with_an_answer_or_one_of_our_errors(
    body: bytes, cuts: list[int]
) -> None:
    response, error = decode(body, [min(cut, len(body)) for cut in cuts], CODEC)

    assert response.is_complete == (error is None)


TYPES = [
    *["message_start", "content_block_start", "content_block_delta", "content_block_stop"],
    *["message_delta", "message_stop", "error", "message", "text", "thinking", "tool_use"],
    *["server_tool_use", "text_delta", "thinking_delta", "input_json_delta", "signature_delta"],
    *["citations_delta", "new"],
]
FIELDS = [
    *["type", "index", "delta", "content_block", "message", "content", "usage", "error", "text"],
    *["thinking", "partial_json", "signature", "citation", "citations", "id", "name", "input"],
    *["stop_reason", "stop_details", "input_tokens", "output_tokens_details", "caller"],
]
TEXTS = st.sampled_from(["", "x", "null", "{}", '{"a": 1}', "Grüße", "\ud83c", "\udf0d", *TYPES])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
        | st.fixed_dictionaries({"type": st.sampled_from(TYPES)}, optional={"text": inner})
    ),
    max_leaves=10,
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES)},
    optional={
        **dict.fromkeys(["delta", "content_block", "message", "usage", "content"], JSON),
        "index": st.sampled_from([0, 1, 1, -1, None, "x", 2**70, 1.5]),
    },
)


@given(st.lists(EVENTS, max_size=6))
def test_any_json_at_all_ends_with_an_answer_or_one_of_our_errors(events: list[Any]) -> None:
    stream = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)

    for body in (stream, json.dumps(events[0]).encode() if events else b"{}"):
        response, error = decode(body, [], CODEC)
        assert response.is_complete == (error is None)
        response.text.encode()
        for part in response.turn.parts:
            msgspec.json.encode(plain(part))


@pytest.mark.parametrize("name", ["text", "unknown_block"])
def test_json_nested_without_end_is_refused_or_survived(name: str) -> None:
    body, _ = load(name)
    deep = b'{"type": "new", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    response, error = decode(b"data: " + deep + b"\n\n" + body, [], CODEC)

    assert response.is_complete == (error is None)


def test_what_came_before_a_cut_has_been_counted() -> None:
    response, error = decode(load("cut_between_events")[0], [], CODEC)

    assert isinstance(error, StreamTruncated)
    assert response.usage.raw["input_tokens"] == 10
    assert response.chunks[0].usage is not None


def test_the_providers_own_numbers_are_kept_beside_ours() -> None:
    response, _ = decode(load("usage_of_a_cache")[0], [], CODEC)

    assert response.usage.input_tokens == 4203
    assert response.usage.raw["input_tokens"] == 3
    assert response.usage.raw["cache_creation"]["ephemeral_5m_input_tokens"] == 200


def test_pieces_come_out_as_they_arrive_and_not_at_the_end_of_their_block() -> None:
    body, _ = load("call")
    decoder = CODEC.decoder()
    events = [event + b"\n\n" for event in body.split(b"\n\n")[:7]]

    chunks = [chunk for event in events for chunk in decoder.feed(event, now=1.0)]

    assert [chunk.content for chunk in chunks] == ["Hello", "", ""]
    assert [call.arguments for chunk in chunks for call in chunk.tool_calls] == ["", '{"a": 1']


def test_chunks_that_came_before_an_error_in_the_same_bytes_are_not_lost() -> None:
    decoder = CODEC.decoder()

    chunks = decoder.feed(load("error_overloaded")[0], now=0.0)

    assert "".join(chunk.content for chunk in chunks) == "Hello"
    assert isinstance(decoder.failure, ProviderError)
    assert "sorry" in str(decoder.failure)
    assert decoder.failure.status == 529
    assert decoder.failure.retryable


def test_an_event_without_end_is_refused_before_it_fills_the_memory() -> None:
    decoder = CODEC.decoder()
    decoder.feed(b"data: ", now=0.0)
    for _ in range(20):
        decoder.feed(b"x" * 1024 * 1024, now=0.0)

    assert isinstance(decoder.failure, ProviderProtocolError)
    assert "16777216 bytes" in str(decoder.failure)


def test_a_block_without_end_is_refused_before_it_fills_the_memory() -> None:
    decoder = CODEC.decoder()
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "compaction"}}
    decoder.feed(b"data: " + json.dumps(block).encode() + b"\n\n", now=0.0)
    delta = {"type": "compaction_delta", "content": "x" * 1024 * 1024}
    piece = json.dumps({"type": "content_block_delta", "index": 0, "delta": delta}).encode()
    for _ in range(20):
        decoder.feed(b"data: " + piece + b"\n\n", now=0.0)

    assert isinstance(decoder.failure, ProviderProtocolError)
    assert "16777216 characters" in str(decoder.failure)


def test_an_error_inside_the_answer_names_its_request() -> None:
    error = b'{"type": "error", "error": {"type": "api_error"}, "request_id": "req_1"}'

    for body in (b"data: " + error, error):
        _, failure = decode(body, [], CODEC)
        assert isinstance(failure, ProviderError)
        assert failure.request_id == "req_1"


@pytest.mark.parametrize(
    ("status", "type", "kind", "retryable"),
    [
        (400, "invalid_request_error", "ProviderRejected", False),
        (401, "authentication_error", "ProviderUnauthorized", False),
        (404, "not_found_error", "ProviderRejected", False),
        (429, "rate_limit_error", "ProviderRateLimited", True),
        (500, "api_error", "ProviderUnavailable", True),
        (529, "overloaded_error", "ProviderUnavailable", True),
    ],
)
def test_a_refusal_says_what_anthropic_said(
    status: int,
    type: str,
    kind: str,
    retryable: bool,  # noqa: FBT001
) -> None:
    said = {"type": "error", "error": {"type": type, "message": "Not now"}, "request_id": "req_1"}

    error = refusal(status, {"request-id": "req_1"}, json.dumps(said).encode(), now=0.0)

    assert str(error) == f"the provider answered {status}: Not now"
    assert (error.__class__.__name__, error.retryable) == (kind, retryable)
    assert (error.status, error.request_id) == (status, "req_1")
