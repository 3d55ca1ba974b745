"""One life of a supervisor: a nursery that restarts.

It starts its children in order, asks `RestartRules` what to do when one ends, and stops them
in reverse order, whatever happens: each child's task is shielded, so that the supervisor, and
not the nursery, decides when it is cancelled.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import trio
from trio.lowlevel import (
    Abort,
    checkpoint,
    current_task,
    enable_ki_protection,
    reschedule,
    wait_task_rescheduled,
)

from ._agenda import Agenda
from ._cancelled import outwait
from ._cycles import waiting_for
from ._endings import ending, gave_up
from ._errors import ActorRestarting, ActorStopped, RuntimeFault
from ._events import GaveUp, Overdue
from ._lifecycle import Exit, Sequel
from ._member import ActorMember, check_name
from ._occupants import End
from ._restart import RESTARTS, Forget, GiveUp, RestartPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._actor import Actor
    from ._agenda import Plan
    from ._cell import Cell
    from ._hub import Hub
    from ._member import Above, Life, Member
    from ._options import ChildOptions
    from ._surroundings import Children
    from ._waits import Step


class Group(Protocol):
    """What stays of a supervisor from life to life."""

    path: str
    hub: Hub
    options: ChildOptions
    plan: Plan
    members: dict[str, Member]
    above: Above | None
    parent: ActorMember | None
    taken_down: bool
    is_gone: bool

    def cells(self) -> Iterable[Cell]: ...
    def path_of(self, name: str) -> str: ...
    def name_for(self, factory: object) -> str: ...
    def came_up(self) -> None: ...
    def ended(self, exit: Exit, error: BaseException | None) -> None: ...
    def begin_below(
        self, parent: ActorMember, crash: Callable[[BaseException], None]
    ) -> Supervision:
        """Make the first life of a supervisor for what an actor spawns."""
        ...


class Supervision:
    """One life of a supervisor."""

    def __init__(self, branch: Group) -> None:
        self.is_ready = False
        self.is_down = False
        self.failure: BaseException | None = None
        self.branch = branch
        self._members = branch.members
        self._agenda = Agenda(branch.plan, branch.members, branch.hub.dice)
        self._scope = trio.CancelScope(shield=True)
        self._nursery: trio.Nursery | None = None
        self._opened = trio.Event()
        self._ready = trio.Event()
        self._down = trio.Event()
        self._stop_requested = self._drain = self._stopping = self._is_killed = False
        self._starting: Life | None = None  # whom it waits for
        self._stopped_now: Member | None = None  # likewise
        self._parked: trio.lowlevel.Task | None = None

    @property
    def nursery(self) -> trio.Nursery:
        assert self._nursery is not None
        return self._nursery

    @property
    def _is_ending(self) -> bool:
        return self._stop_requested or self.failure is not None

    @property
    def _comes_back(self) -> bool:
        """Whether there is to be another life, unless whoever is above finds otherwise."""
        return self.branch.taken_down or self.failure is not None

    @property
    def is_ending(self) -> bool:
        """Whether it stops, or a supervisor above it does."""
        group = self.branch
        above = group.above if group.parent is None else group.parent.above
        return self._stop_requested or self._stopping or (above is not None and above.is_ending)

    # The life

    @enable_ki_protection
    async def run(self) -> None:
        try:
            with self._scope:
                await self._supervise()
        finally:
            self.is_down = True
            self.branch.ended(Exit.FAILED if self.failure else Exit.STOPPED, self.failure)
            self._opened.set()
            self._ready.set()
            self._down.set()

    async def _supervise(self) -> None:
        async with trio.open_nursery() as self._nursery:
            self._opened.set()
            try:
                await self._start_all()
                while not self._is_ending:
                    await self._step()
                await self._stop_members(gently=not self._is_killed)
            finally:
                with trio.CancelScope(shield=True):
                    await self._stop_members(gently=False)

    async def _start_all(self) -> None:
        """Start the children known from an earlier life; those of a backoff may come later."""
        for member in self._members.values():
            member.above = self
        self._agenda.start_all()
        while not self._is_ending and self._agenda.next_start <= trio.current_time():
            await self._step()
        if self._is_ending:
            return
        self.is_ready = True
        if self.branch.above is not None:
            self.branch.came_up()
        self._ready.set()

    async def wait_ready(self) -> None:
        await self._ready.wait()

    def let_go(self) -> None:
        self._ready.set()

    async def wait_down(self) -> None:
        await self._down.wait()

    def kill(self, reason: str) -> None:
        self._is_killed = True
        if self._parked is None:
            self._scope.cancel(reason)
        else:
            self.request_stop()  # which is cheaper than a cancel, and as soon

    def kill_at(self, deadline: float) -> None:
        self._scope.deadline = deadline

    def report_overdue(self) -> None:
        self.branch.hub.publish(Overdue(self.branch.path, self.branch.options.cleanup))

    def request_stop(self, *, drain: bool = False) -> None:
        self._drain = drain or ((parent := self.branch.parent) is not None and parent.drains)
        self._stop_requested = True
        self._wake()

    async def _step(self) -> None:
        """Carry out one thing that was decided, or wait until there is one."""
        self._stopped_now = self._agenda.next_to_stop()
        if self._stopped_now is not None:
            await self._stopped_now.take_down(gently=True)
        elif (due := self._agenda.next_start) <= trio.current_time():
            await self._start_due()
        else:
            await self._wait(due)

    async def _wait(self, until: float) -> None:
        def abort(_: trio.lowlevel.RaiseCancelT) -> Abort:
            self._parked = None
            return Abort.SUCCEEDED

        self._parked = current_task()
        if until == math.inf:
            await wait_task_rescheduled(abort)
        else:
            with trio.move_on_at(until):
                await wait_task_rescheduled(abort)

    def _wake(self) -> None:
        """Let the loop look at what there is to do, and at whether to go on at all."""
        if self._parked is not None:
            task, self._parked = self._parked, None
            reschedule(task)
        if self._starting is not None and self._is_ending:
            self._starting.let_go()

    # Whom it waits for

    @property
    def path(self) -> str:
        return self.branch.path

    def holders(self) -> Iterable[Step]:
        """Who must go on before it starts those that are due."""
        if self._starting is not None:
            return () if self._starting.is_down else self._starting.holders()
        first = (self._stopped_now, *self._agenda.to_stop)
        cells = (cell for member in first if member is not None for cell in member.cells())
        return End(self.path, cells).holders()

    # Children begin

    @enable_ki_protection
    async def add(self, member: Member) -> None:
        """Start a new child, after all that were started before it.

        Cancelled while it waits: the child is not started and leaves nothing.

        Raises:
            ActorStopped: If the supervisor is stopping.
            ValueError: If the name is taken or cannot be one.
            Exception: What the factory or `started` failed with.
        """
        if self._nursery is None:
            await self._opened.wait()
        if self._stopping or self._stop_requested or self.is_down:
            raise self._refusal()
        if member.name in self._members:
            raise ValueError(f"there is a {member.path} already: choose another name")
        member.above = self
        life = member.begin()
        self._members[member.name] = member
        member.hub.start(self.nursery, life.run, name=member.path)
        try:
            await life.wait_ready()
        except BaseException:
            member.unwanted = True
            life.kill("whoever started it was cancelled")
            with waiting_for(life):
                await outwait(life.wait_down, member.options.cleanup, life.report_overdue)
            raise
        if not life.is_ready:
            raise member.failed_start(life)

    def _refusal(self) -> RuntimeFault:
        path = self.branch.path
        if (self.is_down or self._comes_back) and not self.branch.is_gone:
            return ActorRestarting(f"{path} is restarting; it starts no children", path=path)
        return ActorStopped(f"{path} has stopped; it starts no children", path=path)

    async def _start_due(self) -> None:
        """Start who is due, in start order; a failed start is one more end to decide on."""
        now = trio.current_time()
        while not self._is_ending and (member := self._agenda.next_to_start(now)):
            if not await self._start_again(member) and not self._agenda.is_one_for_one:
                break  # those after it depend on it; they are due again with it

    async def _start_again(self, member: Member) -> bool:
        life = self._begin_again(member)
        if life is None:
            await checkpoint()
            return False
        if self.is_ready and self._agenda.is_one_for_one:
            return True  # nobody depends on it
        self._starting = life
        await life.wait_ready()
        self._starting = None
        return life.is_ready

    def _begin_again(self, member: Member) -> Life | None:
        """Begin its next life; None if that has failed, which has been decided on."""
        member.taken_down = False
        try:
            life = member.hub.call(member.begin)
        except BaseException as failure:  # noqa: BLE001 - decided on as any other end
            error = ending(failure)
            if isinstance(error, Exception):
                member.hub.report_crash(member.path, error)
            else:
                member.hub.abort(error)
            self._note_end(member, Exit.FAILED, error)
            del error  # no cycle through the traceback
            self._wake()
            return None
        member.hub.start(self.nursery, life.run, name=member.path)
        return life

    # Children end

    def member_ended(self, member: Member, exit: Exit, error: BaseException | None) -> None:
        """Decide what follows from the end of a child's life.

        A restart that concerns nobody else begins in this very step; the loop sees to the others.
        """
        sequel = self._note_end(member, exit, error)
        is_alone = self._agenda.is_one_for_one and self.is_ready and not self._is_ending
        if sequel is Sequel.AT_ONCE and is_alone:
            self._agenda.forget(member)
            self._begin_again(member)
        elif sequel is not Sequel.NONE:
            self._wake()

    def _note_end(self, member: Member, exit: Exit, error: BaseException | None) -> Sequel:
        """Decide what follows, and put the child to rest."""
        sequel = self._decide(member, exit, error)
        if sequel is Sequel.NONE:
            self._members.pop(member.name, None)
            self._agenda.forget(member)
        member.up_since = math.inf
        if member.life is not None and not member.is_new:
            member.life.failure = None  # nobody takes it: no cycle through the traceback
        member.rest(exit, error, sequel)
        return sequel

    def is_due(self, member: Member) -> bool:
        """Whether a child is to be started as soon as those before it allow."""
        return self._agenda.is_due(member, trio.current_time())

    def _decide(self, member: Member, exit: Exit, error: BaseException | None) -> Sequel:
        """What may follow the life of a child, as far as its cell has to know."""
        is_ours = error is None or isinstance(error, Exception)
        if member.is_new or member.unwanted or not is_ours:
            return Sequel.NONE
        now = trio.current_time()
        if not member.taken_down:
            if self._stopping:
                return Sequel.NONE
            if self.failure is not None:  # it comes back with this supervisor, if it is to
                comes_back = exit in RESTARTS[member.options.restart]
                return Sequel.LATER if comes_back else Sequel.NONE
            decision = self._agenda.child_ended(member, exit, now)
            if isinstance(decision, Forget):
                return Sequel.NONE
            if isinstance(decision, GiveUp):
                self._give_up(decision, error)
        return Sequel.AT_ONCE if self._agenda.is_due(member, now) else Sequel.LATER

    def _give_up(self, decision: GiveUp, error: BaseException | None) -> None:
        path = self.branch.path
        self.failure = gave_up(path, decision.name, decision.restarts, error)
        self.branch.hub.publish(GaveUp(path, self.failure))

    async def _stop_members(self, *, gently: bool) -> None:
        """Stop all in reverse order; they come back with this supervisor if that comes back."""
        self._stopping = True
        comes_back = self._comes_back
        for member in list(reversed(self._members.values())):
            member.taken_down = comes_back and member.options.restart is not RestartPolicy.TEMPORARY
        for member in list(reversed(self._members.values())):
            await member.take_down(gently=gently, drain=self._drain)

    def forget(self, member: Member) -> None:
        """A child that is between two lives shall have no other."""
        if self._members.get(member.name) is member:
            del self._members[member.name]
            self._agenda.forget(member)
            member.rest(Exit.STOPPED, None)

    # Supervisors below actors

    def open_children(
        self, parent: ActorMember, crash: Callable[[BaseException], None]
    ) -> Children:
        life = self.branch.begin_below(parent, crash)
        parent.hub.start(self.nursery, life.run, name=f"{parent.path} children")
        return life

    def cells(self) -> Iterable[Cell]:
        return self.branch.cells()

    async def spawn(
        self,
        factory: Callable[..., Actor],
        args: tuple[Any, ...],
        name: str | None,
        options: ChildOptions | None,
    ) -> Cell:
        branch = self.branch
        if name is None:
            name = branch.name_for(factory)
        check_name(name)
        if not callable(factory):
            raise TypeError(f"{factory!r} is no factory: pass the class, then its arguments")
        member = ActorMember(branch.path_of(name), branch.hub, options, factory, args)
        await self.add(member)
        assert member.cell is not None
        return member.cell
