"""What a disk or a Chroma server refuses is said, and ends neither a memory nor its index."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import trio

from actors.errors import ConfigurationError, MemoryUnusable
from actors.memory import Item, open_memory

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
