"""What runs beside the serial task of an actor: concurrent turns and background tasks.

Each has a shielded scope of its own, so that the incarnation, and not the nursery they run
in, decides when they are cancelled. None outlives the incarnation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import trio

from ._endings import cut_short
from ._interrupts import await_call
from ._waits import PARTY, Bystander

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._cell import Cell
    from ._envelope import Envelope
    from ._waits import Party


class Life(Protocol):
    """The incarnation that these tasks belong to."""

    failure: BaseException | None

    def judge(self, turn: Envelope, error: BaseException) -> bool:
        """An error left a handler; True if that ends the incarnation."""
        ...

    def crash(self, error: BaseException) -> None:
        """An error left something else; it ends the incarnation."""
        ...

    def cut_off(self) -> None:
        """Cancel the serial task; it ends the others."""
        ...


class Beside:
    """The tasks that run beside one serial task."""

    __slots__ = ("_background", "_cell", "_changed", "_life", "_nursery", "_turns")

    def __init__(self, cell: Cell, life: Life, nursery: trio.Nursery) -> None:
        self._cell = cell
        self._life = life
        self._nursery = nursery
        self._turns: dict[trio.CancelScope, Envelope] = {}
        self._background: dict[trio.CancelScope, Party] = {}
        self._changed: trio.Event | None = None
        cell.beside, cell.background = self._turns, self._background

    def __len__(self) -> int:
        return len(self._turns) + len(self._background)

    def begin_turn(self, turn: Envelope, method: Callable[..., Awaitable[Any]]) -> None:
        scope = trio.CancelScope(shield=True, deadline=turn.deadline)
        turn.scope = scope
        turn.started = True
        self._turns[scope] = turn
        self._begin(type(turn.message).__name__, self._turn, scope, turn, method)

    def begin_task(
        self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> trio.CancelScope:
        name = getattr(function, "__qualname__", repr(function))
        scope = trio.CancelScope(shield=True)
        self._background[scope] = party = Bystander(f"{self._cell.path} ({name})")
        self._begin(name, self._task, scope, party, function, args)
        return scope

    def _begin(self, name: str, function: Callable[..., Awaitable[None]], *args: Any) -> None:
        name = f"{self._cell.path} {name}"
        self._cell.hub.start(self._nursery, function, *args, name=name)

    @trio.lowlevel.enable_ki_protection
    async def _turn(
        self, scope: trio.CancelScope, turn: Envelope, method: Callable[..., Awaitable[Any]]
    ) -> None:
        has_returned = False
        try:
            with scope:
                if not scope.cancel_called:  # cancelled so early that it need not begin
                    value = await turn.handle(method)
                    has_returned = True
                    turn.finish(value)
            if has_returned:
                pass
            elif turn.cancelled:  # nobody is there to take an error
                turn.settle(None)
            else:
                turn.fail(cut_short(turn, self._life.failure))
        except BaseException as error:  # noqa: BLE001 - judged
            if self._life.judge(turn, error):
                self._life.cut_off()
        finally:
            del self._turns[scope]
            self._note_change()

    @trio.lowlevel.enable_ki_protection
    async def _task(
        self,
        scope: trio.CancelScope,
        party: Party,
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
    ) -> None:
        PARTY.set(party)
        try:
            with scope:
                await await_call(function, *args)
        except BaseException as error:  # noqa: BLE001 - crashes the actor
            self._life.crash(error)
        finally:
            del self._background[scope]
            self._note_change()

    def _note_change(self) -> None:
        if self._changed is not None:
            self._changed.set()

    # Seen from the serial task

    async def wait_turns(self) -> None:
        """Wait until no concurrent turn is left."""
        while self._turns:
            await self._wait_change()

    async def wait_empty(self) -> None:
        while len(self):
            await self._wait_change()

    async def _wait_change(self) -> None:
        self._changed = trio.Event()
        await self._changed.wait()

    def cancel(self) -> None:
        for scope in (*self._turns, *self._background):
            scope.cancel("the actor ends")
