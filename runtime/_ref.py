"""Refs: the addresses that programs hold.

A ref stays good when its actor is restarted. It belongs to the trio run that made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import trio
from trio.lowlevel import checkpoint, enable_ki_protection

from ._cycles import refuse_cycle, waiting_for
from ._envelope import AskEnvelope
from ._errors import ActorRestarting, ActorStopped, AskTimeout, MailboxFull, RuntimeFault
from ._occupants import End
from ._statistics import statistics_of
from ._stream import DelegateEnvelope, StreamBlock
from ._tells import TellEnvelope

if TYPE_CHECKING:
    from ._cell import Cell
    from ._lifecycle import Exit
    from ._message import Ask, Sink, Stream, Tell
    from ._statistics import Statistics

A_co = TypeVar("A_co", covariant=True)
R = TypeVar("R")
C = TypeVar("C")

CHECKPOINT_EVERY = 32  # tells: keeps one busy sender from starving the loop


class Watch:
    """Reports the end of one actor, once; a restart is not an end.

    Attributes:
        error: What it failed with, once it has ended with `Exit.FAILED`.
    """

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.error: BaseException | None = None

    async def __aenter__(self) -> Self:
        self._cell.hub.check_run(self._cell.path)
        await checkpoint()
        return self

    async def __aexit__(self, *_: object) -> None:
        await checkpoint()

    async def wait(self) -> Exit:
        """Wait for the end; at once if the actor is already gone."""
        exit = await self._cell.wait_ended()
        self.error = self._cell.failure
        return exit


class Ref(Generic[A_co]):
    """The address of an actor of type `A_co`, or of one that implements it."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def path(self) -> str:
        """Names from the root, like "/group/savings"."""
        return self._cell.path

    @enable_ki_protection
    async def tell(self, message: Tell[A_co]) -> None:
        """Send a message and go on; waits only for room in the mailbox.

        A message to an actor that has ended or restarts is a dead letter, not an error.
        Cancelled while it waits: the message was not sent. Checkpoints at least every 32 calls.

        Raises:
            AskCycle: If the wait would be for the sender's own end.
            MailboxFull: If that is the mailbox's policy.
        """
        cell = self._cell
        cell.tells += 1
        if cell.tells >= CHECKPOINT_EVERY:
            cell.tells = 0
            await checkpoint()
        cell.hub.check_run(cell.path)
        envelope = TellEnvelope(message, cell)
        try:
            if not cell.admit(envelope):
                await envelope.wait_accepted()
        except (ActorStopped, ActorRestarting) as refusal:
            cell.undelivered(message, str(refusal))
        except MailboxFull:
            await checkpoint()  # whoever tries again and again lets the actor catch up
            raise

    @enable_ki_protection
    def tell_nowait(self, message: Tell[A_co]) -> None:
        """Send a message without waiting.

        Raises:
            trio.WouldBlock: If the mailbox is full and its policy is to block.
            MailboxFull: If its policy is to fail.
        """
        cell = self._cell
        cell.hub.check_run(cell.path)
        envelope = TellEnvelope(message, cell)
        try:
            if not cell.admit(envelope):
                cell.withdraw(envelope)
                raise trio.WouldBlock
        except (ActorStopped, ActorRestarting) as refusal:
            cell.undelivered(message, str(refusal))

    @enable_ki_protection
    async def ask(self, message: Ask[A_co, R], *, timeout: float | None = None) -> R:  # noqa: ASYNC109
        """Send a message and wait for its reply.

        Args:
            message: What to ask.
            timeout: Seconds to wait at most; then the handler is cancelled, and has ended
                when `AskTimeout` is raised. The caller's own deadlines hold in any case.

        Cancelled while it waits: a queued message is taken back, a started handler is
        cancelled and has ended when the call returns control.

        Raises:
            ActorCrashed, ActorRestarting, ActorStopped, AskCycle, AskTimeout, MailboxFull,
            MessageDropped: as their documentation says; and what the message declares in
                `raises`.
        """
        cell = self._cell
        if timeout is not None:
            return await self._ask_within(message, timeout)
        cell.hub.check_run(cell.path)
        reply: R = await self._settled(AskEnvelope(message, cell))
        return reply

    async def _ask_within(self, message: Ask[A_co, R], seconds: float) -> R:
        cell = self._cell
        cell.hub.check_run(cell.path)
        envelope = AskEnvelope(message, cell)
        envelope.deadline = min(envelope.deadline, trio.current_time() + seconds)
        with trio.move_on_after(seconds):
            reply: R = await self._settled(envelope)
            return reply
        raise AskTimeout(
            f"{self.path} did not answer {type(message).__name__} within {seconds} s",
            path=self.path,
            message=None if envelope.started or envelope.was_forwarded else message,
        )

    async def _settled(self, envelope: AskEnvelope) -> Any:  # R, by what the message says
        try:
            self._cell.admit(envelope)
        except RuntimeFault:
            await checkpoint()  # whoever tries again and again lets the actor come back
            raise
        return await envelope.wait_settled()

    def stream(self, message: Stream[A_co, C], *, buffer: int = 1) -> StreamBlock[C]:
        """A block that owns a stream of replies: `async with ref.stream(m) as items:`.

        Args:
            message: What to ask for.
            buffer: How many items may be accepted and not yet taken.
        """
        return StreamBlock(self._cell, message, buffer)

    @enable_ki_protection
    async def stream_into(self, message: Stream[A_co, C], out: Sink[C]) -> None:
        """Let this actor answer a stream of ours: its items go straight to our reader.

        For a handler that would otherwise take each item and send it on. Returns when that
        actor's handler has returned; what was sent before and after is in the same stream.
        Cancelled while it waits: that handler has ended when the call returns control.

        Args:
            message: What to ask for.
            out: The sink that our own handler was given.

        Raises:
            ActorCrashed, ActorRestarting, ActorStopped, AskCycle, MailboxFull,
            MessageDropped: as for an ask; and what the message declares in `raises`.
        """
        self._cell.hub.check_run(self._cell.path)
        await self._settled(DelegateEnvelope(message, self._cell, out))

    async def stop(self, drain: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is pinned
        """Ask the actor to stop, and wait until it has.

        Without `drain`, queued messages end with `ActorStopped`; with it they are handled.
        After its `grace` seconds it is cancelled. Cancelled while it waits: the actor still
        stops.

        Raises:
            AskCycle: If the actor waits for whoever calls; nothing has been asked of it. A
                handler stops its own actor with `self.stop()`.
        """
        self._cell.hub.check_run(self._cell.path)
        end = End(self._cell.path, (self._cell,))
        refuse_cycle(end)
        await self._dismiss(end, drain=drain)

    async def kill(self) -> None:
        """Cancel the actor at once and for good, and wait until it has ended.

        No grace: what it handles is cancelled, what is queued ends with `ActorStopped`.
        A handler that kills its own actor is cancelled here. Cancelled while it waits: the
        actor still ends.
        """
        self._cell.hub.check_run(self._cell.path)
        await self._dismiss(End(self._cell.path, (self._cell,)), now=True)

    @enable_ki_protection
    async def _dismiss(self, end: End, *, drain: bool = False, now: bool = False) -> None:
        self._cell.dismiss(drain=drain, now=now)
        with waiting_for(end):
            await self._cell.wait_ended()

    def watch(self) -> Watch:
        """`async with ref.watch() as watch: exit = await watch.wait()`."""
        return Watch(self._cell)

    def statistics(self) -> Statistics:
        return statistics_of(self._cell)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and other._cell is self._cell

    def __hash__(self) -> int:
        return hash(id(self._cell))

    def __repr__(self) -> str:
        return f"<Ref {self.path} {self._cell.state.value}>"


def cell_of(ref: Ref[Any]) -> Cell:
    """The cell behind a ref, for the runtime's own use."""
    return ref._cell  # noqa: SLF001
