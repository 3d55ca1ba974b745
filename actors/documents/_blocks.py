"""The blocks of a text: headings, paragraphs, lists, code, tables. Pure.

Every character of the text is in exactly one block, in order; empty lines belong to the block
before them. Of Markdown it knows what matters for where to cut, by
https://spec.commonmark.org/0.31.2/: headings of both kinds, fences, lists; not HTML, not quotes.
"""

from __future__ import annotations

import enum
import re
from typing import Final

import attrs

LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
HEADING: Final = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
UNDERLINE: Final = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})([^\r\n]*)$")
ITEM: Final = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)")
INDENTED: Final = re.compile(r"[ \t]{2,}\S|\t")


class Kind(enum.Enum):
    """What a block is; the value is for people."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    CODE = "code"
    TABLE = "table"


@attrs.define
class Block:
    """A part of a text: `text[start:end]`.

    Attributes:
        headings: Those that it stands below, the outermost first; a heading's own is the last.
    """

    kind: Kind
    start: int
    end: int
    headings: tuple[str, ...] = ()


def blocks_of(text: str, *, is_markdown: bool) -> list[Block]:
    """Take a text apart.

    Args:
        text: All of it.
        is_markdown: If not, there are paragraphs alone, with empty lines between them.
    """
    reader = _Reader(is_markdown=is_markdown)
    for match in LINE.finditer(text):
        reader.line(match.group().rstrip("\r\n"), match.start(), match.end())
    return reader.blocks


class _Reader:
    """Puts line after line to the block that it belongs to."""

    def __init__(self, *, is_markdown: bool) -> None:
        self.blocks: list[Block] = []
        self._is_markdown = is_markdown
        self._fence = ""  # what closes the code that is open
        self._after_blank = True
        self._lines = 0  # of the last block, without the empty ones
        self._last = ""  # the line before
        self._outline: list[tuple[int, str]] = []

    def line(self, line: str, start: int, end: int) -> None:
        if self._fence:
            self._in_code(line, end)
        elif not line.strip():
            self._blank(start, end)
        elif not (self._is_markdown and self._is_marked(line, start, end)):
            self._plain(line, start, end)
        self._last = line

    def _in_code(self, line: str, end: int) -> None:
        self.blocks[-1].end = end
        closing = line.strip()
        if closing.startswith(self._fence) and not closing.strip(self._fence[0]):
            self._fence = ""
            self._after_blank = True  # what comes next is another block

    def _blank(self, start: int, end: int) -> None:
        if self.blocks:
            self.blocks[-1].end = end
        else:
            self._open(Kind.PARAGRAPH, start, end)
            self._lines = 0
        self._after_blank = True

    def _is_marked(self, line: str, start: int, end: int) -> bool:
        """Take a line that says what it is; False for others."""
        if heading := HEADING.match(line):
            self._head(len(heading[1]), heading[2] or "", start, end)
        elif (fence := FENCE.match(line)) and not (fence[1][0] == "`" and "`" in fence[2]):
            self._open(Kind.CODE, start, end)
            self._fence = fence[1]
        elif (under := UNDERLINE.match(line)) and self._is_title():
            begin = self.blocks.pop().start
            self._head(1 if under[1][0] == "=" else 2, self._last.strip(), begin, end)
        else:
            return self._is_listed(line, start, end)
        return True

    def _is_title(self) -> bool:
        """Whether the line before can be a heading by what is below it."""
        return bool(
            self.blocks
            and not self._after_blank
            and self._lines == 1
            and self.blocks[-1].kind is Kind.PARAGRAPH
        )

    def _is_listed(self, line: str, start: int, end: int) -> bool:
        is_in_list = bool(self.blocks) and self.blocks[-1].kind is Kind.LIST
        if is_in_list and (ITEM.match(line) or INDENTED.match(line) or not self._after_blank):
            self._go_on(end)
        elif ITEM.match(line) and (self._after_blank or not line.lstrip()[0].isdigit()):
            self._open(Kind.LIST, start, end)
        else:
            return False
        return True

    def _plain(self, line: str, start: int, end: int) -> None:
        if self._after_blank and not self._is_first():
            is_table = self._is_markdown and line.lstrip().startswith("|")
            self._open(Kind.TABLE if is_table else Kind.PARAGRAPH, start, end)
        else:
            self._go_on(end)

    def _is_first(self) -> bool:
        """Whether there are but empty lines before."""
        return len(self.blocks) == 1 and self._lines == 0

    def _head(self, level: int, title: str, start: int, end: int) -> None:
        self._outline = [each for each in self._outline if each[0] < level] + [(level, title)]
        self._open(Kind.HEADING, start, end)
        self._after_blank = True  # what comes next is another block

    def _open(self, kind: Kind, start: int, end: int) -> None:
        headings = tuple(title for _, title in self._outline if title)
        self.blocks.append(Block(kind, start, end, headings))
        self._lines = 1
        self._after_blank = False

    def _go_on(self, end: int) -> None:
        self.blocks[-1].end = end
        self._lines += 1
        self._after_blank = False
