"""A message of an actor to itself: a timer's, or a notice of another's end."""

from __future__ import annotations

from typing import Any

from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    current_task,
    enable_ki_protection,
    wait_task_rescheduled,
)

from ._envelope import TellEnvelope


class NoticeEnvelope(TellEnvelope):
    """A message of the actor to itself, which ends with the incarnation that sent it."""

    __slots__ = ()

    def settle(self, value: Any) -> None:
        super().settle(value)
        self._wake()

    @enable_ki_protection
    async def wait_handled(self) -> None:
        """Cancelled while it waits: not handled, unless it is being handled already."""

        def abort(_: RaiseCancelT) -> Abort:
            self.task = None
            self.take_back()
            return Abort.SUCCEEDED

        while not self.settled:
            self.task = current_task()
            await wait_task_rescheduled(abort)

    def take_back(self) -> None:
        """It is not to be handled, unless it is or was already."""
        if not self.started:
            self.settled = True
            self.receiver.withdraw(self)
