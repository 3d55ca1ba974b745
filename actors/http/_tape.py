"""The file of a recording: JSON lines, one header and then what passed, in its order. Pure.

    {"troupe_recording": 1, "model": {...}, "wire": "openai-chat"}
    {"n": 1, "at": 0.002, "request": {"method": "POST", "path": "/v1/...", "body": {...}, ...}}
    {"n": 1, "at": 0.310, "answer": {"status": 200, "headers": {...}}}
    {"n": 1, "at": 0.310, "text": "data: ..."}         one read; "base64" where it is no text
    {"n": 1, "at": 0.934, "end": {"kind": "clean"}}

`n` numbers the exchanges, which may run at the same time. `at` is in seconds: of a request since
the recording began, of all else since its request. A last line without its end is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import attrs
import msgspec

from actors.errors import RecordingUnusable

if TYPE_CHECKING:
    from pathlib import Path

VERSION: Final = 1
MARK: Final = b'{"troupe_recording":'

EndKind = Literal[
    "clean", "truncated", "stalled", "unreachable", "not-http", "left", "cancelled", "missing"
]


class Header(msgspec.Struct, omit_defaults=True, frozen=True):
    """The first line.

    Attributes:
        model: The fields of the model's record that are not as usual.
        wire: The name of the wire format.
    """

    troupe_recording: int
    model: dict[str, Any]
    wire: str


class Asked(msgspec.Struct, omit_defaults=True, frozen=True):
    """A request. `body` is JSON, or text where it is none."""

    method: str
    path: str
    headers: dict[str, str] = {}
    body: Any = None


class Answered(msgspec.Struct, frozen=True):
    """The head of an answer."""

    status: int
    headers: dict[str, str] = {}


class End(msgspec.Struct, omit_defaults=True, frozen=True):
    """How an exchange ended.

    Attributes:
        kind: "left" and "cancelled": who read it stopped reading. "missing": so did the file.
        error: The text of the error, where it was one.
        limit: Which limit passed, for "stalled", and `seconds`, its length.
    """

    kind: EndKind
    error: str = ""
    limit: str = ""
    seconds: float = 0.0


class Line(msgspec.Struct, omit_defaults=True, frozen=True):
    """Any line but the first: of `request`, `answer`, `text`, `base64` and `end` it has one."""

    n: int
    at: float
    request: Asked | None = None
    answer: Answered | None = None
    text: str | None = None
    base64: bytes | None = None
    end: End | None = None


@attrs.define
class Recorded:
    """One exchange of a recording.

    Attributes:
        line: Where its request stands in the file.
        at: When it was sent, in seconds since the recording began.
        answer: None where none came.
        answer_at: In seconds since the request, as all that follows.
        reads: What each read brought, and when.
    """

    line: int
    at: float
    asked: Asked
    answer: Answered | None = None
    answer_at: float = 0.0
    reads: list[tuple[float, bytes]] = attrs.field(factory=list[tuple[float, bytes]])
    end: End = attrs.field(factory=lambda: End("missing"))
    end_at: float = 0.0


def read_line(number: int, at: float, data: bytes) -> Line:
    """The line for what one read brought: as text where it is whole characters."""
    try:
        return Line(number, at, text=data.decode())
    except UnicodeDecodeError:
        return Line(number, at, base64=data)


def encode(line: Header | Line) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def decode_header(line: bytes, file: Path) -> Header:
    """Read the first line.

    Raises:
        RecordingUnusable: It is none, or of a later version than this one.
    """
    if not line.startswith(MARK):
        raise RecordingUnusable(
            f"{file} is no recording: its first line does not begin with {MARK.decode()}"
        )
    try:
        version = msgspec.json.decode(line, type=dict[str, Any])["troupe_recording"]
        if version != VERSION:
            raise RecordingUnusable(
                f"{file} is a recording of version {version}, and this program reads version "
                f"{VERSION}: record it anew"
            )
        return msgspec.json.decode(line, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordingUnusable(f"{file}, line 1: {error}") from error


def decode_exchanges(data: bytes, file: Path) -> list[Recorded]:
    """Read a whole file, the header included.

    Raises:
        RecordingUnusable: A line cannot be read, or makes no sense there; the text says which.
    """
    lines = data.split(b"\n")
    decode_header(lines[0], file)
    found: dict[int, Recorded] = {}
    decoder = msgspec.json.Decoder(Line)
    for number, text in enumerate(lines[1:-1], 2):  # what follows the last line's end was cut
        if not text.strip():
            continue
        try:
            _add(found, number, decoder.decode(text))
        except (ValueError, UnicodeDecodeError) as error:
            raise RecordingUnusable(f"{file}, line {number}: {error}") from error
    return list(found.values())


def _add(found: dict[int, Recorded], number: int, line: Line) -> None:
    """Put a line where it belongs; a ValueError says why it belongs nowhere."""
    parts = (line.request, line.answer, line.text, line.base64, line.end)
    if sum(part is not None for part in parts) != 1:
        raise ValueError("a line has one of request, answer, text, base64 and end")
    if not line.at >= 0:
        raise ValueError(f"`at` is {line.at}, and must be seconds from 0 on")
    if line.request is not None:
        if line.n in found:
            raise ValueError(f"exchange {line.n} has two requests")
        found[line.n] = Recorded(number, line.at, line.request)
        return
    exchange = found.get(line.n)
    if exchange is None:
        raise ValueError(f"exchange {line.n} has no request above")
    if exchange.end.kind != "missing":
        raise ValueError(f"exchange {line.n} has ended above")
    _continue(exchange, line)


def _continue(exchange: Recorded, line: Line) -> None:
    if line.end is not None:
        exchange.end = line.end
    elif line.answer is not None:
        if exchange.answer is not None:
            raise ValueError(f"exchange {line.n} has two answers")
        exchange.answer, exchange.answer_at = line.answer, line.at
    elif exchange.answer is None:
        raise ValueError(f"exchange {line.n} has no answer above")
    else:
        data = line.text.encode() if line.text is not None else line.base64 or b""
        exchange.reads.append((line.at, data))
    exchange.end_at = line.at
