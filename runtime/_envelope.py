"""A message on its way, and the party that waits for it.

An envelope is queued, then started, then settled exactly once: `settle` with the reply or
`fail` with the error. It carries what follows a message through every hop: the deadline, the
trace context and the registered scopes. A party that is cancelled takes the envelope back
while it is queued; once started, its handler is cancelled first and the party resumes when
that has ended.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import trio
from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    Task,
    checkpoint,
    current_task,
    reschedule,
    wait_task_rescheduled,
)

from ._errors import AskTimeout
from ._message import Kind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from ._conditions import Interference
    from ._message import Message

SCOPES: Final[ContextVar[tuple[object, ...]]] = ContextVar("runtime_scopes", default=())


@contextmanager
def carry(scope: object) -> Generator[None]:
    """Register `scope` with every message that is sent inside the block, through all hops."""
    token = SCOPES.set((*SCOPES.get(), scope))
    try:
        yield
    finally:
        SCOPES.reset(token)


def carried() -> tuple[object, ...]:
    """The scopes registered around this code, by this task or by whoever sent its message."""
    return SCOPES.get()


class Propagator(Protocol):
    """Takes a trace context from the sender's task into the handler's."""

    def capture(self) -> object | None: ...
    def attach(self, trace: object) -> object: ...
    def detach(self, token: object) -> None: ...


class Receiver(Protocol):
    """What an envelope needs to know of the actor it is sent to."""

    path: str
    interference: Interference | None

    def withdraw(self, envelope: Envelope) -> None: ...
    def cancel(self, turn: Envelope, reason: str | None) -> None:
        """Cancel a handler in this very step, unless many are being cancelled in it already."""
        ...

    def undelivered(self, message: object, reason: str) -> None: ...
    def failed_unheard(self, message: object, error: BaseException) -> None: ...
    async def outwait(self, wait: Callable[[], Awaitable[None]]) -> None: ...


class Envelope(ABC):
    """One message to one receiver, and while it is handled, that turn of the receiver."""

    kind: ClassVar[Kind]
    __slots__ = (
        "cancelled",
        "deadline",
        "message",
        "propagator",
        "receiver",
        "scope",
        "scopes",
        "settled",
        "started",
        "task",
        "trace",
    )

    def __init__(
        self, message: Message[Any], receiver: Receiver, propagator: Propagator | None
    ) -> None:
        self.message = message
        self.receiver = receiver
        self.deadline = math.inf
        self.scopes = SCOPES.get()
        self.propagator = propagator
        self.trace = None if propagator is None else propagator.capture()
        self.scope: trio.CancelScope | None = None  # around its handler, once started
        self.task: Task | None = None  # parked until something is known
        self.started = False
        self.settled = False
        self.cancelled = False

    # Seen from the receiver

    async def handle(self, method: Callable[..., Awaitable[Any]]) -> Any:
        """Run the handler in what the message carries."""
        SCOPES.set(self.scopes)
        if self.receiver.interference is not None:
            await self.receiver.interference.before_turn(self.receiver.path, self.message)
        if self.trace is None or self.propagator is None:
            return await self.invoke(method)
        token = self.propagator.attach(self.trace)
        try:
            return await self.invoke(method)
        finally:
            self.propagator.detach(token)

    def invoke(self, method: Callable[..., Awaitable[Any]]) -> Awaitable[Any]:
        return method(self.message)

    @abstractmethod
    def accepted(self) -> None:
        """The mailbox has taken it in, after it had waited for room."""

    @abstractmethod
    def settle(self, value: Any) -> None: ...

    @abstractmethod
    def fail(self, error: BaseException) -> None: ...

    # Seen from the party that waits

    def cancel(self, reason: str | None) -> None:
        """Cancel the handler, which has started."""
        assert self.scope is not None
        self.scope.cancel(reason)

    async def wait(self) -> None:
        """Wait until something is known; whoever calls knows what that is.

        Cancelled while it waits: the message was taken back, or its handler has ended.
        """
        self.task = current_task()
        try:
            await wait_task_rescheduled(self._abort)
        except BaseException as error:
            if not self.settled:
                self.cancel(reason_of(error))
                await self.receiver.outwait(self.wait_quiet)
            raise

    def _abort(self, raise_cancel: RaiseCancelT) -> Abort:
        self.task = None
        self.cancelled = True
        if self.started:
            try:
                raise_cancel()
            except BaseException as error:  # noqa: BLE001 - trio raises it again in the task
                self.receiver.cancel(self, reason_of(error))
        else:
            self.settled = True
            self.receiver.withdraw(self)
        return Abort.SUCCEEDED

    async def wait_quiet(self) -> None:
        """Wait until the handler has ended."""

        def abort(_: RaiseCancelT) -> Abort:
            self.task = None
            return Abort.SUCCEEDED

        while not self.settled:
            self.task = current_task()
            await wait_task_rescheduled(abort)

    def _wake(self) -> None:
        if self.task is not None:
            task, self.task = self.task, None
            reschedule(task)


async def outwait(
    wait: Callable[[], Awaitable[None]], seconds: float, report: Callable[[], None]
) -> None:
    """Wait, shielded, for the end of something that was cancelled; report it if it takes long.

    Args:
        wait: Returns when it has ended; may be cancelled and called again.
        seconds: How long it may take.
        report: Called once if it takes longer.
    """
    with trio.CancelScope(shield=True):
        with trio.move_on_after(seconds):
            await wait()
            return
        report()
        await wait()


def reason_of(error: BaseException) -> str | None:
    """Why a task does not wait any longer, so that the reason travels with the cancel."""
    return error.reason if isinstance(error, trio.Cancelled) else type(error).__name__


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


class AskEnvelope(Envelope):
    """The asker's task is parked until the reply, the error or its own cancel."""

    __slots__ = ("error", "value")
    kind = Kind.ASK

    def __init__(
        self, message: Message[Any], receiver: Receiver, propagator: Propagator | None
    ) -> None:
        super().__init__(message, receiver, propagator)
        self.deadline = trio.current_effective_deadline()
        self.value: Any = None
        self.error: BaseException | None = None

    async def wait_settled(self) -> Any:
        if not self.settled:  # it may have been evicted at once
            await self.wait()
        if self.error is None:
            return self.value
        if isinstance(self.error, AskTimeout):
            await checkpoint()  # where it was the caller's own deadline, so is the cancel
        error, self.error = self.error, None
        try:
            raise error
        finally:
            del error  # no cycle through the traceback

    def accepted(self) -> None:
        """The asker waits for more than that."""

    def settle(self, value: Any) -> None:
        self.settled = True
        self.value = value
        self._wake()

    def fail(self, error: BaseException) -> None:
        self.settled = True
        if not self.cancelled:  # else nobody is there to take it
            self.error = error
        self._wake()
