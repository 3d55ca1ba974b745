"""What a disk or a Chroma server refuses is said, and ends neither a memory nor its index."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import trio

from actors.errors import (
    ConfigurationError,
    MemoryNotWritten,
    MemoryUnreachable,
    MemoryUnusable,
    ProviderUnavailable,
)
from actors.memory import Item, open_memory
from actors.providers import Embed, EmbedderApi, Embeddings
from runtime import Actor, open_system

if TYPE_CHECKING:
    from pathlib import Path

CATS = "The cat sleeps on the sofa all day"
FISH = "A cat eats fish in the kitchen"


async def test_a_folder_that_nothing_can_be_written_in_is_refused_before_anything_starts() -> None:
    with pytest.raises(MemoryUnusable, match=r"the memory /proc/\d+/fd cannot be used"):
        async with open_memory(f"/proc/{os.getpid()}/fd", embedder="lexical"):
            pass


async def test_a_filter_that_is_too_much_for_the_index_is_refused_and_the_index_stays() -> None:
    many = list(range(10_000))
    async with open_memory(embedder="lexical") as memory:
        await memory.store(CATS, {"number": 7})
        with pytest.raises(ConfigurationError, match="cannot search with this filter"):
            await memory.search(CATS, where={"$or": [{name: {"$in": many}} for name in "abc"]})
        (hit,) = await memory.search(CATS, where={"number": {"$in": many}})
        assert hit.entry.text == CATS
        assert (await memory.statistics()).rebuilds == 0


async def test_a_search_that_the_index_refuses_is_the_callers_error_alone() -> None:
    async with open_memory(embedder="lexical") as memory:
        await memory.store(CATS)
        with pytest.raises(ConfigurationError, match="Chroma refuses this"):
            await memory.search(CATS, limit=10**18)
        assert len(await memory.search(CATS)) == 1
        assert memory.ref.statistics().restarts == 0


async def test_an_entry_that_the_index_refuses_is_said_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with open_memory(tmp_path, embedder="lexical") as memory:
        await memory.store_many([Item(CATS, id="cats"), Item(FISH, id="fish")])
    with closing(sqlite3.connect(tmp_path / "memory.db")) as log:  # as by another version of this
        log.execute("""UPDATE entries SET metadata = '{"#type": 1}' WHERE id = 'cats'""")
        log.execute("UPDATE facts SET value = 0 WHERE name = 'applied'")
        log.commit()
    async with open_memory(tmp_path, embedder="lexical") as memory:
        with trio.fail_after(10):
            while "Chroma refuses" not in (await memory.statistics()).problem:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert len(await memory.search("fish", by="keyword")) == 1
        assert memory.ref.statistics().restarts == 0
        await memory.forget("cats")
        with trio.fail_after(10):
            await memory.settled()
        assert [hit.entry.text for hit in await memory.search("cat")] == [FISH]


class Away(Actor, EmbedderApi):
    """Was there when the memory was opened; the vectors of two texts cannot be had."""

    @Embed.handles(concurrent=True)
    async def embed(self, message: Embed) -> Embeddings:
        if len(message.texts) > 1:
            raise ProviderUnavailable("no embedder at home")
        return Embeddings(((1.0, 0.0),), "away")


async def test_whoever_waits_for_an_index_that_gets_no_vectors_is_told_why() -> None:
    async with open_system() as system:
        embedder = await system.spawn(Away)
        async with open_memory(embedder=embedder, system=system) as memory:
            await memory.store_many([CATS, FISH])
            with trio.fail_after(20), pytest.raises(MemoryUnreachable) as told:
                await memory.settled(patience=1.0)
            assert "lacks 2 changes: no embedder at home; nothing is lost" in str(told.value)
            with pytest.raises(ValueError, match="positive seconds, not 0"):
                await memory.settled(patience=0)
            assert len(await memory.search("cat", by="keyword")) == 2


class Slow(Actor, EmbedderApi):
    """Takes its time, and counts how many texts it had."""

    @Embed.handles(concurrent=True)
    async def embed(self, message: Embed) -> Embeddings:
        await trio.sleep(0.4)
        return Embeddings(tuple((1.0, float(len(text))) for text in message.texts), "slow")


async def test_an_index_that_comes_further_is_waited_for_longer_than_its_patience() -> None:
    async with open_system() as system:
        embedder = await system.spawn(Slow)
        async with open_memory(embedder=embedder, system=system) as memory:
            await memory.store("a")
            await memory.settled()
            begun = trio.current_time()
            await memory.store_many("a" * number for number in range(2, 150))  # five batches
            with trio.fail_after(60):
                await memory.settled(patience=1.2)
            assert trio.current_time() - begun > 1.2


@pytest.mark.parametrize("gone", ["memory", "memory/memory.db"])
async def test_a_memory_whose_file_was_taken_away_acknowledges_nothing(
    tmp_path: Path, gone: str
) -> None:
    async with open_memory(tmp_path / "memory", embedder="lexical") as memory:
        await memory.store(CATS)
        await memory.settled()
        await trio.Path(tmp_path / gone).rename(tmp_path / "elsewhere")
        with pytest.raises(MemoryNotWritten, match="has been deleted, moved or replaced"):
            await memory.store(FISH)
        with pytest.raises(MemoryNotWritten, match="has been deleted, moved or replaced"):
            await memory.clear()
        (hit,) = await memory.search(CATS, by="keyword")
        await trio.Path(tmp_path / "elsewhere").rename(tmp_path / gone)
        await memory.store(FISH)  # put back: it goes on
    async with open_memory(tmp_path / "memory", embedder="lexical") as memory:
        assert {entry.text for entry in await memory.entries()} == {hit.entry.text, FISH}


async def test_a_text_in_place_of_many_is_refused_and_not_kept_by_its_characters() -> None:
    async with open_memory(embedder="lexical") as memory:
        with pytest.raises(ConfigurationError, match="items are a list of texts"):
            await memory.store_many("cat")
        assert (await memory.statistics()).entries == 0
