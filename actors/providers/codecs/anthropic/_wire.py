"""The JSON of Anthropic Messages, as far as we read it. Pure.

Nearly every event is a piece of text, of thinking or of a call's arguments: these three have
structs of their own and are decoded in one go. Everything else is rare and is read as plain
JSON, so that events, blocks and fields that are newer than this code survive.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import msgspec

from actors.chat import FinishReason, Usage
from actors.providers.codecs._plain_json import mended
from actors.providers.codecs._values import count_of, mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

WIRE: Final = "anthropic"
# Of the API. The next, 2026-10-21, reads the same streams and refuses every request with a
# temperature; with this one each model decides for itself.
VERSION: Final = "2023-06-01"

Fields = dict[str, Any]


class TextDelta(msgspec.Struct, gc=False, tag_field="type", tag="text_delta"):
    kind: ClassVar[str] = "text"
    text: str


class ThinkingDelta(msgspec.Struct, gc=False, tag_field="type", tag="thinking_delta"):
    kind: ClassVar[str] = "thinking"
    text: str = msgspec.field(name="thinking")


class ArgumentsDelta(msgspec.Struct, gc=False, tag_field="type", tag="input_json_delta"):
    kind: ClassVar[str] = "tool_use"
    text: str = msgspec.field(name="partial_json")


class BlockDelta(msgspec.Struct, gc=False, tag_field="type", tag="content_block_delta"):
    """The next piece of the block `index`; `kind` of the piece is the type of such a block."""

    delta: TextDelta | ThinkingDelta | ArgumentsDelta
    index: int


_decode_delta = msgspec.json.Decoder(BlockDelta).decode
_decode_any = msgspec.json.Decoder().decode


def read_delta(payload: bytes) -> BlockDelta | None:
    """A piece of one of the usual kinds, or None where the event is something else."""
    try:
        return _decode_delta(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_json(payload: bytes) -> object:
    """Decode any JSON value.

    Raises:
        ValueError: It is not one.
    """
    try:
        return _decode_any(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return json.loads(mended(payload))


def read_fields(payload: bytes) -> Fields:
    """Decode a JSON object.

    Raises:
        ValueError: It is not one.
    """
    value = read_json(payload)
    if not isinstance(value, dict):
        raise ValueError(f"it is no JSON object but a {type(value).__name__}")  # noqa: TRY004 - the bytes are wrong, not our types
    return cast("Fields", value)


def text_of(value: object) -> str:
    """`value` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "pause_turn": FinishReason.PAUSE,
    "compaction": FinishReason.PAUSE,
    "refusal": FinishReason.REFUSAL,
}


def read_usage(raw: Fields) -> Usage:
    """Translate a usage object: unlike Anthropic's, our input counts what the cache holds."""
    read = count_of(raw.get("cache_read_input_tokens"))
    written = count_of(raw.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=count_of(raw.get("input_tokens")) + read + written,
        output_tokens=count_of(raw.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=count_of(mapping(raw.get("output_tokens_details")).get("thinking_tokens")),
        raw=raw,
    )
