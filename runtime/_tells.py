"""Messages that nobody waits for: what others tell an actor, and what it tells itself."""

from __future__ import annotations

from typing import Any

from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    current_task,
    enable_ki_protection,
    wait_task_rescheduled,
)

from ._envelope import Envelope
from ._message import Kind


class TellEnvelope(Envelope):
    """Nobody waits for its handler; the sender may wait for room in the mailbox."""

    __slots__ = ()
    kind = Kind.TELL

    def accepted(self) -> None:
        self._wake()

    def settle(self, value: Any) -> None:
        del value
        self.settled = True

    def fail(self, error: BaseException) -> None:
        self.settled = True
        if self.started:
            self.receiver.failed_unheard(self.message, error)
        else:
            self.receiver.undelivered(self.message, str(error))
        self._wake()

    def refuse(self, error: BaseException) -> None:
        self.settled = True
        self.error = error
        self._wake()


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
