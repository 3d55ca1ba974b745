"""What one life of an actor needs of its supervisor, and of the supervisor below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import trio

    from ._cell import Cell
    from ._lifecycle import Exit
    from ._options import ChildOptions


class Children(Protocol):
    """The supervisor of the actors that an actor spawned below itself."""

    @property
    def branch(self) -> object: ...
    def cells(self) -> Iterable[Cell]: ...
    async def spawn(
        self,
        factory: Callable[..., Any],
        args: tuple[Any, ...],
        name: str | None,
        options: ChildOptions | None,
    ) -> Cell: ...
    def request_stop(self) -> None: ...
    def kill(self, reason: str) -> None: ...
    async def wait_down(self) -> None: ...


class Host(Protocol):
    """The member of a supervisor whose life an incarnation is."""

    @property
    def nursery(self) -> trio.Nursery:
        """Where tasks of the actor run."""
        ...

    def came_up(self) -> None:
        """`started` has returned."""
        ...

    def incarnation_ended(self, exit: Exit, error: BaseException | None) -> None:
        """Decide what follows, and tell the cell."""
        ...

    def open_children(self, crash: Callable[[BaseException], None]) -> Children: ...


class Context(Protocol):
    """What a running incarnation offers to its actor."""

    cell: Cell
    behaviours: dict[type[Any], Callable[..., Awaitable[Any]]] | None

    def start_soon(
        self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> trio.CancelScope: ...
    async def spawn_below(
        self,
        factory: Callable[..., Any],
        args: tuple[Any, ...],
        name: str | None,
        options: ChildOptions | None,
    ) -> Cell: ...
    def finish(self) -> None: ...
