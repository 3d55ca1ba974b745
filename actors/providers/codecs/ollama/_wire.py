"""The JSON of Ollama's chat, as far as we read it. Pure.

Source: https://docs.ollama.com/api/chat. An answer is lines of JSON, the last of them with
`done`; an answer in one piece is that one line. Durations are in nanoseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from actors.chat import FinishReason, Usage
from actors.providers.codecs._plain_json import mended

if TYPE_CHECKING:
    from collections.abc import Mapping

WIRE: Final = "ollama"

NO_ARGUMENTS: Final = msgspec.Raw(b"")


class Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: msgspec.Raw = NO_ARGUMENTS


class Call(msgspec.Struct, gc=False):
    """A whole call; `function.index` numbers them, but not on every version."""

    id: str | None = None
    function: Function | None = None


class Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[Call] | None = None


class Line(msgspec.Struct, gc=False):
    """A piece of an answer, or one in one piece."""

    message: Message | None = None
    done: bool = False
    error: Any = None
    model: str | None = None
    created_at: str | None = None
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_duration: int | None = None
    eval_duration: int | None = None


_decode = msgspec.json.Decoder(Line).decode


def read_line(payload: bytes) -> Line:
    """Decode one line.

    Raises:
        ValueError: It is no JSON object, or not of this shape.
    """
    try:
        return _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode(mended(payload))


FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
}

_DURATIONS: Final = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
_COUNTS: Final = ("prompt_eval_count", "eval_count")


def durations_of(line: Line) -> dict[str, int]:
    """How long loading, reading and writing took, in nanoseconds."""
    found = {name: getattr(line, name) for name in _DURATIONS}
    return {name: value for name, value in found.items() if value is not None}


def usage_of(line: Line) -> Usage | None:
    """The tokens, where the line counts them; those of a prompt that was cached may be left out."""
    raw = {name: getattr(line, name) for name in (*_DURATIONS, *_COUNTS)}
    raw = {name: value for name, value in raw.items() if value is not None}
    if not raw:
        return None
    return Usage(
        input_tokens=max(0, line.prompt_eval_count or 0),
        output_tokens=max(0, line.eval_count or 0),
        raw=raw,
    )
