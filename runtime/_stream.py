"""A stream: owned by the block of its reader, answered by a handler.

Leaving the block cancels the handler and returns when it has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import trio
from trio.lowlevel import checkpoint, current_task

from ._cancelled import reason_of
from ._conduit import Conduit, Readers
from ._cycles import calling_party, waiting_for
from ._envelope import AskEnvelope, Envelope
from ._errors import RuntimeFault
from ._message import Kind
from ._waits import PARTY, Outsider

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from ._cell import Cell
    from ._message import Message, Sink, Stream

C = TypeVar("C")


class StreamEnvelope(Envelope):
    """The reader's block waits for admission, for items, and for the handler's end."""

    __slots__ = ("conduit",)
    kind = Kind.STREAM

    def __init__(self, message: Message[Any], cell: Cell, conduit: Conduit[Any]) -> None:
        super().__init__(message, cell)
        self.deadline = trio.current_effective_deadline()
        self.conduit = conduit
        assert self.caller is not None
        conduit.turn = self
        conduit.readers = Readers(self.caller)

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


class DelegateEnvelope(AskEnvelope):
    """A stream's message whose items go straight to the sink of another stream.

    The handler that hands its sink down waits for the end as if it had asked.
    """

    __slots__ = ("_sink",)
    kind = Kind.STREAM

    def __init__(self, message: Message[Any], cell: Cell, sink: Sink[Any]) -> None:
        super().__init__(message, cell)
        self._sink = sink

    def invoke(self, method: Callable[..., Awaitable[Any]]) -> Awaitable[Any]:
        return method(self.message, self._sink)


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

    @trio.lowlevel.enable_ki_protection
    async def __aenter__(self) -> Self:
        if self._envelope is not None:
            raise RuntimeError("this stream was used already: call `ref.stream(...)` again")
        self._cell.hub.check_run(self._cell.path)
        await trio.lowlevel.checkpoint_if_cancelled()
        if calling_party() is None:  # from here on, a handler may wait for this caller
            PARTY.set(Outsider(f"the task {current_task().name}"))
        self._envelope = StreamEnvelope(self._message, self._cell, self._conduit)
        try:
            is_in = self._cell.admit(self._envelope)
        except RuntimeFault:
            await checkpoint()  # whoever tries again and again lets the actor come back
            raise
        if not is_in:
            await self._envelope.wait_accepted()
        self._envelope.raise_refusal()
        self._is_open = True
        return self

    @trio.lowlevel.enable_ki_protection
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
            envelope.receiver.withdraw(envelope)
            return
        reason = reason_of(error) if isinstance(error, trio.Cancelled) else "the reader has left"
        envelope.cancelled = True
        envelope.cancel(reason)
        with waiting_for(envelope):
            await envelope.wait_ended()
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
