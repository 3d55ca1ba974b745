"""One answer of Anthropic Messages, added up from its events. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from actors.chat import FinishReason, StreamChunk, Usage
from actors.errors import ProviderProtocolError
from actors.providers.codecs._decoding import excerpt
from actors.providers.codecs._faults import error_in_stream
from actors.providers.codecs._values import mapping, mappings

from ._blocks import Block, CallBlock, block_for, block_of
from ._wire import (
    FINISH_REASONS,
    WIRE,
    BlockDelta,
    Fields,
    read_delta,
    read_fields,
    read_json,
    read_usage,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.errors import ProviderError
    from actors.providers.codecs._framing import WireEvent

_READ_APART: Final = frozenset({"type", "role", "content", "stop_reason", "usage", "delta"})


class MessagesAnswer:
    """Turns events into chunks; see `Answer` for the contract.

    Text, thinking and calls go out piece by piece, every other block whole, at its end. What
    the beginning says of tokens goes out with the first chunk: an answer that is cut was counted.
    """

    may_end: bool = False

    def __init__(self) -> None:
        self.complete = False
        self.failure: ProviderError | None = None
        self._count = 0
        self._blocks: dict[int, Block] = {}  # those that have begun and not ended
        self._calls = 0
        self._stop_reason: str | None = None  # the provider's own word
        self._tokens: Fields = {}  # the provider's numbers, a later one over an earlier one
        self._usage: Usage | None = None
        self._metadata: Fields = {"wire": WIRE}
        self._has_news = True  # usage and metadata that go out with the next chunk, once
        self._readers: Mapping[str, Callable[[Fields], list[StreamChunk | None]]] = {
            "message_start": self._on_message_start,
            "content_block_start": self._on_block_start,
            "content_block_delta": self._on_block_delta,
            "content_block_stop": self._on_block_stop,
            "message_delta": self._on_message_delta,
            "message_stop": self._on_message_stop,
        }

    def take(self, event: WireEvent, now: float) -> Sequence[StreamChunk]:
        """See `Answer.take`."""
        piece = read_delta(event.data)
        if piece is None:
            return self._sent(self._take(read_fields(event.data), event.name), now)
        if (chunk := self._usual(piece, now)) is not None:
            return (chunk,)
        return self._sent([self._add(piece.index, msgspec.to_builtins(piece.delta))], now)

    def whole(self, body: bytes, now: float) -> Sequence[StreamChunk]:
        """See `Answer.whole`."""
        fields = mapping(read_json(body))
        if error := fields.get("error"):
            self.failure = error_in_stream(error, fields)
            return ()
        if not isinstance(fields.get("content"), list):
            raise ProviderProtocolError(f"the answer is no message: {excerpt(body)}")
        return self._sent(self._message(fields), now)

    def final(self, now: float) -> StreamChunk:
        """See `Answer.final`."""
        return StreamChunk(
            index=self._count,
            finish_reason=self._reason(),
            metadata=self._metadata,
            timestamp=now,
            is_final=True,
            usage=self._usage,
            raw_finish_reason=self._stop_reason,
        )

    def _usual(self, piece: BlockDelta, now: float) -> StreamChunk | None:
        """The chunk for nearly every event there is; None where there is more to do."""
        delta = piece.delta
        text, kind = delta.text, delta.kind
        block = self._blocks.get(piece.index)
        if self._has_news or not text or block is None or block.kind != kind:
            return None
        index = self._count
        self._count = index + 1
        if kind == "text":
            return StreamChunk(text, index, timestamp=now)
        if isinstance(block, CallBlock):
            calls = (block.add_arguments(text),)
            return StreamChunk("", index, timestamp=now, tool_calls=calls)
        return StreamChunk("", index, timestamp=now, thinking=text)

    def _sent(self, chunks: list[StreamChunk | None], now: float) -> list[StreamChunk]:
        """Number and date what there is to send, and give it the news."""
        return [self._dated(chunk, now) for chunk in chunks if chunk is not None]

    def _dated(self, chunk: StreamChunk, now: float) -> StreamChunk:
        metadata = {**self._metadata, **chunk.metadata}
        usage = self._usage if self._has_news else None
        self._metadata, self._has_news = {}, False
        index = self._count
        self._count = index + 1
        return StreamChunk(
            chunk.content,
            index,
            chunk.finish_reason,
            metadata,
            now,
            thinking=chunk.thinking,
            signature=chunk.signature,
            tool_calls=chunk.tool_calls,
            usage=usage,
            raw_finish_reason=chunk.raw_finish_reason,
            opaque=chunk.opaque,
        )

    def _take(self, fields: Fields, name: str) -> list[StreamChunk | None]:
        """Read an event that is not one of the usual; what is unknown is passed over."""
        kind = text_of(fields.get("type")) or name
        error = fields.get("error")
        if error or kind == "error":
            self.failure = error_in_stream(error or fields, fields)
            return []
        reader = self._readers.get(kind)
        return reader(fields) if reader is not None else []

    def _on_message_start(self, fields: Fields) -> list[StreamChunk | None]:
        return self._message(mapping(fields.get("message")))

    def _message(self, message: Fields) -> list[StreamChunk | None]:
        """A whole message, or the beginning of one, which may hold whole blocks already."""
        self._note(message, message.get("usage"))
        chunks: list[StreamChunk | None] = []
        for index, block in enumerate(mappings(message.get("content"))):
            chunks.append(self._begin(index, block))
            chunks.append(self._blocks.pop(index).end())
        return chunks

    def _on_block_start(self, fields: Fields) -> list[StreamChunk | None]:
        index = _index(fields)
        before = self._blocks.pop(index, None)
        ended = before.end() if before is not None else None
        return [ended, self._begin(index, mapping(fields.get("content_block")))]

    def _begin(self, index: int, fields: Fields) -> StreamChunk | None:
        block = self._blocks[index] = block_of(fields, self._calls)
        self._calls += isinstance(block, CallBlock)
        return block.begin()

    def _on_block_delta(self, fields: Fields) -> list[StreamChunk | None]:
        return [self._add(_index(fields), mapping(fields.get("delta")))]

    def _add(self, index: int, delta: Fields) -> StreamChunk | None:
        block = self._blocks.get(index) or block_for(delta)
        if block is None:
            return None
        self._blocks[index] = block
        return block.add(delta)

    def _on_block_stop(self, fields: Fields) -> list[StreamChunk | None]:
        block = self._blocks.pop(_index(fields), None)
        return [block.end()] if block is not None else []

    def _on_message_delta(self, fields: Fields) -> list[StreamChunk | None]:
        """The end is near: why, and after how many tokens. Sent at once, lest a cut lose it."""
        self._note(mapping(fields.get("delta")), fields.get("usage"))
        self._note(fields, None)
        reason = self._reason() if self._stop_reason is not None else None
        return [StreamChunk(finish_reason=reason, raw_finish_reason=self._stop_reason)]

    def _on_message_stop(self, _fields: Fields) -> list[StreamChunk | None]:
        self.complete = True
        chunks = [block.end() for block in self._blocks.values()]
        self._blocks.clear()
        return chunks

    def _note(self, facts: Fields, usage: object) -> None:
        """Keep what a message says of itself."""
        self._stop_reason = text_of(facts.get("stop_reason")) or self._stop_reason
        for name, value in facts.items():
            if name not in _READ_APART and value is not None:
                self._metadata[name] = value
        if explanation := text_of(mapping(facts.get("stop_details")).get("explanation")):
            self._metadata["refusal"] = explanation
        counted = {name: n for name, n in mapping(usage).items() if n is not None}
        if counted:
            self._tokens = {**self._tokens, **counted}
            self._usage = read_usage(self._tokens)
        self._has_news = True

    def _reason(self) -> FinishReason:
        reason = FINISH_REASONS.get(self._stop_reason or "", FinishReason.OTHER)
        if self._calls and reason in (FinishReason.STOP, FinishReason.OTHER):
            return FinishReason.TOOL_CALLS  # compatible servers may say "end_turn" after calls
        return reason


def _index(fields: Fields) -> int:
    index = fields.get("index")
    return index if isinstance(index, int) else 0
