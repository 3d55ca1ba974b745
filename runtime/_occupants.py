"""Who must go on before an actor takes what is queued, or before it has ended.

Pure. An actor is occupied by the handler or the hook at work. When its incarnation ends, it is
occupied by all that must end with it; between two incarnations, by those whom its supervisor
stops or starts first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ._lifecycle import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._waits import Party, Step


class Keeper(Protocol):
    """Whoever begins the incarnations of an actor."""

    def holders_before(self) -> Iterable[Step]:
        """Who must go on before there is another incarnation."""
        ...

    def cells_below(self) -> Iterable[Occupied]:
        """The actors that this one has spawned."""
        ...


class Occupied(Protocol):
    """An actor's address, and who is at work there."""

    stop_requested: bool
    is_ending: bool

    @property
    def state(self) -> State: ...
    @property
    def current(self) -> Party | None: ...
    @property
    def hook(self) -> Party | None: ...
    @property
    def beside(self) -> Mapping[Any, Party] | None: ...
    @property
    def background(self) -> Mapping[Any, Party] | None: ...
    @property
    def overtaken(self) -> object | None: ...
    @property
    def owner(self) -> Keeper | None: ...


def occupants_of(cell: Occupied) -> Iterable[Step]:
    """Who must go on before the actor starts what is queued."""
    at_work = cell.current or cell.hook
    if at_work is not None:
        return ((at_work, None),)
    if cell.state is State.RESTARTING:
        return () if cell.owner is None else cell.owner.holders_before()
    if cell.stop_requested or cell.overtaken is not None:
        return _all_at_work(cell, everything=False)
    return ()


class End:
    """The end of some actors, as what somebody waits for.

    Attributes:
        path: Who was asked to stop.
    """

    def __init__(self, path: str, cells: Iterable[Occupied], *, everything: bool = False) -> None:
        """With `everything`, background tasks count, too: a stop with grace does not wait for them.

        Those of an actor that ends have been cancelled, and are waited for in any case.
        """
        self.path = path
        self._cells = tuple(cells)
        self._everything = everything

    def holders(self) -> Iterable[Step]:
        for cell in self._cells:
            yield from _all_at_work(cell, everything=self._everything)


def _all_at_work(cell: Occupied, *, everything: bool) -> Iterable[Step]:
    """All that must end before the incarnation has, and what is below it."""
    yield from ((party, None) for party in (cell.current, cell.hook) if party is not None)
    yield from ((turn, None) for turn in (cell.beside or {}).values())
    if everything or cell.is_ending:
        yield from ((task, None) for task in (cell.background or {}).values())
    if cell.owner is not None:
        for below in cell.owner.cells_below():
            yield from _all_at_work(below, everything=everything)
