"""Recorded answers of Anthropic's API, against what the official SDK read from the same bytes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from chat_decoding import decode
from wire_recordings import cases, cuts_of, read, seen, wanted

from actors.chat import Opaque, Request, Text, Thinking, ToolCall, user
from actors.providers import AnthropicMessages

if TYPE_CHECKING:
    from actors.chat import StreamResponse

CODEC = AnthropicMessages()
ANSWERED = cases("anthropic_messages", refused=False)
WHOLE = [
    case
    for case in ANSWERED
    if not isinstance(case, str) or read(case)[1]["expected_outcome"] == "ok"
]


def seen_raw(response: StreamResponse) -> dict[str, Any]:
    """What came out; of the usage the provider's own numbers, as the recordings have them."""
    raw = response.usage.raw
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens")
    counted = [raw.get(name) or 0 for name in names]
    return seen(response) | {"usage": (*counted, response.usage.reasoning_tokens)}


@pytest.mark.parametrize("case", ANSWERED)
def test_a_recording_reads_as_the_official_sdk_reads_it(case: str) -> None:
    body, meta, oracle = read(case)

    response, error = decode(body, [], CODEC)

    assert seen_raw(response) == wanted(oracle)
    assert (error is None) == (meta["expected_outcome"] == "ok")
    assert response.metadata["model"] == oracle["model"]
    assert len(response.metadata.get("citations", [])) == oracle["citations"]
    usage = response.usage
    raw = [usage.raw.get(f"{name}_input_tokens") or 0 for name in ("cache_read", "cache_creation")]
    assert usage.input_tokens == (usage.raw.get("input_tokens") or 0) + sum(raw)


@pytest.mark.parametrize("case", ANSWERED)
def test_a_recording_reads_the_same_however_it_is_cut(case: str) -> None:
    body, _, _ = read(case)
    whole, error = decode(body, [], CODEC)
    for cuts in cuts_of(case, body):
        again, error_again = decode(body, cuts, CODEC)
        assert seen_raw(again) == seen_raw(whole)
        assert again.turn == whole.turn
        assert type(error_again) is type(error)


def blocks_on_the_wire(body: bytes) -> list[dict[str, Any]]:
    """The blocks of a recording as they were sent, put together by other means than ours."""
    text = body.decode().replace("\r\n", "\n").replace("\r", "\n").replace("\n\ndata:", "\ndata:")
    if text.lstrip().startswith("{"):
        whole: list[dict[str, Any]] = json.loads(text)["content"]
        return whole
    frames = (re.findall(r"^data:(.*)", frame, re.MULTILINE) for frame in text.split("\n\n"))
    events = [json.loads("".join(lines)) for lines in frames if lines]
    begun: list[dict[str, Any]] = events[0]["message"]["content"]
    blocks = dict(enumerate(begun))
    for event in events:
        if event["type"] == "content_block_start":
            blocks[event["index"]] = event["content_block"]
        elif event["type"] == "content_block_delta":
            add_to(blocks[event["index"]], event["delta"])
    return list(blocks.values())


def add_to(block: dict[str, Any], delta: dict[str, Any]) -> None:
    for name in ("text", "thinking", "content", "signature"):
        if name in delta:
            block[name] = (block.get(name) or "") + delta[name]
    if "partial_json" in delta:
        before = block["input"] if isinstance(block["input"], str) else ""
        block["input"] = before + delta["partial_json"]


@pytest.mark.parametrize("case", WHOLE)
def test_seals_and_blocks_of_the_server_go_back_as_they_came(case: str) -> None:
    body, _, _ = read(case)
    turn = decode(body, [], CODEC)[0].turn

    sent = msgspec.json.decode(CODEC.encode(Request((user("Hello"), turn)), "m").body)

    back: list[dict[str, Any]] = sent["messages"][1]["content"] if turn.parts else []
    sealed = ("text", "tool_use")
    came = [block for block in blocks_on_the_wire(body) if block["type"] not in sealed]
    for block in came:
        if isinstance(block.get("input"), str):
            block["input"] = json.loads(block["input"] or "{}")
    assert [block for block in back if block["type"] not in sealed] == came
    kinds = {Text: "text", Thinking: "thinking", ToolCall: "tool_use"}
    assert [block["type"] for block in back] == [
        part.data["type"] if isinstance(part, Opaque) else kinds[type(part)] for part in turn.parts
    ]
    calls = [block for block in back if block["type"] == "tool_use"]
    assert [(call["id"], call["input"]) for call in calls] == [
        (call.id, dict(call.arguments)) for call in turn.tool_calls
    ]
