"""Gemini's generateContent, as the server speaks it. Pure.

Source: Google's reference of the Gemini API. A call comes whole, its arguments as JSON. A
signature stands on the call after the thinking that it seals, or on an empty text at the end,
and is base64. There is no word for refusals or pauses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from actors.chat import (
    FinishReason,
    Opaque,
    StreamChunk,
    StreamResponse,
    Text,
    Thinking,
    Usage,
    parse_arguments,
)

from ._json import object_of, objects
from ._strict_gemini import refusal
from ._vectors import DIMENSIONS, vector
from ._wire import (
    EVENT_STREAM,
    Asked,
    Failure,
    Frame,
    HeldCalls,
    Json,
    Kind,
    Task,
    Wire,
    encoded,
    said_on,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = "gemini"
SEAL: Final = "c2VhbGVkIGJ5IGEgZmFrZQ=="
REASONS: Final = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.OTHER: "OTHER",
}
STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_PATH: Final = re.compile(r"(/v1(?:alpha|beta)?)?/models/(?P<model>[^:?]+):(?P<method>\w+)$")


class GenerateRendering:
    """See `Rendering`. No signs of life: Google's own client chokes on comments."""

    ping = b""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._held = HeldCalls()
        self._seal: str | None = None
        self._sse = "alt=sse" in asked.path
        self._written = 0

    def chunk(self, chunk: StreamChunk) -> Iterator[Frame]:
        if not chunk.tool_calls:
            yield from self._calls()
        if chunk.thinking:
            yield self._parts([{"text": chunk.thinking, "thought": True}])
        if chunk.content:
            yield self._parts([{"text": chunk.content}])
        if chunk.signature is not None:
            self._seal = chunk.signature
        for data in said_on(NAME, chunk.opaque):
            yield self._parts([data])
        self._held.add(chunk.tool_calls)
        if chunk.is_final:
            yield from self._end(chunk)

    def _calls(self) -> Iterator[Frame]:
        """Calls that came together stand in one chunk, each of them whole."""
        parts: list[Json] = []
        for first, *rest in self._held.take():
            arguments, _ = parse_arguments("".join(piece.arguments for piece in rest))
            parts.append(_call(first.id, first.name, arguments))
        if parts:
            seal, self._seal = self._seal or _usual_seal(self._asked), None
            yield self._parts([_sealed(parts[0], seal), *parts[1:]])

    def _end(self, chunk: StreamChunk) -> Iterator[Frame]:
        yield from self._calls()
        said = {
            "content": {"parts": [_sealed({"text": ""}, self._seal)], "role": "model"},
            "finishReason": word(chunk.finish_reason, REASONS),
            "index": 0,
        }
        yield self._frame(self._answer(said, chunk.usage or Usage()), Kind.CLOSING)
        if not self._sse:
            yield Frame(b"]", Kind.CLOSING)

    def _parts(self, parts: list[Json]) -> Frame:
        said = {"content": {"parts": parts, "role": "model"}, "index": 0}
        return self._frame(self._answer(said, None), Kind.CONTENT)

    def _answer(self, candidate: Json, usage: Usage | None) -> Json:
        return _answer(self._asked, candidate, usage)

    def _frame(self, data: Json, kind: Kind) -> Frame:
        """Server-sent events for `alt=sse`; else the elements of one JSON array."""
        self._written += 1
        if self._sse:
            return Frame(b"data: " + encoded(data) + b"\r\n\r\n", kind)
        return Frame((b"[" if self._written == 1 else b",\r\n") + encoded(data), kind)

    def flush(self) -> Iterator[Frame]:
        return self._calls()

    def failure(self, failure: Failure) -> Iterator[Frame]:
        yield self._frame(error_body(failure), Kind.CLOSING)


def _answer(asked: Asked, candidate: Json, usage: Usage | None) -> Json:
    found = _PATH.search(asked.path.partition("?")[0])
    counted = {"promptTokenCount": asked.usage.input_tokens} if usage is None else _usage(usage)
    return {
        "candidates": [candidate],
        "usageMetadata": counted,
        "modelVersion": found["model"] if found else None,
        "responseId": f"fake-{asked.number}",
    }


def _usage(usage: Usage) -> Json:
    """Gemini counts thoughts beside the candidates."""
    counted = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "totalTokenCount": usage.total_tokens,
    }
    if usage.cache_read_tokens:
        counted["cachedContentTokenCount"] = usage.cache_read_tokens
    if usage.reasoning_tokens:
        counted["thoughtsTokenCount"] = usage.reasoning_tokens
    return counted


def _call(id: str, name: str, arguments: Json) -> Json:
    return {"functionCall": {"id": id, "name": name, "args": arguments}}


def _sealed(part: Json, seal: str | None) -> Json:
    return part if seal is None else part | {"thoughtSignature": seal}


def _usual_seal(asked: Asked) -> str | None:
    """From Gemini 3 on, calls are always sealed, and refused without it when they come back."""
    return SEAL if "/models/gemini-3" in asked.path else None


def whole(asked: Asked, response: StreamResponse) -> Json:
    """The answer as one `GenerateContentResponse`."""
    parts: list[Json] = []
    seal: str | None = None
    for part in response.turn.parts:
        match part:
            case Thinking(text, signature):
                seal = signature or seal
                parts += [{"text": text, "thought": True}] if text else []
            case Text(text):
                parts.append({"text": text})
            case Opaque():
                parts += said_on(NAME, [part])
            case _:
                called = any("functionCall" in made for made in parts)
                usual = None if called else _usual_seal(asked)
                made = _call(part.id, part.name, dict(part.arguments))
                parts.append(_sealed(made, seal or usual))
                seal = None
    if seal is not None:
        parts.append(_sealed({"text": ""}, seal))
    candidate = {
        "content": {"parts": parts, "role": "model"},
        "finishReason": word(response.finish_reason, REASONS),
        "index": 0,
    }
    return _answer(asked, candidate, response.usage)


def error_body(failure: Failure) -> Json:
    status = failure.code or STATUSES.get(failure.status, "UNKNOWN")
    return {"error": {"code": failure.status, "message": failure.message, "status": status}}


def embeddings(asked: Asked) -> Json:
    """`:embedContent` of one text, `:batchEmbedContents` of several."""
    requests: Any = asked.body.get("requests")
    if requests is None:
        return {"embedding": _vector(asked.body)}
    return {"embeddings": [_vector(each) for each in cast("list[Json]", requests)]}


def _vector(request: Json) -> Json:
    parts = objects(object_of(request.get("content")).get("parts"))
    text = " ".join(str(part.get("text", "")) for part in parts)
    config = object_of(request.get("embedContentConfig"))
    size = request.get("outputDimensionality") or config.get("outputDimensionality")
    return {"values": vector(text, size or DIMENSIONS)}


_TASKS: Final = {
    "streamGenerateContent": Task.STREAM,
    "generateContent": Task.WHOLE,
    "embedContent": Task.EMBED,
    "batchEmbedContents": Task.EMBED,
}


def task(path: str, body: dict[str, Any]) -> Task | None:
    """`/v1beta/models/NAME:METHOD`."""
    del body
    found = _PATH.match(path)
    return _TASKS.get(found["method"]) if found else None


GEMINI: Final = Wire(
    name=NAME,
    root="",
    content_type=EVENT_STREAM,
    request_id=None,
    finish_reasons=REASONS,
    task=task,
    rendering=GenerateRendering,
    whole=whole,
    error_body=error_body,
    refusal=refusal,
    embeddings=embeddings,
    whole_calls=True,
    seals_are_base64=True,
)
