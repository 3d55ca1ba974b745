"""Decodes the body of an answer: finds its events and lets a wire format read them. Pure.

What is the same on every wire stands here: bytes cut anywhere, a body that is one JSON value
where a stream was asked for, an event that cannot be read, an answer that was cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from actors.errors import ProviderError, ProviderProtocolError, StreamTruncated

from ._framing import BOM, MAX_EVENT_BYTES, EventFraming, WireEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.chat import StreamChunk

_SHOWN: Final = 120
_HEAD_BYTES: Final = 4096


class Answer(Protocol):
    """One answer of one wire format, read event by event.

    Attributes:
        complete: The terminal frame has come; nothing after it counts.
        may_end: Where the connection ended now, the answer would be complete all the same.
        failure: The error that the provider reported inside its answer.
    """

    complete: bool
    failure: ProviderError | None

    @property
    def may_end(self) -> bool: ...

    def take(self, event: WireEvent, now: float) -> Sequence[StreamChunk]:
        """Read the next event; return what a reader should see of it, the final chunk excepted.

        Raises:
            ValueError: It is no JSON, or not of the wire's shape.
        """
        ...

    def whole(self, body: bytes, now: float) -> Sequence[StreamChunk]:
        """Read an answer that came as one JSON value; the final chunk is asked for after it.

        Raises:
            ValueError: It is not one whole JSON value.
            ProviderProtocolError: It is no answer.
        """
        ...

    def final(self, now: float) -> StreamChunk:
        """The last chunk of a complete answer: finish reason, usage, what was held back."""
        ...


class Framing(Protocol):
    """Cuts bytes into events; as `EventFraming` and `LineFraming` do.

    Attributes:
        knows_fields: Whether the body began as one of this framing does.
        whole: First bytes of bodies that are one JSON value instead of events.
    """

    whole: tuple[bytes, ...]

    @property
    def knows_fields(self) -> bool: ...

    def feed(self, data: bytes) -> list[WireEvent]: ...

    def finish(self) -> list[WireEvent]: ...


class BodyDecoder:
    """One answer; see `Decoder` for the contract."""

    def __init__(self, answer: Answer, framing: Framing | None = None) -> None:
        self.done = False
        self.failure: ProviderError | None = None
        self._answer = answer
        self._framing = framing if framing is not None else EventFraming()
        self._undecided: bytes | None = b""  # the first bytes, until one of them counts
        self._head = b""
        self._value: list[bytes] | None = None  # collects a body that is one JSON value
        self._size = 0
        self._events = 0

    def feed(self, data: bytes, now: float) -> list[StreamChunk]:
        """Take the next bytes; see `Decoder.feed`."""
        if self.done or self.failure is not None:
            return []
        if self._undecided is not None:
            data = self._look_at_head(self._undecided + data)
        elif len(self._head) < _SHOWN:
            self._head += data[: _SHOWN - len(self._head)]
        if self._value is not None:
            self._collect(self._value, data)
            return []
        try:
            events = self._framing.feed(data)
        except ProviderProtocolError as failure:
            self.failure = failure
            return []
        return self._read(events, now)

    def finish(self, now: float) -> list[StreamChunk]:
        """The connection has ended; see `Decoder.finish`."""
        if self.failure is not None:
            raise self.failure
        if self.done:
            return []
        if self._value is not None:
            return self._finish_value(b"".join(self._value), now)
        return self._finish_events(now)

    def _look_at_head(self, head: bytes) -> bytes:
        """Tell a stream of events from one JSON value by the first byte that counts.

        The content type does not tell: servers send either under any.
        """
        text = head.removeprefix(BOM).lstrip()
        if not text or BOM.startswith(head):
            # Some servers send blanks for as long as they think; of many, one says as much.
            self._undecided = head if len(head) < _HEAD_BYTES else head[-1:]
            return b""
        self._undecided = None
        self._head = text[:_SHOWN]
        if text.startswith(self._framing.whole):
            self._value = []
            return text
        return head

    def _collect(self, parts: list[bytes], data: bytes) -> None:
        parts.append(data)
        self._size += len(data)
        if self._size > MAX_EVENT_BYTES:
            self.failure = ProviderProtocolError(
                f"the provider sent an answer of more than {MAX_EVENT_BYTES} bytes"
            )

    def _finish_value(self, body: bytes, now: float) -> list[StreamChunk]:
        try:
            chunks = self._answer.whole(body, now)
        except ValueError as error:
            raise StreamTruncated(f"the answer is not whole JSON: {error}") from error
        self.failure = self._answer.failure
        if self.failure is not None:
            raise self.failure
        self.done = True
        return [*chunks, self._answer.final(now)]

    def _read(self, events: list[WireEvent], now: float) -> list[StreamChunk]:
        chunks: list[StreamChunk] = []
        answer = self._answer
        for event in events:
            self._events += 1
            try:
                chunks += answer.take(event, now)
            except ValueError as error:
                self.failure = ProviderProtocolError(
                    f"the provider sent an event that cannot be read ({error}): "
                    f"{excerpt(event.data)}"
                )
                break
            if answer.failure is not None:
                self.failure = answer.failure
                break
            if answer.complete:
                self.done = True
                chunks.append(answer.final(now))
                break
        return chunks

    def _finish_events(self, now: float) -> list[StreamChunk]:
        """No terminal frame has come: on some wires, and from some servers, none does."""
        chunks = self._read(self._framing.finish(), now)
        if self.done:
            return chunks
        cut = isinstance(self.failure, ProviderProtocolError)  # in the middle of an event
        if self.failure is not None and not cut:
            raise self.failure
        if not self._events and self._head and not self._framing.knows_fields:
            raise ProviderProtocolError(
                f"the answer is neither a stream of events nor JSON: {excerpt(self._head)}"
            )
        if cut or not self._answer.may_end:
            raise StreamTruncated(
                f"the connection ended after {self._events} events, inside the answer"
            ) from self.failure
        self.done = True
        return [*chunks, self._answer.final(now)]


def excerpt(data: bytes) -> str:
    """The first of `data`, for an error's text."""
    return repr(data[:_SHOWN].decode("utf-8", "replace"))
