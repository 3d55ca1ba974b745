"""What a model answers: chunks, and the response that they add up to.

Times are given, never read: the shell that has a clock passes it in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Generic, cast

import attrs

from actors._value import V_co

from ._turns import AssistantTurn, FinishReason, Opaque, Text, Thinking, ToolCall, Usage

NO_METADATA: Final[Mapping[str, Any]] = {}


@attrs.frozen
class ToolCallDelta:
    """A piece of a tool call. Pieces with the same `index` belong together."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    signature: str | None = None


@attrs.frozen
class StreamChunk:
    """One piece of a model's answer, in the order in which it arrived.

    Where one chunk brings several things, they were said in the order thinking, text, what
    is opaque, tool calls.

    Attributes:
        content: New text, "" where the chunk brings something else.
        index: Position in the stream, from 0.
        finish_reason: Set in the chunk that says why the model stopped.
        metadata: The provider's own facts, never needed to follow the stream; a list goes on
            the one of the same name before it, anything else replaces it.
        timestamp: When its bytes arrived, in seconds since the epoch.
        is_final: True for exactly the last chunk of a complete stream.
        thinking: New reasoning text.
        signature: What seals the text of this chunk, or else the thinking up to here, to be
            sent back unchanged.
        tool_calls: Pieces of tool calls.
        opaque: What the provider wants back as it came.
        usage: The provider's latest count, replacing the one before.
        raw_finish_reason: The provider's own word for `finish_reason`.
    """

    content: str = ""
    index: int = 0
    finish_reason: FinishReason | None = None
    metadata: Mapping[str, Any] = NO_METADATA
    timestamp: float = 0.0
    is_final: bool = False
    thinking: str = ""
    signature: str | None = None
    tool_calls: tuple[ToolCallDelta, ...] = ()
    usage: Usage | None = None
    raw_finish_reason: str | None = None
    opaque: tuple[Opaque, ...] = ()


class StreamResponse(Generic[V_co]):
    """All of an answer so far; readable at any time and after any ending.

    `duration` and `time_to_first_chunk` are seconds from `started_at` (seconds since the
    epoch) to the last and the first chunk; None before there is one. `value` is what the answer
    was read as, where an agent was asked for a class; else None.
    """

    def __init__(self, started_at: float = 0.0) -> None:
        self.started_at = started_at
        self.chunks: list[StreamChunk] = []
        self.usage = Usage()
        self.finish_reason: FinishReason | None = None
        self.raw_finish_reason: str | None = None
        self.metadata: dict[str, Any] = {}
        self.is_complete = False
        self.value: V_co = cast("V_co", None)
        self._parts: list[_Writing | _PartialCall | Opaque] = []
        self._writing: _Writing | None = None  # the last of the parts, while more can join it
        self._calls: dict[int, _PartialCall] = {}

    def add(self, chunk: StreamChunk) -> None:
        """Take in the next chunk."""
        self.chunks.append(chunk)
        if chunk.thinking:
            self._write(Thinking, chunk.thinking)
        if chunk.content:
            self._write(Text, chunk.content)
        if chunk.signature is not None:
            self._seal(Text if chunk.content else Thinking, chunk.signature)
        for item in chunk.opaque:
            self._parts.append(item)
            self._writing = None
        for delta in chunk.tool_calls:
            self._call(delta)
        for name, value in chunk.metadata.items():
            before = self.metadata.get(name)
            self.metadata[name] = _joined(before, value)
        self._note_end(chunk)

    def _write(self, kind: type[Text | Thinking], text: str) -> None:
        writing = self._writing
        if writing is None or writing.kind is not kind:
            writing = self._writing = _Writing(kind)
            self._parts.append(writing)
        writing.pieces.append(text)

    def _seal(self, kind: type[Text | Thinking], signature: str) -> None:
        """Nothing joins a part that is sealed, whatever comes next."""
        self._write(kind, "")
        assert self._writing is not None
        self._writing.signature = signature
        self._writing = None

    def _call(self, delta: ToolCallDelta) -> None:
        call = self._calls.get(delta.index)
        if call is None:
            call = self._calls[delta.index] = _PartialCall(delta.index)
            self._parts.append(call)
            self._writing = None
        call.add(delta)

    def _note_end(self, chunk: StreamChunk) -> None:
        if chunk.usage is not None:
            self.usage = chunk.usage
        if chunk.finish_reason is not None:
            self.finish_reason = chunk.finish_reason
            self.raw_finish_reason = chunk.raw_finish_reason
        if chunk.is_final:
            self.is_complete = True

    @property
    def text(self) -> str:
        return self._written(Text)

    @property
    def thinking(self) -> str:
        return self._written(Thinking)

    def _written(self, kind: type[Text | Thinking]) -> str:
        parts = (part for part in self._parts if isinstance(part, _Writing) and part.kind is kind)
        return "".join(piece for part in parts for piece in part.pieces)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(self._calls[index].finish() for index in sorted(self._calls))

    @property
    def chunk_count(self) -> int:
        return len(self.chunks)

    @property
    def duration(self) -> float | None:
        return self.chunks[-1].timestamp - self.started_at if self.chunks else None

    @property
    def time_to_first_chunk(self) -> float | None:
        return self.chunks[0].timestamp - self.started_at if self.chunks else None

    @property
    def turn(self) -> AssistantTurn:
        """The answer as a turn of the history, its parts in the order in which they began."""
        parts = (part if isinstance(part, Opaque) else part.finish() for part in self._parts)
        return AssistantTurn(tuple(parts), str(self.metadata.get("wire", "")))

    def __repr__(self) -> str:
        return (
            f"<StreamResponse {len(self.text)} characters, {len(self._calls)} tool calls, "
            f"{self.chunk_count} chunks, "
            f"{self.finish_reason.value if self.finish_reason else 'unfinished'}>"
        )


def _joined(before: object, value: object) -> object:
    if isinstance(before, list) and isinstance(value, list):
        return cast("list[object]", before) + cast("list[object]", value)
    return value


class _Writing:
    """A text or a thinking while its pieces arrive."""

    def __init__(self, kind: type[Text | Thinking]) -> None:
        self.kind = kind
        self.pieces: list[str] = []
        self.signature: str | None = None

    def finish(self) -> Text | Thinking:
        return self.kind("".join(self.pieces), self.signature)


class _PartialCall:
    """A tool call while its pieces arrive."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._id = ""
        self._name = ""
        self._arguments: list[str] = []
        self._signature: str | None = None

    def add(self, delta: ToolCallDelta) -> None:
        self._id = self._id or delta.id
        self._name = self._name or delta.name
        self._signature = self._signature or delta.signature
        if delta.arguments:
            self._arguments.append(delta.arguments)

    def finish(self) -> ToolCall:
        text = "".join(self._arguments)
        arguments, error = parse_arguments(text)
        id = self._id or f"call_{self._index}"
        return ToolCall(id, self._name, arguments, text, error, self._signature)


def parse_arguments(text: str) -> tuple[dict[str, Any], str | None]:
    """Read a tool call's arguments; nothing at all means none.

    Returns:
        The arguments and None, or an empty dict and what is wrong with the text.
    """
    if not text.strip():
        return {}, None
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        return {}, f"the arguments are not valid JSON: {error}"
    if not isinstance(value, dict):
        return {}, f"the arguments must be a JSON object, not {type(value).__name__}"
    return cast("dict[str, Any]", value), None
