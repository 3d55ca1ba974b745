"""The part of a memory's log that merges entries, and can take it back. Blocks; no trio.

A merged entry is an entry as any other. Its sources leave the entries in the same commit and wait
in a table of their own, with the id of what they became. What is forgotten is forgotten there, too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ._consolidation import id_of, metadata_kept
from ._entries import MemoryEntry
from ._log import MemoryLog, hash_of
from ._merges import Source, Undone
from ._tables import PUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._merges import Merged

PAGE: Final = (
    "SELECT e.id, e.change, e.text, e.metadata, v.vector FROM entries AS e JOIN vectors AS v"
    " ON v.hash = e.hash WHERE e.change > ? AND e.change <= ? ORDER BY e.change LIMIT ?"
)
ROWS: Final = (
    "SELECT e.id, e.change, e.text, e.metadata, v.vector FROM entries AS e JOIN vectors AS v"
    " ON v.hash = e.hash WHERE e.id IN ({})"
)
UNSEEN: Final = (
    "SELECT count(*) FROM entries AS e WHERE NOT EXISTS"
    " (SELECT 1 FROM vectors AS v WHERE v.hash = e.hash)"
)
ENTRY: Final = "id, text, metadata, created, updated"
ABSORB: Final = (
    "INSERT OR REPLACE INTO sources SELECT ?, id, text, metadata, hash, created, updated"
    " FROM entries WHERE id = ?"
)
RESTORE: Final = (
    "INSERT INTO entries SELECT id, ?1, text, metadata, hash, created, updated, 2 FROM sources"
    " WHERE merged = ?2 AND id = ?3"
)
AT_ONCE: Final = 32  # merges that are taken back in one commit


class MergingLog(MemoryLog):
    """A log whose entries can be merged; see `MemoryLog`."""

    # Looking

    def page(self, after: int, upto: int, limit: int) -> list[tuple[str, int, str, str, bytes]]:
        """Ids, changes, texts, metadata as JSON, vectors: of changes beyond `after`, in order."""
        with self._reading():
            return self._connection.execute(PAGE, (after, upto, limit)).fetchall()

    def rows(self, ids: Sequence[str]) -> list[tuple[str, int, str, str, bytes]]:
        """The same of the entries with these ids; without those that have gone."""
        with self._reading():
            return self._of(ROWS, ids)

    def unseen(self) -> int:
        """How many entries have no vector yet."""
        ((count,),) = self._connection.execute(UNSEEN)
        return int(count)

    def as_sources(self, ids: Sequence[str]) -> dict[str, Source]:
        """Those of the entries that there are, with their changes."""
        entries = self.entries(ids)
        changes = dict(self._of("SELECT id, change FROM entries WHERE id IN ({})", ids))
        return {id: Source(entry, changes[id]) for id, entry in entries.items()}

    def sources(self, id: str) -> tuple[MemoryEntry, ...]:
        """What an entry was merged from, the oldest first."""
        with self._reading():
            rows = self._connection.execute(
                f"SELECT {ENTRY} FROM sources WHERE merged = ? ORDER BY created, id",  # noqa: S608 - a constant
                (id,),
            )
            return tuple(
                MemoryEntry(each, text, json.loads(metadata), created, updated)
                for each, text, metadata, created, updated in rows
            )

    def successor(self, id: str) -> str:
        """What an entry was merged into in the end; itself if it is there, or is nowhere."""
        while not self._has(id):
            merged = self._absorber(id)
            if merged is None:
                break
            id = merged
        return id

    def _absorber(self, id: str) -> str | None:
        row = self._connection.execute(
            "SELECT merged FROM sources WHERE id = ? ORDER BY rowid DESC", (id,)
        ).fetchone()
        return None if row is None else str(row[0])

    # Merging

    def merge(self, run: str, groups: Sequence[Merged], now: float) -> tuple[str, ...]:
        """Merge groups in one commit; ids of what came of those that are as they were.

        Raises:
            MemoryNotWritten: If the disk does not take it; nothing of it is in.
        """
        ids: list[str] = []
        changes = self.changes
        with self._writing():
            for group in groups:
                here = self.as_sources(list(group.sources))
                if {id: each.change for id, each in here.items()} == dict(group.sources):
                    ids.append(self._merge(run, group, list(here.values()), (changes, now)))
                    changes += 1 + len(here)
            self._note(changes=changes)
        self.changes = changes
        return tuple(ids)

    def _merge(
        self, run: str, group: Merged, sources: list[Source], when: tuple[int, float]
    ) -> str:
        changes, now = when
        merged = id_of(group.sources)
        execute = self._connection.execute
        hash = hash_of(group.text)
        execute("INSERT INTO merges (id, run, hash) VALUES (?, ?, ?)", (merged, run, hash))
        for id in group.sources:
            execute(ABSORB, (merged, id))
        metadata = json.dumps(dict(metadata_kept([each.entry for each in sources])))
        created = min(each.entry.created for each in sources)
        execute(PUT, (merged, changes + 1, group.text, metadata, hash, created, now))
        self._take_out(list(group.sources), changes + 1)
        return merged

    def _take_out(self, ids: Sequence[str], changes: int) -> None:
        """Take entries out, within a commit; their changes are the next after `changes`."""
        hashes = self._hashes(ids)
        execute = self._connection.execute
        for number, id in enumerate(ids, changes + 1):
            execute("DELETE FROM entries WHERE id = ?", (id,))
            execute("INSERT INTO forgotten VALUES (?, ?)", (number, id))
        self._sweep(hashes)

    # Taking it back

    def undo(self, run: str, before: int) -> tuple[Undone, int]:
        """Take back some merges of a run in one commit, the latest first.

        Args:
            run: Which.
            before: The number that they are below.

        Returns:
            What was done, and the number to go on below; 0 at the end.

        Raises:
            MemoryNotWritten: If the disk does not take it; nothing of it is in.
        """
        with self._writing():
            rows = self._connection.execute(
                "SELECT number, id, hash FROM merges WHERE run = ? AND number < ?"
                " ORDER BY number DESC LIMIT ?",
                (run, before, AT_ONCE),
            ).fetchall()
            changes = self.changes
            restored, left = 0, list[str]()
            for _, id, hash in rows:
                if self._hashes([id]) != [hash]:
                    left.append(id)
                    continue
                count = self._unmerge(id, changes)
                restored += count
                changes += count + 1
            self._note(changes=changes)
        self.changes = changes
        return Undone(restored, tuple(left)), rows[-1][0] if len(rows) == AT_ONCE else 0

    def _unmerge(self, merged: str, changes: int) -> int:
        """Put the sources of an entry in its place, within a commit; how many came back."""
        self._take_out([merged], changes)
        back = [
            entry.id for entry in self.sources(merged) if not self._has(entry.id)
        ]  # what was stored since under an old id stays
        for number, id in enumerate(back, changes + 2):
            self._connection.execute(RESTORE, (number, merged, id))
        self._unlink(merged)
        return len(back)

    def _unlink(self, merged: str) -> None:
        self._connection.execute("DELETE FROM merges WHERE id = ?", (merged,))
        self._connection.execute("DELETE FROM sources WHERE merged = ?", (merged,))

    # Forgetting

    def forget(self, ids: Sequence[str]) -> int:
        """Forget entries with what they were merged from; how many of them there were.

        What was merged into another is taken out of it first: the merge is taken back.

        Raises:
            MemoryNotWritten: If the disk does not take it; what is to be forgotten is still there,
                and some of it may be unmerged.
        """
        with self._writing():
            changes = self.changes
            for id in dict.fromkeys(ids):
                changes = self._bring_back(id, changes)
                self._drop_sources([id])
            self._note(changes=changes)
        self.changes = changes
        return super().forget(ids)

    def _bring_back(self, id: str, changes: int) -> int:
        """Take back all merges that an entry has gone into; the last change then.

        It may have been stored again since, and merged again.
        """
        while (merged := self._absorber(id)) is not None:
            way = [merged]
            while not self._has(way[-1]) and (above := self._absorber(way[-1])) is not None:
                way.append(above)
            for each in reversed(way):
                changes += self._unmerge(each, changes) + 1
        return changes

    def _drop_sources(self, ids: Iterable[str]) -> None:
        """Forget what entries were merged from, and what that was merged from."""
        due = list(ids)
        while due:
            merged = due.pop()
            found: list[tuple[Any]] = self._connection.execute(
                "SELECT id FROM sources WHERE merged = ?", (merged,)
            ).fetchall()
            due += [id for (id,) in found if not self._has(id)]
            self._unlink(merged)
