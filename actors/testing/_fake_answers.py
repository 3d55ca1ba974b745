"""What a fake provider answers: scripts, errors, bodies to the letter, and faults in them."""

from __future__ import annotations

import base64
import binascii
import enum
from typing import TYPE_CHECKING, Final, cast

import attrs

from actors.chat import FinishReason, Request, Usage, parse_arguments
from actors.errors import ConfigurationError
from actors.providers import Happening, Script, Step, play, script

from ._wire import EVENT_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.chat import StreamChunk

    from ._wire import Wire


class Fault(enum.StrEnum):
    """What goes wrong with the connection while an answer is sent.

    The first five are the kinds of cut, `CUTS`: the answer is over, and was not finished.
    """

    END = "end"
    """The body ends in good order: a proxy's timeout, a worker that died behind a proxy."""
    CLOSE = "close"
    """The server closes the connection inside a chunked body."""
    RESET = "reset"
    """The connection is reset."""
    SHORT = "short"
    """The connection closes before as many bytes have come as Content-Length promised."""
    UNFRAMED = "unframed"
    """The body's end is told by nothing but the closed connection, as in HTTP/1.0."""
    STALL = "stall"
    """Nothing more comes, and the connection stays."""
    ERROR = "error"
    """The provider reports an error inside its answer, which is over with that."""


class Place(enum.StrEnum):
    """Where in an answer a fault happens, on every wire."""

    FIRST = "before the first chunk"
    """The head has been sent, and nothing of the body."""
    INSIDE = "inside a chunk"
    """In the middle of the bytes that hold the middle piece of what the model says."""
    LAST = "before the terminal frame"
    """Behind the last piece of what the model says, before any word of why it stopped."""


CUTS: Final = (Fault.END, Fault.CLOSE, Fault.RESET, Fault.SHORT, Fault.UNFRAMED)


@attrs.frozen
class FakeAnswer:
    """One answer of a fake provider.

    Attributes:
        script: What the model says, and what goes wrong on the way.
        status: The HTTP status.
        headers: Beside the content type.
        content_type: Of a body to the letter.
        body: Served to the letter instead of the script.
        message: What an error says: with it, the answer is an error in the provider's form.
        split: Write so many bytes at a time; None for an event at a time.
        slow: Seconds to wait between two writes.
        head_after: Seconds until the head of the answer is sent.
        pings: Whether a sign of life comes before each piece, where the wire has one.
        fault: What goes wrong with the connection.
        place: Where in the answer.
    """

    script: Script = attrs.field(factory=script)
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = EVENT_STREAM
    body: bytes | None = None
    message: str | None = None
    split: int | None = None
    slow: float = 0.0
    head_after: float = 0.0
    pings: bool = False
    fault: Fault | None = None
    place: Place = Place.INSIDE

    @property
    def usage(self) -> Usage:
        """What the script counts in the end, whether it comes to that or not."""
        steps = (step for step in self.script.steps if not isinstance(step, Happening))
        return _last(Script(tuple(steps))).usage or Usage()


def answer(
    *steps: Step | str,
    split: int | None = None,
    slow: float = 0.0,
    pings: bool = False,
    fault: Fault | None = None,
    place: Place = Place.INSIDE,
) -> FakeAnswer:
    """An answer: `answer(say("Hello", pieces=3), fault=Fault.RESET, place=Place.LAST)`.

    It is streamed where the request asks for that, and else comes in one piece.
    """
    given = script(*steps)
    return FakeAnswer(given, split=split, slow=slow, pings=pings, fault=fault, place=place)


def error(status: int, message: str = "no", **headers: str) -> FakeAnswer:
    """An error instead of an answer; `retry_after="2"` becomes the header Retry-After."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return FakeAnswer(status=status, headers=named, message=message)


def raw(body: bytes, *, content_type: str = EVENT_STREAM, split: int | None = None) -> FakeAnswer:
    """A body to the letter, for instance one that was recorded."""
    return FakeAnswer(body=body, content_type=content_type, split=split)


def check(given: FakeAnswer, wire: Wire) -> None:
    """Whether a wire can say what a script says.

    Raises:
        ConfigurationError: It cannot; the text says what.
    """
    if given.body is not None or given.message is not None:
        return
    for complaint in _unsayable(given.script, wire):
        raise ConfigurationError(f"the wire {wire.name!r} {complaint}")


def _unsayable(given: Script, wire: Wire) -> Iterator[str]:
    steps = tuple(step for step in given.steps if not isinstance(step, Happening))
    chunks = list(_played(Script(steps)))
    reason = chunks[-1].finish_reason or FinishReason.STOP
    if reason not in wire.finish_reasons:
        yield f"has no word for finish({reason})"
    texts: dict[int, str] = {}
    for chunk in chunks:
        for delta in chunk.tool_calls:
            texts[delta.index] = texts.get(delta.index, "") + delta.arguments
        if (
            wire.seals_are_base64
            and chunk.signature is not None
            and not _is_base64(chunk.signature)
        ):
            yield f"takes a signature in base64 only, and {chunk.signature!r} is not"
    for text in texts.values() if wire.whole_calls else ():
        _, problem = parse_arguments(text)
        if problem is not None:
            yield f"sends a call's arguments as a JSON object, and of {text!r} {problem}"


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _played(given: Script) -> Iterator[StreamChunk]:
    """What a script without pauses and faults says."""
    return cast("Iterator[StreamChunk]", play(given, Request(()), 0))


def _last(given: Script) -> StreamChunk:
    return list(_played(given))[-1]
