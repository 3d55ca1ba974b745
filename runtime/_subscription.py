"""A bounded subscription to the facts of a system."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Self

from trio.lowlevel import (
    Abort,
    checkpoint,
    checkpoint_if_cancelled,
    current_task,
    enable_ki_protection,
    reschedule,
    wait_task_rescheduled,
)

if TYPE_CHECKING:
    import trio

    from ._events import Fact
    from ._hub import Hub


class Subscription:
    """Facts in the order in which they happened: `async with system.events() as events:`.

    At most `buffer` wait to be read; beyond, the oldest are dropped and counted, so that a
    slow reader slows nobody down.

    Attributes:
        dropped: How many facts were dropped so far.
    """

    def __init__(self, hub: Hub, buffer: int, messages: bool) -> None:  # noqa: FBT001 - by keyword
        if buffer < 1:
            raise ValueError(f"buffer must be 1 or more facts, not {buffer}")
        self.dropped = 0
        self._hub = hub
        self._messages = messages
        self._buffer = buffer
        self._facts: deque[Fact] = deque()
        self._reader: trio.lowlevel.Task | None = None

    async def __aenter__(self) -> Self:
        self._hub.check_run("/")
        await checkpoint_if_cancelled()
        self._hub.listeners.append(self._hear)
        if self._messages:
            self._hub.observers.append(self._hear)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hub.listeners.remove(self._hear)
        if self._messages:
            self._hub.observers.remove(self._hear)

    def _hear(self, fact: Fact) -> None:
        if len(self._facts) >= self._buffer:
            self._facts.popleft()
            self.dropped += 1
        self._facts.append(fact)
        if self._reader is not None:
            task, self._reader = self._reader, None
            reschedule(task)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Fact:
        """The next fact; cancelled while it waits: none is lost."""
        if self._facts:
            await checkpoint()
        while not self._facts:
            await self._wait()
        return self._facts.popleft()

    def take_nowait(self) -> list[Fact]:
        """All facts that wait to be read, the oldest first; [] if none does."""
        facts = list(self._facts)
        self._facts.clear()
        return facts

    @enable_ki_protection
    async def _wait(self) -> None:
        if self._reader is not None:
            raise RuntimeError("one subscription has one reader: call `system.events()` for each")

        def abort(_: trio.lowlevel.RaiseCancelT) -> Abort:
            self._reader = None
            return Abort.SUCCEEDED

        self._reader = current_task()
        await wait_task_rescheduled(abort)
