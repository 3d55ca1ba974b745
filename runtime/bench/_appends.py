"""The journal: an append to its acknowledgement, and what the loop feels of it meanwhile."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Final

import trio

from actors.journal import Journal, MemoryJournal, SqliteJournal, UserSaid, append, write_entry
from runtime import Actor, open_system

from ._figures import Effort, Figure, Samples, figure_of
from ._rounds import take_turns

APPENDS: Final = 200  # a round
TICK: Final = 0.001  # seconds
MEMORY: Final = "memory"
DISK: Final = "disk"
FLOOR: Final = "bare sqlite3"
ENTRY: Final = UserSaid("run", "What is it that roars thus? " * 10)

Write = Callable[[], Awaitable[object]]


@asynccontextmanager
async def _journal(make: Callable[[], Actor]) -> AsyncGenerator[Write]:
    async with open_system() as system:
        await system.spawn(make, name="journal")
        journal = system.whereis("/journal", Journal)
        assert journal is not None
        yield lambda: append(journal, "bench", [ENTRY])


@asynccontextmanager
async def _bare(file: Path) -> AsyncGenerator[Write]:
    """One insert and one commit in a thread, with the same promise of the disk."""
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as bare:
        for statement in (
            "PRAGMA locking_mode = EXCLUSIVE",
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "CREATE TABLE entries (entry TEXT NOT NULL)",
        ):
            bare.execute(statement)
        line = write_entry(ENTRY)

        def insert() -> None:
            bare.execute("INSERT INTO entries VALUES (?)", (line,))

        yield lambda: trio.to_thread.run_sync(insert)


def appends(effort: Effort) -> Sequence[Figure]:
    """One append after the other; and how late a task wakes that sleeps beside them."""

    async def measure() -> Sequence[Figure]:
        count = effort.samples(APPENDS)
        with tempfile.TemporaryDirectory() as folder:
            numbers = iter(range(1_000_000))

            def new() -> Path:
                return Path(folder) / f"{next(numbers)}.db"

            opened = {
                MEMORY: lambda: _journal(MemoryJournal),
                DISK: lambda: _journal(partial(SqliteJournal, new())),
                FLOOR: lambda: _bare(new()),
            }
            turns = {name: partial(_turn, each, count) for name, each in opened.items()}
            rounds = await take_turns(effort, turns)
        taken = {name: [taken for taken, _ in each] for name, each in rounds.items()}
        late = {name: [late for _, late in each] for name, each in rounds.items()}
        return [
            figure_of("append: disk", "ms", taken[DISK], taken[FLOOR]),
            figure_of("append: memory", "ms", taken[MEMORY]),
            figure_of("append: loop", "ms", late[DISK], late[FLOOR]),
        ]

    return trio.run(measure)


async def _turn(
    opened: Callable[[], AbstractAsyncContextManager[Write]], count: int
) -> tuple[Samples, Samples]:
    """Milliseconds of each append, and by how many a tick beside them was late."""
    taken: list[float] = []
    late: list[float] = []
    async with opened() as write, trio.open_nursery() as nursery:
        nursery.start_soon(_tick, late)
        for _ in range(count):
            start = perf_counter_ns()
            await write()
            taken.append((perf_counter_ns() - start) / 1e6)
        while not late:  # noqa: ASYNC110 - the memory is faster than a tick
            await trio.sleep(TICK)
        nursery.cancel_scope.cancel()
    return taken, late


async def _tick(late: list[float]) -> None:
    while True:
        start = perf_counter_ns()
        await trio.sleep(TICK)
        late.append((perf_counter_ns() - start) / 1e6 - TICK * 1e3)
