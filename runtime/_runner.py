"""One life of an actor: start, messages one by one, the end.

The serial task handles messages inside one cancel scope that it keeps until a turn is
cancelled, so that cancelling a turn costs a scope and not cancelling one costs nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import trio
from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    Task,
    checkpoint,
    current_task,
    enable_ki_protection,
    reschedule,
    wait_task_rescheduled,
)

from ._actor import Actor, bind
from ._beside import Beside
from ._carried import SCOPES
from ._cycles import waiting_for
from ._endings import crashed, cut_short, ending, expired, without_cancels
from ._errors import ActorStopped
from ._interrupts import await_call, call
from ._lifecycle import Exit, State, is_crash
from ._waits import PARTY, Bystander

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from ._cell import Cell
    from ._envelope import Envelope
    from ._options import ChildOptions
    from ._surroundings import Children, Host
    from ._waits import Step

CHECKPOINT_EVERY = 8  # messages: how long one busy actor keeps the others waiting


class Incarnation:
    """One life of the actor behind `cell`."""

    __slots__ = (
        "_beside",
        "_down",
        "_expected",
        "_finished",
        "_host",
        "_is_killed",
        "_overdue",
        "_scope",
        "_starter",
        "actor",
        "behaviours",
        "cell",
        "children",
        "failure",
        "is_down",
        "is_ready",
    )

    def __init__(self, cell: Cell, actor: Actor, host: Host) -> None:
        self.cell = cell
        self.actor = actor
        self.behaviours: dict[type[Any], Callable[..., Awaitable[Any]]] | None = None
        self.children: Children | None = None
        self.failure: BaseException | None = None  # the first one
        self.is_ready = False
        self.is_down = False
        self._host = host
        self._scope = trio.CancelScope(shield=True)
        self._beside: Beside | None = None
        self._starter: Task | None = None
        self._down: trio.Event | None = None
        self._finished = False  # by its own decision
        self._overdue = self._is_killed = False
        self._expected = 0  # its end, by the watchdog
        bind(actor, self)

    # Seen from the supervisor

    async def wait_ready(self) -> None:
        """Wait until `started` has returned, the incarnation has ended, or `let_go`."""
        if self.is_ready or self.is_down:
            await checkpoint()
            return

        def abort(_: RaiseCancelT) -> Abort:
            self._starter = None
            return Abort.SUCCEEDED

        self._starter = current_task()
        with waiting_for(self):
            await wait_task_rescheduled(abort)

    @property
    def path(self) -> str:
        return self.cell.path

    def holders(self) -> Iterable[Step]:
        """Who must go on before it has started, or has ended before that."""
        return () if self.is_down else self.cell.occupants()

    async def wait_down(self) -> None:
        if not self.is_down:
            if self._down is None:
                self._down = trio.Event()
            await self._down.wait()

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it runs or will: asked to stop, it ends in its next step."""
        kind = type(self.actor)
        has_hook = kind.stopping is not Actor.stopping or kind.stopped is not Actor.stopped
        return not (self.cell.parked is None or self._beside or self.children or has_hook)

    def kill(self, reason: str) -> None:
        self._is_killed = True
        self.cell.drain = False
        self.cell.stop_requested = True
        if self.cell.parked is not None:
            self.cell.wake()  # which is cheaper than a cancel, and as soon
        else:
            self._scope.cancel(reason)

    def report_overdue(self) -> None:
        """Cancelled, it still runs after its cleanup seconds: said once."""
        if not self._overdue:
            self._overdue = True
            self.cell.report_overdue()

    # The life

    @enable_ki_protection
    async def run(self) -> None:
        try:
            with self._scope:
                if type(self.actor).started is not Actor.started:
                    await self._call_hook("started", self.actor.started)
                self._become_ready()
                await self._serve()
                if self.failure is None and not self._is_killed:
                    await self._finish()
        except BaseException as error:  # noqa: BLE001 - the supervisor hears of it
            self._note(error)
        try:
            await self._clean_up()
        except BaseException as error:  # noqa: BLE001 - likewise
            self._note(error)
        finally:
            self._end()

    async def _call_hook(self, name: str, hook: Callable[..., Awaitable[Any]], *args: Any) -> None:
        self.cell.hook = party = Bystander(f"{self.cell.path} ({name})")
        PARTY.set(party)
        try:
            await await_call(hook, *args)
        finally:
            self.cell.hook = None
            PARTY.set(None)

    def _become_ready(self) -> None:
        self.is_ready = True
        cell = self.cell
        cell.move_to(State.STOPPING if cell.stop_requested else State.RUNNING)
        self._host.came_up()
        self.let_go()

    def let_go(self) -> None:
        """Let whoever waits for the start go on."""
        if self._starter is not None:
            task, self._starter = self._starter, None
            reschedule(task)

    async def _serve(self) -> None:
        """Handle messages until the actor is to stop; an error that ends it is noted."""
        cell = self.cell
        while self.failure is None and not self._is_killed:
            if not cell.stop_requested and not cell.mailbox:
                await cell.idle()  # most actors mostly idle: they need no scope for that
                continue
            try:
                with trio.CancelScope() as scope:
                    if await self._work(scope):
                        return
            except BaseException as error:
                if not self._judged(error):
                    raise
            else:
                turn, cell.current = cell.current, None
                if turn is not None:
                    turn.fail(cut_short(turn, self.failure))

    async def _work(self, scope: trio.CancelScope) -> bool:
        """Handle messages inside `scope`.

        Returns:
            True when the actor is to stop, False when the scope is used up.
        """
        cell = self.cell
        mailbox = cell.mailbox
        streak = 0
        while not cell.stop_requested or (cell.drain and mailbox and not self._is_killed):
            if streak >= CHECKPOINT_EVERY:
                streak = 0
                await checkpoint()
            envelope = mailbox.take()
            if envelope is None:
                streak = 0
                await cell.idle()
                continue
            streak += 1
            now = trio.current_time()
            if envelope.deadline <= now:
                envelope.fail(expired(envelope))  # expired work never starts
                continue
            cell.handled += 1
            cell.current = envelope
            kind = type(envelope.message)
            handler = cell.handlers[kind]
            method: Callable[..., Awaitable[Any]] = getattr(self.actor, handler.method)
            if self.behaviours is not None:
                method = self.behaviours.get(kind, method)
            if handler.concurrent:
                cell.current = None
                self._opened_beside().begin_turn(envelope, method)
                await checkpoint()  # turns beside begin in the order of arrival
                continue
            cell.since = now
            if await self._turn(scope, envelope, method):
                return False
        return True

    async def _turn(
        self, scope: trio.CancelScope, envelope: Envelope, method: Callable[..., Awaitable[Any]]
    ) -> bool:
        """Handle one message; True if the scope is used up by it."""
        cell = self.cell
        if envelope.deadline != math.inf:
            scope.deadline = envelope.deadline
        envelope.scope = scope
        envelope.started = True
        value = await envelope.handle(method)
        cell.current = None
        envelope.finish(value)
        if envelope.deadline != math.inf:
            if scope.cancel_called:
                return True
            scope.deadline = math.inf
        return envelope.cancelled

    # What becomes of errors

    def _judged(self, error: BaseException) -> bool:
        """Whether the handler has left an error, and not only been cancelled."""
        # A cancel beside its error, in a group, is dropped: it is ours, and comes again.
        turn, left = self.cell.current, without_cancels(error)
        if turn is None or not isinstance(left, Exception):
            return False
        self.cell.current = None
        self.judge(turn, left)
        return True

    def judge(self, turn: Envelope, error: BaseException) -> bool:
        """An error left a handler: it fails the message, and if True the actor too."""
        error = ending(error, turn.message.raises)
        if is_crash(error, turn.message.raises):
            self._note(error)
            turn.fail(crashed(turn, error))
            return True
        turn.fail(error)
        if turn.cancelled:  # the party that waited takes its cancel, and no error
            self.cell.failed_unheard(turn.message, error)
        return False

    def crash(self, error: BaseException) -> None:
        """Something that belongs to this actor failed beside its handlers."""
        self._note(error)
        self.cut_off()

    def cut_off(self) -> None:
        """What runs beside the serial task has failed: that ends, too."""
        self.kill("a task of this actor crashed")
        self._expected = self._expected or self.cell.expect_end(self.report_overdue)

    def _note(self, error: BaseException) -> None:
        """Remember the first failure; whoever is above hears of the kind that is not ours."""
        error = ending(error)
        if not (is_ours := isinstance(error, Exception)):
            self.cell.hub.abort(error)  # which tells of it
        is_first = self.failure is None
        if is_first:
            self.failure = error
            self.cell.note_crash()
        if is_ours and (not is_first or self.is_ready or self.cell.restarts):
            self.cell.hub.report_crash(self.cell.path, error)
        # else it reaches whoever started the actor

    # Beside and below

    @enable_ki_protection
    def start_soon(
        self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> trio.CancelScope:
        self._require_going("task")
        return self._opened_beside().begin_task(function, args)

    @enable_ki_protection
    async def spawn_below(
        self,
        factory: Callable[..., Actor],
        args: tuple[Any, ...],
        name: str | None,
        options: ChildOptions | None,
    ) -> Cell:
        self._require_going("actor")
        if self.children is None:
            self.children = self._host.open_children(self.crash)
        return await self.children.spawn(factory, args, name, options)

    def _opened_beside(self) -> Beside:
        if self._beside is None:
            self._beside = Beside(self.cell, self, self._host.nursery)
        return self._beside

    def _require_going(self, what: str) -> None:
        if self.cell.is_ending or self._is_killed:
            text = f"{self.path} is ending; it starts no further {what}"
            raise ActorStopped(text, path=self.path)

    # The end

    def finish(self) -> None:
        self._finished = True
        self.cell.request_stop()

    async def _finish(self) -> None:
        """Stop with grace: what has begun is finished, children stop in their order."""
        call(self.actor.stopping)
        self.cell.refuse_cycles()
        if self._beside is not None:
            await self._beside.wait_turns()
            self.cell.is_ending = True
            self._beside.cancel()
        if self.children is not None:
            self.children.request_stop()
            await self.children.wait_down()

    async def _clean_up(self) -> None:
        cell = self.cell
        cell.is_ending = True
        turn, cell.current = cell.current, None
        if turn is not None and turn.started:  # cancelled; those beside may wait for its end
            turn.fail(cut_short(turn, self.failure))
        has_hook = self.is_ready and type(self.actor).stopped is not Actor.stopped
        if self._beside or self.children is not None or has_hook:
            self._expected = self._expected or cell.expect_end(self.report_overdue)
            cell.refuse_cycles()
            with trio.CancelScope(shield=True):
                await self._end_others()
                if has_hook:
                    await self._call_stopped()

    async def _end_others(self) -> None:
        if self._beside:
            self._beside.cancel()
            await self._beside.wait_empty()
        if self.children is not None:
            self.children.kill("the actor ends")
            await self.children.wait_down()

    async def _call_stopped(self) -> None:
        SCOPES.set(())
        with trio.move_on_after(self.cell.options.cleanup) as scope:
            await self._call_hook("stopped", self.actor.stopped, self._exit())
        if scope.cancelled_caught:
            self.report_overdue()

    def _exit(self) -> Exit:
        ended = Exit.COMPLETED if self._finished else Exit.STOPPED
        return ended if self.failure is None else Exit.FAILED

    def _end(self) -> None:
        """Settle everything that still waits. No checkpoint: nothing can come between."""
        self.is_down = True
        self.cell.note_end(self._expected)
        bind(self.actor, None)  # before the next life begins: it may be of the same instance
        self._host.incarnation_ended(self._exit(), self.failure)
        self.let_go()
        if self._down is not None:
            self._down.set()
        self.children = self._beside = self.behaviours = None  # no cycles: it is freed at once
        if self.is_ready:
            self.failure = None  # else whoever started it takes it
