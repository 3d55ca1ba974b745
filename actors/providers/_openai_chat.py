"""Decodes OpenAI Chat Completions, from OpenAI and the many servers compatible with it. Pure.

What it promises whatever the dialect: pieces of a tool call belong together by their index;
the one final chunk comes last and has the finish reason and the usage, which may arrive late;
an answer that was cut is never complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from actors.errors import ProviderError, ProviderProtocolError, StreamTruncated

from ._openai_answer import Answer
from ._openai_request import encode_request
from ._openai_wire import COMPATIBLE, Dialect, read_completion
from ._sse import BOM, MAX_EVENT_BYTES, EventFraming, ServerSentEvent

if TYPE_CHECKING:
    from actors.chat import Request, StreamChunk

    from ._codec import WireRequest

_SHOWN: Final = 120
_HEAD_BYTES: Final = 4096


class OpenAIChat:
    """The codec; `dialect` says how the server departs from OpenAI's own API."""

    def __init__(self, dialect: Dialect = COMPATIBLE) -> None:
        self.dialect = dialect

    def encode(self, request: Request, model: str) -> WireRequest:
        return encode_request(request, model, self.dialect)

    def decoder(self) -> OpenAIChatDecoder:
        return OpenAIChatDecoder(self.dialect)


class OpenAIChatDecoder:
    """One answer; see `Decoder` for the contract."""

    def __init__(self, dialect: Dialect = COMPATIBLE) -> None:
        self.done = False
        self.failure: ProviderError | None = None
        self._answer = Answer(dialect)
        self._framing = EventFraming()
        self._undecided: bytes | None = b""  # the first bytes, until one of them counts
        self._head = b""
        self._object: list[bytes] | None = None  # collects a body that is one JSON object
        self._size = 0
        self._events = 0

    def feed(self, data: bytes, now: float) -> list[StreamChunk]:
        """Take the next bytes; see `Decoder.feed`."""
        if self.done or self.failure is not None:
            return []
        if self._undecided is not None:
            data = self._look_at_head(self._undecided + data)
        if self._object is not None:
            self._collect(self._object, data)
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
        if self._object is not None:
            return self._finish_object(b"".join(self._object), now)
        return self._finish_events(now)

    def _look_at_head(self, head: bytes) -> bytes:
        """Tell a stream of events from one JSON object by the first byte that counts.

        The content type does not tell: servers send either under any.
        """
        text = head.removeprefix(BOM).lstrip()
        if (not text or BOM.startswith(head)) and len(head) < _HEAD_BYTES:
            self._undecided = head
            return b""
        self._undecided = None
        self._head = text[:_SHOWN]
        if text.startswith(b"{"):
            self._object = []
            return text
        return head

    def _collect(self, parts: list[bytes], data: bytes) -> None:
        parts.append(data)
        self._size += len(data)
        if self._size > MAX_EVENT_BYTES:
            self.failure = ProviderProtocolError(
                f"the provider sent an answer of more than {MAX_EVENT_BYTES} bytes"
            )

    def _finish_object(self, body: bytes, now: float) -> list[StreamChunk]:
        try:
            completion = read_completion(body)
        except ValueError as error:
            raise StreamTruncated(f"the answer is not a whole JSON object: {error}") from error
        chunk = self._answer.take(completion, now)
        self.failure = self._answer.failure
        if self.failure is None and not completion.choices:
            self.failure = ProviderProtocolError(f"the answer has no choices: {_excerpt(body)}")
        if self.failure is not None:
            raise self.failure
        self.done = True
        return [chunk, self._answer.final(now)] if chunk is not None else [self._answer.final(now)]

    def _read(self, events: list[ServerSentEvent], now: float) -> list[StreamChunk]:
        chunks: list[StreamChunk] = []
        take = self._answer.take
        for payload, name in events:
            self._events += 1
            if payload[:6] == b"[DONE]":
                self.done = True
                chunks.append(self._answer.final(now))
                break
            try:
                completion = read_completion(payload)
                if name == "error" and completion.error is None:
                    completion.error = msgspec.json.decode(payload)
            except ValueError as error:
                self.failure = ProviderProtocolError(
                    f"the provider sent an event that cannot be read ({error}): {_excerpt(payload)}"
                )
                break
            chunk = take(completion, now)
            if chunk is not None:
                chunks.append(chunk)
            elif self._answer.failure is not None:
                self.failure = self._answer.failure
                break
        return chunks

    def _finish_events(self, now: float) -> list[StreamChunk]:
        """No [DONE] has come: the answer is complete if a finish reason has."""
        chunks = self._read(self._framing.finish(), now)
        if self.done:
            return chunks
        cut = isinstance(self.failure, ProviderProtocolError)  # in the middle of an event
        if self.failure is not None and not cut:
            raise self.failure
        if not self._events and self._head and not self._framing.knows_fields:
            raise ProviderProtocolError(
                f"the answer is neither an event stream nor JSON: {_excerpt(self._head)}"
            )
        if cut or not self._answer.finish_reason:
            raise StreamTruncated(
                f"the connection ended after {self._events} events, inside the answer"
            ) from self.failure
        self.done = True
        return [*chunks, self._answer.final(now)]


def _excerpt(data: bytes) -> str:
    return repr(data[:_SHOWN].decode("utf-8", "replace"))
