"""A memory's log: the SQLite file that is the truth, and the index its copy. Blocks; no trio.

Every change gets a number. The index has all changes up to `applied`; what comes after is pending.
An entry holds the number of its last change, a forgotten one leaves its id until the index has
forgotten it too. Vectors are kept by the hash of their text for as long as an entry has it. A new
generation is an empty index: begun when all is cleared, or when the index is to be made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import uuid
from typing import TYPE_CHECKING, Any, Final

from actors.errors import EmbedderMismatch, MemoryDamaged, MemoryNotWritten, MemoryUnusable
from actors.sqlite import Database

from ._entries import MemoryEntry, metadata_of
from ._filters import matches
from ._fusion import cosine
from ._keywords import EMPTY, TIDY, ranked_by_words
from ._tables import (
    BESIDE,
    CLEARED,
    COLUMNS,
    KIND,
    PENDING,
    PUT,
    SAMPLE,
    VECTORS,
    Change,
    Standing,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from pathlib import Path

    from ._entries import Item
    from ._filters import Filter

IDS_AT_ONCE: Final = 500  # SQLite takes a bounded number of parameters


class MemoryLog:
    """The open file. Its methods may be called from any thread, one at a time.

    Attributes:
        id: Of this memory, for good: no other has it.
        embedder: What made its vectors.
        dimensions: Their length; 0 before the first one.
        changes: The number of the last change.
        index_has: The number of the change up to which the index has all of them.

    Raises:
        MemoryUnusable: If it cannot be opened, made or locked, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path, KIND)
        self._connection = self._database.connection
        self.connection = self._connection  # for those who keep something beside the entries
        self._connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
        try:
            with self._database.transaction():
                for statement in BESIDE:
                    self._connection.execute(statement)
        except sqlite3.Error as error:
            self._database.close()
            raise MemoryUnusable(f"the memory {path} cannot be used: {error}") from error
        self.id = str(self._fact("id"))
        self.embedder = str(self._fact("embedder"))
        self.dimensions = int(self._fact("dimensions"))
        self.changes = int(self._fact("changes"))
        self.index_has = int(self._fact("applied"))
        self._tidy()  # what a killed program left

    def close(self) -> None:
        """Let the next program have it."""
        try:
            self._tidy()
        finally:
            self._database.close()

    def _tidy(self) -> None:
        """Overwrite the words of what was forgotten or replaced; they are found no more anyway."""
        with contextlib.suppress(MemoryNotWritten):  # then at the next opening
            if self._fact("untidy"):
                with self._writing():
                    self._connection.execute(TIDY)
                    self._note(untidy=0)

    def _fact(self, name: str) -> Any:
        ((value,),) = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,))
        return value

    def _note(self, **facts: object) -> None:
        rows = [(value, name) for name, value in facts.items()]
        self._connection.executemany("UPDATE facts SET value = ? WHERE name = ?", rows)

    @contextlib.contextmanager
    def _writing(self) -> Generator[None]:
        try:
            with self._database.transaction():
                yield
        except sqlite3.Error as error:
            raise MemoryNotWritten(f"the memory {self.path} was not written: {error}") from error

    @contextlib.contextmanager
    def _reading(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError) as error:
            raise MemoryDamaged(f"the memory {self.path} cannot be read: {error}") from error

    writing, reading = _writing, _reading  # likewise

    # The embedder

    def use_embedder(self, name: str) -> None:
        """Make vectors with this embedder from now on.

        Raises:
            EmbedderMismatch: If there are entries with vectors of another one.
        """
        if name == self.embedder:
            return
        ((count,),) = self._connection.execute("SELECT count(*) FROM entries")
        if self.embedder and count:
            raise EmbedderMismatch(
                f"the memory {self.path} has {count} entries with vectors of {self.embedder}, and "
                f"those of {name} cannot be compared with them: open it with "
                f"embedder={self.embedder!r}, or store its texts anew in another folder"
            )
        with self._writing():
            self._connection.execute("DELETE FROM vectors")
            self._note(embedder=name, dimensions=0)
            self._begin_anew(self.changes)
        self.embedder, self.dimensions, self.index_has = name, 0, self.changes

    # Changes

    def store(self, items: Sequence[Item], now: float) -> tuple[str, ...]:
        """Store items in one commit; their ids, in the same order.

        Raises:
            MemoryNotWritten: If the disk does not take it; nothing of it is in.
        """
        ids = [item.id if item.id is not None else uuid.uuid4().hex for item in items]
        rows = [
            (id, number, item.text, json.dumps(dict(item.metadata)), hash_of(item.text), now, now)
            for number, (id, item) in enumerate(zip(ids, items, strict=True), self.changes + 1)
        ]
        changes = self.changes + len(rows)
        with self._writing():
            replaced = self._hashes(ids)
            self._connection.executemany(PUT, rows)
            self._sweep(replaced)
            self._note(changes=changes, **({"untidy": 1} if replaced else {}))
        self.changes = changes
        return tuple(ids)

    def forget(self, ids: Sequence[str]) -> int:
        """Forget entries in one commit; how many of them there were.

        Raises:
            MemoryNotWritten: If the disk does not take it; all of them are still there.
        """
        with self._writing():
            found = [entry_id for entry_id in dict.fromkeys(ids) if self._has(entry_id)]
            hashes = self._hashes(found)
            changes = self.changes + len(found)
            self._connection.executemany(
                "DELETE FROM entries WHERE id = ?", [(entry_id,) for entry_id in found]
            )
            self._connection.executemany(
                "INSERT INTO forgotten VALUES (?, ?)", list(enumerate(found, self.changes + 1))
            )
            self._sweep(hashes)
            self._note(changes=changes, untidy=1)
        self.changes = changes
        return len(found)

    def clear(self) -> int:
        """Forget everything in one commit; how many entries there were.

        Raises:
            MemoryNotWritten: If the disk does not take it; all of them are still there.
        """
        with self._writing():
            count = self._connection.execute("DELETE FROM entries").rowcount
            for table in ("vectors", *CLEARED):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant
            self._connection.execute(EMPTY)
            self._begin_anew(self.changes)
        self.index_has = self.changes
        return count

    def rebuild(self) -> None:
        """Begin with an empty index, in which all entries are pending."""
        with self._writing():
            self._begin_anew(0)
        self.index_has = 0

    def _begin_anew(self, applied: int) -> None:
        self._connection.execute("DELETE FROM forgotten")
        self._note(applied=applied, generation=int(self._fact("generation")) + 1)

    def _has(self, id: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM entries WHERE id = ?", (id,))
        return found.fetchone() is not None

    def _hashes(self, ids: Sequence[str]) -> list[bytes]:
        """The hashes of the texts that these ids have now."""
        rows = self._of("SELECT hash FROM entries WHERE id IN ({})", ids)
        return [row[0] for row in rows]

    def _sweep(self, hashes: Iterable[bytes]) -> None:
        """Drop vectors of texts that nobody has any more."""
        self._connection.executemany(
            "DELETE FROM vectors WHERE hash = ?1"
            " AND NOT EXISTS (SELECT 1 FROM entries WHERE hash = ?1)",
            [(each,) for each in hashes],
        )

    def _of(self, query: str, values: Sequence[Any]) -> list[Any]:
        rows: list[Any] = []
        for start in range(0, len(values), IDS_AT_ONCE):
            some = values[start : start + IDS_AT_ONCE]
            rows += self._connection.execute(query.format(",".join("?" * len(some))), some)
        return rows

    # Reading

    def entries(self, ids: Sequence[str]) -> dict[str, MemoryEntry]:
        """Those of the entries that there are.

        Raises:
            MemoryDamaged: If one cannot be read.
        """
        with self._reading():
            rows = self._of(f"SELECT {COLUMNS} FROM entries WHERE id IN ({{}})", ids)  # noqa: S608 - a constant
            return {row[0]: _entry(row) for row in rows}

    def by_time(
        self, since: float, until: float, where: Filter | None, limit: int
    ) -> tuple[MemoryEntry, ...]:
        """Entries created at `since` or later and before `until`, the newest first.

        Raises:
            MemoryDamaged: If one cannot be read.
        """
        found: list[MemoryEntry] = []
        with self._reading():
            rows = self._connection.execute(
                f"SELECT {COLUMNS} FROM entries WHERE created >= ? AND created < ?"  # noqa: S608 - a constant
                " ORDER BY created DESC, change DESC",
                (since, until),
            )
            for row in rows:
                entry = _entry(row)
                if matches(where, entry.metadata):
                    found.append(entry)
                if len(found) >= limit:
                    break
        return tuple(found)

    def by_words(self, text: str, limit: int, where: Filter | None) -> list[tuple[str, float]]:
        """Ids of entries that have words of the text, with their BM25, the best first.

        Raises:
            MemoryDamaged: If one cannot be read.
        """
        with self._reading():
            return ranked_by_words(self._connection, text, limit, where)

    def similarities(self, ids: Sequence[str], vector: bytes) -> dict[str, float]:
        """The cosines of entries to a vector, by id; of those whose vectors were made already."""
        with self._reading():
            rows = self._of(VECTORS, ids)
        return {id: cosine(known, vector) for id, known in rows}

    def standing(self) -> Standing:
        """How much there is, and how much of it the index lacks."""
        with self._reading():
            applied = self.index_has
            ((entries,),) = self._connection.execute("SELECT count(*) FROM entries")
            ((new,),) = self._connection.execute(
                "SELECT count(*) FROM entries WHERE change > ?", (applied,)
            )
            ((forgotten,),) = self._connection.execute("SELECT count(*) FROM forgotten")
            ((pages,),) = self._connection.execute("PRAGMA page_count")
            ((size,),) = self._connection.execute("PRAGMA page_size")
        return Standing(entries, new + forgotten, int(self._fact("generation")), pages * size)

    # The index's side

    def pending(self, limit: int) -> tuple[Change, ...]:
        """The first changes that the index lacks, in order, at most `limit`."""
        with self._reading():
            applied = self.index_has
            rows = self._connection.execute(PENDING, (applied, applied, limit)).fetchall()
            vectors = self.vectors([row[4] for row in rows if row[4] is not None])
        return tuple(
            Change(
                number,
                id,
                text,
                metadata_of(metadata) if metadata is not None else {},
                hash or b"",
                versions != 1,
                vectors.get(hash),
            )
            for number, id, text, metadata, hash, versions in rows
        )

    def vectors(self, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those of the vectors that are known, by the hash of their text."""
        return dict(self._of("SELECT hash, vector FROM vectors WHERE hash IN ({})", hashes))

    def keep_vectors(self, vectors: Mapping[bytes, bytes]) -> None:
        """Keep vectors that were made, by the hash of their text.

        Raises:
            EmbedderMismatch: If they are not as long as those before.
        """
        for vector in vectors.values():
            self._check_dimensions(len(vector) // 4)
        with self._writing():
            self._connection.executemany(
                "INSERT OR REPLACE INTO vectors SELECT ?1, ?2"
                " WHERE EXISTS (SELECT 1 FROM entries WHERE hash = ?1)",
                list(vectors.items()),
            )
            self._note(dimensions=self.dimensions)

    def _check_dimensions(self, dimensions: int) -> None:
        if self.dimensions not in {0, dimensions}:
            raise EmbedderMismatch(
                f"the memory {self.path} has vectors of {self.dimensions} numbers, and "
                f"{self.embedder} gives {dimensions} now: open it with the embedder of before"
            )
        self.dimensions = dimensions

    def applied(self, number: int, generation: int) -> None:
        """Note that the index of this generation has all changes up to this one."""
        with self._writing():
            if generation != self._fact("generation"):  # it was cleared meanwhile
                return
            self._connection.execute("DELETE FROM forgotten WHERE change <= ?", (number,))
            self._note(applied=number)
        self.index_has = number

    def in_index(self) -> int:
        """How many entries the index must have, at least."""
        ((count,),) = self._connection.execute(
            "SELECT count(*) FROM entries WHERE change <= ?", (self.index_has,)
        )
        return int(count)

    def sample(self, newest: int, others: int) -> dict[str, bytes]:
        """Vectors that the index should have, by id: of the newest entries, and of some others."""
        rows: list[tuple[str, bytes]] = []
        for order, count in (("change DESC", newest), ("random()", others)):
            query = SAMPLE.format(order=order)
            rows += self._connection.execute(query, (self.index_has, count)).fetchall()
        return dict(rows)


def hash_of(text: str) -> bytes:
    """What a vector is kept by."""
    return hashlib.sha256(text.encode()).digest()


def _entry(row: tuple[str, str, str, float, float]) -> MemoryEntry:
    id, text, metadata, created, updated = row
    return MemoryEntry(id, text, metadata_of(metadata), created, updated)
