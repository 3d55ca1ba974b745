"""The JSON of Gemini's generateContent, as far as we read it. Pure.

Source: https://ai.google.dev/api/generate-content, and the fields that Vertex AI has beyond it.
Every field has a default: the server leaves out whatever is empty, zero or false. A part is kept
as it came until it is known what it is, since parts that we do not know go back to the letter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actors.chat import FinishReason, Usage
from actors.providers.codecs._plain_json import mended

if TYPE_CHECKING:
    from collections.abc import Mapping

WIRE: Final = "gemini"

NOTHING: Final = msgspec.Raw(b"")


class ArgumentPiece(msgspec.Struct, rename="camel", gc=False):
    """A piece of an argument, and where in the arguments it belongs."""

    json_path: str
    string_value: str | None = None
    number_value: float | None = None
    bool_value: bool | None = None
    will_continue: bool | None = None

    @property
    def value(self) -> str | float | bool | None:
        """None for a null, which is what is left."""
        if self.string_value is not None:
            return self.string_value
        number = self.number_value
        if number is not None:
            return int(number) if math.isfinite(number) and number == int(number) else number
        return self.bool_value


class FunctionCall(msgspec.Struct, rename="camel", gc=False):
    """A whole call, or a piece of one."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = NOTHING
    partial_args: list[ArgumentPiece] | None = None
    will_continue: bool | None = None


class Part(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None


class Content(msgspec.Struct, gc=False):
    parts: list[msgspec.Raw] | None = None


class Citations(msgspec.Struct, rename="camel", gc=False):
    """The sources of an answer; Gemini and Vertex AI name the list differently."""

    citation_sources: list[Any] | None = None
    citations: list[Any] | None = None

    @property
    def all(self) -> list[Any]:
        return [*(self.citation_sources or ()), *(self.citations or ())]


class Candidate(msgspec.Struct, rename="camel", gc=False):
    content: Content | None = None
    finish_reason: str | None = None
    index: int | None = None
    finish_message: Any = None
    safety_ratings: Any = None
    citation_metadata: Citations | None = None
    grounding_metadata: dict[str, Any] | None = None
    url_context_metadata: Any = None


class Response(msgspec.Struct, rename="camel", gc=False):
    """One event of a stream, or one whole body."""

    candidates: list[Candidate] | None = None
    usage_metadata: msgspec.Raw = NOTHING
    prompt_feedback: dict[str, Any] | None = None
    error: Any = None
    response_id: str | None = None
    model_version: str | None = None

    @property
    def first(self) -> Candidate | None:
        """Of several candidates, the first is the answer."""
        for candidate in self.candidates or ():
            if not candidate.index:
                return candidate
        return None


_one = msgspec.json.Decoder(Response).decode
_part = msgspec.json.Decoder(Part).decode


def read_response(payload: bytes) -> Response:
    """Decode one event, or a whole body.

    Raises:
        ValueError: It is no JSON object, or not of this shape.
    """
    try:
        return _one(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _one(mended(payload))


def read_part(raw: msgspec.Raw) -> Part | dict[str, Any]:
    """What a part is: text, thoughts or a call; anything else as it came.

    Raises:
        ValueError: It is no JSON object.
    """
    try:
        part = _part(raw)
    except msgspec.ValidationError:
        return read_object(raw)
    return part if part.text or part.function_call is not None else read_object(raw)


def read_object(raw: msgspec.Raw) -> dict[str, Any]:
    """Decode a JSON object.

    Raises:
        ValueError: It is none.
    """
    return msgspec.json.decode(raw, type=dict[str, Any])


FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "CONTINUATION": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "ESCALATION": FinishReason.CONTENT_FILTER,
    "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
    "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "IMAGE_RECITATION": FinishReason.CONTENT_FILTER,
}


class Counts(msgspec.Struct, rename="camel", gc=False):
    """The tokens so far; what is left out counts as 0."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None


_counts = msgspec.json.Decoder(Counts).decode


def read_counts(raw: msgspec.Raw) -> Counts | None:
    """Decode a usage object; None where it is none.

    Raises:
        ValueError: It is no JSON.
    """
    try:
        return _counts(raw)
    except msgspec.ValidationError:
        return None


def usage_of(counts: Counts, raw: Mapping[str, Any]) -> Usage:
    """What the counts mean.

    Gemini counts apart the tokens of thoughts, and what its own tools put into the prompt;
    its total has both, and so have input and output here.
    """
    thoughts = max(0, counts.thoughts_token_count or 0)
    tools = max(0, counts.tool_use_prompt_token_count or 0)
    return Usage(
        max(0, counts.prompt_token_count or 0) + tools,
        max(0, counts.candidates_token_count or 0) + thoughts,
        max(0, counts.cached_content_token_count or 0),
        0,
        thoughts,
        raw,
    )
