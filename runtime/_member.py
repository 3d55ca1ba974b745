"""A child as its supervisor sees it: what it is made of, and its present life."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio

from ._actor import handlers_for
from ._cancelled import outwait
from ._cell import Cell
from ._errors import ActorStopped
from ._events import Restarted, Spawned
from ._interrupts import call
from ._lifecycle import Sequel
from ._options import DEFAULT_OPTIONS, ChildOptions
from ._runner import Incarnation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._actor import Actor
    from ._hub import Hub
    from ._lifecycle import Exit
    from ._surroundings import Children
    from ._waits import Step


STOPPED: Final = "its supervisor stops it"


def check_name(name: str) -> None:
    if not name or "/" in name:
        raise ValueError(f"a name is not empty and has no '/', unlike {name!r}")


class Life(Protocol):
    """One incarnation of a member: an actor's, or a supervisor's own."""

    is_ready: bool
    is_down: bool
    failure: BaseException | None

    @property
    def path(self) -> str: ...
    def holders(self) -> Iterable[Step]:
        """Who must go on before it is ready, or has ended before that."""
        ...

    async def run(self) -> None: ...
    async def wait_ready(self) -> None: ...
    def let_go(self) -> None: ...
    async def wait_down(self) -> None: ...
    def kill(self, reason: str) -> None: ...
    def report_overdue(self) -> None: ...


class Above(Protocol):
    """The running supervisor of a member."""

    @property
    def nursery(self) -> trio.Nursery: ...
    @property
    def is_ending(self) -> bool: ...
    def holders(self) -> Iterable[Step]:
        """Who must go on before it starts those that are due."""
        ...

    def member_ended(self, member: Member, exit: Exit, error: BaseException | None) -> None: ...
    def is_due(self, member: Member) -> bool: ...
    def forget(self, member: Member) -> None: ...
    def open_children(
        self, parent: ActorMember, crash: Callable[[BaseException], None]
    ) -> Children: ...


class Member(ABC):
    """What actors and supervisors have in common as children."""

    __slots__ = (
        "above",
        "attempts",
        "hub",
        "is_new",
        "life",
        "name",
        "options",
        "path",
        "taken_down",
        "unwanted",
        "up_since",
    )

    def __init__(self, path: str, hub: Hub, options: ChildOptions) -> None:
        self.path = path
        self.name = path.rpartition("/")[2]
        self.hub = hub
        self.options = options
        self.above: Above | None = None
        self.life: Life | None = None
        self.is_new = True  # its first start has not succeeded yet
        self.taken_down = False  # by a restart of a sibling; it will be started again
        self.unwanted = False  # somebody asked for its end: it is not started again
        self.attempts = 0  # restarts since it was last up for long
        self.up_since = math.inf  # while it is not

    @property
    @abstractmethod
    def restarts(self) -> int:
        """Lives after the first."""

    @property
    @abstractmethod
    def kind_name(self) -> str:
        """The actor's class, or the supervisor's strategy."""

    @abstractmethod
    def cells(self) -> Iterable[Cell]:
        """The actors that it is made of, without those that they have spawned."""

    @abstractmethod
    def begin(self) -> Life:
        """Make its next life; an error is a failed start."""

    @abstractmethod
    def request_stop(self, *, drain: bool = False) -> None:
        """Ask the present life to stop after what it has begun, or with `drain` all it has."""

    @abstractmethod
    def rest(self, exit: Exit, error: BaseException | None, sequel: Sequel = Sequel.NONE) -> None:
        """Its life is over."""

    def came_up(self) -> None:
        """Its life is ready."""
        new = Spawned(self.path, self.kind_name) if self.is_new else None
        self.hub.publish(new or Restarted(self.path, self.restarts))
        self.is_new = False
        self.up_since = trio.current_time()

    def failed_start(self, life: Life) -> BaseException:
        """Why its first life was over before it was ready."""
        failure, life.failure = life.failure, None  # no cycle through the traceback
        return failure or ActorStopped(
            f"{self.path} was stopped before it had started", path=self.path
        )

    def dismiss(self, *, now: bool = False) -> None:
        """End its life, with grace or now; there shall be no other. Returns before it has."""
        self.unwanted = True
        assert self.above is not None
        if self.life is None or self.life.is_down:
            self.above.forget(self)
        else:
            if now:
                self.life.kill(STOPPED)  # in this step: it is not to begin a stop with grace
            name = f"{self.path} is stopped"
            self.hub.start(self.above.nursery, self._take_down, not now, name=name)

    @trio.lowlevel.enable_ki_protection
    async def _take_down(self, gently: bool) -> None:  # noqa: FBT001 - a nursery passes it on
        await self.take_down(gently=gently)

    async def take_down(self, *, gently: bool, drain: bool = False) -> None:
        """End its life: with grace first, or at once; returns when all is quiet.

        With `drain` it gets as long as it takes to finish what it has: whoever calls bounds it.

        Cancelled while it waits for the grace to pass: nothing is lost, call it again.
        """
        life = self.life
        if life is None or life.is_down:
            return
        if gently:
            self.request_stop(drain=drain)
            if await _ends_soon(life):
                return
            with trio.move_on_after(math.inf if drain else self.options.grace):
                await life.wait_down()
            if life.is_down:
                return
        life.kill(STOPPED)
        if not await _ends_soon(life):
            await outwait(life.wait_down, self.options.cleanup, life.report_overdue)


async def _ends_soon(life: Life) -> bool:
    """Wait as long as an idle one takes to end, which needs no timeout and no scope."""
    for _ in range(2):
        await trio.lowlevel.checkpoint()
        if life.is_down:
            return True
    return False


class ActorMember(Member):
    """An actor: its factory, and the cell that stays from life to life."""

    __slots__ = ("_args", "_factory", "_has_options", "cell", "kind")

    def __init__(
        self,
        path: str,
        hub: Hub,
        options: ChildOptions | None,
        factory: Callable[..., Actor],
        args: tuple[Any, ...],
    ) -> None:
        if options is not None and not isinstance(options, ChildOptions):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
            raise TypeError(
                f"options must be ChildOptions, not {options!r:.80}: write for example "
                "ChildOptions(keep_mailbox=True)"
            )
        super().__init__(path, hub, options or DEFAULT_OPTIONS)
        self._has_options = options is not None  # else the actor's class may have its own
        self._factory = factory
        self._args = args
        self.cell: Cell | None = None
        self.kind: type[object] = object  # the actor's class

    @property
    def restarts(self) -> int:
        return self.cell.restarts if self.cell is not None else 0

    @property
    def kind_name(self) -> str:
        return self.kind.__name__

    @property
    def branch_below(self) -> object:
        """The supervisor of the actors that this one spawned, if there is one."""
        life = self.life
        return life.children.branch if isinstance(life, Incarnation) and life.children else None

    def cells(self) -> Iterable[Cell]:
        return () if self.cell is None else (self.cell,)

    def holders_before(self) -> Iterable[Step]:
        return () if self.above is None else self.above.holders()

    def cells_below(self) -> Iterable[Cell]:
        life = self.life
        return life.children.cells() if isinstance(life, Incarnation) and life.children else ()

    def begin(self) -> Incarnation:
        actor = call(self._factory, *self._args)
        handlers = handlers_for(self._factory, actor)
        self.kind = type(actor)
        if self.cell is None:
            self._adopt_options(actor)
            self.cell = Cell(self.path, self.hub, handlers, self.options)
            self.cell.owner = self
        else:
            self.cell.handlers = handlers
        self.cell.begin()
        life = Incarnation(self.cell, actor, self)
        self.life = life
        return life

    def _adopt_options(self, actor: Actor) -> None:
        if not self._has_options and actor.default_options is not None:
            self.options = actor.default_options

    def dismiss(self, *, now: bool = False) -> None:
        if isinstance(self.life, Incarnation) and self.life.is_idle:
            self.unwanted = True  # and nobody need see to it that it ends
        else:
            super().dismiss(now=now)

    def request_stop(self, *, drain: bool = False) -> None:
        assert self.cell is not None
        self.cell.comes_back = self.taken_down and not self.unwanted
        self.cell.at_once = self.above is not None and self.above.is_due(self)
        self.cell.request_stop(drain=drain)

    @property
    def drains(self) -> bool:
        """Whether it finishes all it has before it stops."""
        return self.cell is not None and self.cell.drain

    def rest(self, exit: Exit, error: BaseException | None, sequel: Sequel = Sequel.NONE) -> None:
        self.life = None
        assert self.cell is not None
        if sequel is Sequel.NONE:
            self.cell.end(exit, error)
        else:
            self.cell.pause(at_once=sequel is Sequel.AT_ONCE)

    @property
    def is_shut_down(self) -> bool:
        return self.above is None or self.above.is_ending

    # The host of its incarnation

    @property
    def nursery(self) -> trio.Nursery:
        assert self.above is not None
        return self.above.nursery

    def incarnation_ended(self, exit: Exit, error: BaseException | None) -> None:
        assert self.above is not None
        self.above.member_ended(self, exit, error)

    def open_children(self, crash: Callable[[BaseException], None]) -> Children:
        assert self.above is not None
        return self.above.open_children(self, crash)
