"""Cuts a text into chunks by its structure. Pure.

A chunk is a slice of the text. It begins anew at every heading; what fits into a chunk is not cut;
what does not is cut between items, lines, sentences, words, and last between characters. It begins
with the end of the chunk before, if that is of the same section. Sizes are the estimate of tokens
of `actors.recall`, which is a sum over characters.
"""

from __future__ import annotations

import bisect
import itertools
import re
import unicodedata
from array import array
from typing import TYPE_CHECKING, Final

import attrs

from actors.errors import ConfigurationError
from actors.recall import tokens_of

from ._blocks import Block, Kind, blocks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SMALLEST: Final = 16  # tokens: less holds no sentence
LARGEST: Final = 8_000  # tokens: as much as common embedders read
ROUNDING: Final = 1e-6  # tokens; a sum of floats depends on its order
LONGEST_CHARACTER: Final = 32  # code points; what goes on for longer is cut all the same

ITEMS: Final = re.compile(r"\n(?=[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t])")
LINES: Final = re.compile(r"\r\n|\r|\n")
SENTENCES: Final = re.compile(r"""[.!?…]+["'”’»)\]]*\s+|[。！？]+[」』”’）]*\s*""")  # noqa: RUF001 - full width is meant
WORDS: Final = re.compile(r"\s+")
SOFT: Final = re.compile(f"{SENTENCES.pattern}|{LINES.pattern}")
LADDER: Final[Mapping[Kind, tuple[re.Pattern[str], ...]]] = {
    Kind.HEADING: (WORDS,),
    Kind.PARAGRAPH: (SENTENCES, LINES, WORDS),
    Kind.LIST: (ITEMS, LINES, SENTENCES, WORDS),
    Kind.CODE: (LINES, WORDS),
    Kind.TABLE: (LINES, WORDS),
}

ZERO_WIDTH_JOINER: Final = "\u200d"
MODIFIERS: Final = ("\U0001f3fb", "\U0001f3ff")  # of skin
TAGS: Final = ("\U000e0020", "\U000e007f")  # of a flag
FLAGS: Final = ("\U0001f1e6", "\U0001f1ff")  # two make one
JAMO: Final = ("\u1100", "\u11ff")  # parts of a Korean syllable
SECOND_JAMO: Final = "\u1160"  # from here on; those before can begin one


