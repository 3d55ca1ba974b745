"""Memory: what a stream feels while files are ingested, and while a memory is consolidated.

Both beside a paced stream, as in `remember`, with vectors that were made before. The floor of the
one is Chroma's embedded client, given the same sections, cut before; that of the other all vectors
compared with all at once, in a thread.
"""

from __future__ import annotations

import importlib
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from actors.documents import ingest
from actors.memory import open_memory
from runtime import open_system

from ._host import open_server
from ._remembering import (
    LONGEST,
    PACE,
    QUIET_SECONDS,
    ROUNDS,
    Prepared,
    Turn,
    beside,
    beside_embedded,
    drawn_vectors,
    figures_beside,
)
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._figures import Effort, Figure

    Vectors = Sequence[tuple[float, ...]]

SECTIONS: Final = 5_000
IN_A_FILE: Final = 50
TWICE: Final = 10  # one entry in so many says again what another one says
TIMES: Final = 10
ALIKE: Final = 0.97  # as `Consolidation` has it
LETTERS: Final = str.maketrans("0123456789", "abcdefghij")  # other numbers keep entries apart
INGEST: Final = "ingest"
EMBEDDED: Final = "embedded client"
CONSOLIDATE: Final = "consolidate"
AT_ONCE: Final = "all at once"
QUIET: Final = "quiet"


def digesting(effort: Effort) -> Sequence[Figure]:
    """The stream's latency beside each."""

    async def measure() -> Sequence[Figure]:
        count = effort.samples(SECTIONS)
        few = attrs.evolve(effort, rounds=min(ROUNDS, effort.rounds))
        sections = [f"Section {n} says what it says about {n % 97}. " * 5 for n in range(count)]
        notes = [text.translate(LETTERS) for text in sections]
        vectors = drawn_vectors(count - count // TWICE)
        vectors += vectors[: count - len(vectors)]
        async with open_server() as server:
            url = server.base_url(PACE, LONGEST)
            subjects = {
                INGEST: partial(_beside_ingest, url, sections, vectors),
                EMBEDDED: partial(beside_embedded, url, sections, vectors),
                CONSOLIDATE: partial(_beside_consolidation, url, notes, vectors),
                AT_ONCE: partial(_beside_product, url, vectors),
                QUIET: partial(beside, url, partial(trio.sleep, QUIET_SECONDS)),
            }
            rounds = await take_turns(few, subjects)
        floors = {INGEST: EMBEDDED, CONSOLIDATE: AT_ONCE}
        return [
            figure
            for name, floor in floors.items()
            for figure in figures_beside(name, rounds[name], rounds[floor], rounds[QUIET])
        ]

    return trio.run(measure)


async def _beside_ingest(url: str, sections: Sequence[str], vectors: Vectors) -> Turn:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for first in range(0, len(sections), IN_A_FILE):
            some = sections[first : first + IN_A_FILE]
            text = "".join(f"# Section\n\n{each}\n\n" for each in some)
            (folder / f"{first}.md").write_text(text)
        async with open_system() as system:
            prepared = await system.spawn(Prepared, vectors)
            async with open_memory(embedder=prepared, system=system) as memory:
                await memory.store("The first one loads what is needed.")
                await memory.settled()

                async def work() -> None:
                    async with ingest(memory, folder) as steps:
                        async for _ in steps:
                            pass
                    await memory.settled()

                return await beside(url, work)


async def _beside_consolidation(url: str, notes: Sequence[str], vectors: Vectors) -> Turn:
    async with open_system() as system:
        prepared = await system.spawn(Prepared, vectors)
        async with open_memory(embedder=prepared, system=system) as memory:
            await memory.store_many(notes)
            await memory.settled()

            async def work() -> None:
                report = await memory.consolidate()
                assert report.merged == len(notes) // TWICE

            return await beside(url, work)


async def _beside_product(url: str, vectors: Vectors) -> Turn:
    """One product of matrices, again and again: once would be over before a chunk has come."""
    numpy: Any = importlib.import_module("numpy")
    rows = numpy.array(vectors, dtype="f4")
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)

    def compare() -> int:
        return int((rows @ rows.T >= ALIKE).sum())

    async def work() -> None:
        for _ in range(TIMES):
            await trio.to_thread.run_sync(compare)

    turn = await beside(url, work)
    return attrs.evolve(turn, seconds=turn.seconds / TIMES)
