"""What a memory is to who merges its entries: messages, and what they answer with."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from runtime import Ask

from ._consolidation import Consolidation
from ._entries import MemoryEntry
from ._memory import Memory


class Merges(Memory):
    """The interface of a memory whose entries can be merged, and unmerged again."""


@attrs.frozen
class Source:
    """An entry as it was when it was compared.

    Attributes:
        change: The number of its last change; another one means that it is another text.
    """

    entry: MemoryEntry
    change: int


@attrs.frozen
class Alike:
    """A step of the search for entries that say the same.

    Attributes:
        groups: Those that were found.
        upto: The change to go on after.
        compared: How many entries were compared with all before them; 0 at the end.
        unseen: How many could not be, since their vectors are not there yet.
    """

    groups: tuple[tuple[Source, ...], ...]
    upto: int
    compared: int
    unseen: int


@attrs.frozen
class FindAlike(Ask[Merges, Alike]):
    """Compare the next entries, in the order of their changes, with all before them."""

    plan: Consolidation
    after: int


@attrs.frozen
class Merged:
    """What a group is to become.

    Attributes:
        sources: Ids, with the changes that they were compared at.
    """

    sources: Mapping[str, int]
    text: str


@attrs.frozen
class Merge(Ask[Merges, tuple[str, ...]]):
    """Put merged entries in the place of their sources, all in one commit; their ids.

    A group of which an entry has changed, or gone, is left as it is.

    Attributes:
        run: By which they can be unmerged.

    Raises:
        MemoryNotWritten: The disk did not take it; all is as it was.
    """

    run: str
    groups: tuple[Merged, ...]


@attrs.frozen
class Undone:
    """What an undo has done.

    Attributes:
        restored: So many entries are back.
        left: Ids of merged entries that stay: they were merged further, forgotten or replaced.
    """

    restored: int
    left: tuple[str, ...] = ()


@attrs.frozen
class Unmerge(Ask[Merges, Undone]):
    """Put back what a consolidation has merged, in bounded commits.

    Raises:
        MemoryNotWritten: The disk did not take the rest.
    """

    run: str


@attrs.frozen
class SourcesOf(Ask[Merges, tuple[MemoryEntry, ...]]):
    """Ask what an entry was merged from, the oldest first; nothing if it was not."""

    id: str


@attrs.frozen
class Successors(Ask[Merges, Mapping[str, str]]):
    """Ask what entries were merged into in the end; what was not stands for itself."""

    ids: tuple[str, ...]
