"""Anthropic Messages, as the server speaks it. Pure.

Source: Anthropic's documentation of streaming messages. Blocks come one after the other, so
calls are told one by one, also where a script has their pieces in turn. Thinking is always
sealed: a script that gives no signature gets one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.chat import FinishReason, Opaque, StreamChunk, StreamResponse, Text, Thinking, Usage

from ._strict_anthropic import refusal
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
    event,
    said_on,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.chat import Part

NAME: Final = "anthropic"
SEAL: Final = "c2VhbGVkIGJ5IGEgZmFrZQ=="
REASONS: Final = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.REFUSAL: "refusal",
    FinishReason.PAUSE: "pause_turn",
    FinishReason.OTHER: "other",
}
KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
SERVER_ERROR: Final = 500
PING: Final = event({"type": "ping"}, "ping")


class MessagesRendering:
    """See `Rendering`."""

    ping = PING

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._held = HeldCalls()
        self._blocks = 0
        self._open: str | None = None  # the type of the block that is open
        self._begun = False

    def chunk(self, chunk: StreamChunk) -> Iterator[Frame]:
        yield from self._begin()
        if not chunk.tool_calls:
            yield from self._calls()
        if chunk.thinking:
            yield from self._start("thinking", {"thinking": "", "signature": ""})
            yield self._delta("thinking_delta", Kind.CONTENT, thinking=chunk.thinking)
        if chunk.content:
            yield from self._start("text", {"text": ""})
            yield self._delta("text_delta", Kind.CONTENT, text=chunk.content)
        if chunk.signature is not None and self._open != "text":
            yield from self._start("thinking", {"thinking": "", "signature": ""})
            yield from self._stop(chunk.signature)
        for data in said_on(NAME, chunk.opaque):
            yield from self._start(str(data.pop("type")), data, Kind.CONTENT, again=True)
        self._held.add(chunk.tool_calls)
        if chunk.is_final:
            yield from self._end(chunk)

    def _begin(self) -> Iterator[Frame]:
        if self._begun:
            return
        self._begun = True
        message = _message(self._asked, [], None, _usage(self._asked.usage, output=1))
        yield self._event("message_start", Kind.OPENING, message=message)

    def _start(
        self, type: str, block: Json, kind: Kind = Kind.OPENING, *, again: bool = False
    ) -> Iterator[Frame]:
        if self._open == type and not again:
            return
        yield from self._stop()
        self._open = type
        data = {"type": type, **block}
        yield self._event("content_block_start", kind, index=self._blocks, content_block=data)
        if self._blocks == 0:
            yield Frame(PING, Kind.OPENING)

    def _stop(self, signature: str | None = None) -> Iterator[Frame]:
        kind, self._open = self._open, None
        if kind is None:
            return
        if kind == "thinking":
            yield self._delta("signature_delta", Kind.CLOSING, signature=signature or SEAL)
        yield self._event("content_block_stop", Kind.CLOSING, index=self._blocks)
        self._blocks += 1

    def _calls(self) -> Iterator[Frame]:
        for first, *rest in self._held.take():
            block: Json = {"id": first.id, "name": first.name, "input": {}}
            yield from self._start("tool_use", block, Kind.CONTENT, again=True)
            yield self._delta("input_json_delta", Kind.OPENING, partial_json="")
            for piece in rest:
                yield self._delta("input_json_delta", Kind.CONTENT, partial_json=piece.arguments)
            yield from self._stop()

    def _end(self, chunk: StreamChunk) -> Iterator[Frame]:
        yield from self._calls()
        yield from self._stop()
        delta = {"stop_reason": word(chunk.finish_reason, REASONS), "stop_sequence": None}
        usage = _usage(chunk.usage or Usage())
        yield self._event("message_delta", Kind.CLOSING, delta=delta, usage=usage)
        yield self._event("message_stop", Kind.CLOSING)

    def flush(self) -> Iterator[Frame]:
        return self._calls()

    def failure(self, failure: Failure) -> Iterator[Frame]:
        yield Frame(event({"type": "error", "error": _error(failure)}, "error"), Kind.CLOSING)

    def _delta(self, type: str, kind: Kind, **fields: Any) -> Frame:
        delta = {"type": type, **fields}
        return self._event("content_block_delta", kind, index=self._blocks, delta=delta)

    def _event(self, name: str, kind: Kind, **fields: Any) -> Frame:
        return Frame(event({"type": name, **fields}, name), kind)


def _message(asked: Asked, content: list[Json], reason: str | None, usage: Json) -> Json:
    return {
        "id": f"msg_{asked.number}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def _usage(usage: Usage, output: int | None = None) -> Json:
    """Anthropic's input tokens are those that no cache had a part in."""
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    counted: Json = {
        "input_tokens": max(usage.input_tokens - cached, 0),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens if output is None else output,
    }
    if usage.reasoning_tokens and output is None:
        counted["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return counted


def whole(asked: Asked, response: StreamResponse) -> Json:
    """The answer as one message."""
    content = [block for part in response.turn.parts for block in _blocks(part)]
    reason = word(response.finish_reason, REASONS)
    return _message(asked, content, reason, _usage(response.usage))


def _blocks(part: Part) -> list[Json]:
    match part:
        case Thinking(text, signature):
            return [{"type": "thinking", "thinking": text, "signature": signature or SEAL}]
        case Text(text):
            return [{"type": "text", "text": text}]
        case Opaque(wire, data):
            return [dict(data)] if wire == NAME else []
        case _:
            call = {"type": "tool_use", "id": part.id, "name": part.name}
            return [call | {"input": dict(part.arguments)}]


def _error(failure: Failure) -> Json:
    usual = "api_error" if failure.status >= SERVER_ERROR else "invalid_request_error"
    kind = failure.code or KINDS.get(failure.status, usual)
    return {"type": kind, "message": failure.message}


def error_body(failure: Failure) -> Json:
    return {"type": "error", "error": _error(failure), "request_id": "req_fake"}


def task(path: str, body: dict[str, Any]) -> Task | None:
    """`/v1/messages`. Anthropic has no embeddings."""
    if path != "/v1/messages":
        return None
    return Task.STREAM if body.get("stream") else Task.WHOLE


ANTHROPIC: Final = Wire(
    name=NAME,
    root="",
    content_type=EVENT_STREAM + "; charset=utf-8",
    request_id="request-id",
    finish_reasons=REASONS,
    task=task,
    rendering=MessagesRendering,
    whole=whole,
    error_body=error_body,
    refusal=refusal,
)
