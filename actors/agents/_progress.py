"""Shows a reader what one call's tool says of its progress, as fast as the reader takes it.

At most one report waits, the latest; the journal has none of them. A tool never waits for the
reader, from whatever thread it speaks.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING

import trio

from actors.tools import Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class ProgressShown:
    """From the start of a call to its end.

    Args:
        nursery: In which reports are sent while the tool goes on; open until `sent` returns.
        send: Sends one, when the reader takes it.
    """

    def __init__(
        self, nursery: trio.Nursery, send: Callable[[Progress], Awaitable[object]]
    ) -> None:
        self._nursery = nursery
        self._send = send
        self._token = trio.lowlevel.current_trio_token()
        self._waiting = deque[Progress](maxlen=1)  # a deque, since threads write to it
        self._is_closed = False
        self._sending: trio.Event | None = None  # set when all is sent

    def hear(self, progress: Progress) -> None:
        """Take a report, in any thread; one that still waits is dropped."""
        if self._is_closed:  # a thread that outlives its call
            return
        self._waiting.append(progress)
        with contextlib.suppress(trio.RunFinishedError):  # likewise
            self._token.run_sync_soon(self._wake, idempotent=True)

    def close(self) -> Progress | None:
        """Hear no more; give what was said last and not sent yet."""
        self._is_closed = True
        return self._take()

    async def sent(self) -> None:
        """Wait until the reader has what was on its way when this was closed."""
        if self._sending is not None:
            await self._sending.wait()

    def _take(self) -> Progress | None:
        return self._waiting.popleft() if self._waiting else None

    def _wake(self) -> None:
        if not self._is_closed and self._sending is None:
            self._sending = trio.Event()
            self._nursery.start_soon(self._send_all, self._sending)

    async def _send_all(self, sent: trio.Event) -> None:
        try:
            while (progress := self._take()) is not None:
                await self._send(progress)
        finally:
            self._sending = None
            sent.set()
