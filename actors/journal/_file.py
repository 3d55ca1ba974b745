"""A journal's file: an SQLite database that one program at a time has open. Blocks; no trio."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from typing import TYPE_CHECKING, Final

from actors.errors import JournalDamaged, JournalNotWritten, JournalUnusable
from actors.sqlite import Database, Kind

from ._entries import Entry, read_entry, write_entry
from ._journal import Append, Fork, check_fork

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

ENTRY_VERSION: Final = 1  # of the JSON of one entry
KIND: Final = Kind(
    "journal",
    mark=0x54524A4C,  # "TRJL"
    version=1,
    schema=(
        "CREATE TABLE conversations (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)",
        (
            "CREATE TABLE entries (number INTEGER PRIMARY KEY,"
            " conversation INTEGER NOT NULL REFERENCES conversations, position INTEGER NOT NULL,"
            " version INTEGER NOT NULL, checksum INTEGER NOT NULL, entry TEXT NOT NULL,"
            " UNIQUE (conversation, position))"
        ),
    ),
    unusable=JournalUnusable,
)
ADD: Final = (
    "INSERT INTO entries (conversation, position, version, checksum, entry) VALUES (?, ?, ?, ?, ?)"
)
ROWS: Final = (
    "SELECT entries.number, position, version, checksum, CAST(entry AS BLOB) FROM entries"
    " JOIN conversations ON conversations.number = conversation WHERE id = ? ORDER BY position"
)
COPY: Final = (
    "INSERT INTO entries (conversation, position, version, checksum, entry)"
    " SELECT ?, position, version, checksum, entry FROM entries"
    " WHERE conversation = ? AND position <= ? ORDER BY position"
)


class JournalFile:
    """The open file. Its methods may be called from any thread, one at a time.

    Raises:
        JournalUnusable: If it cannot be opened, made or locked, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path, KIND)
        self._connection = self._database.connection
        self.close = self._database.close

    def write(self, appends: Sequence[Append]) -> list[int | JournalNotWritten]:
        """Add entries to conversations in one commit.

        Returns:
            For each append how many entries its conversation has now, or why nothing of it is
            in. They are on the disk.
        """
        encoded = [_encoded(append) for append in appends]
        try:
            with self._database.transaction():
                return [
                    each
                    if isinstance(each, JournalNotWritten)
                    else self._add(append.conversation, each)
                    for append, each in zip(appends, encoded, strict=True)
                ]
        except sqlite3.Error as error:
            return [self._not_written(error) for _ in appends]

    def _not_written(self, error: sqlite3.Error) -> JournalNotWritten:
        fault = JournalNotWritten(f"the journal {self.path} was not written: {error}")
        fault.__cause__ = error
        return fault

    def _add(self, conversation: str, lines: Sequence[str]) -> int:
        if not lines:  # nothing begins with nothing
            return self._count(conversation)[1]
        number, count = self._count(conversation)
        if number is None:
            number = self._begin(conversation)
        rows = [
            (number, position, ENTRY_VERSION, zlib.crc32(line.encode()), line)
            for position, line in enumerate(lines, count + 1)
        ]
        self._connection.executemany(ADD, rows)
        return count + len(rows)

    def _begin(self, conversation: str) -> int:
        added = self._connection.execute(
            "INSERT INTO conversations (id) VALUES (?)", (conversation,)
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def _count(self, conversation: str) -> tuple[int | None, int]:
        """The number of the conversation, None where there is none, and its last position."""
        found = self._connection.execute(
            "SELECT number, (SELECT max(position) FROM entries"
            " WHERE conversation = conversations.number) FROM conversations WHERE id = ?",
            (conversation,),
        ).fetchone()
        return (None, 0) if found is None else (found[0], found[1] or 0)

    def read(self, conversation: str) -> tuple[Entry, ...]:
        """The entries of a conversation; one that is not there is empty.

        Raises:
            JournalDamaged: If one of them is not what was written, or of a later format.
        """
        entries: list[Entry] = []
        with self._readable():
            for row in self._connection.execute(ROWS, (conversation,)):
                where = f"row {row[0]} of the table entries of {self.path}"
                what = f"entry {len(entries) + 1} of the conversation {conversation!r}"
                entries.append(_decoded(row[1:], len(entries) + 1, f"{where}, {what},"))
        return tuple(entries)

    def conversations(self) -> tuple[str, ...]:
        """The ids of all conversations, the oldest first."""
        with self._readable():
            rows = self._connection.execute("SELECT id FROM conversations ORDER BY number")
            return tuple(id for (id,) in rows)

    @contextlib.contextmanager
    def _readable(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise JournalDamaged(f"the journal {self.path} cannot be read: {error}") from error

    def fork(self, message: Fork) -> int:
        """Begin a conversation with the first entries of another, byte for byte.

        Raises:
            ConfigurationError: If there are not as many, or `into` is there already.
            JournalNotWritten: If the disk does not take it.
        """
        try:
            with self._database.transaction():
                number, count = self._count(message.conversation)
                taken, _ = self._count(message.into)
                check_fork(message, count=count, taken=taken is not None)
                copied = (self._begin(message.into), number, message.at)
                self._connection.execute(COPY, copied)
        except sqlite3.Error as error:
            raise self._not_written(error) from error
        return message.at


def _encoded(append: Append) -> list[str] | JournalNotWritten:
    try:
        return [write_entry(entry) for entry in append.entries]
    except Exception as error:  # noqa: BLE001 - whoever appends it hears of it
        fault = JournalNotWritten(
            f"an entry of the conversation {append.conversation!r} is no JSON ({error!r})"
        )
        fault.__cause__ = error
        return fault


def _decoded(row: tuple[int, int, int, bytes], expected: int, what: str) -> Entry:
    position, version, checksum, line = row
    if position != expected:
        raise JournalDamaged(f"{what} is missing: the next one there is entry {position}")
    if version != ENTRY_VERSION:
        raise JournalDamaged(
            f"{what} is of format {version}, and this program reads {ENTRY_VERSION}: use the "
            "one that wrote it, or a later one"
        )
    if zlib.crc32(line) != checksum:
        raise JournalDamaged(f"{what} is damaged: its checksum does not fit")
    try:
        return read_entry(line.decode())
    except ValueError as error:
        raise JournalDamaged(f"{what} cannot be read: {error}") from error
