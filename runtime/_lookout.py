"""The ends of other actors that one incarnation is told of, in the order in which they came.

An end is noted in the step in which it comes. One task makes the messages and puts them on the
actor's system lane; what has not been handled when the incarnation ends, is taken back.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import trio

from ._interrupts import call
from ._tells import NoticeEnvelope

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._cell import Cell
    from ._lifecycle import Exit
    from ._message import Tell
    from ._surroundings import Context

    Notice = Callable[[Exit], Tell[Any]]


class Lookout:
    """All that one incarnation watches.

    Attributes:
        is_over: Whether it has ended, with the incarnation or by an error of a notice.
    """

    def __init__(self, context: Context) -> None:
        self.is_over = False
        self._cell = context.cell
        self._watched: dict[Cell, list[Notice]] = {}
        self._ended: deque[tuple[Exit, Notice]] = deque()
        self._told: list[NoticeEnvelope] = []
        self._waiting = 0  # of those, when they were last looked at
        self._changed = trio.Event()
        context.start_soon(self._run, ())

    @trio.lowlevel.enable_ki_protection
    def watch(self, cell: Cell, notice: Notice) -> None:
        if cell.exit is None:
            self._watched.setdefault(cell, []).append(notice)
            if cell.watchers is None:
                cell.watchers = {}
            cell.watchers[self] = None
        else:
            self._note(cell.exit, [notice])

    def has_ended(self, cell: Cell, exit: Exit) -> None:
        """Called by the cell, in the step in which it ends."""
        self._note(exit, self._watched.pop(cell))

    def _note(self, exit: Exit, notices: list[Notice]) -> None:
        self._ended += ((exit, notice) for notice in notices)
        self._changed.set()

    @trio.lowlevel.enable_ki_protection
    async def _run(self) -> None:
        try:
            while True:
                await self._changed.wait()
                self._changed = trio.Event()
                self._drop_handled()
                while self._ended:
                    exit, notice = self._ended.popleft()
                    self._tell(NoticeEnvelope(call(notice, exit), self._cell))
        finally:
            self.is_over = True
            for cell in self._watched:
                if cell.watchers is not None:
                    cell.watchers.pop(self, None)
            for envelope in self._told:
                envelope.take_back()

    def _drop_handled(self) -> None:
        if len(self._told) > 2 * self._waiting:  # not each time, for there may be thousands
            self._told = [each for each in self._told if not each.settled]
            self._waiting = len(self._told)

    def _tell(self, envelope: NoticeEnvelope) -> None:
        self._cell.notify(envelope)
        self._told.append(envelope)
