"""Where an answer of Gemini is cut into pieces: events, or the items of a list. Pure.

Without `alt=sse`, which a proxy may lose, the server streams one JSON list. Its items are read
as they come, so that a list that is cut, or ends with an error, still says what came before.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from actors.errors import ProviderProtocolError
from actors.providers.codecs._framing import BOM, MAX_EVENT_BYTES, EventFraming, WireEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.providers.codecs._decoding import Framing

_OUTSIDE: Final = re.compile(rb'["\[\]{}]')
_IN_TEXT: Final = re.compile(rb'["\\]')
_BLANKS: Final = b" \t\r\n"
_IN_LIST, _IN_ITEM = 1, 2  # how deep


class GeminiFraming:
    """Collects bytes until they are whole events or whole items.

    Attributes:
        knows_fields: Whether the body began as one of either does.
        whole: First byte of a body that is one answer.
    """

    whole: tuple[bytes, ...] = (b"{",)

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_bytes
        self._framing: Framing | None = None

    @property
    def knows_fields(self) -> bool:
        return self._framing is not None and self._framing.knows_fields

    def feed(self, data: bytes) -> list[WireEvent]:
        """Take the next bytes; the first of them that counts tells which it is.

        Raises:
            ProviderProtocolError: One piece is larger than the bound.
        """
        if not data:
            return []
        if self._framing is None:
            is_list = data.removeprefix(BOM).lstrip(_BLANKS).startswith(b"[")
            self._framing = ListFraming(self._max) if is_list else EventFraming(self._max)
        return self._framing.feed(data)

    def finish(self) -> list[WireEvent]:
        """The end of the connection."""
        return self._framing.finish() if self._framing is not None else []


class ListFraming:
    """Finds the objects of a JSON list while its bytes arrive, cut anywhere.

    Attributes:
        knows_fields: Whether there is an object in the list.
        whole: None.
    """

    whole: tuple[bytes, ...] = ()

    def __init__(self, max_item_bytes: int = MAX_EVENT_BYTES) -> None:
        self.knows_fields = False
        self._max = max_item_bytes
        self._held: list[bytes] = []  # of the item that has begun
        self._held_bytes = 0
        self._depth = 0
        self._in_text = False
        self._escaped = False  # the next byte, by a backslash at the end of a read
        self._closed = False

    def feed(self, data: bytes) -> list[WireEvent]:
        """Take the next bytes; return the items that they complete, in order.

        Raises:
            ProviderProtocolError: One item is larger than the bound.
        """
        items: list[WireEvent] = []
        begin = 0  # of what belongs to an item in `data`
        for bracket in self._brackets(data):
            if bracket[0] in b"[{":
                self._depth += 1
                begin = bracket.start() if self._depth == _IN_ITEM else begin
                continue
            self._depth -= 1
            if self._depth == _IN_LIST:
                items.append(self._item(data[begin : bracket.end()]))
            elif self._depth < _IN_LIST:
                self._closed = True
                return items
        if self._depth >= _IN_ITEM:
            self._hold(data[begin:])
        return items

    def _brackets(self, data: bytes) -> Iterator[re.Match[bytes]]:
        """Those that stand in no text, as long as the list is open."""
        at = int(self._escaped)
        while not self._closed and (
            found := (_IN_TEXT if self._in_text else _OUTSIDE).search(data, at)
        ):
            at = found.end()
            if found[0] == b"\\":
                at += 1
            elif found[0] == b'"':
                self._in_text = not self._in_text
            else:
                yield found
        self._escaped = at > len(data)

    def finish(self) -> list[WireEvent]:
        """The end of the connection: what is held is an item that was cut.

        So is what is missing of a list without its end, be it nothing but the bracket.
        """
        return [] if self._closed else [WireEvent(b"".join(self._held))]

    def _item(self, rest: bytes) -> WireEvent:
        self.knows_fields = True
        self._held.append(rest)
        item = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        return WireEvent(item)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._max:
            raise ProviderProtocolError(f"the provider sent an item of more than {self._max} bytes")
