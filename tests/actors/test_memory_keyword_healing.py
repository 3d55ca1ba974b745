"""Keywords that are damaged: found at the opening or by a search, and made anew meanwhile."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import pytest
import trio

from actors.errors import MemoryDamaged
from actors.memory import Item, Search, open_memory
from actors.memory._filters import checked_filter
from actors.memory._keyword_healing import Words, add_words, words_after, words_at_opening
from actors.memory._log import MemoryLog
from actors.memory._word_keeper import WordKeeper

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MANY = 1_200  # entries: more than two commits put in
DAMAGE = {
    "no table": ["DROP TABLE words"],
    "no index": ["DELETE FROM words_data WHERE id > 10"],
    "no structure": ["UPDATE words_data SET block = x'00' WHERE id = 10"],
    "no averages": ["UPDATE words_data SET block = x'ff' WHERE id = 1"],
    "a garbled leaf": [
        (
            "UPDATE words_data SET block = zeroblob(length(block))"
            " WHERE id = (SELECT max(id) FROM words_data)"
        )
    ],
    "some unknown": ["DELETE FROM words_docsize WHERE id % 7 = 0"],
    "another text": [
        "DROP TRIGGER words_of_changed",
        "UPDATE entries SET text = 'quite another' WHERE change = 1200",
    ],
    "too many": ["DROP TRIGGER words_of_old", "DELETE FROM entries WHERE change = 1200"],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of many entries."""
    path = tmp_path / "memory.db"
    with closing(MemoryLog(path)) as log:
        log.store([Item(f"Ada has note {n}", id=f"{n}") for n in range(MANY)], 1.0)
    return path


@pytest.fixture
def log(path: Path) -> Generator[MemoryLog]:
    with closing(MemoryLog(path)) as log:
        yield log


def damage(path: Path, statements: Sequence[str]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def damage_page(path: Path) -> None:
    """Overwrite the page where the words begin, so that they cannot even be dropped."""
    with closing(sqlite3.connect(path)) as connection:
        ((size,),) = connection.execute("PRAGMA page_size")
        ((page,),) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'words_data'"
        )
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(random.Random(3).randbytes(size))  # noqa: S311 - no secret


def filled(log: MemoryLog) -> None:
    after = -1
    while after:
        after, _ = add_words(log, max(after, 0))


def assert_whole(log: MemoryLog) -> None:
    """FTS5 itself compares its index with the entries; it raises if they differ."""
    log.connection.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")


def found(log: MemoryLog, text: str) -> set[str]:
    return {id for id, _ in log.by_words(text, 2 * MANY, None)}


# What is found and mended


@pytest.mark.parametrize("kind", [*DAMAGE, "a garbled page"])
def test_damage_is_found_at_the_opening_and_mended_from_the_entries(path: Path, kind: str) -> None:
    if kind in DAMAGE:
        damage(path, DAMAGE[kind])
    else:
        damage_page(path)
    with closing(MemoryLog(path)) as log:
        words = words_at_opening(log)
        assert words.problem
        assert words.missing == log.standing().entries
        assert found(log, "Ada") == set()
        filled(log)
        assert_whole(log)
        assert len(found(log, "note")) >= MANY - 1
        log.forget(["1"])
        log.store([Item("a valve", id="2")], 2.0)
        assert found(log, "valve") == {"2"}
        assert not found(log, "Ada") & {"1", "2"}
        assert_whole(log)
    with closing(MemoryLog(path)) as log:
        assert words_at_opening(log) == Words()


def test_what_is_whole_is_left_alone_also_where_a_text_has_no_words_to_it(log: MemoryLog) -> None:
    log.store([Item("___"), Item("!"), Item("\U0001e900\U0001e901"), Item("caf\u00e9_E4711")], 2.0)
    log.forget(["3", "5"])
    log.store([Item("replaced", id="7")], 3.0)
    assert words_at_opening(log) == Words()


def test_changes_while_it_is_made_anew_are_as_at_any_other_time(path: Path) -> None:
    damage(path, DAMAGE["no index"])
    with closing(MemoryLog(path)) as log:
        assert words_at_opening(log).missing == MANY
        after, added = add_words(log, 0)
        assert (after, added) == (500, 500)
        log.forget(["3", "900"])  # of what is in, and of what is not
        log.store([Item("a valve", id="4"), Item("a pump", id="901"), Item("new")], 2.0)
        assert found(log, "valve pump new") == {"4", "901", *found(log, "new")}
        assert not found(log, "note") & {"3", "4", "900", "901"}
        filled(log)
        assert_whole(log)
        assert len(found(log, "note")) == MANY - 4


def test_a_program_that_was_killed_meanwhile_goes_on_where_it_was(path: Path) -> None:
    damage(path, DAMAGE["no index"])
    with closing(MemoryLog(path)) as log:
        words_at_opening(log)
        add_words(log, 0)
    with closing(MemoryLog(path)) as log:
        assert words_at_opening(log) == Words(MANY - 500)
        filled(log)
        assert_whole(log)
        assert words_at_opening(log) == Words()


# While it is in use


async def called(function: Callable[[*Ts], T], *args: *Ts) -> T:
    await trio.lowlevel.checkpoint()
    return function(*args)


async def ids(keeper: WordKeeper, text: str) -> set[str]:
    return {id for id, _ in await keeper.find(Search(text, MANY, by="keyword"), MANY)}


@pytest.mark.parametrize("kind", ["no index", "no table"])
async def test_damage_that_a_search_meets_is_mended_and_the_search_answers(
    log: MemoryLog, kind: str
) -> None:
    keeper = WordKeeper(log, called, lambda: None)
    await keeper.check()
    assert len(await ids(keeper, "Ada")) == MANY
    for statement in DAMAGE[kind]:
        log.connection.execute(statement)

    assert await ids(keeper, "Ada") == set()
    assert (keeper.missing, keeper.rebuilds) == (MANY, 1)
    assert keeper.problem
    counts: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.keep)
        while MANY not in counts:
            counts.append(len(await ids(keeper, "Ada")))
        nursery.cancel_scope.cancel()
    assert any(0 < count < MANY for count in counts), "no search came in between"
    assert keeper.missing == 0
    assert keeper.problem == ""
    assert_whole(log)


def test_a_search_that_fails_for_the_entries_leaves_the_words_alone(log: MemoryLog) -> None:
    log.connection.execute("UPDATE entries SET metadata = '{' WHERE id = '1'")
    with pytest.raises(MemoryDamaged, match="cannot be read") as caught:
        log.by_words("Ada", MANY, checked_filter({"year": 2026}))
    assert words_after(log, caught.value) is None


async def test_a_memory_whose_keywords_are_damaged_opens_answers_and_says_so(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "memory"
    async with open_memory(folder, embedder="lexical") as memory:
        await memory.store_many([Item("Ada walks", id="ada"), Item("Ben sings", id="ben")])
        await memory.settled()
    damage_page(folder / "memory.db")
    async with open_memory(folder, embedder="lexical") as memory:
        await memory.store("Ada sings", id="both")
        problems: set[str] = set()
        async with memory.progress() as steps:
            async for step in steps:
                problems.add(step.problem)
        found = await memory.search("sing", by="keyword")
        assert {hit.entry.id for hit in found} == {"ben", "both"}
        assert found.pending == 0
        assert {hit.entry.id for hit in await memory.search("Ada")} == {"ada", "ben", "both"}
        assert (await memory.statistics()).rebuilds == 1
