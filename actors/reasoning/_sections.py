"""Reads labelled text while it streams: `Thought: ...`, `Action: ...`, `Step 2: ...`. Pure.

A label stands at the beginning of a line and ends with a colon; stars, hashes and dashes around
it are decoration. The text may be cut anywhere: what comes out is the same, and is given as soon
as it is known to be no label.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

DECORATION: Final = " \t*#>_`-"
LONGEST_HEAD: Final = 64  # characters of a line in which a label ends, or there is none


@attrs.frozen
class Opened:
    """A label was read; what follows belongs to it."""

    label: str


@attrs.frozen
class Piece:
    """Text below a label; "" is the text before the first one."""

    label: str
    text: str


class SectionReader:
    """Splits a text at its labels.

    Args:
        labels: As they are given back; upper and lower case are the same in the text. One that
            has a number behind it is read likewise, with the number left out.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._names = {label.casefold(): label for label in labels}
        longest_first = sorted(self._names, key=len, reverse=True)
        choice = "|".join(re.escape(name) for name in longest_first)
        edge = f"[{re.escape(DECORATION)}]*"
        number = rf"(?:[ \t]*\d{{1,4}}(?:[ \t]*(?:/|of)[ \t]*\d{{1,4}})?)?{edge}"
        self._label = re.compile(rf"{edge}({choice}){number}:", re.IGNORECASE)
        # `### Step 2` alone on its line
        self._heading = re.compile(rf"{edge}({choice})[ \t]*\d{{1,4}}{edge}", re.IGNORECASE)
        self._number = re.compile(rf"[\d/of{re.escape(DECORATION)}]*", re.IGNORECASE)
        self._current = ""
        self._head: str | None = ""  # of a line that may be a label; None further on in a line
        self._is_after_label = False

    def feed(self, text: str) -> list[Opened | Piece]:
        """The next piece of the text."""
        out: list[Opened | Piece] = []
        start = 0
        while start < len(text):
            if self._head is not None:
                self._head += text[start]
                start += 1
                self._look(out)
            elif self._is_after_label and text[start] in " \t*_":
                start += 1
            else:
                self._is_after_label = False
                end = text.find("\n", start) + 1
                self._write(text[start : end or len(text)], out)
                self._head = "" if end else None
                start = end or len(text)
        return out

    def finish(self) -> list[Opened | Piece]:
        """The text is at its end: what was held back."""
        out: list[Opened | Piece] = []
        if self._head:
            self._head += "\n"
            self._look(out, is_end=True)
        self._head = None
        return out

    def _look(self, out: list[Opened | Piece], *, is_end: bool = False) -> None:
        """Decide about the head of a line, which has become longer by one character."""
        assert self._head is not None
        head = self._head
        if head.endswith("\n"):
            heading = self._heading.fullmatch(head[:-1])
            if heading:
                self._open(heading[1], out)
                self._is_after_label = False
            else:
                self._write(head[:-1] if is_end else head, out)
            self._head = ""
        elif head.endswith(":") and (label := self._label.fullmatch(head)):
            self._open(label[1], out)
        elif not self._may_be_label(head):
            self._write(head, out)
            self._head = None

    def _may_be_label(self, head: str) -> bool:
        if len(head) >= LONGEST_HEAD:
            return False
        bare = head.lstrip(DECORATION).casefold()
        return any(
            name.startswith(bare)
            or (bare.startswith(name) and self._number.fullmatch(bare[len(name) :]))
            for name in self._names
        )

    def _open(self, found: str, out: list[Opened | Piece]) -> None:
        self._current = self._names[found.casefold()]
        self._head = None
        self._is_after_label = True
        out.append(Opened(self._current))

    def _write(self, text: str, out: list[Opened | Piece]) -> None:
        if text:
            out.append(Piece(self._current, text))


def sections(text: str, labels: Sequence[str]) -> list[tuple[str, str]]:
    """A whole text as its sections, stripped: pairs of a label and what stands below it."""
    reader = SectionReader(labels)
    found: list[tuple[str, list[str]]] = [("", [])]
    for item in reader.feed(text) + reader.finish():
        if isinstance(item, Opened):
            found.append((item.label, []))
        else:
            found[-1][1].append(item.text)
    stripped = [(label, "".join(pieces).strip()) for label, pieces in found]
    return stripped if stripped[0][1] else stripped[1:]
