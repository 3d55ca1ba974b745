"""Keyword search and fusion: in step with what is stored, whatever happens to the file."""

from __future__ import annotations

import math
import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ConfigurationError, MemoryNotWritten
from actors.memory import Item, Search, open_memory
from actors.memory._fusion import completed, cosine, fused
from actors.memory._keywords import MOST_WORDS, match_for
from actors.memory._lexical import lexical_vector
from actors.memory._log import MemoryLog
from actors.memory._tables import KIND
from actors.providers import Embed, EmbedderApi, Embeddings
from runtime import Actor, open_system

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from actors.memory import MemoryHandle
    from actors.memory._memory import SearchBy

TEXTS = (
    Item("Ada is allergic to peanuts", {"year": 2024}, "ada"),
    Item("Ben walks the dogs every morning", {"year": 2025}, "ben"),
    Item("Error E4711: the valve is stuck", {"year": 2026}, "valve"),
)


@pytest.fixture
def log(tmp_path: Path) -> Generator[MemoryLog]:
    with closing(MemoryLog(tmp_path / "memory.db")) as log:
        log.store(TEXTS, 1.0)
        yield log


def found(log: MemoryLog, text: str, limit: int = 10) -> list[str]:
    return [id for id, _ in log.by_words(text, limit, None)]


def test_words_are_found_without_case_accents_and_english_endings(log: MemoryLog) -> None:
    assert found(log, "a PÉANUT for whom?") == ["ada"]
    assert found(log, "walking a dog") == ["ben"]
    assert found(log, "e4711") == ["valve"]
    assert found(log, "cat") == found(log, "?!") == []


def test_what_has_more_and_rarer_words_of_the_query_comes_first(log: MemoryLog) -> None:
    log.store(
        [Item("Ada walks", id="both"), Item("Ada Ada sings with Ada all day", id="often")], 2.0
    )
    ranked = log.by_words("Ada walks", 10, None)
    assert ranked[0][0] == "both"
    scores = [score for _, score in ranked]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0
    assert found(log, "Ada walks", limit=1) == ["both"]


def test_the_filter_of_a_keyword_search_leaves_no_gaps(log: MemoryLog) -> None:
    ranked = log.by_words("allergic peanuts walks", 1, {"year": {"$gt": 2024}})
    assert [id for id, _ in ranked] == ["ben"]


def test_changes_are_found_at_once_and_what_was_replaced_or_forgotten_is_not(
    log: MemoryLog,
) -> None:
    log.store([Item("Ada eats everything now", id="ada")], 2.0)
    assert found(log, "peanuts") == []
    assert found(log, "everything") == ["ada"]
    log.forget(["ben"])
    assert found(log, "dogs") == []
    log.clear()
    assert found(log, "Ada valve dogs") == []
    log.store([Item("A valve", id="new")], 3.0)
    assert found(log, "valve") == ["new"]


def test_a_change_that_fails_leaves_the_words_as_they_were(log: MemoryLog) -> None:
    log._connection.execute(  # noqa: SLF001 - a disk that is full at the end
        "CREATE TRIGGER no BEFORE UPDATE ON facts BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    with pytest.raises(MemoryNotWritten, match="not written"):
        log.store([Item("Carl is new here", id="carl"), Item("no dogs any more", id="ben")], 2.0)
    assert found(log, "Carl") == []
    assert found(log, "walks") == ["ben"]


def words_are_whole(path: Path) -> bool:
    """Ask FTS5 whether its index is what the entries say; it raises if not."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
        return True


def version_1(path: Path, texts: Sequence[tuple[str, str]]) -> None:
    """A file as it was made before there was a keyword search."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in KIND.schema:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {KIND.mark}")
        connection.execute("PRAGMA user_version = 1")
        for number, (id, text) in enumerate(texts, 1):
            connection.execute(
                "INSERT INTO entries VALUES (?, ?, ?, '{}', ?, 1.0, 1.0, 1)",
                (id, number, text, id.encode()),
            )
        connection.execute("UPDATE facts SET value = ? WHERE name = 'changes'", (len(texts),))


