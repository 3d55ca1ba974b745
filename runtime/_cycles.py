"""Waits of the party that runs now: seen by others, and refused where they would never end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from trio.lowlevel import current_task

from ._errors import AskCycle
from ._waits import PARTY, chain_back, forget_wait, note_wait

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._waits import Awaited


def refuse_cycle(awaited: Awaited, message: object = None) -> None:
    """Refuse a wait of the party that runs now if it would wait, through others, for itself.

    Raises:
        AskCycle: If it would.
    """
    caller = PARTY.get()
    if caller is not None:
        chain = chain_back(awaited, caller, current_task())
        if chain is not None:
            raise AskCycle(chain, message=message)


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
