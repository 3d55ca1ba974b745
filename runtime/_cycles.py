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

    It is one of that nursery's, at any depth, or answers one that waits for it, or runs below a
    task that does.
    """
    to_visit = [current_task()]
    for task in to_visit:  # which grows
        above, party = task.parent_nursery, task.context.get(PARTY)
        if above is nursery:
            return True
        waiting = [] if above is None else [above.parent_task]
        if party is not None and party.caller is not None:
            waiting += waiting_on(party.caller, party)
        to_visit += [each for each in waiting if each not in to_visit]
    return False


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
