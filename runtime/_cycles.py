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
    from collections.abc import Generator

    import trio

    from ._waits import Awaited, Party


def calling_party() -> Party | None:
    """The party that runs now; None for a task that nobody waits for.

    A task that a handler starts in a nursery of others has the handler's context, too.
    """
    party = PARTY.get()
    return party if party is not None and party.includes(current_task()) else None


def refuse_cycle(awaited: Awaited, message: object = None) -> None:
    """Refuse a wait of the party that runs now if it would wait, through others, for itself.

    Raises:
        AskCycle: If it would.
    """
    # Whoever is cancelled already does not wait: its next checkpoint says so.
    if (chain := chain_to_caller(awaited)) and current_effective_deadline() > -math.inf:
        raise AskCycle(chain, message=message)


def chain_to_caller(awaited: Awaited) -> tuple[str, ...] | None:
    """The paths round to the party that runs now, if it would wait for itself."""
    caller = calling_party()
    return None if caller is None else chain_back(awaited, caller, current_task())


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
    """Let others see what the party that runs now waits for in the block.

    Where that closes a loop, it is one of the others that gets an `AskCycle`.
    """
    caller = calling_party()
    if caller is None:
        yield
        return
    task = current_task()
    note_wait(caller, task, awaited)
    caller.refuse_cycles()
    try:
        yield
    finally:
        forget_wait(caller, task)
