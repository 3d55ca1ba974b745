"""Ollama's /api/chat, as the server speaks it. Pure.

Source: Ollama's API documentation. Lines of JSON; an answer is streamed unless `stream` is
false. A call comes whole, its arguments as JSON. What this wire cannot say: signatures, opaque
parts, cached and reasoning tokens, signs of life, why it stopped beyond "stop" and "length".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from actors.chat import FinishReason, StreamChunk, StreamResponse, Usage, parse_arguments

from ._strict_ollama import refusal
from ._vectors import DIMENSIONS, vector
from ._wire import Asked, Failure, Frame, HeldCalls, Json, Kind, Task, Wire, encoded, word

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = "ollama"
REASONS: Final = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "stop",
    FinishReason.OTHER: "other",
}
EPOCH: Final = "1970-01-01T00:00:00Z"


class ChatLines:
    """See `Rendering`."""

    ping = b""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._held = HeldCalls()

    def chunk(self, chunk: StreamChunk) -> Iterator[Frame]:
        if not chunk.tool_calls:
            yield from self._calls()
        if chunk.thinking or chunk.content:
            message: Json = {"role": "assistant", "content": chunk.content}
            yield self._said(message | ({"thinking": chunk.thinking} if chunk.thinking else {}))
        self._held.add(chunk.tool_calls)
        if chunk.is_final:
            yield from self._end(chunk)

    def _calls(self) -> Iterator[Frame]:
        for first, *rest in self._held.take():
            arguments, _ = parse_arguments("".join(piece.arguments for piece in rest))
            call = _call(first.index, first.id, first.name, arguments)
            yield self._said({"role": "assistant", "content": "", "tool_calls": [call]})

    def _end(self, chunk: StreamChunk) -> Iterator[Frame]:
        yield from self._calls()
        end = _end(chunk.finish_reason, chunk.usage or Usage())
        yield self._line({"message": {"role": "assistant", "content": ""}} | end, Kind.CLOSING)

    def _said(self, message: Json) -> Frame:
        return self._line({"message": message, "done": False}, Kind.CONTENT)

    def _line(self, data: Json, kind: Kind) -> Frame:
        head = {"model": self._asked.model, "created_at": EPOCH}
        return Frame(encoded(head | data) + b"\n", kind)

    def flush(self) -> Iterator[Frame]:
        return self._calls()

    def failure(self, failure: Failure) -> Iterator[Frame]:
        yield Frame(encoded(error_body(failure)) + b"\n", Kind.CLOSING)


def _call(index: int, id: str, name: str, arguments: Json) -> Json:
    return {"id": id, "function": {"index": index, "name": name, "arguments": arguments}}


def _end(reason: FinishReason | None, usage: Usage) -> Json:
    return {
        "done": True,
        "done_reason": word(reason, REASONS),
        "total_duration": 2,
        "load_duration": 0,
        "prompt_eval_count": usage.input_tokens,
        "prompt_eval_duration": 1,
        "eval_count": usage.output_tokens,
        "eval_duration": 1,
    }


def whole(asked: Asked, response: StreamResponse) -> Json:
    """The answer as one object."""
    message: Json = {"role": "assistant", "content": response.text}
    if response.thinking:
        message["thinking"] = response.thinking
    if response.tool_calls:
        message["tool_calls"] = [
            _call(index, call.id, call.name, dict(call.arguments))
            for index, call in enumerate(response.tool_calls)
        ]
    head = {"model": asked.model, "created_at": EPOCH, "message": message}
    return head | _end(response.finish_reason, response.usage)


def error_body(failure: Failure) -> Json:
    return {"error": failure.message}


def embeddings(asked: Asked) -> Json:
    """`/api/embed`, of one text or of several."""
    given: Any = asked.body.get("input", "")
    texts = cast("list[object]", given) if isinstance(given, list) else [given]
    return {
        "model": asked.model,
        "embeddings": [
            vector(str(text), asked.body.get("dimensions") or DIMENSIONS) for text in texts
        ],
        "total_duration": 1,
        "load_duration": 0,
        "prompt_eval_count": sum(len(str(text).split()) for text in texts),
    }


def task(path: str, body: dict[str, Any]) -> Task | None:
    """`/api/chat` and `/api/embed`."""
    if path == "/api/chat":
        return Task.WHOLE if body.get("stream") is False else Task.STREAM
    return Task.EMBED if path == "/api/embed" else None


OLLAMA: Final = Wire(
    name=NAME,
    root="",
    content_type="application/x-ndjson",
    request_id=None,
    finish_reasons=REASONS,
    task=task,
    rendering=ChatLines,
    whole=whole,
    error_body=error_body,
    refusal=refusal,
    embeddings=embeddings,
    whole_calls=True,
)
