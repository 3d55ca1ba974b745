"""A reader that is called and not woken: it takes each event of a run in the agent's own task."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

from trio.lowlevel import checkpoint

from actors.chat import Complete, Event, StreamResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKPOINT_EVERY: Final = 32  # events: keeps a model that never waits from starving the loop

Hear = Callable[[Event], None]


def unheard(_: Event) -> None:
    """Nobody wants to hear of it."""


class Heard:
    """The sink of a run whose events go to functions.

    Args:
        take: Called with each event; must neither wait nor raise.
        hear: Likewise, in the context in which this is made.

    Attributes:
        taken: Events so far.
        answer: The final one, once it has come.
    """

    def __init__(self, take: Hear, hear: Hear) -> None:
        self.taken = 0
        self.answer: StreamResponse | None = None
        self._take = take
        self._hear = hear
        self._context = copy_context()
        self._streak = 0

    async def send(self, item: Event) -> None:
        await self.send_many((item,))

    async def send_many(self, items: Sequence[Event]) -> None:
        self._streak += len(items)
        if self._streak >= CHECKPOINT_EVERY:
            self._streak = 0
            await checkpoint()
        for event in items:
            self.taken += 1
            if isinstance(event, Complete):
                self.answer = event.response
            self._take(event)
            self._context.run(self._hear, event)
