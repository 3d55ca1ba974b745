"""A stream between a handler and its reader, bounded and owned by the reader's block.

The handler offers items; at most `buffer` of them are accepted and not yet taken, the rest
stay in the hand of the waiting sender. The reader takes items without a task switch as long
as there are any. Leaving the block cancels the handler and returns when it has ended.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import trio
from trio.lowlevel import Abort, checkpoint, current_task, reschedule, wait_task_rescheduled

from ._envelope import Envelope
from ._errors import AskTimeout, RuntimeFault
from ._message import Kind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType

    from ._cell import Cell
    from ._message import Message, Stream

C = TypeVar("C")

CHECKPOINT_EVERY = 32  # items: keeps one busy stream from starving the loop


class Conduit(Generic[C]):
    """The `Sink` of one stream, and what its reader takes from.

    `_line` holds the senders that wait, each with the items that were not accepted yet.
    """

    __slots__ = ("_buffer", "_capacity", "_line", "_reader", "_streak", "closed", "error", "taken")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._buffer: deque[C] = deque()
        self._line: deque[tuple[trio.lowlevel.Task, deque[C]]] = deque()
        self._reader: trio.lowlevel.Task | None = None
        self._streak = 0  # items since the last checkpoint
        self.taken = 0
        self.closed = False  # nothing more will come
        self.error: BaseException | None = None

    # The handler's side

    async def send(self, item: C) -> None:
        await self._breathe()
        self._require_open()
        if self._room():
            self._buffer.append(item)
            self._wake_reader()
        else:
            await self._wait_in_line(deque((item,)))

    async def send_many(self, items: Sequence[C]) -> None:
        await self._breathe()
        self._require_open()
        room = self._room()
        self._buffer.extend(items[:room])
        self._wake_reader()
        if len(items) > room:
            await self._wait_in_line(deque(items[room:]))

    def _room(self) -> int:
        """How many items can be accepted now; an idle reader takes one at once."""
        if self._line:
            return 0
        idle = 1 if self._reader is not None else 0
        return max(0, self._capacity + idle - len(self._buffer))

    async def _wait_in_line(self, items: deque[C]) -> None:
        entry = (current_task(), items)
        self._line.append(entry)
        self._streak = 0

        def abort(_: trio.lowlevel.RaiseCancelT) -> Abort:
            self._line.remove(entry)
            return Abort.SUCCEEDED

        await wait_task_rescheduled(abort)
        if items:
            self._require_open()

    def _require_open(self) -> None:
        if self.closed:
            raise RuntimeError(
                "this stream has ended with its handler: send before the handler returns, and "
                "from no task that outlives it"
            )

    async def _breathe(self) -> None:
        self._streak += 1
        if self._streak >= CHECKPOINT_EVERY:
            self._streak = 0
            await checkpoint()

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more will come; the reader still gets what was accepted."""
        self.closed = True
        self.error = error
        self._wake_reader()
        while self._line:
            reschedule(self._line.popleft()[0])

    # The reader's side

    async def take(self) -> C:
        """The next item.

        Raises:
            StopAsyncIteration: If the handler has returned.
            Exception: What it failed with.
        """
        await self._breathe()
        while not self._buffer:
            if self._line:
                self._refill(1)
            elif self.closed:
                await self._raise_end()
            else:
                await self._wait_for_item()
        item = self._buffer.popleft()
        self.taken += 1
        if self._line:
            self._refill(self._capacity)
        return item

    async def take_many(self) -> list[C]:
        """All items that are there, those of waiting senders included; [] after the last.

        Raises:
            Exception: What the handler failed with.
        """
        try:
            items = [await self.take()]
        except StopAsyncIteration:
            return []
        while self._buffer or self._line:
            items.extend(self._buffer)
            self._buffer.clear()
            self._refill(self._capacity + 1)
        self.taken += len(items) - 1
        return items

    async def _raise_end(self) -> None:
        if self.error is None:
            raise StopAsyncIteration
        if isinstance(self.error, AskTimeout):
            await checkpoint()  # where it was the reader's own deadline, so is the cancel
        raise self.error

    async def _wait_for_item(self) -> None:
        if self._reader is not None:
            raise RuntimeError("one stream has one reader: another task waits for an item already")
        self._reader = current_task()
        self._streak = 0

        def abort(_: trio.lowlevel.RaiseCancelT) -> Abort:
            self._reader = None
            return Abort.SUCCEEDED

        await wait_task_rescheduled(abort)

    def _refill(self, capacity: int) -> None:
        """Accept items of the senders in line, and let go those with none left."""
        while self._line and len(self._buffer) < capacity:
            task, items = self._line[0]
            self._buffer.append(items.popleft())
            if not items:
                self._line.popleft()
                reschedule(task)

    def _wake_reader(self) -> None:
        if self._reader is not None:
            task, self._reader = self._reader, None
            reschedule(task)


