"""The graph in a memory's log: what is done with its tables. Blocks; no trio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.errors import ConfigurationError

from ._facts import Fact, KnownFact, Neighbour, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._graph import AddFacts, FindPath, ListFacts, Neighbours
    from ._log import MemoryLog

WIDEST: Final = 10_000  # entities, as `FindPath` says
FACTS: Final = (
    "SELECT r.id, s.name, r.relation, o.name, r.by_hand, r.subject, r.object FROM relations r"
    " JOIN entities s ON s.id = r.subject JOIN entities o ON o.id = r.object"
)
ABOUT: Final = f"{FACTS} WHERE r.subject = ?1 UNION {FACTS} WHERE r.object = ?1 ORDER BY 1 LIMIT ?2"
WANTED: Final = (
    "(?1 IS NULL OR ?1 IN (r.subject, r.object)) AND"
    " (?2 IS NULL OR EXISTS (SELECT 1 FROM said WHERE relation = r.id AND entry = ?2))"
)
LISTED: Final = f"{FACTS} WHERE {WANTED} ORDER BY r.id LIMIT ?3"
Row = tuple[int, str, str, str, int, int, int]


def add_facts(log: MemoryLog, message: AddFacts) -> int:
    """As `AddFacts` says."""
    with log.writing():
        if message.source is not None and not log.entries([message.source]):
            raise ConfigurationError(f"there is no entry {message.source!r} in this memory")
        return sum(_add(log, fact, message.source) for fact in message.facts)


def _add(log: MemoryLog, fact: Fact, source: str | None) -> bool:
    subject, object = _entity(log, fact.subject), _entity(log, fact.object)
    by_hand = int(source is None)
    key = key_of(fact.relation)
    is_new = _relation(log, subject, key, object) is None
    log.connection.execute(
        "INSERT INTO relations (subject, relation, key, object, by_hand) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET by_hand = max(by_hand, excluded.by_hand)",
        (subject, fact.relation, key, object, by_hand),
    )
    if source is not None:
        relation = _relation(log, subject, key, object)
        log.connection.execute("INSERT OR IGNORE INTO said VALUES (?, ?)", (relation, source))
    return is_new


def _relation(log: MemoryLog, subject: int, key: str, object: int) -> int | None:
    found = log.connection.execute(
        "SELECT id FROM relations WHERE subject = ? AND key = ? AND object = ?",
        (subject, key, object),
    ).fetchone()
    return None if found is None else int(found[0])


def _known(log: MemoryLog, name: str) -> int | None:
    found = log.connection.execute("SELECT entity FROM names WHERE key = ?", (key_of(name),))
    row = found.fetchone()
    return None if row is None else int(row[0])


def _entity(log: MemoryLog, name: str) -> int:
    """The entity of this name, made if there is none."""
    known = _known(log, name)
    if known is not None:
        return known
    made = log.connection.execute("INSERT INTO entities (name) VALUES (?)", (name,)).lastrowid
    assert made is not None
    log.connection.execute("INSERT INTO names VALUES (?, ?)", (key_of(name), made))
    return made


def remove_facts(log: MemoryLog, facts: tuple[Fact, ...]) -> int:
    """As `RemoveFacts` says."""
    count = 0
    with log.writing():
        for fact in facts:
            subject, object = _known(log, fact.subject), _known(log, fact.object)
            if subject is not None and object is not None:
                count += log.connection.execute(
                    "DELETE FROM relations WHERE subject = ? AND key = ? AND object = ?",
                    (subject, key_of(fact.relation), object),
                ).rowcount
    return count


def add_alias(log: MemoryLog, name: str, alias: str) -> None:
    """As `AddAlias` says."""
    with log.writing():
        kept = _known(log, name)
        if kept is None:
            raise ConfigurationError(f"nobody is called {name!r} in this memory's graph")
        other = _known(log, alias)
        if other is None:
            log.connection.execute("INSERT INTO names VALUES (?, ?)", (key_of(alias), kept))
        elif other != kept:
            _merge(log, kept, other)


def _merge(log: MemoryLog, kept: int, other: int) -> None:
    # The names first: the last fact of an entity takes those with it that are still its own.
    log.connection.execute("UPDATE names SET entity = ? WHERE entity = ?", (kept, other))
    rows = log.connection.execute(
        "SELECT id, subject, relation, key, object, by_hand FROM relations"
        " WHERE ?1 IN (subject, object)",
        (other,),
    ).fetchall()
    for id, subject, relation, key, object, by_hand in rows:
        ends = tuple(kept if end == other else end for end in (subject, object))
        log.connection.execute(
            "INSERT INTO relations (subject, relation, key, object, by_hand) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET by_hand = max(by_hand, excluded.by_hand)",
            (ends[0], relation, key, ends[1], by_hand),
        )
        log.connection.execute(
            "INSERT OR IGNORE INTO said SELECT ?, entry FROM said WHERE relation = ?",
            (_relation(log, ends[0], key, ends[1]), id),
        )
        log.connection.execute("DELETE FROM relations WHERE id = ?", (id,))


def list_facts(log: MemoryLog, message: ListFacts) -> tuple[KnownFact, ...]:
    """As `ListFacts` says."""
    with log.reading():
        about = None if message.about is None else _known(log, message.about)
        if message.about is not None and about is None:
            return ()
        rows = log.connection.execute(
            LISTED,
            (about, message.source, message.limit),
        ).fetchall()
        return tuple(_fact_of(log, row) for row in rows)


def _fact_of(log: MemoryLog, row: Row) -> KnownFact:
    id, subject, relation, object, by_hand, *_ = row
    said = log.connection.execute(
        "SELECT entry FROM said WHERE relation = ? ORDER BY entry", (id,)
    ).fetchall()
    sources = tuple(entry for (entry,) in said)
    return KnownFact(Fact(subject, relation, object), sources, bool(by_hand))


def neighbours(log: MemoryLog, message: Neighbours) -> tuple[Neighbour, ...]:
    """As `Neighbours` says."""
    with log.reading():
        start = _known(log, message.name)
        found: list[Neighbour] = []
        if start is None:
            return ()
        for _, entity, row, distance in _spread(log, start, message.depth):
            name = row[1] if row[5] == entity else row[3]
            found.append(Neighbour(name, distance, _fact_of(log, row)))
            if len(found) == message.limit:
                break
        return tuple(found)


def find_path(log: MemoryLog, message: FindPath) -> tuple[KnownFact, ...] | None:
    """As `FindPath` says."""
    with log.reading():
        start, end = _known(log, message.start), _known(log, message.end)
        if start is None or end is None:
            return None
        came: dict[int, tuple[int, Row]] = {}
        if start != end:
            for before, entity, row, _ in _spread(log, start, message.longest):
                came[entity] = before, row
                if entity == end:
                    break
            else:
                return None
        path: list[Row] = []
        while end != start:
            end, row = came[end]
            path.append(row)
        return tuple(_fact_of(log, row) for row in reversed(path))


def _spread(log: MemoryLog, start: int, depth: int) -> Iterator[tuple[int, int, Row, int]]:
    """Entities around one, the nearest first, each once: from which, which, by what, how far."""
    seen = {start}
    ring = [start]
    for distance in range(1, depth + 1):
        next_ring: list[int] = []
        for before in ring:
            for row in log.connection.execute(ABOUT, (before, WIDEST)).fetchall():
                entity = row[6] if row[5] == before else row[5]
                if entity in seen:
                    continue
                if len(seen) > WIDEST:
                    return
                seen.add(entity)
                next_ring.append(entity)
                yield before, entity, row, distance
        ring = next_ring
