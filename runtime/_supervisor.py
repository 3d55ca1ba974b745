"""A supervisor: a nursery that restarts.

It starts its children in order, asks `RestartRules` what to do when one ends, and stops them
in reverse order, whatever happens: each child's task is shielded, so that the supervisor, and
not the nursery, decides when it is cancelled.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs
import trio
from trio.lowlevel import Abort, checkpoint, current_task, reschedule, wait_task_rescheduled

from ._agenda import Agenda, Plan
from ._envelope import outwait
from ._errors import ActorRestarting, ActorStopped, RuntimeFault, SupervisorGaveUp
from ._events import GaveUp, Overdue, Stopped
from ._lifecycle import Exit, Sequel
from ._member import Above, ActorMember, Life, Member, failed_start
from ._options import ChildOptions
from ._restart import Forget, GiveUp, RestartPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._actor import Actor
    from ._cell import Cell
    from ._hub import Hub
    from ._surroundings import Children

FOR_AS_LONG_AS_IT_TAKES = ChildOptions(grace=math.inf, cleanup=math.inf)


class Branch(Member):
    """A supervisor as a child: its plan, and the children that stay from life to life."""

    __slots__ = ("_lives", "_on_end", "_serial", "host", "is_gone", "members", "plan")

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
        self.host: Above | None = None  # of the actor whose children these are
        self._on_end = on_end  # who hears of its failure where there is no supervisor above
        self._serial = 0
        self._lives = 0
        self.is_gone = False

    @property
    def restarts(self) -> int:
        return self._lives - 1

    @property
    def running(self) -> Supervision:
        assert isinstance(self.life, Supervision)
        return self.life

    def begin(self) -> Supervision:
        life = Supervision(self)
        self.life = life
        self._lives += 1
        return life

    def request_stop(self) -> None:
        self.running.request_stop()

    def cells(self) -> Iterable[Cell]:
        """The actors of this supervisor and of those below it."""
        for member in self.members.values():
            if isinstance(member, Branch):
                yield from member.cells()
            elif isinstance(member, ActorMember) and member.cell is not None:
                yield member.cell

    def path_of(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"

    def name_for(self, factory: object) -> str:
        """A free name for a child that was given none."""
        factory = getattr(factory, "func", factory)  # inside a functools.partial
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
        self._on_end = None
        for member in reversed(self.members.values()):
            member.rest(exit, error)
        self.members.clear()
        if self.above is not None:
            self.hub.publish(Stopped(self.path, exit))


class Supervision:
    """One life of a supervisor."""

    def __init__(self, branch: Branch) -> None:
        self.is_ready = False
        self.is_down = False
        self.failure: BaseException | None = None
        self._branch = branch
        self._members = branch.members
        self._agenda = Agenda(branch.plan, branch.members, branch.hub.dice)
        self._scope = trio.CancelScope(shield=True)
        self._nursery: trio.Nursery | None = None
        self._opened = trio.Event()
        self._ready = trio.Event()
        self._down = trio.Event()
        self._stop_requested = False
        self._stopping = False
        self._starting: Life | None = None  # whom it waits for
        self._parked: trio.lowlevel.Task | None = None

    @property
    def nursery(self) -> trio.Nursery:
        assert self._nursery is not None
        return self._nursery

    @property
    def branch(self) -> Branch:
        return self._branch

    @property
    def _is_ending(self) -> bool:
        return self._stop_requested or self.failure is not None

    @property
    def is_ending(self) -> bool:
        above = self._branch.above or self._branch.host
        return self._stop_requested or self._stopping or (above is not None and above.is_ending)

    # The life

    async def run(self) -> None:
        try:
            with self._scope:
                await self._supervise()
        finally:
            self.is_down = True
            self._branch.ended(Exit.FAILED if self.failure else Exit.STOPPED, self.failure)
            self._opened.set()
            self._ready.set()
            self._down.set()

    async def _supervise(self) -> None:
        async with trio.open_nursery() as self._nursery:
            self._opened.set()
            try:
                await self._start_all()
                await self._loop()
                await self._stop_members(gently=True)
            finally:
                with trio.CancelScope(shield=True):
                    await self._stop_members(gently=False)

    async def _start_all(self) -> None:
        """Start the children known from an earlier life."""
        for member in self._members.values():
            member.above = self
        self._agenda.start_all()
        await self._start_due()
        self.is_ready = True
        if self._branch.above is not None:
            self._branch.came_up()
        self._ready.set()

    async def wait_ready(self) -> None:
        await self._ready.wait()

    def let_go(self) -> None:
        self._ready.set()

    async def wait_down(self) -> None:
        await self._down.wait()

    def kill(self, reason: str) -> None:
        self._scope.cancel(reason)

    def report_overdue(self) -> None:
        self._branch.hub.publish(Overdue(self._branch.path, self._branch.options.cleanup))

    def request_stop(self) -> None:
        self._stop_requested = True
        self._wake()

    async def _loop(self) -> None:
        """Carry out what was decided until it is time to stop or to give up."""
        while not self._is_ending:
            member = self._agenda.next_to_stop()
            if member is not None:
                await member.take_down(gently=True)
            elif self._agenda.next_start <= trio.current_time():
                await self._start_due()
            else:
                await self._wait(self._agenda.next_start)

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
            await outwait(life.wait_down, member.options.cleanup, life.report_overdue)
            raise
        if not life.is_ready:
            raise failed_start(member, life)

    def _refusal(self) -> RuntimeFault:
        path = self._branch.path
        if self.is_down and not self._branch.is_gone:
            return ActorRestarting(f"{path} is restarting; it starts no children", path=path)
        return ActorStopped(f"{path} has stopped; it starts no children", path=path)

    async def _start_due(self) -> None:
        """Start who is due, in start order; a failed start is one more end to decide on."""
        now = trio.current_time()
        while not self._is_ending and (member := self._agenda.next_to_start(now)):
            if not await self._start_again(member) and not self._agenda.is_one_for_one:
                break  # those after it depend on it; they are due again with it

    async def _start_again(self, member: Member) -> bool:
        member.taken_down = False
        try:
            life = member.begin()
        except BaseException as error:  # noqa: BLE001 - decided on as any other end
            self._report_failed_start(member, error)
            self.member_ended(member, Exit.FAILED, error)
            await checkpoint()
            return False
        member.hub.start(self.nursery, life.run, name=member.path)
        self._starting = life
        await life.wait_ready()
        self._starting = None
        if not life.is_ready:
            life.failure = None  # no cycle through the traceback
        return life.is_ready

    def _report_failed_start(self, member: Member, error: BaseException) -> None:
        member.hub.report_crash(member.path, error)
        if not isinstance(error, Exception):
            member.hub.abort(error)

    # Children end

    def member_ended(self, member: Member, exit: Exit, error: BaseException | None) -> None:
        """Decide what follows from the end of a child's life; carried out by the loop."""
        again = self._decide(member, exit, error)
        member.up_since = math.inf
        if not again:
            self._members.pop(member.name, None)
            self._agenda.forget(member)
        member.rest(exit, error, self._sequel(member) if again else Sequel.NONE)

    def _sequel(self, member: Member) -> Sequel:
        return Sequel.AT_ONCE if self.is_due(member) else Sequel.LATER

    def is_due(self, member: Member) -> bool:
        """Whether a child is to be started as soon as those before it allow."""
        return self._agenda.is_due(member, trio.current_time())

    def _decide(self, member: Member, exit: Exit, error: BaseException | None) -> bool:
        """Whether there may be another life."""
        if member.is_new or member.unwanted or not isinstance(error, Exception | None):
            return False
        if member.taken_down:
            return True
        if self._stopping:
            return False
        decision = self._agenda.child_ended(member, exit, trio.current_time())
        if isinstance(decision, GiveUp):
            self._give_up(decision, error)
        self._wake()
        return not isinstance(decision, Forget)

    def _give_up(self, decision: GiveUp, error: BaseException | None) -> None:
        path = self._branch.path
        self.failure = SupervisorGaveUp(
            f"{path} gave up on {decision.name} after {decision.restarts} restarts: "
            f"{type(error).__name__ if error else 'it keeps ending'}",
            path=path,
        )
        self.failure.__cause__ = error
        self._branch.hub.publish(GaveUp(path, self.failure))

    async def _stop_members(self, *, gently: bool) -> None:
        """Stop all in reverse order; they come back with this supervisor if that comes back."""
        self._stopping = True
        comes_back = self.failure is not None or self._branch.taken_down
        for member in list(reversed(self._members.values())):
            member.taken_down = comes_back and member.options.restart is not RestartPolicy.TEMPORARY
        for member in list(reversed(self._members.values())):
            await member.take_down(gently=gently)

    def forget(self, member: Member) -> None:
        """A child that is between two lives shall have no other."""
        if self._members.get(member.name) is member:
            del self._members[member.name]
            self._agenda.forget(member)
            member.rest(Exit.STOPPED, None)

    # Supervisors below actors

    def open_children(self, path: str, crash: Callable[[BaseException], None]) -> Children:
        branch = Branch(path, self._branch.hub, Plan(), crash)
        branch.host = self
        life = branch.begin()
        branch.hub.start(self.nursery, life.run, name=f"{path} children")
        return life

    def cells(self) -> Iterable[Cell]:
        return self._branch.cells()

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
        if not callable(factory):
            raise TypeError(f"{factory!r} is no factory: pass the class, then its arguments")
        member = ActorMember(branch.path_of(name), branch.hub, options, factory, args)
        await self.add(member)
        assert member.cell is not None
        return member.cell


def check_name(name: str) -> None:
    if not name or "/" in name:
        raise ValueError(f"a name is not empty and has no '/', unlike {name!r}")