class StreamEnvelope(Envelope):
    """The reader's block waits for admission, for items, and for the handler's end."""

    __slots__ = ("conduit",)
    kind = Kind.STREAM

    def __init__(self, message: Message[Any], cell: Cell, conduit: Conduit[Any]) -> None:
        super().__init__(message, cell, cell.hub.propagator)
        self.deadline = trio.current_effective_deadline()
        self.conduit = conduit

    def invoke(self, method: Callable[..., Awaitable[Any]]) -> Awaitable[Any]:
        return method(self.message, self.conduit)

    def accepted(self) -> None:
        self._wake()

    def settle(self, value: Any) -> None:
        del value
        self.settled = True
        self.conduit.close()
        self._wake()

    def fail(self, error: BaseException) -> None:
        self.settled = True
        self.conduit.close(error)
        self._wake()

    def raise_refusal(self) -> None:
        """Raise what kept the message from being accepted, if something did."""
        if self.settled and not self.started and self.conduit.error is not None:
            error, self.conduit.error = self.conduit.error, None
            try:
                raise error
            finally:
                del error  # no cycle through the traceback


class StreamBlock(Generic[C]):
    """What `ref.stream(...)` gives: an `async with` block that owns one stream.

    Entering sends the message and raises what keeps it from being accepted. Inside, `async
    for` gives the items and raises what the handler raised. Leaving cancels the handler if it
    still runs and returns when it has ended; what it was about to send is gone.
    """

    def __init__(self, cell: Cell, message: Stream[Any, C], buffer: int) -> None:
        if buffer < 0:
            raise ValueError(f"buffer must be 0 or more items, not {buffer}")
        self._cell = cell
        self._message = message
        self._conduit = Conduit[C](buffer)
        self._envelope: StreamEnvelope | None = None
        self._is_open = False

    async def __aenter__(self) -> Self:
        if self._envelope is not None:
            raise RuntimeError("this stream was used already: call `ref.stream(...)` again")
        self._cell.hub.check_run(self._cell.path)
        await trio.lowlevel.checkpoint_if_cancelled()
        self._envelope = StreamEnvelope(self._message, self._cell, self._conduit)
        try:
            is_in = self._cell.admit(self._envelope)
        except RuntimeFault:
            await checkpoint()  # whoever tries again and again lets the actor come back
            raise
        if not is_in:
            await self._envelope.wait()
        self._envelope.raise_refusal()
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        envelope = self._envelope
        assert envelope is not None
        self._is_open = False
        if envelope.settled:
            self._conduit.error = None  # no cycle through its traceback
            return
        if not envelope.started:
            envelope.settled = True
            self._cell.withdraw(envelope)
            return
        reason = error.reason if isinstance(error, trio.Cancelled) else "the reader has left"
        envelope.cancelled = True
        envelope.cancel(reason)
        await self._cell.outwait(envelope.wait_quiet)
        self._conduit.error = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> C:
        self._require_open()
        return await self._conduit.take()

    async def take_many(self) -> list[C]:
        """Wait for one item, then take all that are there; [] when the handler has returned.

        For a reader that hands on: what was sent together stays together. It holds then what
        the handler had in hand, besides its own.
        """
        self._require_open()
        return await self._conduit.take_many()

    def _require_open(self) -> None:
        if not self._is_open:
            raise RuntimeError(
                "a stream is read inside its block, `async with ... as items:`, and only there"
            )

    @property
    def taken(self) -> int:
        """How many items were taken so far."""
        return self._conduit.taken
