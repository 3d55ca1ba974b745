"""Whether a memory's keywords are what its entries say, and making them anew. Blocks; no trio.

A check at the opening is of a sample, as that of the index is. Damage that only a search meets is
found by that search. Made anew in bounded commits, between which others have their turn; the first
empties it, so that from then on nothing fails, and what is not in yet is not found by its words.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from typing import TYPE_CHECKING, Final

import attrs

from actors.errors import MemoryNotWritten

from ._keywords import TRIGGERS, WORDS

if TYPE_CHECKING:
    from actors.errors import MemoryDamaged

    from ._log import MemoryLog

AT_ONCE: Final = 500  # entries that are put in by one commit
SAMPLE: Final = (
    "SELECT * FROM (SELECT change, text FROM entries ORDER BY change DESC LIMIT 200)"
    " UNION SELECT * FROM (SELECT change, text FROM entries ORDER BY random() LIMIT 50)"
)
WORD: Final = re.compile(r"[^\W_]+")
MOST_WORDS: Final = 32  # of an entry
COUNTS: Final = "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM words_docsize)"
# A rank of 0 tells that what the index has counted of all entries is lost.
HAS: Final = "SELECT rank FROM words WHERE words MATCH ? AND rowid = ?"
# https://www.sqlite.org/fts5.html#the_integrity_check_command; with 1 it reads the entries, too.
IS_WHOLE: Final = "INSERT INTO words (words, rank) VALUES ('integrity-check', ?)"
SHADOWS: Final = ("words_data", "words_idx", "words_docsize", "words_config")
MISSING: Final = (
    "SELECT count(*) FROM entries WHERE NOT EXISTS (SELECT 1 FROM words_docsize WHERE id = change)"
)
NEXT: Final = (
    "SELECT change, text FROM entries WHERE change > ?"
    " AND NOT EXISTS (SELECT 1 FROM words_docsize WHERE id = change) ORDER BY change LIMIT ?"
)


@attrs.frozen
class Words:
    """How the keywords are.

    Attributes:
        missing: So many entries `add_words` has to put in.
        problem: Why they are being made anew, "" if they are not.
    """

    missing: int = 0
    problem: str = ""


def words_at_opening(log: MemoryLog) -> Words:
    """Check the keywords, by a sample; empty them if they are damaged.

    Raises:
        MemoryNotWritten: If the disk does not take it.
    """
    try:
        missing = _missing(log.connection)
        problem = "" if missing else _counted(log.connection) or _sampled(log.connection)
    except sqlite3.Error as error:
        missing, problem = 0, f"the keyword index cannot be read: {error}"
    return _begin_anew(log, problem) if problem else Words(missing)


def words_after(log: MemoryLog, fault: MemoryDamaged) -> Words | None:
    """Empty the keywords, if it is for them that a search failed; None if they are whole.

    Raises:
        MemoryNotWritten: If the disk does not take it.
    """
    try:
        log.connection.execute(IS_WHOLE, (0,))
        problem = _sampled(log.connection)
    except sqlite3.Error:
        problem = str(fault)
    return _begin_anew(log, problem) if problem else None


def _missing(connection: sqlite3.Connection) -> int:
    """How many entries are not in yet, of keywords that are being made anew."""
    ((is_begun,),) = connection.execute("SELECT count(*) FROM facts WHERE name = 'wordless'")
    if not is_begun:
        return 0
    ((count,),) = connection.execute(MISSING)
    return int(count)


def _counted(connection: sqlite3.Connection) -> str:
    ((entries, known),) = connection.execute(COUNTS)
    return "" if entries == known else f"the keyword index has {known} entries of {entries}"


def _sampled(connection: sqlite3.Connection) -> str:
    """Look for entries by their own words."""
    for change, text in connection.execute(SAMPLE).fetchall():
        words = list(dict.fromkeys(WORD.findall(text.casefold())))[:MOST_WORDS]
        query = " ".join(f'"{word}"' for word in words)
        if words and not any(rank for (rank,) in connection.execute(HAS, (query, change))):
            # Either it is damaged, or one of them is no word to FTS5: this tells.
            connection.execute(IS_WHOLE, (1,))
            return ""
    return ""


def _begin_anew(log: MemoryLog, problem: str) -> Words:
    try:
        with log.writing():
            _make_empty(log.connection)
    except MemoryNotWritten:  # damaged so that it cannot even be dropped
        with log.writing():
            _unlink(log.connection)
        with log.writing():
            _make_empty(log.connection)
    return Words(_missing(log.connection), problem)


def _make_empty(connection: sqlite3.Connection) -> None:
    for trigger in TRIGGERS:
        connection.execute(f"DROP TRIGGER IF EXISTS {trigger.split()[2]}")
    for name in ("words", *SHADOWS):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    for statement in (WORDS, *TRIGGERS):
        connection.execute(statement)
    connection.execute("INSERT OR REPLACE INTO facts VALUES ('wordless', 1)")


def _unlink(connection: sqlite3.Connection) -> None:
    """Take the tables out of the schema without reading them; their pages stay in the file."""
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA writable_schema = ON")
        try:
            cursor.execute(
                "DELETE FROM sqlite_schema WHERE tbl_name LIKE 'words%' OR name LIKE 'words%'"
            )
            cursor.execute("PRAGMA writable_schema = RESET")
        finally:
            cursor.execute("PRAGMA writable_schema = OFF")


def add_words(log: MemoryLog, after: int) -> tuple[int, int]:
    """Put the next entries in, those of changes beyond `after`, in one commit.

    Returns:
        The change to go on after, 0 at the end; and how many were put in.

    Raises:
        MemoryDamaged: If the entries cannot be read.
        MemoryNotWritten: If the disk does not take it.
    """
    with log.reading():
        rows = log.connection.execute(NEXT, (after, AT_ONCE)).fetchall()
    with log.writing():
        log.connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", rows)
        if len(rows) < AT_ONCE:
            log.connection.execute("DELETE FROM facts WHERE name = 'wordless'")
            return 0, len(rows)
    return rows[-1][0], len(rows)
