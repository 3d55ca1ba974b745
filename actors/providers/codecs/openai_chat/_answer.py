"""One answer of OpenAI Chat Completions, added up from its decoded pieces. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from actors.chat import FinishReason, StreamChunk, ToolCallDelta, Usage
from actors.errors import ProviderProtocolError
from actors.providers.codecs._decoding import excerpt
from actors.providers.codecs._faults import error_in_stream
from actors.providers.codecs._values import whole

from ._extras import NEWS, Extras
from ._wire import (
    FINISH_REASONS,
    WIRE,
    CallPiece,
    Completion,
    Delta,
    read_completion,
    read_content,
    read_usage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.errors import ProviderError
    from actors.providers.codecs._dialects import Dialect
    from actors.providers.codecs._framing import WireEvent

_NOTHING: Final[tuple[StreamChunk, ...]] = ()
_NO_CALLS: Final[tuple[ToolCallDelta, ...]] = ()


class ChatAnswer:
    """Turns pieces of the wire into chunks, and holds back what belongs into the final one.

    See `Answer` for the contract.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.complete = False
        self.failure: ProviderError | None = None
        self._finish_reason: str | None = None  # the provider's own word; some send an empty one
        self._reasoning = dialect.reasoning
        self._slots = _CallSlots()
        self._extras = Extras(dialect.sealed)
        self._count = 0
        self._usage: Usage | None = None
        self._half = ""  # the first half of a surrogate pair that was cut in two
        self._metadata: dict[str, Any] = {"wire": WIRE}  # goes out with the next chunk, once
        self._nameless = ["id", "model"]  # what the answer is called, as far as it has not come

    @property
    def may_end(self) -> bool:
        """Some servers leave out the terminal frame, but none the finish reason."""
        return bool(self._finish_reason)

    def take(self, event: WireEvent, now: float) -> Sequence[StreamChunk]:
        """See `Answer.take`."""
        payload, name = event
        if payload[:6] == b"[DONE]":
            self.complete = True
            return _NOTHING
        piece = read_completion(payload)
        if piece.error is None and (name == "error" or piece.object == "error"):
            piece.error = msgspec.json.decode(payload)  # flat, as Mistral has it
        chunk = self._take(piece, now)
        return _NOTHING if chunk is None else (chunk,)

    def whole(self, body: bytes, now: float) -> Sequence[StreamChunk]:
        """See `Answer.whole`."""
        completion = read_completion(body)
        if completion.error is None and completion.object == "error":
            completion.error = msgspec.json.decode(body)
        chunk = self._take(completion, now)
        if self.failure is None and not completion.choices:
            raise ProviderProtocolError(f"the answer has no choices: {excerpt(body)}")
        return _NOTHING if chunk is None else (chunk,)

    def _take(self, piece: Completion, now: float) -> StreamChunk | None:
        self._note(piece)
        if piece.error:
            self.failure = error_in_stream(piece.error)
            return None
        for choice in piece.choices or ():
            if choice.index:
                continue  # of several choices, the first is the answer
            if choice.finish_reason is not None:
                self._finish_reason = choice.finish_reason or self._finish_reason or ""
            if choice.error:
                self.failure = error_in_stream(choice.error)
                return None
            delta = choice.delta or choice.message
            return self._chunk(delta, now, mended=piece.mended) if delta is not None else None
        return None

    def final(self, now: float) -> StreamChunk:
        """See `Answer.final`."""
        metadata, self._metadata = self._metadata, {}
        return StreamChunk(
            "\N{REPLACEMENT CHARACTER}" if self._half else "",
            index=self._count,
            finish_reason=self._reason(),
            metadata=metadata,
            timestamp=now,
            is_final=True,
            usage=self._usage,
            raw_finish_reason=self._finish_reason,
            opaque=self._extras.sealed(),
        )

    def _reason(self) -> FinishReason:
        if self._extras.refusal:
            return FinishReason.REFUSAL
        reason = FINISH_REASONS.get(self._finish_reason or "", FinishReason.OTHER)
        if self._slots.used and reason in (FinishReason.STOP, FinishReason.OTHER):
            return FinishReason.TOOL_CALLS  # servers say "stop", or nothing, after calls
        return reason

    def _note(self, piece: Completion) -> None:
        """What is about the whole answer: which it is, what it cites, what it costs."""
        if self._nameless:
            self._identify(piece)
        if piece.citations is not None:
            self._extras.cite(piece.citations, self._metadata)
        usage: object = piece.usage
        if usage is None and piece.x_groq is not None:
            usage = piece.x_groq.get("usage")
        if usage is not None:
            self._usage = read_usage(usage) or self._usage

    def _identify(self, piece: Completion) -> None:
        """Azure's first chunk has both, but empty."""
        for name in tuple(self._nameless):
            if found := getattr(piece, name):
                self._metadata[name] = found
                self._nameless.remove(name)

    def _chunk(self, delta: Delta, now: float, *, mended: bool) -> StreamChunk | None:
        content: Any = delta.content or ""
        thinking = ""
        if not isinstance(content, str):
            content, thinking = read_content(content)
        if mended or self._half:
            content = self._join(content)
        thinking += self._thought(delta)
        pieces = delta.tool_calls or delta.old_call
        calls = self._slots.place(pieces) if pieces else _NO_CALLS
        self._extras.take(delta, self._metadata)
        if not (content or thinking or calls or NEWS & self._metadata.keys()):
            return None
        index = self._count
        self._count = index + 1
        if not self._metadata:
            return StreamChunk(content, index, timestamp=now, thinking=thinking, tool_calls=calls)
        metadata, self._metadata = self._metadata, {}
        return StreamChunk(
            content, index, metadata=metadata, timestamp=now, thinking=thinking, tool_calls=calls
        )

    def _thought(self, delta: Delta) -> str:
        for field in self._reasoning:
            if found := getattr(delta, field):
                return str(found)
        return ""

    def _join(self, content: str) -> str:
        """Join a surrogate pair that was cut between two chunks; hold back a first half."""
        content = self._half + content
        self._half = ""
        if "\ud800" <= content[-1:] <= "\udbff":
            content, self._half = content[:-1], content[-1]
        return whole(content)


