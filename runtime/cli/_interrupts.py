"""Signals, and whom they stop: the answer that is being given, else the conversation.

Ctrl-C stops the answer; a second one, or one at the prompt, ends the conversation. SIGTERM and
SIGHUP end it at once. Ending is a cancel: everything below is stopped and awaited.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator

HEARD: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """What the signals of this process mean at the moment.

    Attributes:
        ended_by: The signal that ended the conversation, or None.
    """

    def __init__(self, *, spare_conversation: bool) -> None:
        self.ended_by: signal.Signals | None = None
        self._spare_conversation = spare_conversation
        self._conversation = trio.CancelScope()
        self._answer: trio.CancelScope | None = None

    @property
    def exit_code(self) -> int:
        """0, or 128 + the signal as shells have it; leaving a terminal by Ctrl-C is no failure."""
        left = self.ended_by == signal.SIGINT and self._spare_conversation
        return 0 if self.ended_by is None or left else 128 + self.ended_by

    @contextlib.contextmanager
    def answer(self) -> Generator[trio.CancelScope]:
        """Around an answer: the scope that the first Ctrl-C cancels."""
        with trio.CancelScope() as scope:
            self._answer = scope
            try:
                yield scope
            finally:
                self._answer = None

    def hear(self, number: int) -> None:
        """Act on one signal."""
        spares = number == signal.SIGINT and self._spare_conversation
        if spares and self._answer is not None and not self._answer.cancel_called:
            self._answer.cancel(reason="Ctrl-C")
        else:
            if number == signal.SIGHUP:
                discard_output()
            self.ended_by = self.ended_by or signal.Signals(number)
            self._conversation.cancel(reason=signal.Signals(number).name)

    @contextlib.asynccontextmanager
    async def conversation(self) -> AsyncGenerator[None]:
        """Around the conversation: listens to signals, and returns when one has ended it.

        The body's error leaves it as it is, not in a group.
        """
        try:
            # What is ignored already (nohup, a job in the background) stays ignored.
            heard = [number for number in HEARD if signal.getsignal(number) != signal.SIG_IGN]
            with trio.open_signal_receiver(*heard) as received:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._listen, received)
                    with self._conversation:
                        yield
                    nursery.cancel_scope.cancel(reason="the conversation is over")
        except BaseExceptionGroup as group:
            if len(group.exceptions) != 1:
                raise
            error = group.exceptions[0]  # the body's: the listener has nothing to fail with
            raise error from error.__cause__

    async def _listen(self, received: AsyncIterator[int]) -> None:
        async for number in received:
            self.hear(number)


def discard_output() -> None:
    """Write to nowhere from now on: the terminal is gone, and every write to it would fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
