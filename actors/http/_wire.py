"""The socket below one response: counts the silence, and says when a read would wait.

A server in full flow puts many pieces into one read of the socket, and httpx2 hands them out
one at a time. To pass them on together, at one wake-up instead of many, the reader must know
when the next piece would need the socket. So the read of the network stream, which httpx2
makes public as a response's "network_stream", is wrapped: while `pausing`, it hands a marker
to whoever drives the iteration *before* it touches the socket. Trio never sees the marker.
Should httpx2 one day stop calling the wrapped read, pieces merely come one by one.
"""

from __future__ import annotations

import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Final

import trio

if TYPE_CHECKING:
    from ._limits import Deadlines

Receive = Callable[[int], Awaitable[bytes]]
PAUSED: Final = object()


@types.coroutine
def _pause() -> Generator[object, Any, None]:
    yield PAUSED


class Wire:
    """One response's hold on its network stream; `release` gives it back.

    Attributes:
        pausing: Hand out the marker instead of reading.
        leaving: The response is being left: fail instead of reading.
        saw_end: The server has ended the connection.
        deadlines: When to give up, and under which limit the last read waited.
    """

    def __init__(self, stream: Any, deadlines: Deadlines) -> None:
        self._stream = stream
        # The trio stream itself, where it can be reached: httpx2's own way there, with three
        # context managers a read, costs a tenth of all CPU when many streams bring a chunk each.
        inner = getattr(stream, "_stream", stream)
        self._receive: Receive = getattr(inner, "receive_some", stream.read)
        self.deadlines = deadlines
        self.pausing = False
        self.leaving = False
        self.saw_end = False
        stream.read = self.read

    def release(self) -> None:
        """Let the connection go back to its pool as it was."""
        if self._stream.__dict__.get("read") == self.read:
            del self._stream.read

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109 - httpx2's signature; ours are the limits that hold
        """Read from the socket, bounded by the limit that ends first.

        Raises:
            trio.TooSlowError: It has passed.
            trio.BrokenResourceError: The connection broke.
        """
        if self.pausing:
            await _pause()
        if self.leaving:
            raise trio.ClosedResourceError
        with trio.CancelScope(deadline=self.deadlines.next(trio.current_time())):
            data = await self._receive(max_bytes)
            if not data:
                self.saw_end = True
            return data
        raise trio.TooSlowError


@types.coroutine
def _gather(
    pieces: AsyncIterator[bytes], batch: list[bytes]
) -> Generator[Any, Any, Generator[Any, Any, bytes]]:
    """Add the pieces that need no wait to `batch`; what is meant for trio goes to trio.

    Returns:
        The step that waits at the marker: to be awaited later.

    Raises:
        StopAsyncIteration: The iteration is over.
    """
    while True:
        step: Any = pieces.__anext__()
        try:
            trap: object = step.send(None)
            while trap is not PAUSED:
                trap = step.send((yield trap))
        except StopIteration as stop:
            batch.append(stop.value)
        else:
            waiting: Generator[Any, Any, bytes] = step
            return waiting


class Batches:
    """The body of a response, as batches: all that one read of the socket brought."""

    def __init__(self, pieces: AsyncIterator[bytes], wire: Wire) -> None:
        self._pieces = pieces
        self._wire = wire
        self._waiting: Any = None
        self._failure: Exception | None = None
        self._ended = False

    async def read(self) -> bytes:
        """Wait for bytes and return all that are there; b"" at the end, and from then on."""
        if self._failure is not None:
            raise self._failure
        if self._ended:
            return b""
        step, self._waiting = self._waiting or self._pieces.__anext__(), None
        self._wire.pausing = False
        try:
            first: bytes = await step
        except StopAsyncIteration:
            self._ended = True
            return b""
        batch = [first]
        self._wire.deadlines.begun = True
        self._wire.pausing = True
        try:
            self._waiting = await _gather(self._pieces, batch)
        except StopAsyncIteration:
            self._ended = True
        except Exception as failure:  # noqa: BLE001 - the next read raises it
            self._failure = failure
        return b"".join(batch)

    async def leave(self) -> None:
        """Unwind an iteration that waits at the marker; the connection is closed by that."""
        step, self._waiting = self._waiting, None
        if step is None:
            return
        self._wire.leaving = True
        try:
            await step
        except (trio.ClosedResourceError, StopAsyncIteration):
            return
