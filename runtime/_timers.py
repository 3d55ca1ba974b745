"""Timers of an actor: ordinary messages that it sends itself, each by a task of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs
import trio

from ._errors import RuntimeFault
from ._message import Kind, Tell
from ._tells import NoticeEnvelope

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ._cell import Cell
    from ._surroundings import Context


@attrs.define(eq=False)
class Timer:
    """One timer: what it tells, and the message that is on its way if one is."""

    seconds: float
    message: Tell[Any]
    repeats: bool
    scope: trio.CancelScope | None = None
    envelope: NoticeEnvelope | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has told all it will, be it that its own task has not heard of it yet."""
        told = self.envelope is not None and (self.envelope.started or self.envelope.settled)
        return told and not self.repeats

    def cancel(self) -> None:
        assert self.scope is not None
        self.scope.cancel("the timer is cancelled")


class Timers:
    """The timers of one incarnation; those with a key can be replaced and cancelled."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._by_key: dict[Hashable, Timer] = {}

    @trio.lowlevel.enable_ki_protection
    def start(
        self, seconds: float, message: Tell[Any], key: Hashable | None, *, repeats: bool
    ) -> None:
        is_fine = seconds > 0 if repeats else seconds >= 0
        if not (is_fine and math.isfinite(seconds)):
            least = "more than 0" if repeats else "0 or more"
            raise ValueError(f"a timer takes {least} seconds, not {seconds}")
        self._context.cell.check(message, Kind.TELL)
        if key is not None:
            self.cancel(key)
        timer = Timer(seconds, message, repeats)
        timer.scope = self._context.start_soon(self._run, (timer, key))
        if key is not None:
            self._by_key[key] = timer

    def cancel(self, key: Hashable) -> bool:
        """End the timer with this key; False if there is none, or it has told already."""
        timer = self._by_key.pop(key, None)
        if timer is None:
            return False
        is_in_time = not timer.is_over
        timer.cancel()
        return is_in_time

    @trio.lowlevel.enable_ki_protection
    async def _run(self, timer: Timer, key: Hashable | None) -> None:
        due = trio.current_time()
        while True:
            due += timer.seconds
            await trio.sleep_until(due)
            await self._tell(self._context.cell, timer)
            if not timer.repeats:
                break
            late = trio.current_time() - due
            due += late - math.fmod(late, timer.seconds)  # the beat is kept, not made up for
        if self._by_key.get(key) is timer:
            del self._by_key[key]

    async def _tell(self, cell: Cell, timer: Timer) -> None:
        """Send the message and wait until it has been handled; cancelled before: never will be."""
        timer.envelope = envelope = NoticeEnvelope(timer.message, cell)
        try:
            cell.admit(envelope)
        except RuntimeFault as refusal:
            cell.undelivered(timer.message, str(refusal))
        else:
            await envelope.wait_handled()
