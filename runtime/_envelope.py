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
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import trio
from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    Task,
    checkpoint,
    current_task,
    disable_ki_protection,
    enable_ki_protection,
    reschedule,
    wait_task_rescheduled,
)

from ._cancelled import reason_of, wait_on
from ._carried import SCOPES, captured
from ._cycles import calling_party, refuse_cycle
from ._errors import AskCycle, AskTimeout
from ._events import MessageEnded, MessageStarted
from ._message import Kind
from ._waits import PARTY, chain_of_wait, forget_wait, note_wait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable

    from ._carried import Propagator
    from ._conditions import Interference
    from ._events import Fact
    from ._message import Message
    from ._waits import Awaited, Step


class Office(Protocol):
    """What an envelope needs to know of the system it travels in."""

    propagator: Propagator | None
    interference: Interference | None
    observers: list[Callable[[Fact], None]]

    def show(self, fact: Fact) -> None: ...


class Receiver(Protocol):
    """What an envelope needs to know of the actor it is sent to."""

    path: str

    @property
    def hub(self) -> Office: ...
    def occupants(self) -> Iterable[Step]:
        """Who must go on before the actor starts what is queued."""
        ...

    def refuse_cycles(self) -> None:
        """End what is queued if its sender waits, through others, for itself."""
        ...

    def withdraw(self, envelope: Envelope) -> None: ...
    def cancel(self, turn: Envelope, reason: str | None) -> bool:
        """Cancel a handler in this very step; False if many are being cancelled in it already."""
        ...

    def expect_end(self) -> int:
        """A handler was cancelled: have it reported if it takes too long to end."""
        ...

    def note_end(self, expected: int) -> None: ...
    def undelivered(self, message: object, reason: str) -> None: ...
    def failed_unheard(self, message: object, error: BaseException) -> None: ...


