"""One life of an actor: start, messages one by one, the end.

The serial task handles messages inside one cancel scope that it keeps until a turn is
cancelled, so that cancelling a turn costs a scope and not cancelling one costs nothing.
Concurrent turns and background tasks run beside it; none outlives the incarnation.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, Protocol

import trio
from trio.lowlevel import Abort, checkpoint, current_task, reschedule, wait_task_rescheduled

from ._actor import Actor, bind
from ._envelope import SCOPES, TURN, Envelope
from ._errors import ActorCrashed, ActorStopped, AskTimeout
from ._events import Crashed
from ._lifecycle import Exit, State, is_crash, unwrapped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._cell import Cell
    from ._options import ChildOptions

CHECKPOINT_EVERY = 32  # messages: keeps one busy actor from starving the loop

log = logging.getLogger("runtime")


class Children(Protocol):
    """The supervisor of the actors that an actor spawned below itself."""

    @property
    def branch(self) -> object: ...

    async def spawn(
        self,
        factory: Callable[..., Actor],
        args: tuple[Any, ...],
        name: str | None,
        options: ChildOptions | None,
    ) -> Cell: ...
    def request_stop(self) -> None: ...
    def kill(self, reason: str) -> None: ...
    async def wait_down(self) -> None: ...


class Host(Protocol):
    """The supervisor that runs an incarnation."""

    @property
    def nursery(self) -> trio.Nursery:
        """Where tasks of the actor run."""
        ...

    def incarnation_ended(self, exit: Exit, error: BaseException | None) -> bool:
        """Take note; the return value says whether there will be another incarnation."""
        ...

    def open_children(self, cell: Cell, crash: Callable[[BaseException], None]) -> Children: ...


class Incarnation:
    """One life of the actor behind `cell`."""

    __slots__ = (
        "_beside",
        "_beside_empty",
        "_down",
        "_finished",
        "_host",
        "_scope",
        "_starter",
        "actor",
        "cell",
        "children",
        "failure",
        "is_down",
        "is_ready",
    )

    def __init__(self, cell: Cell, actor: Actor, host: Host) -> None:
        self.cell = cell
        self.actor = actor
        self.failure: BaseException | None = None
        self.is_ready = False
        self.is_down = False
        self._host = host
        self._scope = trio.CancelScope(shield=True)
        self._starter: trio.lowlevel.Task | None = None
        self._finished = False
        self._down: trio.Event | None = None
        self._beside: dict[trio.CancelScope, Envelope | None] | None = None
        self._beside_empty: trio.Event | None = None
        self.children: Children | None = None
        bind(actor, self)

    # Seen from the supervisor

    async def wait_ready(self) -> None:
        """Wait until `started` has returned, or the incarnation has ended.

        Cancelled while it waits: the incarnation is cancelled and has ended.
        """
        if self.is_ready or self.is_down:
            await checkpoint()
            return
        cancel: list[trio.lowlevel.RaiseCancelT] = []

        def abort(raise_cancel: trio.lowlevel.RaiseCancelT) -> Abort:
            cancel.append(raise_cancel)
            self.kill("whoever started it was cancelled")
            return Abort.FAILED

        self._starter = current_task()
        await wait_task_rescheduled(abort)
        if cancel:  # it may have become ready even so; it is on its way down
            with trio.CancelScope(shield=True):
                await self.wait_down()
            cancel[0]()

    async def wait_down(self) -> None:
        if not self.is_down:
            if self._down is None:
                self._down = trio.Event()
            await self._down.wait()

    def kill(self, reason: str) -> None:
        self._scope.cancel(reason)

    # The life

    async def run(self) -> None:
        TURN.set(None)
        SCOPES.set(())
        try:
            with self._scope:
                await self.actor.started()
                self._become_ready()
                await self._serve()
                await self._finish()
        except BaseException as error:  # noqa: BLE001 - the supervisor hears of it
            self._note(error)
        try:
            with trio.CancelScope(shield=True):
                await self._clean_up()
        except BaseException as error:  # noqa: BLE001 - likewise
            self._note(error)
        finally:
            self._end()

    def _become_ready(self) -> None:
        self.is_ready = True
        cell = self.cell
        cell.move_to(State.STOPPING if cell.stop_requested else State.RUNNING)
        self._wake_starter()

    def _wake_starter(self) -> None:
        if self._starter is not None:
            task, self._starter = self._starter, None
            reschedule(task)

    async def _serve(self) -> None:
        """Handle messages until the actor is to stop; an error that ends it is noted."""
        cell = self.cell
        while self.failure is None:
            try:
                with trio.CancelScope() as scope:
                    if await self._work(scope):
                        return
            except Exception as error:
                turn, cell.current = cell.current, None
                if turn is None:
                    raise
                self._judge(turn, error)
            else:
                turn, cell.current = cell.current, None
                if turn is not None:
                    turn.fail(self._cut_short(turn))

    async def _work(self, scope: trio.CancelScope) -> bool:
        """Handle messages inside `scope`.

        Returns:
            True when the actor is to stop, False when the scope is used up.
        """
        cell = self.cell
        mailbox = cell.mailbox
        streak = 0
        while not cell.stop_requested or (cell.drain and mailbox):
            if streak >= CHECKPOINT_EVERY:
                streak = 0
                await checkpoint()
            envelope = mailbox.take()
            if envelope is None:
                streak = 0
                await self._idle()
                continue
            streak += 1
            if envelope.deadline != math.inf and self._has_expired(envelope):
                continue
            cell.handled += 1
            handler = cell.handlers[type(envelope.message)]
            method = getattr(self.actor, handler.method)
            if handler.concurrent:
                self._begin_beside(envelope, method)
            elif await self._turn(scope, envelope, method):
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
        cell.current = envelope
        cell.since = trio.current_time()
        value = await self._invoke(envelope, method)
        cell.current = None
        envelope.settle(value)
        if envelope.deadline != math.inf:
            if scope.cancel_called:
                return True
            scope.deadline = math.inf
        return envelope.cancelled

    async def _invoke(self, envelope: Envelope, method: Callable[..., Awaitable[Any]]) -> Any:
        TURN.set(envelope)
        SCOPES.set(envelope.scopes)
        propagator = self.cell.hub.propagator
        if envelope.trace is None or propagator is None:
            return await envelope.invoke(method)
        token = propagator.attach(envelope.trace)
        try:
            return await envelope.invoke(method)
        finally:
            propagator.detach(token)

    def _has_expired(self, envelope: Envelope) -> bool:
        """Fail a message whose deadline has passed: expired work never starts."""
        if trio.current_time() < envelope.deadline:
            return False
        envelope.fail(
            AskTimeout(
                f"the deadline passed before {self.cell.path} started the message",
                path=self.cell.path,
                message=envelope.message,
            )
        )
        return True

    async def _idle(self) -> None:
        cell = self.cell

        def abort(_: trio.lowlevel.RaiseCancelT) -> Abort:
            cell.parked = None
            return Abort.SUCCEEDED

        cell.parked = current_task()
        await wait_task_rescheduled(abort)

    # What becomes of a turn

    def _judge(self, turn: Envelope, error: BaseException) -> None:
        """An error left a handler: it fails the message, or crashes the actor too."""
        error = unwrapped(error)
        if not is_crash(error, turn.message.raises):
            turn.fail(error)
            return
        self._note(error)
        turn.fail(self._crash(turn))

    def _crash(self, turn: Envelope) -> ActorCrashed:
        assert self.failure is not None
        crash = ActorCrashed(
            f"{self.cell.path} crashed while it handled {type(turn.message).__name__}: "
            f"{type(self.failure).__name__}",
            path=self.cell.path,
        )
        crash.__cause__ = self.failure
        return crash

    def _cut_short(self, turn: Envelope) -> BaseException:
        """Why a started turn ended without a result, when its task was cancelled."""
        name = type(turn.message).__name__
        if turn.cancelled or turn.deadline <= trio.current_time():
            return AskTimeout(f"{self.cell.path}: {name} was cancelled", path=self.cell.path)
        if self.failure is not None:
            return self._crash(turn)
        return self.cell.stopped(turn.message, started=True)

    def _note(self, error: BaseException) -> None:
        """Remember the first failure; whoever is above hears of the kind that is not ours."""
        error = unwrapped(error)
        if not isinstance(error, Exception):
            self.cell.hub.abort(error)
        if self.failure is None:
            self.failure = error
            if self.is_ready or self.cell.restarts:  # else whoever started it gets the error
                log.error("%s crashed", self.cell.path, exc_info=error)
                self.cell.hub.publish(Crashed(self.cell.path, error))

    # Beside the serial task

    def _begin_beside(self, envelope: Envelope, method: Callable[..., Awaitable[Any]]) -> None:
        scope = trio.CancelScope(shield=True, deadline=envelope.deadline)
        envelope.scope = scope
        envelope.started = True
        name = f"{self.cell.path} {type(envelope.message).__name__}"
        self._register(scope, envelope)
        self._host.nursery.start_soon(self._turn_beside, scope, envelope, method, name=name)

    async def _turn_beside(
        self, scope: trio.CancelScope, envelope: Envelope, method: Callable[..., Awaitable[Any]]
    ) -> None:
        try:
            with scope:
                value = await self._invoke(envelope, method)
                envelope.settle(value)
            if not envelope.settled:
                envelope.fail(self._cut_short(envelope))
        except BaseException as error:  # noqa: BLE001 - judged
            self._judge(envelope, error)
            if self.failure is not None:
                self._scope.cancel("a handler of this actor crashed")
        finally:
            self._unregister(scope)

    def start_soon(self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        if self.is_down or self._scope.cancel_called:
            raise ActorStopped(
                f"{self.cell.path} is ending; it starts no task", path=self.cell.path
            )
        scope = trio.CancelScope(shield=True)
        name = f"{self.cell.path} {getattr(function, '__qualname__', function)}"
        self._register(scope, None)
        self._host.nursery.start_soon(self._background, scope, function, args, name=name)

    async def _background(
        self,
        scope: trio.CancelScope,
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
    ) -> None:
        TURN.set(None)
        SCOPES.set(())
        try:
            with scope:
                await function(*args)
        except BaseException as error:  # noqa: BLE001 - crashes the actor
            self.crash(error)
        finally:
            self._unregister(scope)

    def crash(self, error: BaseException) -> None:
        """Something that belongs to this actor failed beside its handlers."""
        self._note(error)
        self._scope.cancel("a task of this actor crashed")

    def _register(self, scope: trio.CancelScope, envelope: Envelope | None) -> None:
        if self._beside is None:
            self._beside = {}
        self._beside[scope] = envelope
        self._show_beside()

    def _unregister(self, scope: trio.CancelScope) -> None:
        assert self._beside is not None
        del self._beside[scope]
        self._show_beside()
        if self._beside_empty is not None and not self._beside:
            self._beside_empty.set()

    def _show_beside(self) -> None:
        turns = (turn for turn in (self._beside or {}).values() if turn is not None)
        self.cell.beside = tuple(turns) or None

    async def _wait_beside(self, *, turns_only: bool = False) -> None:
        while self._beside and not (turns_only and self.cell.beside is None):
            self._beside_empty = trio.Event()
            await self._beside_empty.wait()

    # Below

    async def spawn_below(
        self,
        factory: Callable[..., Actor],
        args: tuple[Any, ...],
        name: str | None,
        options: ChildOptions | None,
    ) -> Cell:
        if self.is_down or self._scope.cancel_called:
            raise ActorStopped(
                f"{self.cell.path} is ending; it starts nothing", path=self.cell.path
            )
        if self.children is None:
            self.children = self._host.open_children(self.cell, self.crash)
        return await self.children.spawn(factory, args, name, options)

    # The end

    def finish(self) -> None:
        self._finished = True
        self.cell.request_stop()

    async def _finish(self) -> None:
        """Stop with grace: what has begun is finished, children stop in their order."""
        await self._wait_beside(turns_only=True)
        self._cancel_beside()
        if self.children is not None:
            self.children.request_stop()
            await self.children.wait_down()

    def _cancel_beside(self) -> None:
        for scope in list(self._beside or ()):
            scope.cancel("the actor ends")

    async def _clean_up(self) -> None:
        self._cancel_beside()
        await self._wait_beside()
        if self.children is not None:
            self.children.kill("the actor ends")
            await self.children.wait_down()
        if self.is_ready and type(self.actor).stopped is not Actor.stopped:
            with trio.move_on_after(self.cell.options.cleanup):
                await self.actor.stopped(self._exit())

    def _exit(self) -> Exit:
        if self.failure is not None:
            return Exit.FAILED
        return Exit.COMPLETED if self._finished else Exit.STOPPED

    def _end(self) -> None:
        """Settle everything that still waits. No checkpoint: nothing can come between."""
        cell = self.cell
        self.is_down = True
        again = self._host.incarnation_ended(self._exit(), self.failure)
        turn, cell.current = cell.current, None
        if turn is not None and not turn.settled:
            turn.fail(self._cut_short(turn) if turn.started else cell.stopped(turn.message))
        if not (again and cell.options.keep_mailbox):
            for envelope in cell.mailbox.drain():
                message = envelope.message
                envelope.fail(cell.restarting(message) if again else cell.stopped(message))
        self._wake_starter()
        if self._down is not None:
            self._down.set()
        self.actor._context = None  # noqa: SLF001 - breaks the cycle
