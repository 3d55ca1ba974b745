"""OpenAI Chat Completions, as the server speaks it. Pure.

Source: OpenAI's API reference, `chat.completion.chunk`. Reasoning comes as `reasoning_content`,
the field of the compatible servers: OpenAI itself does not show it here. What this wire cannot
say: signatures, opaque parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.chat import FinishReason, StreamChunk, StreamResponse

from ._json import object_of
from ._openai import chat_usage, embeddings, error_body, error_of
from ._strict_openai_chat import refusal
from ._wire import COMMENT, EVENT_STREAM, Asked, Failure, Frame, Json, Kind, Task, Wire, event, word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.chat import ToolCallDelta

NAME: Final = "openai-chat"
REFUSED: Final = "I can't help with that."
REASONS: Final = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.REFUSAL: "stop",
    FinishReason.OTHER: "other",
}
DONE: Final = Frame(b"data: [DONE]\n\n", Kind.CLOSING)


class ChatRendering:
    """See `Rendering`."""

    ping = COMMENT

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._envelope = {
            "id": f"chatcmpl-{asked.number}",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": asked.model,
        }
        self._role: Json = {"role": "assistant"}  # in the first delta only

    def chunk(self, chunk: StreamChunk) -> Iterator[Frame]:
        if chunk.is_final:
            yield from self._end(chunk)
        elif delta := _delta(chunk):
            yield self._choice(self._role | delta, None, Kind.CONTENT)
            self._role = {}

    def _end(self, chunk: StreamChunk) -> Iterator[Frame]:
        if chunk.finish_reason is FinishReason.REFUSAL:
            yield self._choice(self._role | {"refusal": REFUSED}, None, Kind.CONTENT)
        yield self._choice({}, word(chunk.finish_reason, REASONS), Kind.CLOSING)
        if chunk.usage is not None and self._counts:
            counted: Json = {"choices": [], "usage": chat_usage(chunk.usage)}
            yield Frame(event(self._envelope | counted), Kind.CLOSING)
        yield DONE

    @property
    def _counts(self) -> bool:
        """OpenAI counts a streamed answer only where `stream_options` asks for it."""
        options = object_of(self._asked.body.get("stream_options"))
        return not self._asked.strict or bool(options.get("include_usage"))

    def _choice(self, delta: Json, reason: str | None, kind: Kind) -> Frame:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return Frame(event(self._envelope | {"choices": [choice]}), kind)

    def flush(self) -> Iterator[Frame]:
        return iter(())

    def failure(self, failure: Failure) -> Iterator[Frame]:
        error = error_of(failure) | {"code": failure.code or failure.status}
        yield Frame(event({"error": error}), Kind.CLOSING)


def _delta(chunk: StreamChunk) -> Json:
    delta: Json = {}
    if chunk.content:
        delta["content"] = chunk.content
    if chunk.thinking:
        delta["reasoning_content"] = chunk.thinking
    if chunk.tool_calls:
        delta["tool_calls"] = [_call(piece) for piece in chunk.tool_calls]
    return delta


def _call(piece: ToolCallDelta) -> Json:
    if piece.id:
        function = {"name": piece.name, "arguments": piece.arguments}
        return {"index": piece.index, "id": piece.id, "type": "function", "function": function}
    return {"index": piece.index, "function": {"arguments": piece.arguments}}


def whole(asked: Asked, response: StreamResponse) -> Json:
    """The answer as one `chat.completion`."""
    refused = response.finish_reason is FinishReason.REFUSAL
    message: Json = {
        "role": "assistant",
        "content": response.text or None,
        "refusal": REFUSED if refused else None,
    }
    if response.thinking:
        message["reasoning_content"] = response.thinking
    if response.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments_text},
            }
            for call in response.tool_calls
        ]
    reason = word(response.finish_reason, REASONS)
    return {
        "id": f"chatcmpl-{asked.number}",
        "object": "chat.completion",
        "created": 0,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": chat_usage(response.usage),
    }


def task(path: str, body: dict[str, Any]) -> Task | None:
    """`/v1/chat/completions` and `/v1/embeddings`."""
    if path == "/v1/chat/completions":
        return Task.STREAM if body.get("stream") else Task.WHOLE
    return Task.EMBED if path == "/v1/embeddings" else None


OPENAI_CHAT: Final = Wire(
    name=NAME,
    root="/v1",
    content_type=EVENT_STREAM,
    request_id="x-request-id",
    finish_reasons=REASONS,
    task=task,
    rendering=ChatRendering,
    whole=whole,
    error_body=error_body,
    refusal=refusal,
    embeddings=embeddings,
)
