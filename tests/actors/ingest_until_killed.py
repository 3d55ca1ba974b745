"""A program that ingests a folder into a memory: `python ingest_until_killed.py MEMORY FOLDER`."""

from __future__ import annotations

import os
import sys

import trio

from actors.documents import ingest
from actors.memory import open_memory


async def main(memory_folder: str, folder: str) -> None:
    async with (
        open_memory(memory_folder, embedder="lexical") as memory,
        ingest(memory, folder) as steps,
    ):
        async for step in steps:
            os.write(1, f"{step.state} {step.totals.stored}\n".encode())


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2])
