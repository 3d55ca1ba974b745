"""A supervisor: a nursery that restarts.

It starts its children in order, asks `RestartRules` what to do when one ends, and stops them
in reverse order, whatever happens: each child's task is shielded, so that the supervisor, and
not the nursery, decides when it is cancelled.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs
import trio
from trio.lowlevel import Abort, current_task, reschedule, wait_task_rescheduled

from ._errors import ActorStopped, SupervisorGaveUp
from ._events import GaveUp, Restarted, Spawned
from ._lifecycle import Exit
from ._member import ActorMember, Member
from ._options import DEFAULT_OPTIONS, ChildOptions
from ._restart import (
    Backoff,
    Decision,
    Forget,
    GiveUp,
    Restart,
    RestartLimit,
    RestartPolicy,
    RestartRules,
    RestartStrategy,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._actor import Actor
    from ._cell import Cell, Hub
    from ._runner import Children

DEFAULT_LIMIT = RestartLimit()
FOR_AS_LONG_AS_IT_TAKES = ChildOptions(grace=math.inf, cleanup=math.inf)


@attrs.frozen
class Plan:
    """How a supervisor treats its children as a group."""

    strategy: RestartStrategy = RestartStrategy.ONE_FOR_ONE
    limit: RestartLimit = DEFAULT_LIMIT
    backoff: Backoff | None = None


class Branch(Member):
    """A supervisor as a child: its plan, and the children that stay from life to life."""

    __slots__ = ("_on_end", "_serial", "members", "plan")

    def __init__(
        self,
        path: str,
        hub: Hub,
        plan: Plan,
        on_end: Callable[[BaseException], None] | None = None,
    ) -> None:
        super().__init__(path, hub, FOR_AS_LONG_AS_IT_TAKES)
        self.plan = plan
        self.members: dict[str, Member] = {}
        self._on_end = on_end  # who hears of its failure where there is no supervisor above
        self._serial = 0

    @property
    def running(self) -> Supervision:
        assert isinstance(self.life, Supervision)
        return self.life

    def begin(self) -> Supervision:
        life = Supervision(self)
        self.life = life
        return life

    def request_stop(self) -> None:
        self.running.request_stop()

    def path_of(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"

    def name_for(self, factory: object) -> str:
        """A free name for a child that was given none."""
        stem = getattr(factory, "__name__", type(factory).__name__).lower()
        while True:
            self._serial += 1
            name = f"{stem}-{self._serial}"
            if name not in self.members:
                return name

    def ended(self, exit: Exit, error: BaseException | None) -> None:
        """This life is over: ask whoever is above what follows."""
        if self.above is not None:
            again = self.above.member_ended(self, exit, error)
        else:
            again = False
            if error is not None and self._on_end is not None:
                self._on_end(error)
        if not again:
            self.rest(exit, error, again=False)

    def rest(self, exit: Exit, error: BaseException | None, *, again: bool) -> None:
        if again:
            return
        for member in reversed(self.members.values()):
            member.rest(exit, error, again=False)
        self.members.clear()


class Supervision:
    """One life of a supervisor."""

    def __init__(self, branch: Branch) -> None:
        self.is_ready = False
        self.is_down = False
        self.failure: BaseException | None = None
        self._branch = branch
        self._members = branch.members
        self._rules = RestartRules(branch.plan.strategy, branch.plan.limit)
        self._scope = trio.CancelScope(shield=True)
        self._nursery: trio.Nursery | None = None
        self._ready = trio.Event()
        self._down = trio.Event()
        self._stop_requested = False
        self._stopping = False
        self._work: deque[Restart] = deque()
        self._due: dict[str, float] = {}  # who is to be started, and when
        self._parked: trio.lowlevel.Task | None = None

    @property
    def nursery(self) -> trio.Nursery:
        assert self._nursery is not None
        return self._nursery

    @property
    def branch(self) -> Branch:
        return self._branch

    # The life

    async def run(self) -> None:
        try:
            with self._scope:
                await self._supervise()
        finally:
            self.is_down = True
            self._branch.ended(Exit.FAILED if self.failure else Exit.STOPPED, self.failure)
            self._ready.set()
            self._down.set()

    async def _supervise(self) -> None:
        async with trio.open_nursery() as self._nursery:
            self._due = dict.fromkeys(self._members, -math.inf)  # known from an earlier life
            self.is_ready = True
            self._ready.set()
            try:
                await self._loop()
                await self._stop_members(gently=True)
            finally:
                with trio.CancelScope(shield=True):
                    await self._stop_members(gently=False)

    async def wait_ready(self) -> None:
        await self._ready.wait()

    async def wait_down(self) -> None:
        await self._down.wait()

    def kill(self, reason: str) -> None:
        self._scope.cancel(reason)

    def request_stop(self) -> None:
        self._stop_requested = True
        self._wake()

    async def _loop(self) -> None:
        """Carry out what was decided until it is time to stop or to give up."""
        while not self._stop_requested and self.failure is None:
            next_due = min(self._due.values(), default=math.inf)
            if self._work:
                await self._carry_out(self._work.popleft())
            elif next_due <= trio.current_time():
                await self._start_due()
            else:
                await self._wait(next_due)

    async def _wait(self, until: float) -> None:
        def abort(_: trio.lowlevel.RaiseCancelT) -> Abort:
            self._parked = None
            return Abort.SUCCEEDED

        with trio.move_on_at(until):
            self._parked = current_task()
            await wait_task_rescheduled(abort)

    def _wake(self) -> None:
        if self._parked is not None:
            task, self._parked = self._parked, None
            reschedule(task)

    # Children begin

    async def add(self, member: Member) -> None:
        """Start a new child, after all that were started before it.

        Cancelled while it waits: the child is not started and leaves nothing.

        Raises:
            ActorStopped: If the supervisor is stopping.
            ValueError: If the name is taken or cannot be one.
            Exception: What the factory or `started` failed with.
        """
        if self._nursery is None:
            await self._ready.wait()
        if self._stopping or self._stop_requested or self.is_down:
            raise ActorStopped(
                f"{self._branch.path} has stopped; it starts no children", path=self._branch.path
            )
        if member.name in self._members:
            raise ValueError(f"there is a {member.path} already: choose another name")
        member.above = self
        life = member.begin()
        self._members[member.name] = member
        self.nursery.start_soon(life.run, name=member.path)
        await life.wait_ready()
        if not life.is_ready:
            raise life.failure or ActorStopped(
                f"{member.path} was stopped before it had started", path=member.path
            )
        self._is_up(member)
        self._branch.hub.publish(Spawned(member.path))

    def _is_up(self, member: Member) -> None:
        member.is_new = False
        member.up_since = trio.current_time()

    async def _start_due(self) -> None:
        """Start who is due, in start order; a failed start is one more end to decide on."""
        now = trio.current_time()
        for member in list(self._members.values()):
            if self._due.get(member.name, math.inf) > now:
                continue
            del self._due[member.name]
            if member.unwanted:
                self.forget(member)
            elif not await self._start_again(member) and not self._is_one_for_one:
                return  # those after it depend on it; they are due again with it

    async def _start_again(self, member: Member) -> bool:
        member.taken_down = False
        member.above = self
        try:
            life = member.begin()
        except Exception as error:  # noqa: BLE001 - decided on as any other end
            if not self.member_ended(member, Exit.FAILED, error):
                self.forget(member)
            return False
        self.nursery.start_soon(life.run, name=member.path)
        await life.wait_ready()
        if not life.is_ready:
            return False
        self._is_up(member)
        restarts = member.cell.restarts if isinstance(member, ActorMember) and member.cell else 0
        self._branch.hub.publish(Restarted(member.path, restarts))
        return True

    # Children end

    @property
    def _is_one_for_one(self) -> bool:
        return self._branch.plan.strategy is RestartStrategy.ONE_FOR_ONE

    def member_ended(self, member: Member, exit: Exit, error: BaseException | None) -> bool:
        """Decide what follows from the end of a child's life; carried out by the loop."""
        again = self._decide(member, exit, error)
        member.rest(exit, error, again=again)
        if not again:
            self._members.pop(member.name, None)
            self._due.pop(member.name, None)
        return again

    def _decide(self, member: Member, exit: Exit, error: BaseException | None) -> bool:
        if member.is_new or member.unwanted:
            return False
        if self._stopping:
            may_return = self.failure is not None or self._branch.taken_down
            return may_return and member.options.restart is not RestartPolicy.TEMPORARY
        if member.taken_down:
            return True
        siblings = [member] if self._is_one_for_one else list(self._members.values())
        decision = self._rules.child_ended(
            [m.child for m in siblings], siblings.index(member), exit, trio.current_time()
        )
        self._take_in(decision, member, error)
        return not isinstance(decision, Forget)

    def _take_in(self, decision: Decision, member: Member, error: BaseException | None) -> None:
        match decision:
            case Restart():
                due = trio.current_time() + self._delay(member)
                self._due |= dict.fromkeys(decision.start, due)
                for name in decision.start:
                    self._members[name].taken_down = name != member.name
                self._work.append(decision)
            case GiveUp():
                self.failure = SupervisorGaveUp(
                    f"{self._branch.path} gave up on {member.name} after {decision.restarts} "
                    f"restarts: {type(error).__name__ if error else 'it keeps ending'}",
                    path=self._branch.path,
                )
                self.failure.__cause__ = error
                self._branch.hub.publish(GaveUp(self._branch.path, self.failure))
            case Forget():
                pass
        self._wake()

    def _delay(self, member: Member) -> float:
        backoff = self._branch.plan.backoff
        if backoff is None:
            return 0.0
        if trio.current_time() - member.up_since >= backoff.longest:
            member.attempts = 0
        member.attempts += 1
        return backoff.seconds(member.attempts - 1, self._branch.hub.dice.random())

    async def _carry_out(self, decision: Restart) -> None:
        for name in decision.stop:
            if name in self._members:
                await self._members[name].take_down(gently=True)

    async def _stop_members(self, *, gently: bool) -> None:
        self._stopping = True
        for member in list(reversed(self._members.values())):
            await member.take_down(gently=gently)

    def forget(self, member: Member) -> None:
        """A child that is between two lives shall have no other."""
        self._members.pop(member.name, None)
        self._due.pop(member.name, None)
        member.rest(Exit.STOPPED, None, again=False)

    # Supervisors below actors

    def open_children(self, cell: Cell, crash: Callable[[BaseException], None]) -> Children:
        branch = Branch(cell.path, cell.hub, Plan(), crash)
        life = branch.begin()
        self.nursery.start_soon(life.run, name=f"{cell.path} children")
        return life

    async def spawn(
        self,
        factory: Callable[..., Actor],
        args: tuple[Any, ...],
        name: str | None,
        options: ChildOptions | None,
    ) -> Cell:
        branch = self._branch
        if name is None:
            name = branch.name_for(factory)
        check_name(name)
        default: ChildOptions | None = getattr(factory, "default_options", None)
        chosen = options or default or DEFAULT_OPTIONS
        member = ActorMember(branch.path_of(name), branch.hub, chosen, factory, args)
        await self.add(member)
        assert member.cell is not None
        return member.cell


def check_name(name: str) -> None:
    if not name or "/" in name:
        raise ValueError(f"a name is not empty and has no '/', unlike {name!r}")
