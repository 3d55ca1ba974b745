"""An actor's address: it takes messages in, whatever incarnation handles them.

A cell outlives crashes. It knows its mailbox, its state and what to do with a message when
there is nobody to handle it; it runs nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import trio
from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    current_task,
    enable_ki_protection,
    reschedule,
    wait_task_rescheduled,
)

from ._endings import restarting, stopped
from ._errors import MailboxFull, MessageDropped
from ._events import DeadLetter, MessageFailed, Overdue, Stopped
from ._lifecycle import TRANSITIONS, Exit, State
from ._mailbox import Mailbox
from ._message import Kind, unhandled
from ._occupants import occupants_of
from ._waits import PARTY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ._conditions import Interference
    from ._envelope import Envelope
    from ._hub import Hub
    from ._message import Handler, Message
    from ._options import ChildOptions
    from ._tells import NoticeEnvelope
    from ._waits import Party, Step

LONGEST_CASCADE = 16  # handlers that are cancelled in one step


class Owner(Protocol):
    """The member of a supervisor that keeps a cell."""

    @property
    def is_shut_down(self) -> bool: ...  # with its supervisor, or one above

    def dismiss(self, *, now: bool = False) -> None:
        """There shall be no further incarnation; the present one ends with grace, or now."""
        ...

    def cells_below(self) -> Iterable[Cell]:
        """The actors that this one has spawned."""
        ...

    def holders_before(self) -> Iterable[Step]:
        """Who must go on before there is another incarnation."""
        ...


class Watcher(Protocol):
    """Who is told of the end of an actor."""

    def has_ended(self, cell: Cell, exit: Exit) -> None: ...


class Cell:
    """The address of one actor."""

    __slots__ = (
        "at_once",
        "background",
        "beside",
        "comes_back",
        "current",
        "drain",
        "ended",
        "exit",
        "failure",
        "handled",
        "handlers",
        "hook",
        "hub",
        "is_ending",
        "mailbox",
        "options",
        "overtaken",
        "owner",
        "parked",
        "path",
        "restarts",
        "since",
        "stash",
        "state",
        "stop_requested",
        "tells",
        "watchers",
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
        self.mailbox: Mailbox[Envelope] = Mailbox(hub.conditions.mailbox(options.mailbox))
        self.state = State.STARTING
        self.parked: trio.lowlevel.Task | None = None  # the serial task, when it is idle
        self.current: Envelope | None = None  # the serial turn
        self.beside: Mapping[Any, Envelope] | None = None  # concurrent turns
        self.background: Mapping[Any, Party] | None = None  # other tasks beside
        self.is_ending = False  # nothing more is begun, and all that is beside is cancelled
        self.hook: Party | None = None  # while `started` or `stopped` runs
        self.stash: list[Envelope] | None = None  # put aside by handlers
        self.since = 0.0
        self.handled = 0
        self.restarts = 0
        self.stop_requested = False
        self.drain = False
        self.exit: Exit | None = None
        self.failure: BaseException | None = None
        self.ended: trio.Event | None = None
        self.watchers: dict[Watcher, None] | None = None  # told in the step in which it ends
        self.tells = 0  # so that a busy sender gives way now and then
        self.comes_back = False  # it is stopped in order to be started again
        self.at_once = False  # the next incarnation is not kept waiting by a backoff
        self.overtaken: tuple[Envelope, ...] | None = None  # by this incarnation's crash
        self.owner: Owner | None = None  # until it ends for good

    def move_to(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], f"{self.path}: {self.state} to {state}"
        self.state = state

    # Taking messages in

    @enable_ki_protection
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
        if self.hub.interference is not None and self._loses(message, self.hub.interference):
            return True
        if envelope.awaits_end and self.parked is None:  # else nobody is at work
            envelope.refuse_cycle()
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

    def _loses(self, message: Message[Any], interference: Interference) -> bool:
        """Whether a tell gets lost instead of queued; an ask or a stream raises it."""
        reason = interference.loses(self.path, message)
        if reason is None:
            return False
        if message.kind is not Kind.TELL:
            raise MessageDropped(reason, path=self.path, message=message)
        self.undelivered(message, reason)
        return True

    def check(self, message: Message[Any], kind: Kind) -> None:
        """Raise a TypeError if the actor does not handle such a message, or not as this kind."""
        if type(message) not in self.handlers or message.kind is not kind:
            raise self._misuse(message)

    def _misuse(self, message: Message[Any]) -> TypeError:
        if type(message) not in self.handlers:
            return unhandled(self.path, message)
        return TypeError(
            f"{type(message).__qualname__} is sent with `ref.{message.kind.value}(...)`: that is "
            "what its class says"
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
                raise stopped(self.path, message, is_over=self.hub.watchdog.is_closed)
            case _ if not self.options.keep_mailbox:
                raise restarting(self.path, message)
            case _:
                pass

    # The system lane

    async def idle(self) -> None:
        """Park the serial task until there is something for it to look at."""
        PARTY.set(None)  # else the last message would be kept until the next
        self.parked = current_task()
        await wait_task_rescheduled(self.unpark)

    def wake(self) -> None:
        """Let the serial task look at its mailbox and at what is asked of it."""
        if self.parked is not None:
            task, self.parked = self.parked, None
            reschedule(task)

    def unpark(self, _: RaiseCancelT) -> Abort:
        """The serial task is cancelled while it is idle."""
        self.parked = None
        return Abort.SUCCEEDED

    def request_stop(self, *, drain: bool = False) -> None:
        """Ask the actor to stop after what it has begun, or with `drain` after all it has."""
        self.stop_requested = True
        self.drain = self.drain or drain
        if self.state is State.RUNNING:
            self.move_to(State.STOPPING)
        self.wake()

    def dismiss(self, *, drain: bool = False, now: bool = False) -> None:
        """Ask the actor to stop for good; its supervisor sees to it that it does."""
        if self.owner is not None:
            self.owner.dismiss(now=now)  # before it is woken: who is idle needs no help to end
            self.request_stop(drain=drain)

    def notify(self, notice: NoticeEnvelope) -> None:
        """Take in a notice, which overtakes all messages; no mailbox is too full for it."""
        self.check(notice.message, notice.kind)
        self.mailbox.notify(notice)
        self.wake()

    # What handlers put aside

    def put_aside(self, turn: Envelope) -> None:
        """The handler of this message has put it aside, until `unstash`."""
        turn.reset()
        if self.stash is None:
            self.stash = []
        self.stash.append(turn)

    @enable_ki_protection
    def unstash(self) -> None:
        """Put what was put aside back before the queue."""
        stash, self.stash = self.stash, None
        if stash:
            self.mailbox.put_back(stash)
            self.wake()

    def pass_on(self, turn: Envelope, message: Message[Any]) -> None:
        """Take in what another actor's handler sends on: whoever waits for it now waits here."""
        turn.redirect(message, self)
        try:
            self.admit(turn)
        except Exception as refusal:  # noqa: BLE001 - as from `admit`, the sender hears of it
            turn.fail(refusal)

    def begin(self) -> None:
        """There is a new incarnation."""
        self.stop_requested = self.drain = self.comes_back = self.is_ending = False
        self.overtaken = None
        if self.state is State.RESTARTING:
            self.restarts += 1
            self.move_to(State.STARTING)

    # What envelopes report

    def occupants(self) -> Iterable[Step]:
        return occupants_of(self)

    def withdraw(self, envelope: Envelope) -> None:
        if not self.mailbox.withdraw(envelope) and self.stash and envelope in self.stash:
            self.stash.remove(envelope)

    def cancel(self, turn: Envelope, reason: str | None) -> bool:
        # Down a chain of asks the last handler is cancelled in the same step as the first, by
        # a recursion. Where that gets deep, the task that waits for the turn does it later.
        if self.hub.cascade >= LONGEST_CASCADE:
            return False
        self.hub.cascade += 1
        try:
            turn.cancel(reason)
        finally:
            self.hub.cascade -= 1
        return True

    def undelivered(self, message: object, reason: str) -> None:
        self.hub.publish(DeadLetter(self.path, message, reason))

    def failed_unheard(self, message: object, error: BaseException) -> None:
        self.hub.publish(MessageFailed(self.path, message, error))

    def expect_end(self, report: Callable[[], None] | None = None) -> int:
        return self.hub.watchdog.expect(self.options.cleanup, report or self.report_overdue)

    def note_end(self, expected: int) -> None:
        if expected:
            self.hub.watchdog.ended(expected)

    def report_overdue(self) -> None:
        self.hub.publish(Overdue(self.path, self.options.cleanup))

    # The end

    def refuse_cycles(self) -> None:
        """End what is queued if its sender waits, through others, for itself.

        To be called when those who occupy the actor change, or wait for something new.
        """
        is_leaving = self.state is State.STOPPING and not self.comes_back
        for envelope in (*self.mailbox, *(self.stash or ())):
            cycle = envelope.cycle_of_wait()
            if cycle is not None:
                self.withdraw(envelope)
                envelope.refuse(stopped(self.path, envelope.message) if is_leaving else cycle)

    def note_crash(self) -> None:
        """This incarnation has failed: what waits now shares its fate, what comes later may not."""
        self.overtaken = tuple(self.mailbox) if self.mailbox else ()

    def pause(self, *, at_once: bool) -> None:
        """An incarnation has ended and another may follow, `at_once` or after a while."""
        if self.state is not State.RESTARTING:
            self.move_to(State.RESTARTING)
        self.at_once = at_once
        if at_once and self.overtaken is not None and not self.options.keep_mailbox:
            lost = [each for each in self.overtaken if self.mailbox.withdraw(each)]
            lost += self.stash or ()
            self.stash = None
        else:
            self.unstash()
            is_kept = at_once or self.options.keep_mailbox
            lost = [] if is_kept else list(self.mailbox.drain())
        self.overtaken = None
        for envelope in lost:
            envelope.fail(restarting(self.path, envelope.message))
        self.refuse_cycles()

    def end(self, exit: Exit, error: BaseException | None) -> None:
        """There will be no further incarnation."""
        was_up = self.state is not State.STARTING or self.restarts > 0
        self.move_to(State.ENDED)
        self.exit, self.failure = exit, error
        self.owner = self.overtaken = None
        self.comes_back = False
        self.unstash()
        for envelope in self.mailbox.drain():
            envelope.fail(stopped(self.path, envelope.message))
        if was_up:
            self.hub.publish(Stopped(self.path, exit))
        watchers, self.watchers = self.watchers, None
        for watcher in watchers or ():
            watcher.has_ended(self, exit)
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
