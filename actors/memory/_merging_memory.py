"""The memory actor with what a consolidation needs of it: find what is alike, merge, unmerge."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, Final

import trio

from actors.providers import Clock

from ._comparison import Row, pairs_between
from ._consolidation import groups_of, key_of
from ._filters import matches
from ._merges import Alike, FindAlike, Merge, Merges, Source, SourcesOf, Successors, Undone, Unmerge
from ._merging_log import MergingLog
from ._vector_memory import VectorMemory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._consolidation import Consolidation, Pair
    from ._entries import MemoryEntry
    from ._log import MemoryLog

Page = tuple[str, int, str, bytes]  # id, change, metadata as JSON, vector

PAGE: Final = 1_024  # vectors that are read at a time; others have their turn at the log between
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
        plan, log = message.plan, self._merging
        keys: dict[str, int] = {}
        found = await self._in_thread(log.page, message.after, LAST, plan.batch)
        unseen = await self._in_thread(log.unseen)
        if not found:
            return Alike((), message.after, 0, unseen)
        rows, upto = _rows(found, plan, keys), found[-1][1]
        pairs: list[Pair] = []
        start = 0
        while rows:
            page = await self._in_thread(log.page, start, upto, PAGE)
            # Nothing of it is done here, where streams are.
            pairs += await trio.to_thread.run_sync(_compared, rows, page, plan, keys)
            if len(page) < PAGE:
                break
            start = page[-1][1]
        groups = await self._sources(groups_of(pairs))
        return Alike(groups, upto, len(found), unseen)

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


def _compared(
    rows: list[Row], page: list[Page], plan: Consolidation, keys: dict[str, int]
) -> list[Pair]:
    others = _rows(page, plan, keys)
    return pairs_between(rows, others, plan.threshold) if others else []


def _rows(page: list[Page], plan: Consolidation, keys: dict[str, int]) -> list[Row]:
    rows: list[Row] = []
    for id, change, text, vector in page:
        metadata = json.loads(text)
        if matches(plan.where, metadata):
            key = keys.setdefault(key_of(metadata, plan.ignoring), len(keys))
            rows.append(Row(id, change, key, vector))
    return rows