class Envelope(ABC):
    """One message to one receiver, and while it is handled, that turn of the receiver.

    As a turn it is a party that can wait, and as a message what its sender waits for.
    """

    kind: ClassVar[Kind]
    __slots__ = (
        "awaits_end",
        "caller",
        "cancel_of_caller",
        "cancelled",
        "deadline",
        "detour",
        "error",
        "expected",
        "message",
        "receiver",
        "scope",
        "scopes",
        "settled",
        "started",
        "task",
        "trace",
        "waits",
        "was_forwarded",
        "worker",
    )

    def __init__(self, message: Message[Any], receiver: Receiver) -> None:
        self.message = message
        self.receiver = receiver
        self.deadline = math.inf
        self.scopes = SCOPES.get()
        self.caller = calling_party()
        self.trace = captured(receiver.hub.propagator)
        self.waits: dict[Hashable, Awaited] | None = None
        self.detour: Callable[[Envelope], None] | None = None  # instead of a reply
        self.was_forwarded = False
        self.awaits_end = False  # whether its sender waits until it has been handled
        self.scope: trio.CancelScope | None = None  # around its handler, once started
        self.worker: Task | None = None  # runs its handler
        self.task: Task | None = None  # parked until something is known
        self.error: BaseException | None = None  # for whoever waits
        self.started = False
        self.settled = False
        self.cancelled = False
        self.cancel_of_caller: RaiseCancelT | None = None  # raised when the handler has ended
        self.expected = 0  # its end, by the watchdog

    # Seen from the receiver

    @disable_ki_protection
    async def handle(self, method: Callable[..., Awaitable[Any]]) -> Any:
        """Run the handler in what the message carries."""
        SCOPES.set(self.scopes)
        PARTY.set(self)
        self.worker = current_task()
        try:
            hub = self.receiver.hub
            if hub.observers or hub.interference is not None:
                return await self._handle_observed(method)
            return await self._handle_traced(method)
        finally:
            self.worker = None

    async def _handle_traced(self, method: Callable[..., Awaitable[Any]]) -> Any:
        propagator = self.receiver.hub.propagator
        if self.trace is None or propagator is None:
            return await self.invoke(method)
        token = propagator.attach(self.trace, self.path, self.message)
        error: BaseException | None = None
        try:
            return await self.invoke(method)
        except BaseException as failure:
            error = failure
            raise
        finally:
            propagator.detach(token, error)
            del error  # no cycle through the traceback

    async def _handle_observed(self, method: Callable[..., Awaitable[Any]]) -> Any:
        path, message, since = self.path, self.message, trio.current_time()
        error: BaseException | None = None
        interference = self.receiver.hub.interference
        self.receiver.hub.show(MessageStarted(path, message))
        try:
            if interference is not None:
                await interference.before_turn(path, message)
            return await self._handle_traced(method)
        except BaseException as failure:
            error = failure
            raise
        finally:
            seconds = trio.current_time() - since
            self.receiver.hub.show(MessageEnded(path, message, seconds, error))
            del error  # no cycle through the traceback

    def invoke(self, method: Callable[..., Awaitable[Any]]) -> Awaitable[Any]:
        return method(self.message)

    def finish(self, value: Any) -> None:
        """The handler has returned: that is the reply, unless it sent the message elsewhere."""
        if self.detour is None or self.cancelled:
            self.settle(value)
        else:
            detour, self.detour = self.detour, None
            detour(self)

    def redirect(self, message: Message[Any], receiver: Receiver) -> None:
        """Make this a new message to another receiver, from the same sender."""
        propagator = receiver.hub.propagator
        if type(propagator) is not type(self.receiver.hub.propagator):
            self.trace = captured(propagator)  # the sender's means nothing to this one
        self.message = message
        self.receiver = receiver
        self.was_forwarded = self.awaits_end = True
        self.reset()

    def reset(self) -> None:
        """It waits again, as if it had not been started."""
        self.started = False
        self.scope = None
        self.waits = None

    @property
    def path(self) -> str:
        return self.receiver.path

    @property
    def is_handled(self) -> bool:
        """Whether its handler is at work."""
        return self.started and not self.settled

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

    def holders(self) -> Iterable[Step]:
        if self.settled:
            return ()
        return ((self, None),) if self.started else self.receiver.occupants()

    def includes(self, task: Task) -> bool:
        """Whether a task that has the handler's context runs it, or works for one that does."""
        while task is not self.worker:
            nursery = task.parent_nursery
            if nursery is None or self.worker is None:
                return False
            if nursery.parent_task.parent_nursery is None:  # trio's own: a call from a thread
                return task.context.get(PARTY) is self
            task = nursery.parent_task
        return True

    def refuse_cycle(self) -> None:
        """Refuse a message that is sent now if its sender would wait, through others, for itself.

        Raises:
            AskCycle: If it would.
        """
        if not self.was_forwarded:
            refuse_cycle(self, self.message)
        elif (cycle := self.cycle_of_wait()) is not None:
            raise cycle

    def cycle_of_wait(self) -> AskCycle | None:
        """What is wrong with the wait for it, if its sender waits, through others, for itself."""
        chain = None if self.caller is None else chain_of_wait(self, self.caller)
        return None if chain is None else AskCycle(chain, message=self.message)

    def refuse_cycles(self) -> None:
        """As a turn that waits and cannot be refused: end what now waits for itself."""
        self.receiver.refuse_cycles()

    def refuse(self, error: BaseException) -> None:
        """End what has not been started because its sender would wait for itself."""
        self.fail(error)

    @enable_ki_protection
    async def wait(self) -> None:
        """Wait until something is known; whoever calls knows what that is.

        Cancelled while it waits: the message was taken back, or its handler has ended.
        """
        self.task = task = current_task()
        caller = self.caller
        if caller is not None:
            note_wait(caller, task, self)
        try:
            await wait_task_rescheduled(self._abort)
            if self.cancel_of_caller is not None:
                raise_cancel, self.cancel_of_caller = self.cancel_of_caller, None
                raise_cancel()
        except BaseException as error:
            if not self.settled:
                self.cancel(reason_of(error))
                await self.wait_ended()
            raise
        finally:
            if caller is not None:
                forget_wait(caller, task)

    @enable_ki_protection
    async def wait_accepted(self) -> None:
        """Stand in line for room in the mailbox, unless that would be for ever.

        Raises:
            AskCycle: If only the end of the sender's own work would make room.
        """
        try:
            self.refuse_cycle()
        except AskCycle:
            self.settled = True
            self.receiver.withdraw(self)
            await checkpoint()
            raise
        await self.wait()
        self._raise_error()

    def _abort(self, raise_cancel: RaiseCancelT) -> Abort:
        self.cancelled = True
        if self.started:
            try:
                raise_cancel()
            except BaseException as error:  # noqa: BLE001 - raised again in the task
                if self.receiver.cancel(self, reason_of(error)):
                    # The task is woken once, by the end of the handler.
                    self.cancel_of_caller = raise_cancel
                    self.expected = self.receiver.expect_end()
                    return Abort.FAILED
            self.task = None
        else:
            task, self.task = self.task, None
            self.settled = True
            if self.caller is not None:
                forget_wait(self.caller, task)
            self.receiver.withdraw(self)
        return Abort.SUCCEEDED

    @enable_ki_protection
    async def wait_ended(self) -> None:
        """Wait until the handler, which was cancelled, has ended; a cancel waits for that, too."""
        self.expected = self.receiver.expect_end()
        while not self.settled:
            self.task = current_task()
            await wait_task_rescheduled(wait_on)

    def _raise_error(self) -> None:
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # no cycle through the traceback

    def _wake(self) -> None:
        if self.settled and self.expected:
            self.receiver.note_end(self.expected)
            self.expected = 0
        if self.task is not None:
            task, self.task = self.task, None
            if self.caller is not None:
                forget_wait(self.caller, task)
            reschedule(task)


class AskEnvelope(Envelope):
    """The asker's task is parked until the reply, the error or its own cancel."""

    __slots__ = ("value",)
    kind = Kind.ASK

    def __init__(self, message: Message[Any], receiver: Receiver) -> None:
        super().__init__(message, receiver)
        self.awaits_end = True
        self.deadline = trio.current_effective_deadline()
        self.value: Any = None

    async def wait_settled(self) -> Any:
        if not self.settled:  # it may have been evicted at once
            await self.wait()
        if self.error is not None:
            if isinstance(self.error, AskTimeout):
                await checkpoint()  # where it was the caller's own deadline, so is the cancel
            self._raise_error()
        return self.value

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
