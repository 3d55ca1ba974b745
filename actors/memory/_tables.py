"""The tables of a memory's log, and the records that are read from them."""

from __future__ import annotations

from typing import Final

import attrs

from actors.errors import MemoryUnusable
from actors.sqlite import Kind

from ._entries import Metadata
from ._graph_schema import CLEARED as GRAPH_CLEARED
from ._graph_schema import TABLES as GRAPH
from ._keywords import SCHEMA as KEYWORDS
from ._merging_schema import CLEARED as MERGES_CLEARED
from ._merging_schema import TABLES as MERGES

KIND: Final = Kind(
    "memory",
    mark=0x54524D45,  # "TRME"
    version=2,
    schema=(
        (
            "CREATE TABLE entries (id TEXT PRIMARY KEY, change INTEGER NOT NULL UNIQUE,"
            " text TEXT NOT NULL, metadata TEXT NOT NULL, hash BLOB NOT NULL,"
            " created REAL NOT NULL, updated REAL NOT NULL, versions INTEGER NOT NULL)"
        ),
        "CREATE INDEX entries_by_time ON entries (created)",
        "CREATE INDEX entries_by_hash ON entries (hash)",
        "CREATE TABLE forgotten (change INTEGER PRIMARY KEY, id TEXT NOT NULL)",
        "CREATE TABLE vectors (hash BLOB PRIMARY KEY, vector BLOB NOT NULL)",
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
        (
            "INSERT INTO facts VALUES ('changes', 0), ('applied', 0), ('generation', 1),"
            " ('embedder', ''), ('dimensions', 0), ('id', lower(hex(randomblob(8))))"
        ),
    ),
    unusable=MemoryUnusable,
    upgrades=(KEYWORDS,),
)
# Tables that came later, which older files get when they are opened. Their triggers hold also where
# a program that does not know them forgets an entry.
BESIDE: Final = (
    (
        "CREATE TABLE IF NOT EXISTS documents (source TEXT PRIMARY KEY, fingerprint TEXT NOT NULL,"
        " chunks INTEGER NOT NULL, time REAL NOT NULL)"
    ),
    *MERGES,
    *GRAPH,
)
CLEARED: Final = ("documents", *MERGES_CLEARED, *GRAPH_CLEARED)  # with everything
COLUMNS: Final = "id, text, metadata, created, updated"
PUT: Final = (
    "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (id) DO UPDATE SET"
    " change = excluded.change, text = excluded.text, metadata = excluded.metadata,"
    " hash = excluded.hash, updated = excluded.updated, versions = versions + 1"
)
PENDING: Final = (
    "SELECT change, id, text, metadata, hash, versions FROM entries WHERE change > ?"
    " UNION ALL SELECT change, id, NULL, NULL, NULL, 0 FROM forgotten WHERE change > ?"
    " ORDER BY change LIMIT ?"
)
VECTORS: Final = (
    "SELECT e.id, v.vector FROM entries AS e JOIN vectors AS v ON v.hash = e.hash"
    " WHERE e.id IN ({})"
)
# Those most likely to be damaged came last; the others are drawn.
SAMPLE: Final = (
    "SELECT id, vector FROM (SELECT * FROM entries WHERE change <= ? ORDER BY {order} LIMIT ?)"
    " AS e JOIN vectors ON vectors.hash = e.hash"
)


@attrs.frozen
class Change:
    """What the index is to be told of one id.

    Attributes:
        number: Of the change.
        text: None where the id was forgotten.
        replaces: Whether the index may have something under this id.
        vector: Little-endian 32-bit floats, None where they are to be made.
    """

    number: int
    id: str
    text: str | None
    metadata: Metadata
    hash: bytes
    replaces: bool
    vector: bytes | None = attrs.field(repr=False)


@attrs.frozen
class Standing:
    """Where the log stands."""

    entries: int
    pending: int
    generation: int
    bytes: int
