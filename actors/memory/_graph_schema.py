"""The tables of the graph in a memory's log.

An entity has a name and the keys that it is found by. Triggers hold what must be true after every
commit: no fact that nobody says, no entity without facts, and no saying but by an entry or by
what one was merged from.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS entities (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS names (key TEXT PRIMARY KEY, entity INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS names_of ON names (entity)",
    (
        "CREATE TABLE IF NOT EXISTS relations (id INTEGER PRIMARY KEY, subject INTEGER NOT NULL,"
        " relation TEXT NOT NULL, key TEXT NOT NULL, object INTEGER NOT NULL,"
        " by_hand INTEGER NOT NULL, UNIQUE (subject, key, object))"
    ),
    "CREATE INDEX IF NOT EXISTS relations_to ON relations (object)",
    (
        "CREATE TABLE IF NOT EXISTS said (relation INTEGER NOT NULL, entry TEXT NOT NULL,"
        " PRIMARY KEY (relation, entry)) WITHOUT ROWID"
    ),
    "CREATE INDEX IF NOT EXISTS said_in ON said (entry)",
    (
        "CREATE TRIGGER IF NOT EXISTS forgotten_said AFTER DELETE ON entries"
        " WHEN NOT EXISTS (SELECT 1 FROM sources WHERE id = old.id)"
        " BEGIN DELETE FROM said WHERE entry = old.id; END"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS forgotten_source AFTER DELETE ON sources"
        " WHEN NOT EXISTS (SELECT 1 FROM entries WHERE id = old.id)"
        " AND NOT EXISTS (SELECT 1 FROM sources WHERE id = old.id)"
        " BEGIN DELETE FROM said WHERE entry = old.id; END"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS replaced_said AFTER UPDATE OF text ON entries"
        " WHEN old.text <> new.text BEGIN DELETE FROM said WHERE entry = old.id; END"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS unsaid AFTER DELETE ON said BEGIN DELETE FROM relations"
        " WHERE id = old.relation AND NOT by_hand"
        " AND NOT EXISTS (SELECT 1 FROM said WHERE relation = old.relation); END"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS unrelated AFTER DELETE ON relations BEGIN"
        " DELETE FROM said WHERE relation = old.id;"
        " DELETE FROM entities WHERE id IN (old.subject, old.object)"
        " AND NOT EXISTS (SELECT 1 FROM relations WHERE subject = entities.id)"
        " AND NOT EXISTS (SELECT 1 FROM relations WHERE object = entities.id); END"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS nameless AFTER DELETE ON entities"
        " BEGIN DELETE FROM names WHERE entity = old.id; END"
    ),
)
CLEARED: Final = ("said", "relations", "entities", "names")
