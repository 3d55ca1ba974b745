"""`runtime memory`: what a memory holds, filled, searched, counted and tidied."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar, get_args

import click
import trio

from actors.memory import Hit, MemoryHandle, MemoryStatistics, SearchBy, open_memory

from ._consolidate import command as consolidate
from ._ingest import command as ingest
from ._memory_folder import EMBEDDER, FOLDER
from ._screen import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


@click.group(name="memory")
def command() -> None:
    """Fill, search and tidy the memory that lives in FOLDER, and say what there is.

    FOLDER is one that `open_memory(FOLDER)` made, or `ingest`, and that no program has open.
    """


command.add_command(ingest)
command.add_command(consolidate)


@command.command(name="search")
@FOLDER
@click.argument("text")
@EMBEDDER
@click.option("--limit", default=10, show_default=True, help="At most how many.")
@click.option("--threshold", type=float, help="The least similarity, a cosine: -1 to 1.")
@click.option("--by", type=click.Choice(get_args(SearchBy)), default="both", show_default=True)
def search(
    folder: str, text: str, embedder: str, limit: int, threshold: float | None, by: SearchBy
) -> None:
    """Print what is like TEXT in meaning, or has its words: similarity, time, id, text.

    By keyword there is no similarity, and its place has the BM25 score.
    """

    async def look(memory: MemoryHandle) -> tuple[Hit, ...]:
        await memory.settled()
        return (await memory.search(text, limit=limit, threshold=threshold, by=by)).hits

    for hit in _asked(folder, embedder, look):
        time = datetime.fromtimestamp(hit.entry.created, tz=UTC)
        number = hit.score if by == "keyword" else hit.similarity
        line = f"{number:6.3f}  {time:%Y-%m-%d %H:%M}  {hit.entry.id}  {hit.entry.text}"
        click.echo(visible(" ".join(line.splitlines())))


@command.command(name="stats")
@FOLDER
@EMBEDDER
def stats(folder: str, embedder: str) -> None:
    """Say how much there is, and how its index stands."""

    async def look(memory: MemoryHandle) -> MemoryStatistics:
        await memory.settled()
        return await memory.statistics()

    found = _asked(folder, embedder, look)
    for name, value in (
        ("entries", found.entries),
        ("embedder", found.embedder),
        ("dimensions", found.dimensions),
        ("log", f"{found.bytes / 1e6:.1f} MB"),
        ("index", f"{found.state}, made anew just now" if found.rebuilds else found.state),
    ):
        click.echo(f"{name:<11}{visible(str(value))}")


def _asked(folder: str, embedder: str, question: Callable[[MemoryHandle], Awaitable[T]]) -> T:
    """What the memory in the folder answers; it is closed again."""

    async def ask() -> T:
        async with open_memory(folder, embedder=embedder) as memory:
            return await question(memory)

    return trio.run(ask)
