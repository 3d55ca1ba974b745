"""The JSON of OpenAI Responses, as far as we read it. Pure.

Source: OpenAI's API reference, "Responses" and "Streaming events". Every field has a default:
compatible servers leave out and add as they like.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from actors.chat import FinishReason, Usage
from actors.providers.codecs._plain_json import mended
from actors.providers.codecs._values import count_of, mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WIRE: Final = "openai-responses"
Decoded = TypeVar("Decoded")

# Items of an answer that ask the client for a result, and how its result is called.
FUNCTION: Final = "function_call"
CUSTOM: Final = "custom_tool_call"
CALL_TEXT: Final[Mapping[str, str]] = {FUNCTION: "arguments", CUSTOM: "input"}

# Models that do not reason and refuse every request that asks for something about reasoning.
WITHOUT_REASONING: Final = ("gpt-3", "gpt-4", "chatgpt-", "gpt-5-chat")


class Event(msgspec.Struct, gc=False):
    """One event of the stream, whatever its type."""

    type: str = ""
    delta: Any = None  # text for all that we read; an object for a shell's output
    output_index: int | None = None
    item_id: str | None = None
    content_index: int = 0
    summary_index: int = 0
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    input: Any = None
    item: dict[str, Any] | None = None
    part: dict[str, Any] | None = None
    annotation: Any = None
    response: dict[str, Any] | None = None
    error: Any = None
    code: Any = None
    message: Any = None
    mended: bool = False  # set by us: `delta` may hold half of a surrogate pair


_decode_event = msgspec.json.Decoder(Event).decode
_decode_any = msgspec.json.Decoder().decode


def read_event(payload: bytes) -> Event:
    """Decode one event.

    Raises:
        ValueError: It is no JSON object, or not of this shape.
    """
    try:
        return _decode_event(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = _again(_decode_event, payload)
    delta = mapping(json.loads(payload)).get("delta")
    event.delta = delta if isinstance(delta, str) else event.delta
    event.mended = True
    return event


def read_body(payload: bytes) -> dict[str, Any]:
    """Decode a whole answer; {} where it is JSON but no object.

    Raises:
        ValueError: It is no JSON.
    """
    try:
        return mapping(_decode_any(payload))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return mapping(_again(_decode_any, payload))


def _again(decode: Callable[[bytes], Decoded], payload: bytes) -> Decoded:
    """Decode what had to be mended first: halves of surrogate pairs, NaN."""
    try:
        return decode(mended(payload))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def text_of(value: object) -> str:
    """`value` if it is text; an object is text once it is written as JSON, anything else none."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else ""


STATUSES: Final[Mapping[str, FinishReason]] = {
    "completed": FinishReason.STOP,
    "incomplete:max_output_tokens": FinishReason.LENGTH,
    "incomplete:content_filter": FinishReason.CONTENT_FILTER,
}


def read_status(response: Mapping[str, Any], usual: str) -> str:
    """How the answer ended, in the provider's words: `completed`, `incomplete:REASON`..."""
    status = response.get("status")
    status = status if isinstance(status, str) and status else usual
    reason = mapping(response.get("incomplete_details")).get("reason")
    return f"{status}:{reason}" if status == "incomplete" and reason else status


def read_usage(given: object) -> Usage | None:
    """Translate a usage object, if it is one; what a server leaves out counts as 0."""
    raw = mapping(given)
    if not raw:
        return None
    read = mapping(raw.get("input_tokens_details"))
    written = mapping(raw.get("output_tokens_details"))
    return Usage(
        input_tokens=count_of(raw.get("input_tokens")),
        output_tokens=count_of(raw.get("output_tokens")),
        cache_read_tokens=count_of(read.get("cached_tokens")),
        cache_write_tokens=count_of(read.get("cache_write_tokens")),
        reasoning_tokens=count_of(written.get("reasoning_tokens")),
        raw=raw,
    )
