"""Bytes of a file or an answer as text, and back again as they were. Pure."""

from __future__ import annotations

import codecs
from typing import Final

import attrs

# In this order: the mark of UTF-32 begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# One of the two can read any bytes, which says nothing: so binary files are found before.
_GUESSES: Final = ("cp1252", "latin-1")
_CONTROLS: Final = frozenset(range(32)) - frozenset(b"\b\t\n\f\r\x1b")


@attrs.frozen
class Text:
    """What bytes say, and how they say it.

    Attributes:
        text: With its line ends as they are.
        encoding: Python's name of it.
        mark: The byte order mark that the bytes began with, or b"".
    """

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""

    def encoded(self) -> bytes:
        """The bytes: for the text that was read, the same ones.

        Raises:
            ValueError: The encoding has no such character; the text says which.
        """
        try:
            return self.mark + self.text.encode(self.encoding)
        except UnicodeEncodeError as error:
            character = self.text[error.start]
            raise ValueError(f"there is no {character!a} in {self.encoding}") from error


def read_text(data: bytes) -> Text | None:
    """Read bytes whose encoding nobody told: by their mark, as UTF-8, or as Western European.

    Returns:
        None if they are no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decoded(data, encoding, mark)
    if b"\0" in data:
        return None
    if (text := _decoded(data, "utf-8")) is not None:
        return text
    if not _CONTROLS.isdisjoint(data):
        return None
    return next(filter(None, (_decoded(data, guess) for guess in _GUESSES)), None)


def _decoded(data: bytes, encoding: str, mark: bytes = b"") -> Text | None:
    try:
        return Text(data[len(mark) :].decode(encoding), encoding, mark)
    except UnicodeDecodeError:
        return None
