"""What a provider's wire format is to a fake of it: chunks become bytes, errors become bodies.

The reverse of a codec, and just as pure. A wire is a value; the server knows no other.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import attrs
import msgspec

from actors.chat import FinishReason, Opaque, StreamChunk, StreamResponse, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.chat import ToolCallDelta

EVENT_STREAM: Final = "text/event-stream"
JSON: Final = "application/json"
Json = dict[str, Any]


class Kind(enum.Enum):
    """What a frame is for; faults are placed by it."""

    OPENING = "opening"
    CONTENT = "content"
    CLOSING = "closing"
    WHOLE = "whole"  # a body in one piece: its last byte completes it


class Frame(NamedTuple):
    """The bytes of one event, and what they are for."""

    data: bytes
    kind: Kind = Kind.CONTENT


class Task(enum.Enum):
    """What a request asks for."""

    STREAM = "stream"
    WHOLE = "whole"
    EMBED = "embed"


@attrs.frozen
class Failure:
    """An error as the provider reports it.

    Attributes:
        status: The HTTP status, or what it would be.
        message: For people.
        code: The provider's own word for it, where it has one.
        param: Which field of the request is wrong, where the provider says that.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None


@attrs.frozen
class Asked:
    """A request, as far as the answer depends on it.

    Attributes:
        path: With the query.
        body: The JSON of the request.
        headers: Names in lower case, without the keys.
        number: How many answers were given before.
        usage: What the answer will count in the end; some wires say part of it at once.
        strict: Whether the answer has only what was asked for.
    """

    path: str
    body: Json
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    number: int = 0
    usage: Usage = attrs.field(factory=Usage)
    strict: bool = False

    @property
    def model(self) -> Any:
        return self.body.get("model")


class Rendering(Protocol):
    """One streamed answer, as frames.

    Attributes:
        ping: A sign of life between the pieces; empty where the wire has none.
    """

    ping: bytes

    def chunk(self, chunk: StreamChunk) -> Iterable[Frame]:
        """What the next chunk is on the wire; nothing, where it has to be held back."""
        ...

    def flush(self) -> Iterable[Frame]:
        """What was held back: silence, a fault or an error comes next."""
        ...

    def failure(self, failure: Failure) -> Iterable[Frame]:
        """An error inside an answer whose status was 200."""
        ...


@attrs.frozen
class Wire:
    """One wire format.

    Attributes:
        name: As the codecs call it.
        root: What the official SDK's base address has behind host and port.
        content_type: Of a streamed answer.
        request_id: The header that holds the id of a request, where there is one.
        finish_reasons: The provider's words; what is missing cannot be said on this wire.
        whole_calls: Whether a call comes in one piece, its arguments as JSON.
        seals_are_base64: Whether a signature must be base64.
        task: What a path and a body ask for; None for a path that the provider does not have.
        rendering: Begins a streamed answer.
        whole: A complete answer in one piece.
        error_body: The body of an error.
        refusal: What the provider would say about this request; None where it would answer.
        embeddings: The answer with the vectors; None where the provider has none.
    """

    name: str
    root: str
    content_type: str
    request_id: str | None
    finish_reasons: Mapping[FinishReason, str]
    task: Callable[[str, Json], Task | None]
    rendering: Callable[[Asked], Rendering]
    whole: Callable[[Asked, StreamResponse], Json]
    error_body: Callable[[Failure], Json]
    refusal: Callable[[Asked], Failure | None]
    embeddings: Callable[[Asked], Json] | None = None
    whole_calls: bool = False
    seals_are_base64: bool = False


def encoded(data: object) -> bytes:
    """JSON as most servers write it: compact, characters beyond ASCII as they are."""
    return msgspec.json.encode(data)


def event(data: object, name: str | None = None) -> bytes:
    """A server-sent event."""
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + encoded(data) + b"\n\n"


COMMENT: Final = b": ping\n\n"  # what OpenRouter and llama.cpp send while nothing comes


def word(reason: FinishReason | None, words: Mapping[FinishReason, str]) -> str:
    """The provider's word for a finish reason; a new one of its own for `OTHER`."""
    return words.get(reason or FinishReason.STOP, "other")


def said_on(wire: str, items: Iterable[Opaque]) -> Iterator[Json]:
    """What only this wire understands; others leave it out."""
    return (dict(item.data) for item in items if item.wire == wire)


class HeldCalls:
    """Tool calls that are held back until they are whole: their wire tells them one by one."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[ToolCallDelta]] = {}

    def add(self, deltas: Sequence[ToolCallDelta]) -> None:
        for delta in deltas:
            self._pieces.setdefault(delta.index, []).append(delta)

    def take(self) -> Iterator[list[ToolCallDelta]]:
        """Each call as its pieces, the one with id and name first."""
        held, self._pieces = self._pieces, {}
        return (held[slot] for slot in sorted(held))
