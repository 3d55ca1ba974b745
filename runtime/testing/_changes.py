"""Waiting until something is so, in a test, for a bounded time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

WITHIN_SECONDS: Final = 5.0  # free on virtual time, and enough for a busy machine on real time


class Changes:
    """Wakes whoever looks for something, each time when that may have come."""

    def __init__(self) -> None:
        self._next = trio.Event()

    def announce(self) -> None:
        self._next.set()
        self._next = trio.Event()

    async def wait_until(self, look: Callable[[], T | None], seconds: float) -> T | None:
        """What `look` finds, now or after a change; None if that takes longer than `seconds`."""
        with trio.move_on_after(seconds):
            await trio.lowlevel.checkpoint()
            while (found := look()) is None:
                await self._next.wait()
            return found
        return look()
