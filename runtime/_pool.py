"""A pool: several workers of one kind behind one handle, under a supervisor of its own.

The handle routes: a message goes straight into the mailbox of the worker that `_routing`
picks, with no actor in between. Whatever holds for a ref of that worker holds for the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

import attrs
import trio

from ._agenda import DEFAULT_LIMIT, Plan
from ._cell import Cell
from ._cycles import refuse_cycle, waiting_for
from ._errors import AskCycle, MailboxFull
from ._lifecycle import Exit, State
from ._member import ActorMember
from ._occupants import End
from ._options import DEFAULT_OPTIONS, ChildOptions
from ._ref import Ref, cell_of
from ._restart import Backoff, RestartLimit, RestartPolicy
from ._routing import Routing, Standing
from ._statistics import Statistics, statistics_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._message import Ask, Stream, Tell
    from ._routing import Router
    from ._stream import StreamBlock
    from ._supervisor import Branch

A_co = TypeVar("A_co", covariant=True)
R = TypeVar("R")
C = TypeVar("C")


@attrs.frozen
class PoolOptions:
    """How the workers of a pool are treated, each alone and as a group.

    Attributes:
        worker: How each is treated; the `default_options` of its class if None.
        limit: How many restarts, of all workers together, before the pool gives up and fails.
        backoff: How long to wait before a worker is restarted; not at all if None.
        restart: Whether the pool is itself restarted when it has given up.

    Raises:
        TypeError: If `restart` is no `RestartPolicy`.
    """

    worker: ChildOptions | None = None
    limit: RestartLimit = DEFAULT_LIMIT
    backoff: Backoff | None = None
    restart: RestartPolicy = RestartPolicy.PERMANENT

    def __attrs_post_init__(self) -> None:
        Plan(restart=self.restart)  # which checks it


DEFAULT_POOL: Final = PoolOptions()


def check_options(options: object) -> None:
    if not isinstance(options, PoolOptions):
        raise TypeError(
            f"options must be PoolOptions, not {options!r}: "
            "write for example PoolOptions(worker=ChildOptions(...))"
        )


@attrs.frozen
class PoolStatistics:
    """A snapshot of a pool: the sums over the workers that are left.

    Attributes:
        running: How many of them take messages now.
        handled: Messages started so far.
        restarts: Incarnations after the first.
        queued: Messages in the mailboxes.
        in_line: Senders that wait for room in one.
        workers: One for each worker, in the order of `pool.refs`.
    """

    running: int
    handled: int
    restarts: int
    queued: int
    in_line: int
    workers: tuple[Statistics, ...]


@attrs.frozen
class _Worker(Generic[A_co]):
    """A worker as the router sees it."""

    name: str
    ref: Ref[A_co]
    cell: Cell
    member: ActorMember

    @property
    def standing(self) -> Standing:
        cell = self.cell
        if cell.state is State.RUNNING and not self._has_crashed():
            return Standing.RUNNING
        if cell.state is State.ENDED or (cell.state is State.STOPPING and not cell.comes_back):
            return Standing.LEAVING
        return Standing.AWAY

    def _has_crashed(self) -> bool:
        """Whether it has crashed, and only cleans up yet."""
        life = self.member.life
        return life is not None and life.failure is not None

    @property
    def load(self) -> int:
        cell = self.cell
        in_hand = (cell.current is not None) + len(cell.beside or ())
        return len(cell.mailbox) + cell.mailbox.in_line + in_hand


class Pool(Generic[A_co]):
    """A number of workers of one kind behind one handle: `await pool.ask(message)`.

    Made by `await supervisor.pool(...)`. A worker that restarts is passed over while another
    runs, and one that is gone for good is left out; but with `ConsistentHash`, a key waits for
    its worker for as long as there is to be one. When none is left, the pool behaves as the ref
    of an actor that has ended: asks and streams end with `ActorStopped`, tells are dead letters.
    """

    def __init__(self, branch: Branch, router: Router, workers: Sequence[Ref[A_co]]) -> None:
        self._branch = branch
        self._router = router
        self._workers: tuple[_Worker[A_co], ...] = ()
        self._refresh()
        # Where messages end when no worker is left: at an address whose actor has ended.
        gone = Cell(branch.path, branch.hub, cell_of(workers[0]).handlers, DEFAULT_OPTIONS)
        gone.end(Exit.STOPPED, None)
        self._gone: Ref[A_co] = Ref(gone)

    @property
    def path(self) -> str:
        """Names from the root, like "/group/searches"; the workers are below it."""
        return self._branch.path

    @property
    def refs(self) -> tuple[Ref[A_co], ...]:
        """The workers that are left, in start order."""
        return tuple(worker.ref for worker in self._current_workers())

    async def tell(self, message: Tell[A_co]) -> None:
        """Send a message to one worker, or with `Routing.BROADCAST` to all; as `Ref.tell`."""
        if self._router.routing is Routing.BROADCAST:
            await self.broadcast(message)
        else:
            await self._pick(message).tell(message)

    def tell_nowait(self, message: Tell[A_co]) -> None:
        """Send a message to one worker without waiting; as `Ref.tell_nowait`.

        Raises:
            TypeError: If the routing is `BROADCAST`, which may have to wait for some of them.
        """
        self._pick(message).tell_nowait(message)

    async def ask(self, message: Ask[A_co, R], *, timeout: float | None = None) -> R:  # noqa: ASYNC109
        """Ask one worker; as `Ref.ask`."""
        return await self._pick(message).ask(message, timeout=timeout)

    def stream(self, message: Stream[A_co, C], *, buffer: int = 1) -> StreamBlock[C]:
        """A block that owns a stream of one worker, picked now; as `Ref.stream`."""
        return self._pick(message).stream(message, buffer=buffer)

    async def broadcast(self, message: Tell[A_co]) -> None:
        """Send a message to every worker, whatever the routing.

        Those that have room get it at once, then it waits for the others. Cancelled while it
        waits: some have got it.

        Raises:
            AskCycle: If only the end of the sender's own work would make room; likewise.
            MailboxFull: If that is the policy of a full mailbox; all others have got it.
        """
        await trio.lowlevel.checkpoint()
        full: AskCycle | MailboxFull | None = None
        waiting: list[Ref[A_co]] = []
        for ref in self.refs or (self._gone,):
            try:
                ref.tell_nowait(message)
            except trio.WouldBlock:
                waiting.append(ref)
            except MailboxFull as error:
                full = error
        for ref in waiting:
            try:
                await ref.tell(message)
            except (AskCycle, MailboxFull) as error:
                full = error
        try:
            if full is not None:
                raise full
        finally:
            del full  # no cycle through the traceback

    @trio.lowlevel.enable_ki_protection
    async def stop(self, drain: bool = False) -> None:  # noqa: FBT001, FBT002 - as on a ref
        """Stop all workers and the pool, and wait until they have.

        All stop at once, each with its grace. Without `drain`, queued messages end with
        `ActorStopped`; with it they are handled. Cancelled while it waits: the pool still stops.

        Raises:
            AskCycle: If a worker waits for whoever calls; nothing has been stopped.
        """
        branch = self._branch
        branch.hub.check_run(self.path)
        end = End(self.path, branch.cells())
        refuse_cycle(end)
        for worker in self._current_workers():
            worker.cell.dismiss(drain=drain)
        branch.dismiss()
        with waiting_for(end):
            await branch.running.wait_down()

    def statistics(self) -> PoolStatistics:
        every = tuple(statistics_of(worker.cell) for worker in self._current_workers())
        return PoolStatistics(
            running=sum(one.state == State.RUNNING.value for one in every),
            handled=sum(one.handled for one in every),
            restarts=sum(one.restarts for one in every),
            queued=sum(one.queued for one in every),
            in_line=sum(one.in_line for one in every),
            workers=every,
        )

    def __repr__(self) -> str:
        running = self.statistics().running
        return f"<Pool {self.path} {running} of {len(self._workers)} running>"

    # Routing

    def _pick(self, message: object) -> Ref[A_co]:
        worker = self._router.pick(message, self._current_workers())
        return self._gone if worker is None else worker.ref

    def _current_workers(self) -> tuple[_Worker[A_co], ...]:
        if len(self._branch.members) != len(self._workers):  # they only get fewer
            self._refresh()
        return self._workers

    def _refresh(self) -> None:
        self._workers = tuple(
            _Worker(member.name, Ref(member.cell), member.cell, member)
            for member in self._branch.members.values()
            if isinstance(member, ActorMember) and member.cell is not None
        )
