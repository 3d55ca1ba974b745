"""What the fake OpenAI server answers: scripts as bytes of the wire. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.chat import Request, StreamChunk, ToolCallDelta, user
from actors.providers import Fail, Happening, Pause, Script, Step, play, script

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT_STREAM = "text/event-stream"
JSON = "application/json"


@attrs.frozen
class Answer:
    """One answer of the fake server.

    Attributes:
        script: What the model says, and what goes wrong on the way.
        status: The HTTP status.
        headers: Beside the content type.
        content_type: Of the body.
        body: Served to the letter instead of the script.
        split: Write so many bytes at a time; None for an event at a time.
        slow: Seconds to wait between two writes.
        head_after: Seconds until the head of the answer is sent.
    """

    script: Script = attrs.field(factory=script)
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = EVENT_STREAM
    body: bytes | None = None
    split: int | None = None
    slow: float = 0.0
    head_after: float = 0.0


def answer(*steps: Step | str, split: int | None = None, slow: float = 0.0) -> Answer:
    """A streamed answer: `answer(say("Hello", pieces=3), truncate(), split=1)`."""
    return Answer(script(*steps), split=split, slow=slow)


def error(status: int, message: str = "no", **headers: str) -> Answer:
    """An error instead of an answer; `retry_after="2"` becomes the header Retry-After."""
    body = msgspec.json.encode({"error": {"message": message, "type": "error", "code": None}})
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status=status, headers=named, content_type=JSON, body=body)


def raw(body: bytes, *, content_type: str = EVENT_STREAM, split: int | None = None) -> Answer:
    """A body to the letter, for instance one that was recorded."""
    return Answer(body=body, content_type=content_type, split=split)


def frames(given: Answer, request: dict[str, Any], number: int) -> Iterator[bytes | Happening]:
    """The body of one answer, in writes, with what happens between them.

    Args:
        given: The answer.
        request: The JSON of the request.
        number: Of the request, from 0.
    """
    for frame in _whole_frames(given, request, number):
        if isinstance(frame, bytes) and given.split is not None:
            size = given.split
            yield from (frame[start : start + size] for start in range(0, len(frame), size))
        else:
            yield frame


def _whole_frames(
    given: Answer, request: dict[str, Any], number: int
) -> Iterator[bytes | Happening]:
    if given.body is not None:
        yield given.body
        return
    messages: list[dict[str, Any]] = request.get("messages", [])
    asked = Request(tuple(user(str(m.get("content"))) for m in messages if m.get("role") == "user"))
    envelope = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": request.get("model"),
    }
    for item in play(given.script, asked, number):
        if isinstance(item, StreamChunk):
            yield from _events(item, envelope)
        elif isinstance(item, Fail):
            details = {"message": str(item.error), "code": item.error.status}
            yield _event({"error": details})
            return
        else:
            yield item
            if not isinstance(item, Pause):
                return


def _events(chunk: StreamChunk, envelope: dict[str, Any]) -> Iterator[bytes]:
    delta: dict[str, Any] = {"content": chunk.content} if chunk.content else {}
    if chunk.thinking:
        delta["reasoning_content"] = chunk.thinking
    if chunk.tool_calls:
        delta["tool_calls"] = [_call(piece) for piece in chunk.tool_calls]
    choice = {"index": 0, "delta": delta, "finish_reason": chunk.raw_finish_reason}
    yield _event(envelope | {"choices": [choice]})
    if chunk.usage is not None:
        usage = {
            "prompt_tokens": chunk.usage.input_tokens,
            "completion_tokens": chunk.usage.output_tokens,
            "total_tokens": chunk.usage.total_tokens,
            "prompt_tokens_details": {"cached_tokens": chunk.usage.cache_read_tokens},
            "completion_tokens_details": {"reasoning_tokens": chunk.usage.reasoning_tokens},
        }
        yield _event(envelope | {"choices": [], "usage": usage})
    if chunk.is_final:
        yield b"data: [DONE]\n\n"


def _call(piece: ToolCallDelta) -> dict[str, Any]:
    if piece.id:
        function = {"name": piece.name, "arguments": piece.arguments}
        return {"index": piece.index, "id": piece.id, "type": "function", "function": function}
    return {"index": piece.index, "function": {"arguments": piece.arguments}}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
