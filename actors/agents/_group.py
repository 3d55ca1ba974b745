"""The supervisor that everything of one agent, or of one reasoner, stands below; its journal."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from actors.journal import MemoryJournal
from runtime import Backoff, Ref, RestartLimit, RestartPolicy, RestartStrategy, System

if TYPE_CHECKING:
    import os

    from actors.journal import Journal
    from runtime import Supervisor

BACKOFF: Final = Backoff(first=0.05, longest=5.0)
LIMIT: Final = RestartLimit(restarts=5, seconds=30.0)
# The highest number of a group in each system, so that none is looked for from the beginning.
NUMBERS: Final = WeakKeyDictionary[System, int]()


async def supervise_group(system: System, name: str, restart: RestartPolicy) -> Supervisor:
    """A group of our own: called `name` if that is free, else with a number behind it."""
    for number in itertools.chain((1,), itertools.count(NUMBERS.get(system, 1) + 1)):
        try:
            group = await system.supervise(
                name if number == 1 else f"{name}-{number}",
                strategy=RestartStrategy.REST_FOR_ONE,
                limit=LIMIT,
                backoff=BACKOFF,
                restart=restart,
            )
        except ValueError:  # taken: the next one
            continue
        NUMBERS[system] = max(number, NUMBERS.get(system, 1))
        return group
    raise AssertionError


async def start_journal(
    group: Supervisor, journal: str | os.PathLike[str] | Ref[Journal] | None
) -> Ref[Journal]:
    if journal is None:
        return await group.spawn(MemoryJournal, name="journal")
    if isinstance(journal, Ref):
        return journal
    from actors.journal import SqliteJournal  # noqa: PLC0415 - sqlite3, where it is wanted

    return await group.spawn(SqliteJournal, _absolute(journal), name="journal")


def _absolute(path: str | os.PathLike[str]) -> Path:
    """So that it is the same file after a crash, wherever the program is by then."""
    return Path(path).absolute()
