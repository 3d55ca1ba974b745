"""Waits of the party that runs now: seen by others, and refused where they would never end."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trio import current_effective_deadline
from trio.lowlevel import current_task

from ._errors import AskCycle
from ._waits import PARTY, chain_back, forget_wait, note_wait, waiting_on

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable

    import trio

    from ._waits import Awaited, Party


def refuse_cycle(awaited: Awaited, message: object = None) -> None:
    """Refuse a wait of the party that runs now if it would wait, through others, for itself.

    Raises:
        AskCycle: If it would.
    """
    caller = PARTY.get()
    if caller is not None:
        refuse_chain(awaited, caller, current_task(), message)


def refuse_chain(awaited: Awaited, caller: Party, task: Hashable, message: object = None) -> None:
    """Refuse a wait of this party, or of this task of it, likewise."""
    chain = chain_back(awaited, caller, task)
    # Whoever is cancelled already does not wait: its next checkpoint says so.
    if chain is not None and current_effective_deadline() > -math.inf:
        raise AskCycle(chain, message=message)


def is_needed_below(nursery: trio.Nursery) -> bool:
    """Whether what runs in a nursery cannot end before the task that runs now has ended.

    It is one of that nursery's, at any depth, or has been asked by one that waits for it.
    """
    to_visit: list[tuple[trio.lowlevel.Task, Party | None]] = [(current_task(), PARTY.get())]
    for task, party in to_visit:  # which grows
        if _is_below(nursery, task):
            return True
        if party is not None and party.caller is not None:
            asking = [(each, party.caller) for each in waiting_on(party.caller, party)]
            to_visit += [step for step in asking if step not in to_visit]
    return False


def _is_below(nursery: trio.Nursery, task: trio.lowlevel.Task) -> bool:
    above = task.parent_nursery
    while above is not None and above is not nursery:
        above = above.parent_task.parent_nursery
    return above is not None


@contextmanager
def waiting_for(awaited: Awaited) -> Generator[None]:
    """Let others see what the party that runs now waits for in the block."""
    caller = PARTY.get()
    if caller is None:
        yield
        return
    task = current_task()
    note_wait(caller, task, awaited)
    try:
        yield
    finally:
        forget_wait(caller, task)
