"""The tables of consolidation in a memory's log: what became of which entries."""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    (
        "CREATE TABLE IF NOT EXISTS merges (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
        " run TEXT NOT NULL, hash BLOB NOT NULL)"
    ),
    "CREATE INDEX IF NOT EXISTS merges_by_run ON merges (run)",
    (
        "CREATE TABLE IF NOT EXISTS sources (merged TEXT NOT NULL, id TEXT NOT NULL,"
        " text TEXT NOT NULL, metadata TEXT NOT NULL, hash BLOB NOT NULL, created REAL NOT NULL,"
        " updated REAL NOT NULL, PRIMARY KEY (merged, id))"
    ),
    "CREATE INDEX IF NOT EXISTS sources_by_id ON sources (id)",
)
CLEARED: Final = ("merges", "sources")
