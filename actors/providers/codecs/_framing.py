"""Server-sent events and lines of JSON: bytes, cut anywhere, to events. Pure.

Source: the HTML standard, section 9.2.6. Lines end with LF, CR or CRLF, also split across
reads; nothing else ends a line, U+2028 least of all. The payload stays bytes: who decodes it
checks its UTF-8, so a character cut by a read is never decoded in halves.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from actors.errors import ProviderProtocolError

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024  # an image or audio in base64 fits
BOM: Final = b"\xef\xbb\xbf"
_FIELDS: Final = (b"data", b"event", b"id", b"retry", b":")
_FIRST_BYTES: Final = max(map(len, _FIELDS))


class WireEvent(NamedTuple):
    """One event, or one line; `name` is "" where the server gives none."""

    data: bytes
    name: str = ""


class EventFraming:
    """Collects bytes until they are whole server-sent events.

    Attributes:
        knows_fields: Whether the body began as an event stream does; an HTML page does not.
        whole: First bytes of bodies that are one JSON value instead.
    """

    whole: tuple[bytes, ...] = (b"{", b"[")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._after_newline = False  # what is held ends with LF
        self._after_return = False  # a CR came last: an LF that follows belongs to it
        self._at_start = True  # a byte order mark may follow
        self._begun = False
        self.knows_fields = False

    def feed(self, data: bytes) -> list[WireEvent]:
        """Take the next bytes; return the events that they complete, in order.

        Raises:
            ProviderProtocolError: One event is larger than the bound.
        """
        if not self._begun:
            data = self._begin(data)
        if self._after_return or b"\r" in data:
            data = self._with_newlines(data)
        if not data:
            return []
        ends_here = b"\n\n" in data or (self._after_newline and data[:1] == b"\n")
        self._after_newline = data[-1:] == b"\n"
        if not ends_here:
            self._hold(data)
            return []
        if self._held:
            self._held.append(data)
            data = b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
        blocks = data.split(b"\n\n")
        if rest := blocks.pop():
            self._hold(rest)
        return _events(blocks)

    def finish(self) -> list[WireEvent]:
        """The end of the connection: what is held counts as an event, blank line or not."""
        rest = b"".join(self._held)
        self._held.clear()
        if not self._begun:
            self.knows_fields = _begins_with_field(rest)
        return _events([rest])

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._max:
            raise ProviderProtocolError(
                f"the provider sent an event of more than {self._max} bytes"
            )

    def _begin(self, data: bytes) -> bytes:
        """Drop a byte order mark, and see what the first line is, either of which may be cut."""
        data = b"".join(self._held) + data
        self._held.clear()
        self._held_bytes = 0
        if self._at_start:
            if len(data) < len(BOM) and BOM.startswith(data):
                self._hold(data)
                return b""
            self._at_start = False
            data = data.removeprefix(BOM)
        rest = data.lstrip(b"\r\n")
        if len(rest) < _FIRST_BYTES:  # too few for any event
            self._hold(rest)
            return b""
        self._begun = True
        self.knows_fields = _begins_with_field(rest)
        return rest

    def _with_newlines(self, data: bytes) -> bytes:
        """Turn CRLF and CR into LF; a CR at the end of a read may be half a CRLF."""
        if not data:
            return data
        if self._after_return and data[:1] == b"\n":
            data = data[1:]
        self._after_return = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _begins_with_field(data: bytes) -> bool:
    line = data[:_FIRST_BYTES]
    return any(line.startswith(field) or field.startswith(line) for field in _FIELDS)


def _events(blocks: list[bytes]) -> list[WireEvent]:
    events: list[WireEvent] = []
    for block in blocks:
        # Nearly every event there is has one line of data, and maybe a line with its name before.
        name, data = b"", block
        if block[:7] == b"event: ":
            name, _, data = block[7:].partition(b"\n")
        if data[:6] == b"data: " and b"\n" not in data and len(data) > len(b"data: "):
            events.append(WireEvent(data[6:], name.decode("utf-8", "replace")))
        elif block and (event := _parse(block)) is not None:
            events.append(event)
    return events


def _parse(block: bytes) -> WireEvent | None:
    """Read the lines of one event; None where it carries no data (a comment, a ping).

    Some servers and proxies keep a connection alive with an event whose data is empty. A
    browser would hand it on; no wire format has a meaning for it.
    """
    name = ""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return WireEvent(b"\n".join(data), name) if any(data) else None


class LineFraming:
    """Collects bytes until they are whole lines, each of them a JSON value.

    Attributes:
        knows_fields: Whether the body began with a JSON object; an HTML page does not.
        whole: None: a body that is one JSON value is one line.
    """

    whole: tuple[bytes, ...] = ()

    def __init__(self, max_line_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_line_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.knows_fields = False

    def feed(self, data: bytes) -> list[WireEvent]:
        """Take the next bytes; return the lines that they complete, in order.

        Raises:
            ProviderProtocolError: One line is larger than the bound.
        """
        first, newline, rest = data.partition(b"\n")
        self._held.append(first)
        self._held_bytes += len(first)
        if self._held_bytes > self._max:
            raise ProviderProtocolError(f"the provider sent a line of more than {self._max} bytes")
        if not newline:
            return []
        lines = [b"".join(self._held), *rest.split(b"\n")]
        last = lines.pop()
        self._held, self._held_bytes = [last], len(last)
        return self._events(lines)

    def finish(self) -> list[WireEvent]:
        """The end of the connection: what is held counts as a line."""
        rest = b"".join(self._held)
        self._held.clear()
        return self._events([rest])

    def _events(self, lines: list[bytes]) -> list[WireEvent]:
        kept = [line for line in (line.removeprefix(BOM).strip() for line in lines) if line]
        self.knows_fields = self.knows_fields or any(line[:1] == b"{" for line in kept)
        return [WireEvent(line) for line in kept]
