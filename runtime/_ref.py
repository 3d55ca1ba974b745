"""Refs: the addresses that programs hold.

A ref stays good when its actor is restarted. It belongs to the trio run that made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import trio
from trio.lowlevel import checkpoint

from ._envelope import AskEnvelope, TellEnvelope
from ._errors import ActorRestarting, ActorStopped, AskTimeout, MailboxFull, RuntimeFault
from ._stream import StreamBlock

if TYPE_CHECKING:
    from ._cell import Cell, Statistics
    from ._lifecycle import Exit
    from ._message import Ask, Stream, Tell

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

    async def tell(self, message: Tell[A_co]) -> None:
        """Send a message and go on; waits only for room in the mailbox.

        A message to an actor that has ended or restarts is a dead letter, not an error.
        Cancelled while it waits: the message was not sent. Checkpoints at least every 32 calls.

        Raises:
            MailboxFull: If that is the mailbox's policy.
        """
        cell = self._cell
        cell.tells += 1
        if cell.tells >= CHECKPOINT_EVERY:
            cell.tells = 0
            await checkpoint()
        cell.hub.check_run(cell.path)
        envelope = TellEnvelope(message, cell, cell.hub.propagator)
        try:
            if not cell.admit(envelope):
                await envelope.wait()
        except (ActorStopped, ActorRestarting) as refusal:
            cell.undelivered(message, str(refusal))
        except MailboxFull:
            await checkpoint()  # whoever tries again and again lets the actor catch up
            raise

    def tell_nowait(self, message: Tell[A_co]) -> None:
        """Send a message without waiting.

        Raises:
            trio.WouldBlock: If the mailbox is full and its policy is to block.
            MailboxFull: If its policy is to fail.
        """
        cell = self._cell
        cell.hub.check_run(cell.path)
        envelope = TellEnvelope(message, cell, cell.hub.propagator)
        try:
            if not cell.admit(envelope):
                cell.withdraw(envelope)
                raise trio.WouldBlock
        except (ActorStopped, ActorRestarting) as refusal:
            cell.undelivered(message, str(refusal))

    async def ask(self, message: Ask[A_co, R], *, timeout: float | None = None) -> R:  # noqa: ASYNC109
        """Send a message and wait for its reply.

        Args:
            message: What to ask.
            timeout: Seconds to wait at most; then the handler is cancelled, and has ended
                when `AskTimeout` is raised. The caller's own deadlines hold in any case.

        Cancelled while it waits: a queued message is taken back, a started handler is
        cancelled and has ended when the call returns control.

        Raises:
            ActorCrashed, ActorRestarting, ActorStopped, MailboxFull, MessageDropped,
            AskTimeout: as their documentation says; and what the message declares in `raises`.
        """
        cell = self._cell
        if timeout is not None:
            return await self._ask_within(message, timeout)
        cell.hub.check_run(cell.path)
        reply: R = await self._settled(AskEnvelope(message, cell, cell.hub.propagator))
        return reply

    async def _ask_within(self, message: Ask[A_co, R], seconds: float) -> R:
        cell = self._cell
        cell.hub.check_run(cell.path)
        envelope = AskEnvelope(message, cell, cell.hub.propagator)
        envelope.deadline = min(envelope.deadline, trio.current_time() + seconds)
        with trio.move_on_after(seconds):
            reply: R = await self._settled(envelope)
            return reply
        raise AskTimeout(
            f"{self.path} did not answer {type(message).__name__} within {seconds} s",
            path=self.path,
            message=None if envelope.started else message,
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

    async def stop(self, drain: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is pinned
        """Ask the actor to stop, and wait until it has.

        Without `drain`, queued messages end with `ActorStopped`; with it they are handled.
        After its `grace` seconds it is cancelled. Cancelled while it waits: the actor still
        stops.
        """
        self._cell.hub.check_run(self.path)
        self._cell.dismiss(drain=drain)
        await self._cell.wait_ended()

    def watch(self) -> Watch:
        """`async with ref.watch() as watch: exit = await watch.wait()`."""
        return Watch(self._cell)

    def statistics(self) -> Statistics:
        return self._cell.statistics()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and other._cell is self._cell

    def __hash__(self) -> int:
        return hash(id(self._cell))

    def __repr__(self) -> str:
        return f"<Ref {self.path} {self._cell.state.value}>"


def cell_of(ref: Ref[Any]) -> Cell:
    """The cell behind a ref, for the runtime's own use."""
    return ref._cell  # noqa: SLF001
