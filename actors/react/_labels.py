"""Finds labels in a text while it streams: `Thought: ...`, `**Action:** ...`. Pure.

A label stands at the beginning of a line and ends with a colon. Stars, hashes, backticks and a
number around it are decoration. However the text is cut, the same comes out, and as soon as it
is known to be no label.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator


class Label(enum.Enum):
    THOUGHT = "Thought"
    ACTION = "Action"
    INPUT = "Action Input"
    OBSERVATION = "Observation"
    ANSWER = "Final Answer"


BEFORE: Final = " \t*#>`_"
BEHIND: Final = " \t*`_0123456789"
DECORATION: Final = " \t*_"  # between a label and its text; backticks may be a fence
LONGEST: Final = 64  # characters of a line in which a label has ended, or there is none
NAMES: Final = {label.value.casefold(): label for label in Label}
FOUND: Final = re.compile(
    rf"[{BEFORE}]*({'|'.join(sorted(NAMES, key=len, reverse=True))})[{BEHIND}]*:", re.IGNORECASE
)


@attrs.frozen
class Piece:
    """Text that is no label."""

    text: str


class LabelFinder:
    """Splits a text at its labels, until it is told to stop."""

    def __init__(self) -> None:
        self._head: str | None = ""  # of a line that may be a label; None further on in it
        self._is_behind = False  # a label, where decoration may follow

        self._is_stopped = False

    def stop(self) -> None:
        """Find no more labels: what comes now is text, also in the piece that is being read."""
        self._is_stopped = True

    def feed(self, text: str) -> Iterator[Label | Piece]:
        """The next piece of the text, to be read to its end."""
        start = 0
        while start < len(text):
            if self._is_behind and text[start] in DECORATION:
                start += 1
                continue
            self._is_behind = False
            if self._is_stopped:
                yield Piece(text[start:])
                return
            if self._head is not None:
                yield from self._look(self._head + text[start])
                start += 1
                continue
            end = text.find("\n", start) + 1
            yield Piece(text[start : end or len(text)])
            self._head = "" if end else None
            start = end or len(text)

    def finish(self) -> Iterator[Label | Piece]:
        """The text has ended: what was held back."""
        head, self._head = self._head, None
        if head:
            yield Piece(head)

    def _look(self, head: str) -> Iterator[Label | Piece]:
        """Decide about the head of a line, if that is possible yet."""
        label = FOUND.fullmatch(head) if head.endswith(":") else None
        if label:
            self._head, self._is_behind = None, True
            yield NAMES[label[1].casefold()]
        elif head.endswith("\n"):
            self._head = ""
            yield Piece(head)
        elif _may_become_a_label(head):
            self._head = head
        else:
            self._head = None
            yield Piece(head)


def _may_become_a_label(head: str) -> bool:
    if len(head) >= LONGEST:
        return False
    bare = head.lstrip(BEFORE).casefold()
    return any(
        name.startswith(bare) or (bare.startswith(name) and not bare[len(name) :].strip(BEHIND))
        for name in NAMES
    )


class Trimmer:
    """Takes the blanks off both ends of a text while it streams."""

    def __init__(self) -> None:
        self._held = ""
        self._has_begun = False

    def feed(self, text: str) -> str:
        """The next piece; what is given back adds up to the stripped text."""
        if not self._has_begun:
            text = text.lstrip()
            if not text:
                return ""
            self._has_begun = True
        text = self._held + text
        shown = text.rstrip()
        self._held = text[len(shown) :]
        return shown
