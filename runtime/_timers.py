"""Timers of an actor: ordinary messages that it sends itself, each by a task of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import trio

from ._envelope import NoticeEnvelope
from ._errors import RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ._cell import Cell
    from ._message import Tell
    from ._surroundings import Context


class Timers:
    """The timers of one incarnation; those with a key can be replaced and cancelled."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._scopes: dict[Hashable, trio.CancelScope] = {}

    def start(
        self, seconds: float, message: Tell[Any], key: Hashable | None, *, repeats: bool
    ) -> None:
        is_fine = seconds > 0 if repeats else seconds >= 0
        if not (is_fine and math.isfinite(seconds)):
            least = "more than 0" if repeats else "0 or more"
            raise ValueError(f"a timer takes {least} seconds, not {seconds}")
        cell = self._context.cell
        if type(message) not in cell.handlers:
            raise cell.misuse(message)
        if key is not None:
            self.cancel(key)
        scope = self._context.start_soon(self._run, (seconds, message, key, repeats))
        if key is not None:
            self._scopes[key] = scope

    def cancel(self, key: Hashable) -> bool:
        scope = self._scopes.pop(key, None)
        if scope is not None:
            scope.cancel("the timer is cancelled")
        return scope is not None

    async def _run(
        self,
        seconds: float,
        message: Tell[Any],
        key: Hashable | None,
        repeats: bool,  # noqa: FBT001 - a nursery passes it on
    ) -> None:
        due = trio.current_time()
        while True:
            due += seconds
            await trio.sleep_until(due)
            await _tell(self._context.cell, message)
            if not repeats:
                break
            late = trio.current_time() - due
            due += math.floor(late / seconds) * seconds
        if key is not None:
            self._scopes.pop(key, None)


async def _tell(cell: Cell, message: Tell[Any]) -> None:
    """Send a message and wait until it has been handled; cancelled before: it never will be."""
    envelope = NoticeEnvelope(message, cell)
    try:
        cell.admit(envelope)
    except RuntimeFault as refusal:
        cell.undelivered(message, str(refusal))
    else:
        await envelope.wait_handled()
