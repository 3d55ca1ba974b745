"""A supervisor as those above it see it: its plan, and the children that outlast its lives."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import attrs

from ._agenda import Plan
from ._events import Stopped
from ._lifecycle import Exit, Sequel
from ._member import ActorMember, Member
from ._options import ChildOptions
from ._supervision import Supervision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._cell import Cell
    from ._hub import Hub

FOR_AS_LONG_AS_IT_TAKES = ChildOptions(grace=math.inf, cleanup=math.inf)


class Branch(Member):
    """A supervisor as a child: its plan, and the children that stay from life to life."""

    __slots__ = ("_lives", "_on_end", "_serial", "is_gone", "members", "parent", "plan")

    def __init__(
        self,
        path: str,
        hub: Hub,
        plan: Plan,
        on_end: Callable[[BaseException], None] | None = None,
    ) -> None:
        super().__init__(path, hub, attrs.evolve(FOR_AS_LONG_AS_IT_TAKES, restart=plan.restart))
        self.plan = plan
        self.members: dict[str, Member] = {}
        self._on_end = on_end  # who hears of its failure where there is no supervisor above
        self._serial = 0
        self._lives = 0
        self.is_gone = False
        self.parent: ActorMember | None = None  # the actor that these are the children of

    @property
    def restarts(self) -> int:
        return self._lives - 1

    @property
    def kind_name(self) -> str:
        return self.plan.strategy.value

    @property
    def running(self) -> Supervision:
        assert isinstance(self.life, Supervision)
        return self.life

    def begin(self) -> Supervision:
        life = Supervision(self)
        self.life = life
        self._lives += 1
        return life

    def begin_below(
        self, parent: ActorMember, crash: Callable[[BaseException], None]
    ) -> Supervision:
        below = Branch(parent.path, self.hub, Plan(), crash)
        below.parent = parent
        return below.begin()

    def request_stop(self, *, drain: bool = False) -> None:
        self.running.request_stop(drain=drain)

    def cells(self) -> Iterable[Cell]:
        """The actors of this supervisor and of those below it."""
        for member in self.members.values():
            yield from member.cells()

    def path_of(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"

    def name_for(self, factory: object) -> str:
        """A free name for a child that was given none."""
        if isinstance(factory, functools.partial):
            factory = factory.func
        stem = getattr(factory, "__name__", type(factory).__name__).lower()
        while True:
            self._serial += 1
            name = f"{stem}-{self._serial}"
            if name not in self.members:
                return name

    def ended(self, exit: Exit, error: BaseException | None) -> None:
        """This life is over: ask whoever is above what follows."""
        if self.above is not None:
            self.above.member_ended(self, exit, error)
            return
        if error is not None and self._on_end is not None:
            self._on_end(error)
        self.rest(exit, error)

    def rest(self, exit: Exit, error: BaseException | None, sequel: Sequel = Sequel.NONE) -> None:
        if sequel is not Sequel.NONE:
            return
        self.is_gone = True
        self._on_end = self.parent = None
        for member in reversed(self.members.values()):
            member.rest(exit, error)
        self.members.clear()
        if self.above is not None and not self.is_new:
            self.hub.publish(Stopped(self.path, exit))
