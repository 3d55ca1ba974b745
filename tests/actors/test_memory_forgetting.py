"""What is forgotten is gone from all that it was merged into, and from the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.documents import ingest
from actors.memory import Consolidation, Item, MemoryHandle, open_memory

if TYPE_CHECKING:
    from pathlib import Path

RENT = "The rent is due on the first."


async def texts_of(memory: MemoryHandle) -> list[str]:
    return sorted(entry.text for entry in await memory.entries(limit=10_000))


async def test_what_was_stored_again_is_forgotten_in_what_it_was_merged_into_as_well(
    tmp_path: Path,
) -> None:
    async with open_memory(tmp_path, embedder="lexical") as memory:
        for ending in (".", "!"):  # merged twice under the same ids, and stored once more
            await memory.store_many(
                [Item(f"the word is xyzzy{ending}", id="a"), Item(f"The word is{ending}", id="b")]
            )
            await memory.consolidate(Consolidation(threshold=0.5))
        await memory.store(RENT, id="a")

        assert await memory.forget("a") == 1
        assert await texts_of(memory) == ["The word is!"]
        await memory.settled()
    assert b"xyzzy" not in (tmp_path / "memory.db").read_bytes()


async def test_a_document_is_forgotten_in_what_its_parts_were_merged_into(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("The word is xyzzy, and Ada keeps it in the safe, with all of the others.")
    other.write_text("The word is known, and Ada keeps it in the safe, with all of the others.")
    plan = Consolidation(threshold=0.5, ignoring=("source", "name"))
    async with open_memory(tmp_path / "memory", embedder="lexical") as memory:
        async with ingest(memory, one, other) as steps:
            async for _ in steps:
                pass
        assert (await memory.consolidate(plan)).after == 1

        assert await memory.forget_document(str(one)) == 1
        assert await texts_of(memory) == [other.read_text()]
        await memory.settled()
    assert b"xyzzy" not in (tmp_path / "memory" / "memory.db").read_bytes()
