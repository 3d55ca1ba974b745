"""A journal's file: an SQLite database that one program at a time has open. Blocks; no trio.

What `write` has returned survives the end of the process and of the machine: write-ahead log,
`synchronous=FULL`, https://www.sqlite.org/pragma.html#pragma_synchronous. The lock is the
database's own exclusive one, which the system takes from a process that dies. It holds on the
disks of one machine; network file systems may not keep it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from typing import TYPE_CHECKING, Final, NoReturn

from actors.errors import JournalDamaged, JournalNotWritten, JournalUnusable

from ._entries import Entry, read_entry, write_entry
from ._journal import Append, Fork, check_fork

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

FILE_MARK: Final = 0x54524A4C  # "TRJL", SQLite's application_id
FILE_VERSION: Final = 1  # of the tables, SQLite's user_version
ENTRY_VERSION: Final = 1  # of the JSON of one entry
WAIT: Final = 0.2  # seconds for another program that closes it just now, or opens it likewise
SCHEMA: Final = (
    "CREATE TABLE conversations (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)",
    (
        "CREATE TABLE entries (number INTEGER PRIMARY KEY,"
        " conversation INTEGER NOT NULL REFERENCES conversations, position INTEGER NOT NULL,"
        " version INTEGER NOT NULL, checksum INTEGER NOT NULL, entry TEXT NOT NULL,"
        " UNIQUE (conversation, position))"
    ),
    f"PRAGMA application_id = {FILE_MARK}",
    f"PRAGMA user_version = {FILE_VERSION}",
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
REASONS: Final = {
    sqlite3.SQLITE_BUSY: "another program has it open: end that one, or use another file",
    sqlite3.SQLITE_LOCKED: "another program has it open: end that one, or use another file",
    sqlite3.SQLITE_NOTADB: "it is no journal, and no SQLite database at all",
    sqlite3.SQLITE_CORRUPT: "it is damaged; `sqlite3 FILE .recover` may save the rest",
    sqlite3.SQLITE_CANTOPEN: "there is no such folder, or nothing can be written in it",
    sqlite3.SQLITE_READONLY: "it may be read but not written",
}


def refused(path: Path, error: sqlite3.Error) -> JournalUnusable:
    """Why the file cannot be opened."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it is detail
    return JournalUnusable(f"the journal {path} cannot be used: {REASONS.get(code, error)}")


class JournalFile:
    """The open file. Its methods may be called from any thread, one at a time.

    Raises:
        JournalUnusable: If it cannot be opened, made or locked, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        is_new = not path.exists()
        try:
            self._connection = sqlite3.connect(
                path, timeout=WAIT, isolation_level=None, check_same_thread=False
            )
        except (sqlite3.Error, ValueError) as error:
            raise JournalUnusable(
                f"the journal {path} cannot be used: {REASONS[sqlite3.SQLITE_CANTOPEN]} ({error})"
            ) from error
        try:
            if is_new:
                path.chmod(0o600)  # while it is empty; its log is made with the same rights
            self._prepare()
        except sqlite3.Error as error:
            self._connection.close()
            raise refused(path, error) from error
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")  # from the first transaction to the close
        with self._transaction("EXCLUSIVE"):
            ((mark,),) = execute("PRAGMA application_id").fetchall()
            ((version,),) = execute("PRAGMA user_version").fetchall()
            ((tables,),) = execute("SELECT count(*) FROM sqlite_master").fetchall()
            if mark == 0 and tables == 0:
                for statement in SCHEMA:
                    execute(statement)
            elif mark != FILE_MARK:
                self._refuse("it is a database of something else")
            elif version != FILE_VERSION:
                self._refuse(
                    f"its tables are of version {version}, and this program knows {FILE_VERSION}"
                )
        ((mode,),) = execute("PRAGMA journal_mode = WAL").fetchall()
        if mode != "wal":
            self._refuse(f"SQLite keeps no write-ahead log there, only {mode!r}")
        execute("PRAGMA synchronous = FULL")

    def _refuse(self, reason: str) -> NoReturn:
        raise JournalUnusable(f"the journal {self.path} cannot be used: {reason}")

    @contextlib.contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Generator[None]:
        """All or nothing, and on the disk when the block has been left."""
        self._connection.execute(f"BEGIN {kind}")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk ends it without us
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let the next program have it. The log goes into the file and is removed."""
        self._connection.close()

    def write(self, appends: Sequence[Append]) -> list[int | JournalNotWritten]:
        """Add entries to conversations in one commit.

        Returns:
            For each append how many entries its conversation has now, or why nothing of it is
            in. They are on the disk.
        """
        encoded = [_encoded(append) for append in appends]
        try:
            with self._transaction():
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
            with self._transaction():
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
