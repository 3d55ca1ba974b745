"""An SQLite file of one kind, which one program at a time has open. Blocks; no trio.

What a transaction has committed survives the end of the process and of the machine: write-ahead
log, `synchronous=FULL`, https://www.sqlite.org/pragma.html#pragma_synchronous. The lock is the
database's own exclusive one, which the system takes from a process that dies. It holds on the
disks of one machine; network file systems may not keep it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Final, NoReturn

import attrs

from runtime import RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

WAIT: Final = 0.2  # seconds for another program that closes it just now, or opens it likewise
REASONS: Final = {
    sqlite3.SQLITE_BUSY: "another program has it open: end that one, or use another file",
    sqlite3.SQLITE_LOCKED: "another program has it open: end that one, or use another file",
    sqlite3.SQLITE_NOTADB: "it is no {name}, and no SQLite database at all",
    sqlite3.SQLITE_CORRUPT: "it is damaged; `sqlite3 FILE .recover` may save the rest",
    sqlite3.SQLITE_CANTOPEN: "there is no such folder, or nothing can be written in it",
    sqlite3.SQLITE_READONLY: "it may be read but not written",
}


@attrs.frozen
class Kind:
    """What a file is for.

    Attributes:
        name: For errors: "journal".
        mark: SQLite's application_id, by which a file of this kind is known.
        version: Of the tables, SQLite's user_version.
        schema: The statements that make the tables of version 1.
        unusable: The error of a file that cannot be opened.
        upgrades: For each version after 1 the statements that lead to it from the one before.
            Old files get them when they are opened, in one transaction.
    """

    name: str
    mark: int
    version: int
    schema: tuple[str, ...]
    unusable: type[RuntimeFault]
    upgrades: tuple[tuple[str, ...], ...] = ()


class Database:
    """The open file. Its methods may be called from any thread, one at a time.

    Attributes:
        connection: In autocommit mode; `transaction` makes one.

    Raises:
        RuntimeFault: Of the class `kind.unusable`: if it cannot be opened, made or locked, or is
            something else.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        self._kind = kind
        is_new = not path.exists()
        try:
            self.connection = sqlite3.connect(
                path, timeout=WAIT, isolation_level=None, check_same_thread=False
            )
        except (sqlite3.Error, ValueError) as error:
            raise kind.unusable(
                f"the {kind.name} {path} cannot be used: {REASONS[sqlite3.SQLITE_CANTOPEN]} "
                f"({error})"
            ) from error
        try:
            if is_new:
                path.chmod(0o600)  # while it is empty; its log is made with the same rights
            place = path.stat()
            self._identity = place.st_dev, place.st_ino
            self._prepare()
        except sqlite3.Error as error:
            self.connection.close()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it is detail
            reason = REASONS.get(code, str(error)).format(name=kind.name)
            raise kind.unusable(f"the {kind.name} {path} cannot be used: {reason}") from error
        except BaseException:
            self.connection.close()
            raise

    def _prepare(self) -> None:
        execute = self.connection.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")  # from the first transaction to the close
        with self.transaction("EXCLUSIVE"):
            ((mark,),) = execute("PRAGMA application_id").fetchall()
            ((version,),) = execute("PRAGMA user_version").fetchall()
            ((tables,),) = execute("SELECT count(*) FROM sqlite_master").fetchall()
            if mark == 0 and tables == 0:
                for statement in self._kind.schema:
                    execute(statement)
                execute(f"PRAGMA application_id = {self._kind.mark}")
                execute("PRAGMA user_version = 1")
                version = 1
            elif mark != self._kind.mark:
                self._refuse("it is a database of something else")
            self._upgrade(version)
        ((mode,),) = execute("PRAGMA journal_mode = WAL").fetchall()
        if mode != "wal":
            self._refuse(f"SQLite keeps no write-ahead log there, only {mode!r}")
        execute("PRAGMA synchronous = FULL")

    def _upgrade(self, version: int) -> None:
        if not 1 <= version <= self._kind.version:
            self._refuse(
                f"its tables are of version {version}, and this program knows {self._kind.version}"
            )
        for next_version, statements in enumerate(self._kind.upgrades[version - 1 :], version + 1):
            for statement in (*statements, f"PRAGMA user_version = {next_version}"):
                self.connection.execute(statement)

    def _refuse(self, reason: str) -> NoReturn:
        raise self._kind.unusable(f"the {self._kind.name} {self.path} cannot be used: {reason}")

    @contextlib.contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Generator[None]:
        """All or nothing, and on the disk when the block has been left.

        Raises:
            sqlite3.Error: If it was not written, or the file has been deleted or moved.
        """
        self.connection.execute(f"BEGIN {kind}")
        try:
            yield
            self._check_place()
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # a full disk ends it without us
                self.connection.execute("ROLLBACK")
            raise

    def _check_place(self) -> None:
        """What is written to a file without a name is lost when it is closed; SQLite goes on."""
        try:
            now = self.path.stat()
        except FileNotFoundError:
            now = None
        if now is None or (now.st_dev, now.st_ino) != self._identity:
            raise sqlite3.OperationalError(
                "the file has been deleted, moved or replaced since it was opened: put it back, "
                "or close it and open another"
            )

    def close(self) -> None:
        """Let the next program have it. The log goes into the file and is removed."""
        self.connection.close()
