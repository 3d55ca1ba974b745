"""A memory over a real Chroma server: stored, found, forgotten, healed. Vectors are of words."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
from processes import children_running, until

from actors.errors import (
    ConfigurationError,
    EmbedderMismatch,
    MemoryNotWritten,
    MemoryUnusable,
)
from actors.memory import (
    ChromaAddress,
    ChromaServer,
    Found,
    Item,
    LexicalEmbedder,
    MemoryHandle,
    open_memory,
)
from actors.memory._filters import checked_filter, matches
from actors.providers import Embed, Embeddings
from runtime import open_system
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

CATS = "The cat sleeps on the sofa all day"
FISH = "A cat eats fish in the kitchen"
STOCKS = "Stock prices fell on Monday"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "memory"


def texts(found: Found) -> list[str]:
    return [hit.entry.text for hit in found]


def open_lexical(folder: Path) -> AbstractAsyncContextManager[MemoryHandle]:
    return open_memory(folder, embedder="lexical")


async def test_what_is_stored_is_found_by_likeness_and_by_metadata(folder: Path) -> None:
    async with open_lexical(folder) as memory:
        cats = await memory.store(CATS, {"topic": "cats", "year": 2019})
        await memory.store_many([STOCKS, Item(FISH, {"topic": "cats", "year": 2024}, id="fish")])

        found = await memory.search("where does the cat sleep on the sofa?")
        assert found.pending == 0
        assert texts(found)[:2] == [CATS, FISH]
        assert found[0].entry.id == cats
        assert [hit.similarity for hit in found] == sorted(
            (hit.similarity for hit in found), reverse=True
        )
        (same,) = await memory.search(CATS, limit=1)
        assert same.similarity == pytest.approx(1, abs=1e-5)  # a cosine, of equal directions
        assert texts(await memory.search(CATS, threshold=0.99)) == [CATS]
        assert texts(await memory.search("cat", where={"year": {"$gt": 2020}})) == [FISH]
        assert len(await memory.search("cat", limit=1)) == 1


async def test_a_text_stored_again_under_its_id_replaces_all_of_the_first(folder: Path) -> None:
    async with open_lexical(folder) as memory:
        await memory.store(CATS, {"topic": "cats", "old": True}, id="one")
        await memory.settled()
        first = await memory.get("one")
        await memory.store(STOCKS, {"topic": "money"}, id="one")

        assert texts(await memory.search(CATS)) == [STOCKS]
        # Chroma would merge the metadata of both
        assert texts(await memory.search(STOCKS, where={"old": {"$ne": True}})) == [STOCKS]
        assert len(await memory.search(STOCKS, where={"old": True})) == 0
        entry = await memory.get("one")
        assert entry is not None
        assert first is not None
        assert (entry.text, dict(entry.metadata)) == (STOCKS, {"topic": "money"})
        assert entry.created == first.created < entry.updated
        assert (await memory.statistics()).entries == 1


async def test_what_is_forgotten_is_gone_from_log_search_and_file(folder: Path) -> None:
    async with open_lexical(folder) as memory:
        await memory.store_many([Item(CATS, id="cats"), Item("The secret word is xyzzy", id="x")])
        await memory.settled()
        assert await memory.forget("x", "nobody", "x") == 1
        assert await memory.get("x") is None
        assert texts(await memory.search("secret word xyzzy")) == [CATS]
        await memory.settled()
        assert await memory.clear() == 1
        assert len(await memory.search(CATS)) == 0
        await memory.store(FISH)
        assert texts(await memory.search(FISH)) == [FISH]
    assert b"xyzzy" not in await trio.Path(folder / "memory.db").read_bytes()


async def test_entries_are_listed_by_time_the_newest_first(folder: Path) -> None:
    async with open_lexical(folder) as memory:
        for number in range(5):
            await memory.store(f"text {number}", {"number": number})
        entries = await memory.entries()
        assert [entry.text for entry in entries] == [f"text {n}" for n in (4, 3, 2, 1, 0)]
        middle = entries[2].created
        assert [entry.text for entry in await memory.entries(since=middle, limit=2)] == [
            "text 4",
            "text 3",
        ]
        assert [entry.text for entry in await memory.entries(until=middle)] == ["text 1", "text 0"]
        (only,) = await memory.entries(where={"number": {"$in": [3]}})
        assert only.text == "text 3"


async def test_all_of_it_is_there_after_a_restart_of_the_program(folder: Path) -> None:
    async with open_lexical(folder) as memory:
        id = await memory.store(CATS, {"topic": "cats"})
        await memory.settled()
    async with open_lexical(folder) as memory:
        assert (await memory.search(CATS))[0].entry.id == id
        assert (await memory.statistics()).rebuilds == 0
        assert (await memory.statistics()).embedded == 1  # the query; the text's vector was kept


async def test_the_filter_of_a_search_and_of_a_list_are_the_same(folder: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    values: list[Any] = ["a", "b", 1, 2, 1.5, 2.0, True, False]

    def rule(key: str) -> dict[str, Any]:
        operator = chance.choice(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin"])
        if operator in {"$in", "$nin"}:
            return {key: {operator: chance.choice([["a", "b"], [1, 1.5], [True], [2]])}}
        numbers = operator not in {"$eq", "$ne"}
        return {key: {operator: chance.choice([1, 2, 1.5] if numbers else values)}}

    async with open_lexical(folder) as memory:
        await memory.store_many(
            Item(f"text {n}", {key: chance.choice(values) for key in "xy"[: 1 + n % 2]}, id=str(n))
            for n in range(40)
        )
        await memory.settled()
        everything = await memory.entries()
        for _ in range(60):
            where = chance.choice(
                [rule("x"), {"$or": [rule("x"), rule("y")]}, rule("x") | rule("y")]
            )
            found = await memory.search("text", limit=100, where=where)
            checked = checked_filter(where)
            expected = {entry.id for entry in everything if matches(checked, entry.metadata)}
            assert {hit.entry.id for hit in found} == expected, where


async def test_a_memory_without_a_folder_ends_with_its_block_and_leaves_nothing() -> None:
    async with open_memory(embedder="lexical") as memory:  # loads what is loaded once
        await memory.store(CATS)
        await memory.settled()
    with assert_no_leaks():
        async with open_memory(embedder="lexical") as memory:
            await memory.store(CATS)
            assert texts(await memory.search(CATS)) == [CATS]
            assert len(children_running("_keeper.py")) == 1
    assert children_running("_keeper.py") == []


async def test_two_memories_in_one_system_know_nothing_of_each_other(tmp_path: Path) -> None:
    async with (
        open_system() as system,
        open_memory(tmp_path / "a", embedder="lexical", system=system) as one,
        open_memory(tmp_path / "b", embedder="lexical", system=system) as other,
    ):
        await one.store(CATS)
        await other.store(STOCKS)
        assert texts(await one.search("cat stock")) == [CATS]
        assert texts(await other.search("cat stock")) == [STOCKS]
        assert system.whereis("/memory-2/chroma", ChromaServer) is not None


async def test_two_memories_share_a_server_elsewhere(tmp_path: Path) -> None:
    async with open_system() as system:
        server = await system.spawn(ChromaServer, tmp_path / "chroma")
        url = await server.ask(ChromaAddress())
        for name, text in (("a", CATS), ("b", STOCKS)):
            async with open_memory(tmp_path / name, url=url, embedder="lexical") as memory:
                await memory.store(text)
                assert texts(await memory.search("cat stock")) == [text]
        async with open_memory(tmp_path / "a", url=url, embedder="lexical") as memory:
            assert texts(await memory.search("cat stock")) == [CATS]
            assert (await memory.statistics()).rebuilds == 0


# What fails


async def kill_chroma() -> None:
    (keeper,) = children_running("_keeper.py")
    (server,) = children_running("chroma", keeper)
    os.kill(server, signal.SIGKILL)
    await until(lambda: not children_running("chroma", keeper))


async def test_a_killed_server_is_replaced_and_nothing_is_lost(folder: Path) -> None:
    async with open_lexical(folder) as memory:
        await memory.store(CATS)
        await memory.settled()
        await kill_chroma()
        with trio.fail_after(30):
            assert texts(await memory.search(CATS)) == [CATS]
        await kill_chroma()
        await memory.store(FISH)  # acknowledged while there is no server
        assert (await memory.statistics()).entries == 2
        with trio.fail_after(30):
            await memory.settled()
            assert texts(await memory.search(FISH)) == [FISH, CATS]


async def damage_vectors(folder: Path) -> None:
    """Take the index away and leave the log believe that it is whole."""
    chroma = trio.Path(folder / "chroma")
    await chroma.rename(folder / "gone")


async def test_an_index_that_lost_everything_is_made_anew_while_the_memory_is_used(
    folder: Path,
) -> None:
    async with open_lexical(folder) as memory:
        await memory.store_many(f"text number {number}" for number in range(200))
        await memory.settled()
    await damage_vectors(folder)

    states: list[str] = []
    async with open_lexical(folder) as memory:
        assert len(await memory.entries(limit=1000)) == 200  # reads do not wait for it
        async with memory.progress() as steps:
            async for step in steps:
                states.append(step.state)
                if step.state == "rebuilding":
                    assert "has 0 entries of 200" in step.problem
        assert "rebuilding" in states
        assert states[-1] == "ready"
        found = await memory.search("text number 17", limit=1)
        assert texts(found) == ["text number 17"]
        statistics = await memory.statistics()
        assert statistics.rebuilds == 1
        assert statistics.embedded == 1  # from the vectors that were kept: only the query was new


async def test_vectors_that_are_not_what_was_given_are_found_at_the_opening(folder: Path) -> None:
    """As after a kill that left vectors of zeros behind, with everything else intact."""
    async with open_system() as system:
        server = await system.spawn(ChromaServer, folder / "chroma")
        url = await server.ask(ChromaAddress())
        async with open_memory(folder / "log", url=url, embedder="lexical") as memory:
            await memory.store_many([Item(CATS, id="cats"), Item(FISH, id="fish")])
            await memory.settled()
        with closing(sqlite3.connect(folder / "log" / "memory.db")) as log:
            ((vector,),) = log.execute(
                "SELECT vector FROM vectors JOIN entries USING (hash) WHERE id = 'cats'"
            )
            log.execute("UPDATE vectors SET vector = ?", (vector,))
            log.commit()
        async with open_memory(folder / "log", url=url, embedder="lexical") as memory:
            await memory.settled()
            assert (await memory.statistics()).rebuilds == 1


async def test_an_index_that_fails_a_search_is_made_anew(folder: Path) -> None:
    async with open_system() as system:
        server = await system.spawn(ChromaServer, folder / "chroma")
        url = await server.ask(ChromaAddress())
        async with open_memory(folder / "log", url=url, embedder="lexical") as memory:
            await memory.store(CATS)
            await memory.settled()
            await delete_collections(url)
            with trio.fail_after(60):
                await memory.search(CATS)  # from what is there by then
                await memory.settled()
            assert texts(await memory.search(CATS)) == [CATS]
            assert (await memory.statistics()).rebuilds == 1


async def delete_collections(url: str) -> None:
    api = f"{url}/api/v2/tenants/default_tenant/databases/default_database/collections"

    def delete() -> None:
        for each in httpx.get(api).json():
            httpx.delete(f"{api}/{each['name']}").raise_for_status()

    await trio.to_thread.run_sync(delete)


async def test_another_embedder_is_refused_and_nothing_is_changed(folder: Path) -> None:
    class Other(LexicalEmbedder):
        @Embed.handles(concurrent=True)
        async def embed(self, message: Embed) -> Embeddings:
            return Embeddings(tuple((1.0, float(len(text))) for text in message.texts), "other-2")

    async with open_system() as system:
        other = await system.spawn(Other)
        async with open_lexical(folder) as memory:
            await memory.store(CATS)
        with pytest.raises(EmbedderMismatch, match="1 entries with vectors of lexical-256") as said:
            async with open_memory(folder, embedder=other, system=system):
                pass
        (named,) = re.findall(r"open it with embedder='([^']+)'", str(said.value))
        async with open_memory(folder, embedder=named) as memory:
            assert texts(await memory.search(CATS)) == [CATS]
            await memory.clear()
        async with open_memory(folder, embedder=other, system=system) as memory:
            await memory.store(CATS)  # an empty memory takes any
            assert (await memory.statistics()).embedder == "other-2"


async def test_a_full_disk_is_said_and_nothing_of_it_is_in(folder: Path) -> None:
    async with open_lexical(folder) as memory:
        await memory.store(CATS)
    with closing(sqlite3.connect(folder / "memory.db")) as log:
        log.execute(
            "CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        log.commit()
    async with open_lexical(folder) as memory:
        with pytest.raises(MemoryNotWritten, match="was not written: full"):
            await memory.store_many([FISH, STOCKS])
        assert texts(await memory.search(CATS)) == [CATS]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"embedder": "nobody"}, "there is no embedder 'nobody'"),
        ({"embedder": "anthropic:claude-sonnet-4-5"}, "has no embeddings"),
        ({"embedder": 7}, "write"),
        ({"url": "127.0.0.1:8000"}, "is like http://127.0.0.1:8000"),
        ({"url": "http://127.0.0.1:8000", "embedder": "lexical"}, "keeps its log here"),
    ],
)
async def test_what_cannot_be_opened_is_refused_before_anything_starts(
    arguments: dict[str, Any], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    with pytest.raises(ConfigurationError, match=hint):
        async with open_memory(**arguments):
            pass


async def test_a_file_in_the_way_and_a_second_program_are_one_bare_error(folder: Path) -> None:
    await trio.Path(folder).parent.joinpath("file").write_text("x", encoding="utf-8")
    with pytest.raises(MemoryUnusable, match="cannot be used"):
        async with open_lexical(folder.parent / "file"):
            pass
    async with open_lexical(folder), open_system() as system:
        with pytest.raises(MemoryUnusable, match="another program has it open"):
            async with open_memory(folder, embedder="lexical", system=system):
                pass


async def test_a_search_that_is_cancelled_leaves_the_memory_as_it_is(folder: Path) -> None:
    async with open_lexical(folder) as memory:
        await memory.store(CATS)
        for seconds in (0.0, 0.001, 0.003, 0.01):
            with trio.move_on_after(seconds):
                await memory.search(CATS)
        assert texts(await memory.search(CATS)) == [CATS]