class _CallSlots:
    """Which call a piece belongs to.

    By its index; by its id, where a server gives every call the same index; else to the call
    that came last. Slots are numbered as the calls appear.
    """

    def __init__(self) -> None:
        self.used = 0
        self._by_index: dict[int, int] = {}
        self._ids: dict[int, str] = {}

    def place(self, pieces: list[CallPiece]) -> tuple[ToolCallDelta, ...]:
        return tuple(self._delta(piece) for piece in pieces)

    def _delta(self, piece: CallPiece) -> ToolCallDelta:
        slot = self._slot(piece)
        if piece.id:
            self._ids.setdefault(slot, piece.id)
        name, arguments = "", ""
        if piece.function is not None:
            name = piece.function.name or ""
            arguments = _text(piece.function.arguments)
            if name and arguments == "null":
                arguments = ""  # Groq's way to say that there are none
        elif piece.custom is not None:
            name = piece.custom.name or ""
            arguments = piece.custom.input or ""
        return ToolCallDelta(slot, piece.id or "", name, arguments)

    def _slot(self, piece: CallPiece) -> int:
        if piece.index is None:
            known = [slot for slot, id in self._ids.items() if id == piece.id]
            if known or (self.used and not piece.id):
                return known[0] if known else self.used - 1
            return self._new()
        slot = self._by_index.get(piece.index)
        other = slot is not None and piece.id and self._ids.get(slot, piece.id) != piece.id
        if slot is None or other:
            slot = self._by_index[piece.index] = self._new()
        return slot

    def _new(self) -> int:
        self.used += 1
        return self.used - 1


def _text(arguments: str | dict[str, Any] | None) -> str:
    if not arguments:
        return ""
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
