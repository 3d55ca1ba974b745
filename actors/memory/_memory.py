"""What a memory is to those who use it: an interface, its messages, and their checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, cast, get_args

import attrs

from actors.errors import ConfigurationError
from runtime import Ask, Stream

from ._entries import Found, IndexProgress, Item, MemoryEntry, MemoryStatistics, checked_text
from ._filters import Filter, checked_filter

FOREVER = float("inf")
SearchBy = Literal["vector", "keyword", "both"]
BEST: Final[SearchBy] = "both"  # docs/benchmarks.md has the figures


class Memory:
    """The interface of all memories. What is acknowledged is kept."""


def _collected(given: object) -> list[Any] | None:
    """What stands in a collection; None for what is none."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        return None
    return list(cast("Iterable[object]", given))


def _checked_items(items: Any) -> tuple[Item, ...]:
    given = _collected(items)
    if given is None or not all(isinstance(item, Item | str) for item in given):
        raise ConfigurationError('items are a list of texts and of Item("text", {"name": "value"})')
    return tuple(item if isinstance(item, Item) else Item(item) for item in given)


def _checked_ids(ids: Any) -> tuple[str, ...]:
    given = _collected(ids)
    if given is None or not all(isinstance(id, str) for id in given):
        raise ConfigurationError("ids are a list of strings: those that store gave")
    return tuple(given)


def _checked_limit(limit: Any) -> int:
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ConfigurationError(f"limit is {limit!r}, and must be a whole number above 0")
    return limit


def _checked_threshold(threshold: Any) -> float | None:
    is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if threshold is not None and not (is_number and -1 <= threshold <= 1):
        raise ConfigurationError(
            f"threshold is {threshold!r}, and must be a cosine: -1 to 1, or None for all"
        )
    return None if threshold is None else float(threshold)


def _checked_by(by: Any) -> SearchBy:
    if by not in get_args(SearchBy):
        raise ConfigurationError(f"by is {by!r}: write {', '.join(map(repr, get_args(SearchBy)))}")
    return cast("SearchBy", by)


def _checked_query(text: object) -> str:
    return checked_text(text, "the query")


@attrs.frozen
class Store(Ask[Memory, tuple[str, ...]]):
    """Keep items, all of them or none; the ids, in their order. They are on the disk then.

    Raises:
        MemoryNotWritten: The disk did not take them.
    """

    items: tuple[Item, ...] = attrs.field(converter=_checked_items)


@attrs.frozen
class Search(Ask[Memory, Found]):
    """Find what is like a text in meaning, or has its words.

    Attributes:
        text: What to look for.
        limit: At most how many.
        threshold: The least cosine similarity, or None for whatever is nearest. It holds for what
            was found by its words too. By keyword there is none.
        where: A filter over metadata, as `actors.memory` describes it.
        by: "vector" for the nearest in meaning; "keyword" for those with words of the text (BM25),
            which needs neither the embedder nor the index and has what was stored at once; "both"
            for the two rankings fused.

    Raises:
        MemoryUnreachable: The index does not answer.
        ProviderError, EmbedderEnded: There is no vector for the text.
    """

    text: str = attrs.field(converter=_checked_query)
    limit: int = attrs.field(default=10, converter=_checked_limit)
    threshold: float | None = attrs.field(default=None, converter=_checked_threshold)
    # An agent keeps answers by their questions, and a filter has no hash.
    where: Filter | None = attrs.field(default=None, converter=checked_filter, hash=False)
    by: SearchBy = attrs.field(default=BEST, converter=_checked_by)

    def __attrs_post_init__(self) -> None:
        if self.by == "keyword" and self.threshold is not None:
            raise ConfigurationError(
                "a search by keyword has no threshold, since BM25 has no scale: leave it out, or "
                'search by="both"'
            )


@attrs.frozen
class Get(Ask[Memory, tuple[MemoryEntry, ...]]):
    """Ask for entries by id, in the order of the ids; those that there are not are left out."""

    ids: tuple[str, ...] = attrs.field(converter=_checked_ids)


@attrs.frozen
class ListEntries(Ask[Memory, tuple[MemoryEntry, ...]]):
    """Ask for entries by time, the newest first.

    Attributes:
        since, until: When they were created, in seconds since the epoch; `until` is beyond.
        where: A filter over metadata.
        limit: At most how many.
    """

    since: float = 0.0
    until: float = FOREVER
    where: Filter | None = attrs.field(default=None, converter=checked_filter)
    limit: int = attrs.field(default=100, converter=_checked_limit)


@attrs.frozen
class Forget(Ask[Memory, int]):
    """Forget entries for good; how many of them there were.

    Raises:
        MemoryNotWritten: The disk did not take it; all of them are still there.
    """

    ids: tuple[str, ...] = attrs.field(converter=_checked_ids)


@attrs.frozen
class Clear(Ask[Memory, int]):
    """Forget everything; how many entries there were.

    Raises:
        MemoryNotWritten: The disk did not take it; all of them are still there.
    """


@attrs.frozen
class Measure(Ask[Memory, MemoryStatistics]):
    """Ask for the memory in numbers."""


@attrs.frozen
class WatchIndex(Stream[Memory, IndexProgress]):
    """Watch the index catch up with what is stored; the last item is `ready`."""
