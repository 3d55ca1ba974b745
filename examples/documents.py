"""Bring a folder into a memory, change a file, and see that only the change is stored."""

import tempfile
from pathlib import Path

import trio

from actors.documents import Chunking, IngestOptions, ingest
from actors.memory import MemoryHandle, open_memory

OPTIONS = IngestOptions(chunking=Chunking(size=24, overlap=0), metadata={"project": "home"})
RULES = ["Shoes stay at the door.", "The cat is fed at seven.", "Lights go out at eleven."]


async def bring(memory: MemoryHandle, folder: Path) -> None:
    """Bring what is below a folder into the memory; twice does no harm."""
    async with ingest(memory, folder, patterns="*.md", options=OPTIONS) as steps:
        last = [step async for step in steps][-1].totals
    print(f"{last.stored} stored, {last.kept} kept, {last.forgotten} forgotten,", end=" ")
    print(f"{last.unchanged} files unchanged")


async def main(folder: Path) -> None:
    """Three versions of a file: new, the same, changed."""
    file = folder / "rules.md"
    async with open_memory(folder / "memory", embedder="lexical") as memory:
        for rules in (RULES, RULES, [*RULES[:2], "Lights go out at ten."]):
            file.write_text("".join(f"# Rule {n}\n\n{rule}\n\n" for n, rule in enumerate(rules)))
            await bring(memory, folder)
        (hit,) = await memory.search("When do lights go out?", limit=1)
        print(hit.entry.metadata["heading"], "->", hit.entry.text.split("\n")[-1])


with tempfile.TemporaryDirectory() as temporary:
    trio.run(main, Path(temporary))
