"""Every documented event of OpenAI Responses, and what servers make of them, cut anywhere.

The fixtures are written by hand from the documented format: `NAME.body` is what a server sends,
`NAME.json` what must come out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import answer_fixtures
import pytest
from chat_decoding import decode
from hypothesis import given
from hypothesis import strategies as st

from actors.chat import Opaque, Request, Text, Thinking, ToolCall, user
from actors.errors import ProviderProtocolError, StreamTruncated
from actors.providers import OpenAIResponses

if TYPE_CHECKING:
    from actors.chat import StreamResponse
    from runtime import RuntimeFault

WIRE = "openai_responses"
NAMES = answer_fixtures.names_of(WIRE)
CODEC = OpenAIResponses()


def load(name: str) -> tuple[bytes, dict[str, Any]]:
    return answer_fixtures.load(WIRE, name)


def seen(response: StreamResponse, error: RuntimeFault | None) -> dict[str, Any]:
    opaque = [part.data["type"] for part in response.turn.parts if isinstance(part, Opaque)]
    return answer_fixtures.seen(response, error) | {"opaque": opaque}


@pytest.mark.parametrize("name", NAMES)
def test_a_body_gives_what_is_expected_whole_and_byte_by_byte(name: str) -> None:
    body, expected = load(name)
    metadata = expected.pop("metadata", {})

    whole = decode(body, [], CODEC)
    assert seen(*whole) == expected
    found = whole[0].metadata
    assert metadata.items() <= found.items()
    assert found.keys() - {"wire", "id", "model"} == metadata.keys() - {"wire", "id", "model"}
    if len(body) < 20_000:
        pieces = decode(body, list(range(1, len(body))), CODEC)
        assert seen(*pieces) == expected
        assert pieces[0].turn == whole[0].turn


PARTS = {
    "response": "created queued in_progress completed incomplete failed",
    "response.output_item": "added done",
    "response.content_part": "added done",
    "response.output_text": "delta done annotation.added",
    "response.refusal": "delta done",
    "response.reasoning_text": "delta done",
    "response.reasoning_summary_part": "added done",
    "response.reasoning_summary_text": "delta done",
    "response.function_call_arguments": "delta done",
    "response.custom_tool_call_input": "delta done",
    "response.file_search_call": "in_progress searching completed",
    "response.web_search_call": "in_progress searching completed",
    "response.image_generation_call": "in_progress generating partial_image completed",
    "response.code_interpreter_call": "in_progress interpreting completed",
    "response.code_interpreter_call_code": "delta done",
    "response.mcp_call": "in_progress completed failed",
    "response.mcp_call_arguments": "delta done",
    "response.mcp_list_tools": "in_progress completed failed",
    "response.shell_call_command": "added delta done",
    "response.shell_call_output_content": "delta done",
    "response.compaction": "compacting",
    "response.audio": "delta done transcript.delta transcript.done",
}
DOCUMENTED = {f"{name}.{part}" for name, parts in PARTS.items() for part in parts.split()}


def test_every_documented_event_is_in_some_fixture() -> None:
    bodies = b"".join(load(name)[0] for name in NAMES)
    missing = {kind for kind in DOCUMENTED | {"error"} if f'"{kind}"'.encode() not in bodies}

    assert missing == set()


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


@given(name=st.sampled_from(NAMES), where=st.integers(0, 10**6))
def test_an_answer_cut_before_its_terminal_event_is_never_complete(name: str, where: int) -> None:
    body, expected = load(name)
    end = max(body.rfind(b"event: response.completed"), body.rfind(b"event: response.incomplete"))
    if expected["outcome"] != "complete" or end < 0:
        return
    cut = body[: where % (end + 1)]

    response, error = decode(cut, [], CODEC)

    assert isinstance(error, StreamTruncated)
    assert not response.is_complete


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5).map(sorted))
def test_any_bytes_at_all_end_with_an_answer_or_one_of_our_errors(
    body: bytes, cuts: list[int]
) -> None:
    response, error = decode(body, [min(cut, len(body)) for cut in cuts], CODEC)

    assert response.is_complete == (error is None)


KINDS = sorted(
    {
        json.loads(line.removeprefix(b"data: "))["type"]
        for name in ("text", "tools_of_the_provider", "only_done_events", "refusal", "failed")
        for line in load(name)[0].splitlines()
        if line.startswith(b"data: ")
    }
    | {"response.incomplete", "error", "response.custom_tool_call_input.delta"}
)
ITEMS = ["message", "reasoning", "function_call", "custom_tool_call", "mcp_call", "output_text"]
TEXTS = st.sampled_from(["", "x", "null", "{}", "Grüße", "\ud83c", "\udf0d", *ITEMS])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
FIELDS = [
    *("type", "id", "call_id", "name", "arguments", "input", "text", "summary", "content"),
    *("status", "output", "usage", "error", "annotations", "incomplete_details", "refusal"),
]
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5)
INDICES = st.none() | st.integers(-1, 2)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)},
    optional={
        "delta": JSON,
        "output_index": INDICES,
        "item_id": st.none() | TEXTS,
        "content_index": st.integers(0, 1),
        "summary_index": st.integers(0, 1),
        "item": OBJECTS,
        "part": OBJECTS,
        "response": OBJECTS,
        "text": JSON,
        "arguments": JSON,
        "refusal": JSON,
        "annotation": JSON,
        "error": JSON,
        "message": JSON,
    },
)


@given(st.lists(EVENTS, max_size=6))
def test_any_events_at_all_end_with_an_answer_or_one_of_our_errors(events: list[Any]) -> None:
    payloads = [json.dumps(event).encode() for event in events]
    body = b"".join(b"data: " + payload + b"\n\n" for payload in payloads)

    response, error = decode(body, [], CODEC)

    assert response.is_complete == (error is None)
    response.text.encode()
    CODEC.encode(Request((user("Hello"), response.turn)), "m")


@given(OBJECTS)
def test_any_json_as_a_whole_body_ends_with_an_answer_or_one_of_our_errors(body: Any) -> None:
    response, error = decode(json.dumps(body).encode(), [], CODEC)

    assert response.is_complete == (error is None)
    response.text.encode()


def test_the_parts_of_a_turn_stand_in_the_order_in_which_they_were_given() -> None:
    response, _ = decode(load("only_done_events")[0], [], CODEC)

    kinds = [type(part) for part in response.turn.parts]
    assert kinds == [Thinking, Opaque, Text, Opaque, ToolCall]


def test_the_model_and_the_id_come_with_the_first_chunk() -> None:
    response, _ = decode(load("text")[0], [], CODEC)

    assert response.chunks[0].metadata == {
        "id": "resp_1",
        "model": "m-1",
        "wire": "openai-responses",
    }


def test_a_sealed_item_is_kept_to_the_letter() -> None:
    response, _ = decode(load("reasoning_summary_and_seal")[0], [], CODEC)

    sealed, _message = [part for part in response.turn.parts if isinstance(part, Opaque)]
    assert sealed.wire == "openai-responses"
    assert sealed.data == {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [
            {"type": "summary_text", "text": "First. "},
            {"type": "summary_text", "text": "Then."},
        ],
        "encrypted_content": "gAAA",
    }


def test_what_came_before_an_error_in_the_same_bytes_is_not_lost() -> None:
    decoder = CODEC.decoder()

    chunks = decoder.feed(load("error_event_that_is_flat")[0], now=0.0)

    assert "".join(chunk.content for chunk in chunks) == "Hel"
    assert "Broken" in str(decoder.failure)


def test_an_event_without_end_is_refused_before_it_fills_the_memory() -> None:
    decoder = CODEC.decoder()
    piece = b"x" * 1024 * 1024
    decoder.feed(b"data: ", now=0.0)
    for _ in range(20):
        decoder.feed(piece, now=0.0)
        if decoder.failure is not None:
            break

    assert isinstance(decoder.failure, ProviderProtocolError)
    assert "16777216 bytes" in str(decoder.failure)
