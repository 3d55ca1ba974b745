"""Reads a JSON object while it is being written. Pure.

What it shows is never taken back: strings and lists grow, a name that is there stays, and what is
not certain yet (half a name, half a word, a number that may get another digit) is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

MARKS: Final = re.compile(r'["\\{}\[\]]')
NUMBER: Final = "0123456789+-.eE"
STEPS: Final = {"{": 1, "[": 1, "}": -1, "]": -1}


class Partial(Mapping[str, Any]):
    """An answer so far: the fields that have begun, by their names in JSON, as plain JSON values.

    A field that is not there yet is absent: `partial.get("city")`.

    Attributes:
        done: The names of the fields that will not change any more.
    """

    def __init__(self, fields: Mapping[str, Any], *, is_whole: bool = False) -> None:
        self._fields = fields
        names = tuple(fields)
        self.done = frozenset(names if is_whole else names[:-1])

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def shows_as_much_as(self, other: Partial) -> bool:
        return self.done == other.done and self._fields == other._fields

    def __repr__(self) -> str:
        return f"Partial({self._fields!r})"


class PartialReader:
    """Takes the pieces of an answer; what stands before its first brace is passed over."""

    def __init__(self) -> None:
        from jiter import from_json  # noqa: PLC0415 - where it is wanted

        self._from_json = from_json
        self._text = ""
        self._seen = 0  # characters that were looked at
        self._in_string = False
        self._depth = 0
        self._shown: Partial | None = None

    def add(self, piece: str) -> Partial | None:
        """What there is now, or None if nothing has changed by this piece."""
        if self._seen and not self._depth:  # the object is closed
            return None
        self._text = self._text + piece if self._text else piece[piece.find("{") :]
        if not self._text.startswith("{"):
            self._text = ""
            return None
        self._look()
        return self._changed()

    def _look(self) -> None:
        """Follow strings and nesting as far as the text goes; at most to the closing brace."""
        place = self._seen
        while mark := MARKS.search(self._text, place):
            place = mark.end()
            if mark[0] == "\\":
                place += 1
            elif mark[0] == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += STEPS[mark[0]]
                if not self._depth:
                    self._text = self._text[:place]
        self._seen = max(place, len(self._text))

    def _changed(self) -> Partial | None:
        certain = self._text if self._in_string else self._text.rstrip(NUMBER)
        try:
            fields: object = self._from_json(
                certain.encode(), partial_mode="trailing-strings", allow_inf_nan=False
            )
        except (ValueError, RecursionError):  # no JSON: the reader of the whole answer says why
            return None
        partial = Partial(cast("dict[str, Any]", fields), is_whole=not self._depth)
        if self._shown is not None and partial.shows_as_much_as(self._shown):
            return None
        self._shown = partial
        return partial
