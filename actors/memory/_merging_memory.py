"""The memory actor with what a consolidation needs of it: find what is alike, merge, unmerge."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, Final

import trio

from actors.errors import IndexDamaged, MemoryUnreachable
from actors.providers import Clock

from ._comparison import NEIGHBOURS, Row, pairs_between
from ._consolidation import groups_of, key_of
from ._filters import matches
from ._merges import Alike, FindAlike, Merge, Merges, Source, SourcesOf, Successors, Undone, Unmerge
from ._merging_log import MergingLog
from ._vector_memory import BATCH, CATCH_UP, VectorMemory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._consolidation import Consolidation, Pair
    from ._entries import MemoryEntry
    from ._log import MemoryLog

Page = tuple[str, int, str, str, bytes]  # id, change, text, metadata as JSON, vector

PAGE: Final = 1_024  # vectors that are read at a time; others have their turn at the log between
ROUNDED: Final = 1e-3  # what is nearly alike in the index is compared in full
LAST: Final = 2**62  # no change has a number as high


class MergingMemory(VectorMemory, Merges):
    """A `VectorMemory` whose entries can be merged."""

    log_class: ClassVar[type[MemoryLog]] = MergingLog

    @property
    def _merging(self) -> MergingLog:
        assert isinstance(self._log, MergingLog)
        return self._log

    @FindAlike.handles(concurrent=True)
    async def find_alike(self, message: FindAlike) -> Alike:
        log, compared = self._merging, _Compared(message.plan)
        found = await self._in_thread(log.page, message.after, LAST, message.plan.batch)
        unseen = await self._in_thread(log.unseen)
        if not found:
            return Alike((), message.after, 0, unseen)
        rows, upto = compared.rows(found), found[-1][1]
        pairs: list[Pair] = []
        if (await self._in_thread(log.standing)).entries > message.plan.exact_upto:
            ids, rows_left = await self._near(rows, message.plan.threshold)
            pairs += await compared.pairs(rows, await self._in_thread(log.rows, ids))
            rows = rows_left
        start = 0
        while rows:
            page = await self._in_thread(log.page, start, upto, PAGE)
            pairs += await compared.pairs(rows, page)
            if len(page) < PAGE:
                break
            start = page[-1][1]
        return Alike(await self._sources(groups_of(pairs)), upto, len(found), unseen)

    async def _near(self, rows: list[Row], threshold: float) -> tuple[list[str], list[Row]]:
        """Ask the index for what is alike to these rows.

        Returns:
            Ids of what may be, and the rows of which the index cannot tell all: it lacks them, it
            does not answer, or they have more that is alike than they were told.
        """
        near: dict[str, None] = {}
        left: list[Row] = []
        await self._has_changes(rows[-1].change if rows else 0)
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            index = self._index
            if index is None or some[-1].change > self._log.index_has:
                left += some
                continue
            try:
                found = await index.nearest_of([row.vector for row in some], NEIGHBOURS)
            except (MemoryUnreachable, IndexDamaged) as fault:  # `Measure` says it
                self._lose(index, fault)
                left += some
                continue
            for row, hits in zip(some, found, strict=True):
                alike = [id for id, similarity in hits if similarity >= threshold - ROUNDED]
                near.update(dict.fromkeys(alike))
                left += [row] if len(alike) == NEIGHBOURS else []
        return list(near), left

    async def _has_changes(self, upto: int) -> None:
        """Wait for the index to have these changes, if there is one, and not for long."""
        with trio.move_on_after(CATCH_UP):
            while self._index is not None and self._log.index_has < upto:
                await self._changed.wait()

    async def _sources(self, groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[Source, ...], ...]:
        """The groups with their entries; without those of which one has gone meanwhile."""
        ids = [id for group in groups for id in group]
        here = await self._in_thread(self._merging.as_sources, ids)
        return tuple(
            tuple(here[id] for id in group) for group in groups if all(id in here for id in group)
        )

    @Merge.handles(concurrent=True)
    async def merge(self, message: Merge) -> tuple[str, ...]:
        ids = await self._in_thread(self._merging.merge, message.run, message.groups, Clock().now())
        self._news.set()
        return ids

    @Unmerge.handles(concurrent=True)
    async def unmerge(self, message: Unmerge) -> Undone:
        restored, left, before = 0, list[str](), LAST
        while before:
            undone, before = await self._in_thread(self._merging.undo, message.run, before)
            self._news.set()
            restored += undone.restored
            left += undone.left
        return Undone(restored, tuple(left))

    @SourcesOf.handles(concurrent=True)
    async def sources_of(self, message: SourcesOf) -> tuple[MemoryEntry, ...]:
        return await self._in_thread(self._merging.sources, message.id)

    @Successors.handles(concurrent=True)
    async def successors(self, message: Successors) -> Mapping[str, str]:
        return await self._in_thread(
            lambda: {id: self._merging.successor(id) for id in message.ids}
        )


class _Compared:
    """Compares entries as a plan says.

    It numbers their metadata, as JSON and without what is ignored, and does as little as it can for
    each of them: what is not numpy's keeps the event loop waiting.
    """

    def __init__(self, plan: Consolidation) -> None:
        self._plan = plan
        self._keys: dict[str, int | None] = {}
        self._numbers: dict[str, int] = {}

    async def pairs(self, rows: list[Row], page: list[Page]) -> list[Pair]:
        """Those of the rows that are alike to one of the page that changed before."""
        # Nothing of it is done here, where streams are.
        return await trio.to_thread.run_sync(self._pairs, rows, page)

    def _pairs(self, rows: list[Row], page: list[Page]) -> list[Pair]:
        others = self.rows(page)
        return pairs_between(rows, others, self._plan.threshold) if rows and others else []

    def rows(self, page: list[Page]) -> list[Row]:
        """What is to be compared of a page."""
        keys = [(each, self._key(each[3])) for each in page]
        return [
            Row(id, change, text, key, vector)
            for (id, change, text, _, vector), key in keys
            if key is not None
        ]

    def _key(self, metadata: str) -> int | None:
        """The number of this metadata, None if the plan leaves entries with it alone."""
        if metadata not in self._keys:
            known = json.loads(metadata)
            name = key_of(known, self._plan.ignoring)
            number = self._numbers.setdefault(name, len(self._numbers))
            self._keys[metadata] = number if matches(self._plan.where, known) else None
        return self._keys[metadata]
