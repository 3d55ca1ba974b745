"""OpenAI Responses, as the server speaks it. Pure.

Source: OpenAI's API reference, streaming events. Every event is numbered; an item is added,
filled by deltas, and done; the last event repeats the whole response.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from actors.chat import FinishReason, Opaque, StreamChunk, StreamResponse, Text, Thinking, Usage

from ._openai import embeddings, error_body, error_of, responses_usage
from ._strict_openai_responses import refusal
from ._wire import (
    COMMENT,
    EVENT_STREAM,
    Asked,
    Failure,
    Frame,
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

    from actors.chat import Part, ToolCallDelta

NAME: Final = "openai-responses"
REFUSED: Final = "I can't help with that."
REASONS: Final = {
    FinishReason.STOP: "completed",
    FinishReason.TOOL_CALLS: "completed",
    FinishReason.REFUSAL: "completed",
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.OTHER: "other",
}


class ResponsesRendering:
    """See `Rendering`. At most one message or reasoning is open; calls may be open together."""

    ping = COMMENT

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._numbers = itertools.count()
        self._items: list[Json] = []
        self._writing: _Writing | None = None
        self._calls: dict[int, int] = {}  # slot -> output index, while open
        self._begun = False

    def chunk(self, chunk: StreamChunk) -> Iterator[Frame]:
        yield from self._begin()
        if chunk.thinking:
            yield from self._write(_REASONING, chunk.thinking)
        if chunk.content:
            yield from self._write(_MESSAGE, chunk.content)
        if chunk.signature is not None:
            yield from self._seal(chunk.signature)
        for item in said_on(NAME, chunk.opaque):
            yield from self._close()
            yield from self._whole_item(item)
        for delta in chunk.tool_calls:
            yield from self._call(delta)
        if chunk.is_final:
            yield from self._end(chunk)

    def _begin(self) -> Iterator[Frame]:
        if not self._begun:
            self._begun = True
            for name in ("response.created", "response.in_progress"):
                snapshot = _snapshot(self._asked, [], "in_progress")
                yield self._event(name, Kind.OPENING, response=snapshot)

    def _write(self, kind: _Kind, text: str) -> Iterator[Frame]:
        if self._writing is None or self._writing.kind is not kind:
            yield from self._close()
            item = kind.item(self._asked.number, len(self._items), "", done=False)
            self._writing = _Writing(kind, len(self._items), item["id"])
            yield self._add(item)
            part = {"item_id": item["id"], **self._writing.place, "part": kind.part("")}
            yield self._event(f"{kind.part_event}.added", Kind.OPENING, **part)
        self._writing.text += text
        where = {"item_id": self._writing.id, **self._writing.place}
        yield self._event(f"{kind.text_event}.delta", Kind.CONTENT, **where, delta=text)

    def _seal(self, signature: str) -> Iterator[Frame]:
        """Reasoning is sealed by `encrypted_content`; text is not sealed on this wire."""
        if self._writing is not None and self._writing.kind is _MESSAGE:
            return
        if self._writing is None:
            yield from self._write(_REASONING, "")
        assert self._writing is not None
        self._writing.signature = signature
        yield from self._close()

    def _call(self, delta: ToolCallDelta) -> Iterator[Frame]:
        if delta.index not in self._calls:
            yield from self._close_writing()
            self._calls[delta.index] = len(self._items)
            yield self._add(_call_item(delta.id, delta.name, "", done=False), Kind.CONTENT)
        index = self._calls[delta.index]
        if delta.arguments:
            item = self._items[index]
            item["arguments"] += delta.arguments
            where = {"item_id": item["id"], "output_index": index}
            name = "response.function_call_arguments.delta"
            yield self._event(name, Kind.CONTENT, **where, delta=delta.arguments)

    def _close(self) -> Iterator[Frame]:
        yield from self._close_writing()
        for index in self._calls.values():
            item = self._items[index]
            where = {"item_id": item["id"], "output_index": index}
            name = "response.function_call_arguments.done"
            yield self._event(name, Kind.CLOSING, **where, arguments=item["arguments"])
            yield self._done(index, _call_item(item["call_id"], item["name"], item["arguments"]))
        self._calls.clear()

    def _close_writing(self) -> Iterator[Frame]:
        writing, self._writing = self._writing, None
        if writing is None:
            return
        kind, where = writing.kind, {"item_id": writing.id, **writing.place}
        said = {kind.field: writing.text}
        yield self._event(f"{kind.text_event}.done", Kind.CLOSING, **where, **said)
        part = kind.part(writing.text)
        yield self._event(f"{kind.part_event}.done", Kind.CLOSING, **where, part=part)
        item = kind.item(self._asked.number, writing.index, writing.text, writing.signature)
        yield self._done(writing.index, item)

    def _whole_item(self, item: Json) -> Iterator[Frame]:
        yield self._add(item, Kind.CONTENT)
        yield self._done(len(self._items) - 1, item)

    def _end(self, chunk: StreamChunk) -> Iterator[Frame]:
        if chunk.finish_reason is FinishReason.REFUSAL:
            yield from self._write(_REFUSAL, REFUSED)
        yield from self._close()
        status, details = _status(chunk.finish_reason)
        snapshot = _snapshot(self._asked, self._items, status, usage=chunk.usage or Usage())
        snapshot |= {"incomplete_details": details}
        yield self._event(f"response.{status}", Kind.CLOSING, response=snapshot)

    def flush(self) -> Iterator[Frame]:
        return iter(())

    def failure(self, failure: Failure) -> Iterator[Frame]:
        yield from self._begin()
        error = error_of(failure)
        yield self._event("error", Kind.CLOSING, error=error)
        snapshot = _snapshot(self._asked, self._items, "failed")
        code = failure.code or error["code"] or "server_error"
        snapshot["error"] = {"code": code, "message": failure.message}
        yield self._event("response.failed", Kind.CLOSING, response=snapshot)

    def _add(self, item: Json, kind: Kind = Kind.OPENING) -> Frame:
        self._items.append(item)
        index = len(self._items) - 1
        return self._event("response.output_item.added", kind, output_index=index, item=item)

    def _done(self, index: int, item: Json) -> Frame:
        self._items[index] = item
        name = "response.output_item.done"
        return self._event(name, Kind.CLOSING, output_index=index, item=item)

    def _event(self, name: str, kind: Kind, **fields: Any) -> Frame:
        data = {"type": name, "sequence_number": next(self._numbers), **fields}
        return Frame(event(data, name), kind)


class _Kind:
    """A kind of item that is written piece by piece."""

    def __init__(self, *, type: str, part: str, prefix: str, field: str, place: str) -> None:
        self.type = type
        self.part_type = part
        self.part_event = f"response.{prefix}_part"
        self.text_event = f"response.{part}" if type == "message" else f"response.{prefix}_text"
        self.field = field
        self.place = place

    def part(self, text: str) -> Json:
        part: Json = {"type": self.part_type, self.field: text}
        return part | {"annotations": [], "logprobs": []} if part["type"] == "output_text" else part

    def item(
        self, number: int, index: int, text: str, signature: str | None = None, *, done: bool = True
    ) -> Json:
        parts = [self.part(text)] if done and text else []
        if self.type == "reasoning":
            item = {"id": f"rs_{number}_{index}", "type": "reasoning", "summary": parts}
            return item | ({"encrypted_content": signature} if signature is not None else {})
        return {
            "id": f"msg_{number}_{index}",
            "type": "message",
            "status": "completed" if done else "in_progress",
            "role": "assistant",
            "content": parts,
        }


_REASONING: Final = _Kind(
    type="reasoning",
    part="summary_text",
    prefix="reasoning_summary",
    field="text",
    place="summary_index",
)
_MESSAGE: Final = _Kind(
    type="message", part="output_text", prefix="content", field="text", place="content_index"
)
_REFUSAL: Final = _Kind(
    type="message", part="refusal", prefix="content", field="refusal", place="content_index"
)


class _Writing:
    """An item while it is written."""

    def __init__(self, kind: _Kind, index: int, id: str) -> None:
        self.kind = kind
        self.index = index
        self.id = id
        self.text = ""
        self.signature: str | None = None
        self.place = {"output_index": index, kind.place: 0}


def _call_item(call_id: str, name: str, arguments: str, *, done: bool = True) -> Json:
    return {
        "id": f"fc_{call_id}",
        "type": "function_call",
        "status": "completed" if done else "in_progress",
        "arguments": arguments,
        "call_id": call_id,
        "name": name,
    }


def _status(reason: FinishReason | None) -> tuple[str, Json | None]:
    said = word(reason, REASONS)
    return ("completed", None) if said == "completed" else ("incomplete", {"reason": said})


def _snapshot(asked: Asked, output: list[Json], status: str, usage: Usage | None = None) -> Json:
    return {
        "id": f"resp_{asked.number}",
        "object": "response",
        "created_at": 0,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.body.get("instructions"),
        "model": asked.model,
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": asked.body.get("tools") or [],
        "temperature": 1.0,
        "top_p": 1.0,
        "metadata": {},
        "usage": None if usage is None else responses_usage(usage),
    }


def whole(asked: Asked, response: StreamResponse) -> Json:
    """The answer as one `response`."""
    items: list[Json] = []
    for part in response.turn.parts:
        items += _items_of(part, asked.number, len(items))
    if response.finish_reason is FinishReason.REFUSAL:
        items.append(_REFUSAL.item(asked.number, len(items), REFUSED))
    status, details = _status(response.finish_reason)
    snapshot = _snapshot(asked, items, status, response.usage)
    return snapshot | {"incomplete_details": details}


def _items_of(part: Part, number: int, index: int) -> list[Json]:
    match part:
        case Thinking(text, signature):
            return [_REASONING.item(number, index, text, signature)]
        case Text(text):
            return [_MESSAGE.item(number, index, text)]
        case Opaque(wire, data):
            return [dict(data)] if wire == NAME else []
        case _:
            return [_call_item(part.id, part.name, part.arguments_text)]


def task(path: str, body: dict[str, Any]) -> Task | None:
    """`/v1/responses` and `/v1/embeddings`."""
    if path == "/v1/responses":
        return Task.STREAM if body.get("stream") else Task.WHOLE
    return Task.EMBED if path == "/v1/embeddings" else None


OPENAI_RESPONSES: Final = Wire(
    name=NAME,
    root="/v1",
    content_type=EVENT_STREAM,
    request_id="x-request-id",
    finish_reasons=REASONS,
    task=task,
    rendering=ResponsesRendering,
    whole=whole,
    error_body=error_body,
    refusal=refusal,
    embeddings=embeddings,
)
