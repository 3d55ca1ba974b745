"""An actor's address: it takes messages in, whatever incarnation handles them.

A cell outlives crashes. It knows its mailbox, its state and what to do with a message when
there is nobody to handle it; it runs nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import attrs
import trio
from trio.lowlevel import reschedule

from ._envelope import outwait
from ._errors import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    AskTimeout,
    MailboxFull,
    MessageDropped,
    RuntimeFault,
)
from ._events import DeadLetter, MessageFailed, Overdue, Stopped
from ._lifecycle import TRANSITIONS, Exit, State
from ._mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._envelope import Envelope
    from ._hub import Hub
    from ._message import Handler, Message
    from ._options import ChildOptions

LONGEST_CASCADE = 16  # handlers that are cancelled in one step


class Owner(Protocol):
    """The member of a supervisor that keeps a cell."""

    def dismiss(self) -> None:
        """There shall be no further incarnation."""
        ...


@attrs.frozen
class Statistics:
    """A snapshot of one actor.

    Attributes:
        state: "starting", "running", "stopping", "restarting" or "ended".
        handled: Messages started so far, over all incarnations.
        restarts: Incarnations after the first.
        queued: Messages in the mailbox.
        in_line: Senders that wait for room in it.
        handling: Names of the messages being handled now, the serial one first.
        since: When the serial one started, on trio's clock; None where there is none.
        waiting_for: Paths of the actors that its turns wait for.
    """

    state: str
    handled: int
    restarts: int
    queued: int
    in_line: int
    handling: tuple[str, ...]
    since: float | None
    waiting_for: tuple[str, ...] = ()


class Cell:
    """The address of one actor."""

    __slots__ = (
        "at_once",
        "beside",
        "comes_back",
        "current",
        "drain",
        "ended",
        "exit",
        "failure",
        "handled",
        "handlers",
        "hub",
        "mailbox",
        "options",
        "overtaken",
        "owner",
        "parked",
        "path",
        "restarts",
        "since",
        "state",
        "stop_requested",
        "tells",
    )

    def __init__(
        self,
        path: str,
        hub: Hub,
        handlers: dict[type[Message[Any]], Handler],
        options: ChildOptions,
    ) -> None:
        self.path = path
        self.hub = hub
        self.handlers = handlers
        self.options = options
        self.mailbox: Mailbox[Envelope] = Mailbox(options.mailbox)
        self.state = State.STARTING
        self.parked: trio.lowlevel.Task | None = None  # the serial task, when it is idle
        self.current: Envelope | None = None  # the serial turn
        self.beside: tuple[Envelope, ...] | None = None  # concurrent turns, when there are any
        self.since = 0.0
        self.handled = 0
        self.restarts = 0
        self.stop_requested = False
        self.drain = False
        self.exit: Exit | None = None
        self.failure: BaseException | None = None
        self.ended: trio.Event | None = None
        self.tells = 0  # so that a busy sender gives way now and then
        self.comes_back = False  # it is stopped in order to be started again
        self.at_once = False  # the next incarnation is not kept waiting by a backoff
        self.overtaken: tuple[Envelope, ...] = ()  # by the crash of this incarnation
        self.owner: Owner | None = None  # until it ends for good

    def move_to(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], f"{self.path}: {self.state} to {state}"
        self.state = state

    # Taking messages in

    def admit(self, envelope: Envelope) -> bool:
        """Queue an envelope.

        Returns:
            False if its sender has to wait for room.

        Raises:
            TypeError: If the actor does not handle such a message.
            RuntimeFault: If nobody will handle the message; it is on the error.
        """
        message = envelope.message
        if type(message) not in self.handlers or message.kind is not envelope.kind:
            raise self._misuse(message)
        if self.state is not State.RUNNING:
            self._refuse(message)
        try:
            offer = self.mailbox.offer(envelope)
        except MailboxFull as full:
            full.path = self.path
            raise
        if offer.evicted is not None:
            offer.evicted.fail(
                MessageDropped(
                    f"{self.path} dropped the message: its mailbox was full or had a newer one",
                    path=self.path,
                    message=offer.evicted.message,
                )
            )
        self.wake()
        return offer.queued or envelope.settled

    def _misuse(self, message: Message[Any]) -> TypeError:
        name = type(message).__qualname__
        if type(message) not in self.handlers:
            return TypeError(f"{self.path} has no handler for {name}")
        return TypeError(
            f"{name} is sent with `ref.{message.kind.value}(...)`: that is what its class says"
        )

    def _refuse(self, message: object) -> None:
        """Raise why a message is not taken in now, if there is a reason."""
        match self.state:
            case State.STARTING:
                pass
            case State.RESTARTING if self.at_once:
                pass
            case State.STOPPING if self.comes_back and self.at_once:
                pass
            case State.STOPPING | State.ENDED if not self.comes_back:
                raise self.stopped(message)
            case _ if not self.options.keep_mailbox:
                raise self.restarting(message)
            case _:
                pass

    # Why a message ends without a reply

    def restarting(self, message: object) -> ActorRestarting:
        return ActorRestarting(
            f"{self.path} is restarting; the message was not started",
            path=self.path,
            message=message,
        )

    def stopped(self, message: object, *, started: bool = False) -> ActorStopped:
        done = "while it handled the message" if started else "; the message was not started"
        return ActorStopped(
            f"{self.path} has stopped {done}".replace(" ;", ";"),
            path=self.path,
            message=None if started else message,
            started=started,
        )

    def crashed(self, turn: Envelope, error: BaseException) -> ActorCrashed:
        crash = ActorCrashed(
            f"{self.path} crashed while it handled {type(turn.message).__name__}: "
            f"{type(error).__name__}",
            path=self.path,
        )
        crash.__cause__ = error
        return crash

    def cut_short(self, turn: Envelope, failure: BaseException | None) -> RuntimeFault:
        """Why a started turn ended without a result when its task was cancelled."""
        if turn.cancelled or turn.deadline <= trio.current_time():
            name = type(turn.message).__name__
            return AskTimeout(f"{self.path}: {name} was cancelled", path=self.path)
        if failure is not None:
            return self.crashed(turn, failure)
        return self.stopped(turn.message, started=True)

    def expired(self, turn: Envelope) -> AskTimeout:
        return AskTimeout(
            f"the deadline passed before {self.path} started the message",
            path=self.path,
            message=turn.message,
        )

    # The system lane

    def wake(self) -> None:
        """Let the serial task look at its mailbox and at what is asked of it."""
        if self.parked is not None:
            task, self.parked = self.parked, None
            reschedule(task)

    def request_stop(self, *, drain: bool = False) -> None:
        """Ask the actor to stop after what it has begun, or with `drain` after all it has."""
        self.stop_requested = True
        self.drain = self.drain or drain
        if self.state is State.RUNNING:
            self.move_to(State.STOPPING)
        self.wake()

    def dismiss(self, *, drain: bool = False) -> None:
        """Ask the actor to stop for good; its supervisor sees to it that it does."""
        if self.owner is not None:
            self.request_stop(drain=drain)
            self.owner.dismiss()

    def begin(self) -> None:
        """There is a new incarnation."""
        self.stop_requested = self.drain = self.comes_back = False
        self.overtaken = ()
        if self.state is State.RESTARTING:
            self.restarts += 1
            self.move_to(State.STARTING)

    # What envelopes report

    def withdraw(self, envelope: Envelope) -> None:
        self.mailbox.withdraw(envelope)

    def cancel(self, turn: Envelope, reason: str | None) -> None:
        # Down a chain of asks the last handler is cancelled in the same step as the first, by
        # a recursion. Where that gets deep, the task that waits for the turn does it later.
        if self.hub.cascade < LONGEST_CASCADE:
            self.hub.cascade += 1
            try:
                turn.cancel(reason)
            finally:
                self.hub.cascade -= 1

    def undelivered(self, message: object, reason: str) -> None:
        self.hub.publish(DeadLetter(self.path, message, reason))

    def failed_unheard(self, message: object, error: BaseException) -> None:
        self.hub.publish(MessageFailed(self.path, message, error))

    async def outwait(self, wait: Callable[[], Awaitable[None]]) -> None:
        await outwait(wait, self.options.cleanup, self.report_overdue)

    def report_overdue(self) -> None:
        self.hub.publish(Overdue(self.path, self.options.cleanup))

    # The end

    def note_crash(self) -> None:
        """This incarnation has failed: what waits now shares its fate, what comes later may not."""
        self.overtaken = tuple(self.mailbox)

    def pause(self, *, at_once: bool) -> None:
        """An incarnation has ended and another may follow, `at_once` or after a while."""
        if self.state is not State.RESTARTING:
            self.move_to(State.RESTARTING)
        self.at_once = at_once
        if self.options.keep_mailbox:
            return
        overtaken = {id(envelope) for envelope in self.overtaken}
        for envelope in list(self.mailbox.drain()):
            if at_once and id(envelope) not in overtaken:
                self.mailbox.offer(envelope)
            else:
                envelope.fail(self.restarting(envelope.message))

    def end(self, exit: Exit, error: BaseException | None) -> None:
        """There will be no further incarnation."""
        was_up = self.state is not State.STARTING or self.restarts > 0
        self.move_to(State.ENDED)
        self.exit, self.failure = exit, error
        self.owner = None
        self.comes_back = False
        for envelope in self.mailbox.drain():
            envelope.fail(self.stopped(envelope.message))
        if was_up:
            self.hub.publish(Stopped(self.path, exit))
        if self.ended is not None:
            self.ended.set()

    async def wait_ended(self) -> Exit:
        """Wait until the actor is gone for good; at once if it is."""
        if self.exit is None:
            if self.ended is None:
                self.ended = trio.Event()
            await self.ended.wait()
        else:
            await trio.lowlevel.checkpoint()
        assert self.exit is not None
        return self.exit

    def statistics(self) -> Statistics:
        turns = ((self.current,) if self.current else ()) + (self.beside or ())
        return Statistics(
            state=self.state.value,
            handled=self.handled,
            restarts=self.restarts,
            queued=len(self.mailbox),
            in_line=self.mailbox.in_line,
            handling=tuple(type(turn.message).__name__ for turn in turns),
            since=self.since if self.current else None,
        )