def _checked_count(name: str, value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigurationError(
            f"{name} is {value!r}, and must be a whole number of tokens from {least} to {most}"
        )
    return value


@attrs.frozen
class Chunking:
    """How a text is cut.

    Attributes:
        size: The most that a chunk may have, in tokens as `actors.recall.tokens_of` estimates
            them. MiniLM reads 256 and nothing of what comes after.
        overlap: So much of the chunk before is repeated at most; 0 for nothing.

    Raises:
        ConfigurationError: If they do not go together; the text says what to write.
    """

    size: int = 200
    overlap: int = 25

    def __attrs_post_init__(self) -> None:
        _checked_count("the size of a chunk", self.size, SMALLEST, LARGEST)
        _checked_count("the overlap", self.overlap, 0, self.size // 2)


@attrs.frozen
class Chunk:
    """A slice of a text.

    Attributes:
        text: What it says, without empty lines around it.
        start, end: Where it stands in the text, in characters, empty lines included.
        headings: Those that its own part begins below, the outermost first.
    """

    text: str
    start: int
    end: int
    headings: tuple[str, ...] = ()


def chunks_of(
    text: str, chunking: Chunking | None = None, *, is_markdown: bool = True
) -> Iterator[Chunk]:
    """Cut a text; its chunks, in order. All but white space is in one of them, at least.

    Args:
        text: All of it.
        chunking: How to cut.
        is_markdown: Whether its headings, lists and code are looked for, or only paragraphs.
    """
    cutter = _Cutter(text, chunking or Chunking())
    for block in blocks_of(text, is_markdown=is_markdown):
        yield from cutter.add(block)
    yield from cutter.close()


def is_between_characters(text: str, position: int) -> bool:
    """Whether a text can be cut there without tearing what a reader sees as one character.

    By https://unicode.org/reports/tr29/, as far as the standard library knows its classes.
    """
    if not 0 < position < len(text):
        return True
    before, after = text[position - 1], text[position]
    if before in "\r\n":
        return before + after != "\r\n"
    if _extends(after) or before == ZERO_WIDTH_JOINER:
        return False
    if _is_in(before, JAMO, after):
        return after < SECOND_JAMO <= before
    if _is_in(before, FLAGS, after):
        run = itertools.takewhile(lambda place: _is_in(text[place], FLAGS), _down(position - 1))
        return sum(1 for _ in run) % 2 == 0
    return True


def _down(position: int) -> Iterator[int]:
    return iter(range(position, -1, -1))


def _is_in(character: str, borders: tuple[str, str], other: str | None = None) -> bool:
    low, high = borders
    return low <= character <= high and (other is None or low <= other <= high)


def _extends(character: str) -> bool:
    if character < "\u0300":
        return False
    return (
        unicodedata.category(character).startswith("M")
        or character == ZERO_WIDTH_JOINER
        or _is_in(character, MODIFIERS)
        or _is_in(character, TAGS)
    )


class _Weights(dict[str, float]):
    def __missing__(self, character: str) -> float:
        self[character] = weight = tokens_of(character)
        return weight


@attrs.frozen
class _Piece:
    """Part of a block that is not cut unless it must be; `rung` counts the cuts behind it."""

    block: Block
    start: int
    end: int
    rung: int = 0

    @property
    def is_last(self) -> bool:
        """Whether there is no cut left but between characters."""
        return self.rung > len(LADDER[self.block.kind])


class _Cutter:
    """Fills one chunk after the other."""

    def __init__(self, text: str, chunking: Chunking) -> None:
        self._text = text
        self._chunking = chunking
        weights = itertools.accumulate(map(_Weights().__getitem__, text), initial=0.0)
        self._costs = array("d", weights)  # of all before a position
        self._first: _Piece | None = None  # of the chunk that is open
        self._begin = self._end = 0  # of the same, with its overlap
        self._is_bare = True  # it has headings alone
        self._section = 0  # where the present one begins

    def add(self, block: Block) -> Iterator[Chunk]:
        is_heading = block.kind is Kind.HEADING
        if is_heading and not self._is_bare:
            yield from self.close()
        if is_heading and self._first is None:
            self._section = block.start
        yield from self._feed(_Piece(block, block.start, block.end))

    def close(self) -> Iterator[Chunk]:
        """Give what there is of a chunk."""
        if self._first is None:
            return
        kept = self._text[self._begin : self._end]
        if kept.strip():
            headings = self._first.block.headings
            yield Chunk(kept.strip("\r\n").rstrip(), self._begin, self._end, headings)
        self._first, self._is_bare = None, True

    def _feed(self, piece: _Piece) -> Iterator[Chunk]:
        # Headings do not stand alone where some of what follows can stand with them.
        if not self._fits(piece) and (not self._is_bare or piece.is_last):
            yield from self.close()
        if self._fits(piece):
            self._take(piece)
        else:
            for part in self._parts(piece):
                yield from self._feed(part)

    def _cost(self, start: int, end: int) -> float:
        return self._costs[end] - self._costs[start]

    def _fits(self, piece: _Piece) -> bool:
        begin = piece.start if self._first is None else self._begin
        return self._cost(begin, piece.end) <= self._chunking.size + ROUNDING

    def _take(self, piece: _Piece) -> None:
        if self._first is None:
            self._begin = self._overlapped(piece)
            self._first = piece
        elif self._is_bare:
            self._first = piece  # its headings are more than those of the first
        self._end = piece.end
        self._is_bare = self._is_bare and piece.block.kind is Kind.HEADING

    def _overlapped(self, piece: _Piece) -> int:
        """Where a chunk begins whose own part begins with `piece`."""
        at = piece.start
        room = self._chunking.size - self._cost(at, piece.end)
        budget = min(float(self._chunking.overlap), room)
        lowest = bisect.bisect_left(self._costs, self._costs[at] - budget, 0, at)
        # Chunks begin one after the other, also where one is shorter than its overlap
        lowest = max(lowest, self._section, self._begin + 1)
        for pattern in (SOFT, WORDS):
            for match in pattern.finditer(self._text, min(lowest, at), at):
                if match.end() < at and is_between_characters(self._text, match.end()):
                    return match.end()
        return at

    def _parts(self, piece: _Piece) -> Iterator[_Piece]:
        ladder = LADDER[piece.block.kind]
        if piece.rung >= len(ladder):
            yield from self._characters(piece)
            return
        start = piece.start
        for match in ladder[piece.rung].finditer(self._text, piece.start, piece.end):
            cut = self._snapped(match.end())
            if start < cut < piece.end:
                yield _Piece(piece.block, start, cut, piece.rung + 1)
                start = cut
        yield _Piece(piece.block, start, piece.end, piece.rung + 1)

    def _snapped(self, position: int) -> int:
        while not is_between_characters(self._text, position):
            position += 1
        return position

    def _characters(self, piece: _Piece) -> Iterator[_Piece]:
        """Parts as large as can be, for what has no other place to be cut."""
        rung = len(LADDER[piece.block.kind]) + 1
        start = piece.start
        while start < piece.end:
            most = self._costs[start] + self._chunking.size
            furthest = min(bisect.bisect_right(self._costs, most, start + 1) - 1, piece.end)
            end = furthest
            while end > start and not is_between_characters(self._text, end):
                end -= 1
            if end <= max(start, furthest - LONGEST_CHARACTER):
                end = max(furthest, start + 1)
            yield _Piece(piece.block, start, end, rung)
            start = end
