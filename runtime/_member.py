"""A child as its supervisor sees it: what it is made of, and its present life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import trio

from ._actor import handlers_for
from ._cell import Cell, Hub
from ._events import Overdue
from ._lifecycle import Exit, State
from ._restart import Child
from ._runner import Incarnation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._actor import Actor
    from ._options import ChildOptions
    from ._runner import Children


class Life(Protocol):
    """One incarnation of a member: an actor's, or a supervisor's own."""

    is_ready: bool
    is_down: bool
    failure: BaseException | None

    async def run(self) -> None: ...
    async def wait_ready(self) -> None: ...
    async def wait_down(self) -> None: ...
    def kill(self, reason: str) -> None: ...


class Above(Protocol):
    """The running supervisor of a member."""

    @property
    def nursery(self) -> trio.Nursery: ...
    def member_ended(self, member: Member, exit: Exit, error: BaseException | None) -> bool: ...
    def forget(self, member: Member) -> None: ...
    def open_children(self, cell: Cell, crash: Callable[[BaseException], None]) -> Children: ...


class Member:
    """What actors and supervisors have in common as children."""

    __slots__ = (
        "above",
        "attempts",
        "child",
        "hub",
        "is_new",
        "life",
        "options",
        "path",
        "taken_down",
        "up_since",
    )

    def __init__(self, path: str, hub: Hub, options: ChildOptions) -> None:
        self.path = path
        self.hub = hub
        self.options = options
        self.child = Child(path.rpartition("/")[2], options.restart)
        self.above: Above | None = None
        self.life: Life | None = None
        self.is_new = True  # its first start has not succeeded yet
        self.taken_down = False  # by a restart of a sibling; it will be started again
        self.attempts = 0  # restarts since it was last up for long
        self.up_since = 0.0

    @property
    def name(self) -> str:
        return self.child.name

    @property
    def unwanted(self) -> bool:
        """Whether somebody asked for its end, so that it is not to be started again."""
        return False

    def begin(self) -> Life:
        """Make its next life; an error is a failed start."""
        raise NotImplementedError

    def request_stop(self) -> None:
        """Ask the present life to stop with grace."""
        raise NotImplementedError

    def rest(self, exit: Exit, error: BaseException | None, *, again: bool) -> None:
        """Its life is over; `again` says whether another may follow."""
        raise NotImplementedError

    async def take_down(self, *, gently: bool) -> None:
        """End its life: with grace first, or at once; returns when all is quiet.

        Cancelled while it waits for the grace to pass: nothing is lost, call it again.
        """
        life = self.life
        if life is None or life.is_down:
            return
        if gently:
            self.request_stop()
            with trio.move_on_after(self.options.grace):
                await life.wait_down()
            if life.is_down:
                return
        life.kill("its supervisor stops it")
        with trio.move_on_after(self.options.cleanup):
            await life.wait_down()
        if not life.is_down:
            self.hub.publish(Overdue(self.path, self.options.cleanup))
            await life.wait_down()


class ActorMember(Member):
    """An actor: its factory, and the cell that stays from life to life."""

    __slots__ = ("_args", "_factory", "cell")

    def __init__(
        self,
        path: str,
        hub: Hub,
        options: ChildOptions,
        factory: Callable[..., Actor],
        args: tuple[Any, ...],
    ) -> None:
        super().__init__(path, hub, options)
        self._factory = factory
        self._args = args
        self.cell: Cell | None = None

    @property
    def kind(self) -> type[object]:
        """The actor's class."""
        return type(self.life.actor) if isinstance(self.life, Incarnation) else object

    @property
    def branch_below(self) -> object:
        """The supervisor of the actors that this one spawned, if there is one."""
        life = self.life
        return life.children.branch if isinstance(life, Incarnation) and life.children else None

    @property
    def unwanted(self) -> bool:
        return self.cell is not None and self.cell.unwanted

    def begin(self) -> Incarnation:
        actor = self._factory(*self._args)
        handlers = handlers_for(self._factory, actor)
        if self.cell is None:
            self.cell = Cell(self.path, self.hub, handlers, self.options)
        else:
            self.cell.handlers = handlers
        self.cell.begin()
        life = Incarnation(self.cell, actor, self)
        self.life = life
        return life

    def request_stop(self) -> None:
        assert self.cell is not None
        self.cell.request_stop()

    def rest(self, exit: Exit, error: BaseException | None, *, again: bool) -> None:
        cell = self.cell
        assert cell is not None
        if not again:
            cell.end(exit, error)
        elif cell.state is not State.RESTARTING:
            cell.move_to(State.RESTARTING)
            cell.on_unwanted = self._stop_while_down

    def _stop_while_down(self) -> None:
        if self.above is not None:
            self.above.forget(self)

    # The host of its incarnation

    @property
    def nursery(self) -> trio.Nursery:
        assert self.above is not None
        return self.above.nursery

    def incarnation_ended(self, exit: Exit, error: BaseException | None) -> bool:
        assert self.above is not None
        return self.above.member_ended(self, exit, error)

    def open_children(self, cell: Cell, crash: Callable[[BaseException], None]) -> Children:
        assert self.above is not None
        return self.above.open_children(cell, crash)