def test_an_old_file_gets_its_words_at_the_opening_and_only_once(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    version_1(path, [("a", "Ada is allergic to peanuts"), ("b", "Ben walks the dogs")])
    for _ in range(2):
        with closing(MemoryLog(path)) as log:
            assert found(log, "peanuts") == ["a"]
            log.store([Item("Ben has a cat", id="b")], 2.0)
            assert found(log, "dogs") == []
            assert found(log, "cat") == ["b"]
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (KIND.version,)
        assert words_are_whole(path)


def test_an_upgrade_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    version_1(path, [("a", "Ada")])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE words (in_the_way)")
    with pytest.raises(KIND.unusable, match="words"):
        MemoryLog(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        connection.execute("DROP TABLE words")
    with closing(MemoryLog(path)) as log:
        assert found(log, "Ada") == ["a"]


def test_words_of_what_was_forgotten_are_overwritten_at_the_close(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with closing(MemoryLog(path)) as log:
        log.store([Item(f"text {number}") for number in range(500)], 1.0)
        log.store([Item("the password is xyzzyplugh", id="x"), Item("quuxcorge", id="y")], 1.0)
    assert b"xyzzyplugh" in path.read_bytes()
    with closing(MemoryLog(path)) as log:
        log.forget(["x"])
        log.store([Item("another", id="y")], 2.0)
    assert b"xyzzyplugh" not in path.read_bytes()
    assert b"quuxcorge" not in path.read_bytes()
    assert words_are_whole(path)


def test_words_that_a_killed_program_left_are_overwritten_at_the_opening(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    log = MemoryLog(path)
    log.store([Item(f"text {number}") for number in range(500)], 1.0)
    log.store([Item("the password is xyzzyplugh", id="x")], 1.0)
    log.forget(["x"])
    log._database.close()  # noqa: SLF001 - without what comes before it
    with closing(MemoryLog(path)) as log:
        assert log._fact("untidy") == 0  # noqa: SLF001
    assert b"xyzzyplugh" not in path.read_bytes()


# The query


def test_common_words_are_left_out_unless_there_are_no_others() -> None:
    assert match_for("Where is the dog, and what dog?") == '"dog"'
    assert match_for("Who is it?") == '"who" OR "is" OR "it"'
    assert match_for("...") == ""


@given(st.text())
def test_no_text_is_an_error_of_the_query(text: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE words USING fts5 (text)")
        query = match_for(text)
        if query:
            connection.execute("SELECT 1 FROM words WHERE words MATCH ?", (query,)).fetchall()


def test_a_query_has_a_bounded_number_of_words() -> None:
    assert match_for(" ".join(f"w{number}" for number in range(5_000))).count(" OR ") < MOST_WORDS


# Fusion


def test_what_is_good_in_both_comes_first_and_each_of_the_best_before_the_rest() -> None:
    near = [("a", 0.9), ("b", 0.8), ("c", 0.3), ("d", 0.2)]
    worded = [("e", 4.0), ("b", 3.0), ("c", 1.0)]
    ranked = fused(near, worded)
    assert [key for key, _ in ranked] == ["b", "a", "e", "c", "d"]
    assert ranked[0][1] == pytest.approx(0.6 * 6 / 7 + 0.4 * 3 / 4)
    assert dict(ranked)["d"] == 0


def test_one_ranking_alone_is_its_fusion_and_one_entry_is_the_best() -> None:
    ranking = [("a", 3.0), ("b", 2.0), ("c", 1.0)]
    assert [key for key, _ in fused(ranking, [])] == ["a", "b", "c"]
    assert [key for key, _ in fused([], ranking)] == ["a", "b", "c"]
    assert dict(fused([("a", -0.5)], [("a", 0.1)])) == pytest.approx({"a": 1})
    assert fused([], []) == []


def test_what_the_index_missed_among_the_nearest_is_put_in_its_place() -> None:
    near = [("a", 0.9), ("c", 0.5)]
    assert completed(near, [("d", 0.4), ("b", 0.7)]) == [("a", 0.9), ("b", 0.7), ("c", 0.5)]
    assert completed(near, [("d", 0.5)]) == near
    assert completed([], [("b", 0.7)]) == []


SCORES = st.dictionaries(st.integers(0, 20), st.floats(0.001, 1000)).map(
    lambda scores: sorted(scores.items(), key=lambda scored: -scored[1])
)


@given(SCORES, SCORES, st.floats(0.1, 10))
def test_a_fusion_has_all_of_both_once_and_knows_no_scale(
    near: list[tuple[int, float]], worded: list[tuple[int, float]], factor: float
) -> None:
    ranked = fused(near, worded)
    scores = [score for _, score in ranked]
    assert sorted(key for key, _ in ranked) == sorted({*dict(near), *dict(worded)})
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)
    scaled = fused(near, [(key, score * factor) for key, score in worded])
    assert dict(scaled) == pytest.approx(dict(ranked))


def test_the_cosine_is_that_of_the_vectors_however_long_they_are() -> None:
    def packed(*numbers: float) -> bytes:
        return struct.pack(f"<{len(numbers)}f", *numbers)

    assert cosine(packed(1, 0), packed(5, 0)) == pytest.approx(1)
    assert cosine(packed(1, 1), packed(0, 3)) == pytest.approx(math.sqrt(0.5))
    assert cosine(packed(1, 0), packed(-2, 0)) == pytest.approx(-1)
    assert cosine(packed(0, 0), packed(1, 0)) == 0
    vector = packed(*lexical_vector("Ada walks"))
    assert cosine(vector, vector) == pytest.approx(1)


# The actor


async def ids(memory: MemoryHandle, text: str, by: SearchBy, **more: Any) -> list[str]:
    return [hit.entry.id for hit in await memory.search(text, by=by, **more)]


async def test_a_search_is_by_meaning_by_words_or_by_both(tmp_path: Path) -> None:
    async with open_memory(tmp_path / "memory", embedder="lexical") as memory:
        await memory.store_many(TEXTS)
        assert await ids(memory, "peanut", "keyword") == ["ada"]
        assert len(await ids(memory, "peanut", "vector")) == len(TEXTS)
        assert (await ids(memory, "peanut", "both"))[0] == "ada"
        assert await ids(memory, "allergic peanuts dogs", "both", where={"year": 2025}) == ["ben"]
        assert await ids(memory, "allergic peanuts dogs", "keyword", where={"year": 2025}) == [
            "ben"
        ]
        assert len(await ids(memory, "allergic peanuts dogs", "both", limit=2)) == 2


async def test_a_hit_says_how_like_the_query_it_is_and_what_ordered_it(tmp_path: Path) -> None:
    async with open_memory(tmp_path / "memory", embedder="lexical") as memory:
        await memory.store_many(TEXTS)
        await memory.settled()
        near = {hit.entry.id: hit for hit in await memory.search("peanuts", by="vector")}
        assert all(hit.score == hit.similarity for hit in near.values())
        for hit in await memory.search("peanuts", by="both"):
            assert hit.similarity == pytest.approx(near[hit.entry.id].similarity, abs=1e-5)
            assert 0 <= hit.score <= 1
        (hit,) = await memory.search("peanuts", by="keyword")
        assert math.isnan(hit.similarity)
        assert hit.score > 0


async def test_a_threshold_holds_for_what_was_found_by_its_words(tmp_path: Path) -> None:
    async with open_memory(tmp_path / "memory", embedder="lexical") as memory:
        # Fifty are nearer: the one that has a rare word of the query is found by that alone.
        await memory.store_many([Item(f"where where where {number}") for number in range(60)])
        await memory.store("rareword among many other things that are said here", id="rare")
        await memory.settled()
        text = "where where where where rareword"
        assert "rare" not in await ids(memory, text, "vector", limit=50)
        found = {hit.entry.id: hit for hit in await memory.search(text, by="both", limit=5)}
        assert -1 <= found["rare"].similarity < 0.5
        assert "rare" not in await ids(memory, text, "both", limit=50, threshold=0.5)
        assert len(await ids(memory, text, "both", limit=50, threshold=0.5)) == 50


class Away(Actor, EmbedderApi):
    """Makes vectors of single texts, which queries are, and never of several."""

    @Embed.handles(concurrent=True)
    async def embed(self, message: Embed) -> Embeddings:
        if len(message.texts) > 1:
            await trio.sleep_forever()
        return Embeddings(tuple(map(lexical_vector, message.texts)), "away")


async def test_what_has_no_vector_yet_is_found_by_keyword_alone(tmp_path: Path) -> None:
    async with open_system() as system:
        away = await system.spawn(Away)
        async with open_memory(tmp_path / "memory", embedder=away, system=system) as memory:
            await memory.store("Ada and one", id="one")
            await memory.settled()
            await memory.store_many([Item(f"Ada {number}") for number in range(100)])
            found = await memory.search("Ada", by="both")
            assert [hit.entry.id for hit in found] == ["one"]
            assert found.pending == 100
            found = await memory.search("Ada", by="keyword", limit=200)
            assert len(found) == 101
            assert found.pending == 0


async def test_a_search_by_keyword_needs_no_index(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    async with open_memory(tmp_path / "memory", embedder="lexical", url=nobody) as memory:
        await memory.store_many(TEXTS)
        assert await ids(memory, "stuck valves", "keyword") == ["valve"]


def test_a_way_to_search_that_is_none_and_a_threshold_of_bm25_are_refused() -> None:
    wrong: Any = "words"
    with pytest.raises(ConfigurationError, match="write 'vector', 'keyword', 'both'"):
        Search("text", by=wrong)
    with pytest.raises(ConfigurationError, match="BM25 has no scale"):
        Search("text", threshold=0.5, by="keyword")
