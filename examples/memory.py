"""Remember things in one program, and find them by likeness in the next."""

import tempfile
from pathlib import Path

import trio

from actors.memory import Item, open_memory

# "minilm" knows meaning, after `runtime pull minilm`; this one knows words, and needs nothing.
EMBEDDER = "lexical"

FACTS = (
    Item("Ada is allergic to peanuts.", {"about": "Ada", "kind": "health"}),
    Item("Ada moved to Lisbon in May.", {"about": "Ada", "kind": "travel"}),
    Item("Ben plays the cello on Fridays.", {"about": "Ben", "kind": "music"}),
)


async def remember(folder: Path) -> None:
    """The first program: what `store_many` returns is on the disk."""
    async with open_memory(folder, embedder=EMBEDDER) as memory:
        ids = await memory.store_many(FACTS)
        print(f"stored {len(ids)} facts")


async def recall(folder: Path) -> None:
    """A later one: the index is checked, and caught up with the log."""
    async with open_memory(folder, embedder=EMBEDDER) as memory:
        async with memory.progress() as steps:
            async for step in steps:
                print(f"  [{step.state}, {step.pending} of {step.total} to be indexed]")
        for question in ("What is Ada allergic to?", "Who plays the cello?"):
            (hit,) = await memory.search(question, limit=1)
            print(f"{question} -> {hit.entry.text} ({hit.similarity:.2f})")
        about = await memory.entries(where={"about": "Ada"})
        print("about Ada:", *(entry.text for entry in about))


with tempfile.TemporaryDirectory() as temporary:
    trio.run(remember, Path(temporary) / "memory")
    trio.run(recall, Path(temporary) / "memory")
