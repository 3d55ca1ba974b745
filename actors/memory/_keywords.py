"""Keyword search in a memory's log: BM25 by SQLite's FTS5, over the words of its texts. Blocks.

Triggers keep the words in step with the entries, in the transaction of each change
(https://www.sqlite.org/fts5.html#external_content_tables). Words are compared without case,
accents and English endings (Porter's stemmer).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ._entries import metadata_of
from ._filters import matches

if TYPE_CHECKING:
    import sqlite3

    from ._filters import Filter

WORD: Final = re.compile(r"\w+")
MOST_WORDS: Final = 64  # of a query: each takes time, and a question has fewer
# They stand in every other text, so they tell none apart; on a large memory they take most time.
COMMON: Final = frozenset(
    re.findall(
        r"\w+",
        """
        a about all am an and any are as at be been but by can could did do does for from had has
        have he her him his how i if in is it its me my of on or our she should so than that the
        their them then there these they this those to us was we were what when where which who
        whom whose why will with would you your
        """,
    )
)
WORDS: Final = (
    "CREATE VIRTUAL TABLE words USING fts5 (text, content = 'entries',"
    " content_rowid = 'change', tokenize = 'porter unicode61 remove_diacritics 2')"
)
# FTS5 must not be told to take out what it has not got, as while it is filled anew.
TAKE_OUT: Final = (
    "INSERT INTO words (words, rowid, text) SELECT 'delete', old.change, old.text"
    " WHERE EXISTS (SELECT 1 FROM words_docsize WHERE id = old.change);"
)
PUT_IN: Final = "INSERT INTO words (rowid, text) VALUES (new.change, new.text);"
TRIGGERS: Final = (
    f"CREATE TRIGGER words_of_new AFTER INSERT ON entries BEGIN {PUT_IN} END",
    f"CREATE TRIGGER words_of_old AFTER DELETE ON entries BEGIN {TAKE_OUT} END",
    f"CREATE TRIGGER words_of_changed AFTER UPDATE ON entries BEGIN {TAKE_OUT} {PUT_IN} END",
)
SCHEMA: Final = (
    WORDS,
    *TRIGGERS,
    "INSERT INTO words (words) VALUES ('rebuild')",
    "INSERT INTO facts VALUES ('untidy', 0)",
)
# FTS5 only marks what is deleted; this writes its index anew without it.
TIDY: Final = "INSERT INTO words (words) VALUES ('optimize')"
EMPTY: Final = "INSERT INTO words (words) VALUES ('rebuild')"  # fast where there are no entries
# FTS5's rank is the negative of BM25, so that the best comes first.
RANKED: Final = (
    "SELECT id, metadata, -words.rank FROM words JOIN entries ON entries.change = words.rowid"
    " WHERE words MATCH ? ORDER BY words.rank"
)


def match_for(text: str) -> str:
    """The FTS5 query that finds whatever has one of the words of `text`; "" if there are none.

    Common English words are left out, unless there are no others. Pure.
    """
    words = dict.fromkeys(WORD.findall(text.casefold()))
    telling = [word for word in words if word not in COMMON] or list(words)
    return " OR ".join(f'"{word}"' for word in telling[:MOST_WORDS])


def ranked_by_words(
    connection: sqlite3.Connection, text: str, limit: int, where: Filter | None
) -> list[tuple[str, float]]:
    """Ids and their BM25, the best first, at most `limit` that the filter lets through.

    Raises:
        sqlite3.Error, ValueError: If it cannot be read.
    """
    query = match_for(text)
    found: list[tuple[str, float]] = []
    for id, metadata, score in connection.execute(RANKED, (query,)) if query else ():
        if where is None or matches(where, metadata_of(metadata)):
            found.append((id, score))
        if len(found) >= limit:
            break
    return found
