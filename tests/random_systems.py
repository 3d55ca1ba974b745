"""Carries out random plans, and checks what has to hold in every one of them.

It keeps books of its own: who waits for whom, what was sent, started and ended. The promises
are checked as it goes, and again at the end.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import trio
from puppet import Do, DoBeside, Feed, FeedBeside, Order, Puppet, Refused, nothing

from runtime import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    AskCycle,
    AskTimeout,
    ChildOptions,
    Crashed,
    DeadLetter,
    Exit,
    Fact,
    MailboxFull,
    MessageDropped,
    MessageFailed,
    Overdue,
    Ref,
    Restarted,
    RestartLimit,
    RestartPolicy,
    RuntimeFault,
    Sink,
    Spawned,
    Stopped,
    Supervisor,
    System,
    SystemFailed,
    carried,
    carry,
    open_system,
)
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from random_plans import Child, Plan, Step

QUIET_SECONDS: Final = 250.0  # more than any handler takes
LONGEST_SECONDS: Final = 2_000.0  # virtual; grace, backoff and sleeps add up to far less

OUTSIDE: Final[ContextVar[bool]] = ContextVar("outside", default=False)


@attrs.frozen(eq=False)
class Sent:
    """One message that was sent, and what is known of it."""

    what: str
    path: str
    deadline: float
    sender: object
    number: int
    scopes: tuple[object, ...]
    restarts: int
    facts: Counter[str] = attrs.field(factory=Counter[str])


@attrs.define
class Books:
    """What is known while a plan is carried out.

    Attributes:
        waits: Who waits for whom, by path.
        serial: Serial handlers at work, by path.
        beside: Background tasks at work, by path.
        stopping: Paths of those that were asked to stop, and not to finish what is queued.
        latest: The number of the last tell that was started, by sender and path.
        sent: How many messages were sent.
        errors: What left handlers, each with the path of the actor.
    """

    waits: Counter[tuple[str, str]] = attrs.field(factory=Counter[tuple[str, str]])
    serial: Counter[str] = attrs.field(factory=Counter[str])
    beside: Counter[str] = attrs.field(factory=Counter[str])
    stopping: set[str] = attrs.field(factory=set[str])
    latest: Counter[tuple[object, str]] = attrs.field(factory=Counter[tuple[object, str]])
    sent: int = 0
    errors: list[tuple[str, BaseException]] = attrs.field(factory=list[tuple[str, BaseException]])


class World:
    """Carries a plan out and keeps books on it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._refs = list[Ref[Puppet]]()
        self._groups = 0
        self._named = 0
        self._books = Books()
        self._tells = dict[int, Sent]()  # by the id of the message
        self._kept = list[object]()  # so that ids stay unique
        self._facts = list[Fact]()
        self._options = dict[str, ChildOptions]()
        self._watched = set[str]()
        self._drained = set[str]()  # or about to begin with a message when they were stopped
        self._ends = list[tuple[str, Exit]]()  # reports of watches
        self._quiet_from = math.inf  # the facts from here on are those of a system that stops
        self._last_finish = -1  # how many facts there were when an actor last ended by itself
        self.done = Counter[str]()  # what has happened, for those who want to know what is covered

    async def run(self) -> None:
        with trio.fail_after(LONGEST_SECONDS):
            async with assert_no_leaks(), trio.open_nursery() as beside:
                try:
                    async with open_system(limit=RestartLimit(5, 5)) as system:
                        await beside.start(self._listen, system)
                        await self._use(system, beside)
                except SystemFailed:
                    self.done["system failed"] += 1
                await trio.sleep(1)  # whoever listens hears of the end
                self.done["left"] += 1
                beside.cancel_scope.cancel()
        assert self.done["left"], "a cancel has left the system"
        self._check_books()

    async def _use(self, system: System, beside: trio.Nursery) -> None:
        OUTSIDE.set(True)
        for child in self._plan.children:
            await self._start(system, child)
        if self._refs:
            for ref in self._refs:
                self._watched.add(ref.path)
                beside.start_soon(self._watch, ref)
            async with trio.open_nursery() as callers:
                for job in self._plan.callers:
                    callers.start_soon(self._carry_out, job, None, None)
        await trio.sleep(QUIET_SECONDS)
        await self._check_quiet()

    async def _listen(self, system: System, task_status: trio.TaskStatus[None]) -> None:
        async with system.events(buffer=100_000) as facts:
            task_status.started()
            async for fact in facts:
                self._facts.append(fact)

    async def _watch(self, ref: Ref[Puppet]) -> None:
        async with ref.watch() as watch:
            exit = await watch.wait()
        assert isinstance(exit, Exit)
        assert ref.statistics().state == "ended"
        assert not self._books.beside[ref.path], f"a task of {ref} is left"
        for other in self._refs:
            is_below = other.path.startswith(f"{ref.path}/")
            assert not is_below or other.statistics().state == "ended", f"{other} is left"
        self._ends.append((ref.path, exit))

    async def _start(self, above: Supervisor, child: Child) -> None:
        try:
            if child.children:
                self._groups += 1
                group = await above.supervise(f"group-{self._groups}", **child.plan)
                for below in child.children:
                    await self._start(group, below)
            else:
                await self._spawn(above.spawn, child.on_start, child.options)
        except (RuntimeFault, ValueError, Refused, ExceptionGroup) as error:
            self.done[f"start: {type(error).__name__}"] += 1

    async def _spawn(
        self, spawn: Callable[..., Awaitable[Any]], job: tuple[Step, ...], options: ChildOptions
    ) -> None:
        async def on_start(puppet: Puppet) -> None:
            assert not OUTSIDE.get()
            assert carried() == ()
            await self._carry_out(job, puppet, None)

        on_start_or_not = on_start if job else nothing
        name = f"p{self._named}"
        self._named += 1
        ref = await spawn(Puppet, on_start_or_not, name=name, options=options)
        self._kept.append(ref)
        self._refs.append(ref)
        self._options[ref.path] = options

    async def _carry_out(
        self, job: tuple[Step, ...], me: Puppet | None, out: Sink[Any] | None
    ) -> None:
        for step in job:
            try:
                await self._do(step, me, out)
            except RuntimeFault as fault:
                self.done[type(fault).__name__] += 1
                if isinstance(fault, AskCycle):
                    self._check_chain(fault)
                if me is not None and not step.catches:
                    raise
            except Refused:
                if me is not None and not step.catches:
                    raise

    async def _do(self, step: Step, me: Puppet | None, out: Sink[Any] | None) -> None:
        ref = self._refs[step.target % len(self._refs)] if self._refs else None
        self.done[step.what] += 1
        match step.what:
            case "sleep":
                await trio.sleep(step.seconds)
            case "shielded sleep":
                with trio.CancelScope(shield=True):
                    await trio.sleep(step.seconds)
            case "crash":
                raise ValueError
            case "refuse":
                raise Refused
            case _ if ref is not None:
                await self._do_with(step, ref, me, out)
            case _:
                pass

    async def _do_with(
        self, step: Step, ref: Ref[Puppet], me: Puppet | None, out: Sink[Any] | None
    ) -> None:
        match step.what:
            case "ask" | "ask beside":
                await self._ask(step, ref, me)
            case "feed" | "feed beside":
                await self._read(step, ref, me)
            case "tell" | "tell now":
                await self._tell(step, ref, me)
            case "stop" | "drain" | "kill":
                with self._waiting(me, ref):
                    await self._stop(step.what, ref)
            case _ if me is not None:
                await self._do_inside(step, ref, me, out)
            case _:
                pass

    async def _stop(self, what: str, ref: Ref[Puppet]) -> None:
        seen = ref.statistics()
        begins = seen.since is not None and not self._books.serial[ref.path]
        if what == "kill":
            await ref.kill()
        elif what == "drain" or begins or ref.path in self._drained:
            self._drained.add(ref.path)
            self._books.stopping.discard(ref.path)
            await ref.stop(drain=what == "drain")
        else:
            self._books.stopping.add(ref.path)
            try:
                await ref.stop()
            except AskCycle:
                self._books.stopping.remove(ref.path)
                raise

    async def _run_beside(self, path: str) -> None:
        self._books.beside[path] += 1
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.5)
            self._books.beside[path] -= 1

    async def _do_inside(
        self, step: Step, ref: Ref[Puppet], me: Puppet, out: Sink[Any] | None
    ) -> None:
        match step.what:
            case "finish":
                self._last_finish = len(self._facts)
                me.stop()
            case "spawn":
                child = f"{me.ref.path}/p{self._named}"
                with _Noted(self._books.waits, (me.ref.path, child)):
                    await self._spawn(me.spawn, step.job[:1], ChildOptions(grace=1, cleanup=1))
            case "later" | "pipe" | "watch" | "beside":
                self._begin(step, ref, me)
            case "both":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._carry_out, step.job, me, None)
                    nursery.start_soon(self._carry_out, step.job[::-1], me, None)
            case _ if out is not None:
                await self._do_in_stream(step, ref, me, out)
            case _:
                pass

    def _begin(self, step: Step, ref: Ref[Puppet], me: Puppet) -> None:
        match step.what:
            case "later":
                me.after(step.seconds % 7, self._order(step), key=step.number)
            case "pipe":
                me.pipe_to_self(trio.sleep, 0.5, to=lambda _: self._order(step))
            case "beside":
                me.start_soon(self._run_beside, me.ref.path)
            case "watch":
                me.watch(ref, self._notice(step, ref))
            case _:
                pass

    async def _do_in_stream(self, step: Step, ref: Ref[Puppet], me: Puppet, out: Sink[Any]) -> None:
        sent = self._new(step, ref)
        match step.what:
            case "emit":
                await self._emit(out, step.number)
            case "into":
                with self._waiting(me, ref):
                    await ref.stream_into(Feed(self._feeding(step, sent)), out)
            case "forward":
                # It carries the asker's deadline, and none that this handler has added.
                sent = attrs.evolve(sent, deadline=math.inf)
                me.forward(ref, FeedBeside(self._feeding(step, sent)), out)
            case _:
                pass

    def _order(self, step: Step) -> Order:
        """What an actor tells itself to do."""
        return Order(self._working(step, None))

    def _notice(self, step: Step, ref: Ref[Puppet]) -> Callable[[Exit], Order]:
        notices = itertools.count()

        def notice(_: Exit) -> Order:
            assert ref.statistics().state == "ended", "a restart is not an end"
            assert not next(notices), "an end is told once"
            return self._order(step)

        return notice

    # Sending, and what is promised to whoever sends

    async def _ask(self, step: Step, ref: Ref[Puppet], me: Puppet | None) -> None:
        timeout = 0.5 if step.number == 3 else None
        sent = self._new(step, ref, min(step.seconds, timeout or math.inf))
        kind = Do if step.what == "ask" else DoBeside
        message = kind(self._working(step, sent))
        try:
            with self._waiting(me, ref), carry(sent.number), trio.move_on_after(step.seconds):
                assert await ref.ask(message, timeout=timeout) == "done"
        except RuntimeFault as fault:
            self._check_fault(fault, sent, message, ref)
            raise
        finally:
            self._check_ended(sent)

    async def _read(self, step: Step, ref: Ref[Puppet], me: Puppet | None) -> None:
        sent = self._new(step, ref, step.seconds)
        kind = Feed if step.what == "feed" else FeedBeside
        message = kind(self._feeding(step, sent))
        taken = 0
        try:
            with self._waiting(me, ref), carry(sent.number), trio.move_on_after(step.seconds):
                async with ref.stream(message, buffer=step.number) as items:
                    async for item in items:
                        assert item >= 0
                        taken += 1
                        assert sent.facts["sent"] <= taken + step.number + 1
                        if taken > 4:
                            break
        except RuntimeFault as fault:
            self._check_fault(fault, sent, message, ref)
            raise
        finally:
            self._check_ended(sent)

    async def _tell(self, step: Step, ref: Ref[Puppet], me: Puppet | None) -> None:
        sent = self._new(step, ref, math.inf)
        message = Order(self._working(step, sent))
        self._kept.append(message)
        self._tells[id(message)] = sent
        sent.facts["told"] = 1
        try:
            with self._waiting(me, ref), carry(sent.number):
                if step.what == "tell now":
                    ref.tell_nowait(message)
                else:
                    await ref.tell(message)
        except trio.WouldBlock:
            sent.facts["refused"] = 1
        except (RuntimeFault, trio.Cancelled) as error:
            sent.facts["refused"] = 1
            if isinstance(error, RuntimeFault) and error.message is not message:
                raise AssertionError(f"{error!r} does not give the message back") from error
            raise

    def _new(self, step: Step, ref: Ref[Puppet], seconds: float | None = None) -> Sent:
        """Note what is to be sent within so many seconds; without, it goes on from a message."""
        self._check_bound(ref)
        self._books.sent += 1
        number, restarts = self._books.sent, ref.statistics().restarts
        sender = trio.lowlevel.current_task()
        deadline = trio.current_effective_deadline()
        if seconds is None:
            return Sent(step.what, ref.path, deadline, sender, number, carried(), restarts)
        deadline = min(deadline, trio.current_time() + seconds)
        scopes = (*carried(), number)
        return Sent(step.what, ref.path, deadline, sender, number, scopes, restarts)

    def _waiting(self, me: Puppet | None, ref: Ref[Puppet]) -> _Noted:
        who = f"the task {trio.lowlevel.current_task().name}" if me is None else me.ref.path
        return _Noted(self._books.waits, (who, ref.path))

    # Handling, and what is promised to handlers

    def _working(self, step: Step, sent: Sent | None) -> Callable[[Puppet], Awaitable[Any]]:
        async def work(me: Puppet) -> str:
            is_serial = sent is None or "beside" not in sent.what
            with self._handling(me, sent, is_serial=is_serial):
                await self._carry_out(step.job, me, None)
            return "done"

        return work

    def _feeding(self, step: Step, sent: Sent) -> Callable[[Puppet, Sink[Any]], Awaitable[None]]:
        async def feed(me: Puppet, out: Sink[Any]) -> None:
            is_serial = sent.what in {"feed", "into"}
            with self._handling(me, sent, is_serial=is_serial):
                await self._emit(_Counted(out, sent), step.number)
                await self._carry_out(step.job, me, out)

        return feed

    async def _emit(self, out: Any, count: int) -> None:
        for number in range(count):
            await out.send(number)

    def _handling(self, me: Puppet, sent: Sent | None, *, is_serial: bool) -> _Handling:
        return _Handling(self._books, me.ref.path, sent, is_serial=is_serial)

    # Checks

    def _check_bound(self, ref: Ref[Puppet]) -> None:
        notices = self.done["watch"]  # for which there is always room
        assert ref.statistics().queued <= self._options[ref.path].mailbox.capacity + notices

    def _check_ended(self, sent: Sent) -> None:
        """Whoever sent it has control again: its handler does not run, and never will."""
        assert not sent.facts["running"], f"{sent} outlives its asker"
        sent.facts["over"] += 1
        assert sent.facts["over"] == 1

    def _check_fault(
        self, fault: RuntimeFault, sent: Sent, message: object, ref: Ref[Puppet]
    ) -> None:
        """What the fault says of the message is true."""
        if fault.message is message:
            assert not sent.facts["started"], f"{fault!r} gives back what was started: {sent}"
        elif fault.path == sent.path and not sent.facts["started"]:
            assert not isinstance(fault, ActorRestarting | MailboxFull | MessageDropped)
            assert not isinstance(fault, ActorStopped) or fault.started or fault.message is not None
        if isinstance(fault, AskTimeout) and fault.message is message:
            assert not sent.facts["started"]
        if isinstance(fault, ActorStopped) and fault.message is message:
            seen = ref.statistics()
            assert seen.state != "running" or seen.restarts > sent.restarts, f"{ref} has not"
        if isinstance(fault, ActorCrashed):
            assert fault.__cause__ is not None

    def _check_chain(self, cycle: AskCycle) -> None:
        """Each one in the chain does wait for the next, by the books kept here."""
        paths = [path.split(" (")[0] for path in cycle.chain]
        assert paths[0] == paths[-1]
        waits = set(+self._books.waits)
        waits |= {(writer, reader) for reader, writer in waits}  # a stream's may wait, too
        # What was sent on is waited for elsewhere, a stop waits for all below, and what is asked
        # of an actor between two lives waits for those who are stopped and started first.
        is_known = not any(self.done[what] for what in ("forward", "into", "stop", "drain"))
        is_known &= not any(isinstance(fact, Crashed) for fact in self._facts)
        assert not is_known or set(itertools.pairwise(paths[1:-1])) <= waits, (
            f"{cycle!r}, but waits are {waits}"
        )
        self.done[f"a cycle of {len(paths) - 1}"] += 1

    async def _check_quiet(self) -> None:
        """Whoever does nothing any more has nothing left to do.

        Some crash again and again, and keep their siblings from coming back.
        """
        before = [ref.statistics() for ref in self._refs]
        told = len(self._facts)
        await trio.sleep(QUIET_SECONDS)
        is_calm = not any(isinstance(fact, Crashed | Restarted) for fact in self._facts[told:])
        if is_calm:
            self._quiet_from = len(self._facts)
        for ref, earlier in zip(self._refs, before, strict=False):
            seen = ref.statistics()
            if (seen.handled, seen.restarts) == (earlier.handled, earlier.restarts):
                is_up_or_gone = seen.state in {"running", "ended"}
                assert is_up_or_gone or not is_calm, f"{ref} is neither up nor gone"
                assert (seen.handling, seen.queued, seen.in_line) == ((), 0, 0), f"{ref}: {seen}"
                assert seen.waiting_for == ()

    def _check_books(self) -> None:
        for fact in self._facts:
            if isinstance(fact, Crashed) and isinstance(fact.error, AssertionError):
                raise fact.error  # one of these checks has failed in a handler
        assert not any(self._books.serial.values())
        self._check_ends()
        gone = set[str]()
        for fact in self._facts:
            assert not (isinstance(fact, Restarted) and fact.path in gone)
            if isinstance(fact, Stopped):
                gone.add(fact.path)
        self._check_crashes()
        self._check_order()
        self._check_tells()

    def _check_ends(self) -> None:
        """Each end is told once, to those who watch, too; temporary actors have one life."""
        stopped = [(fact.path, fact.exit) for fact in self._facts if isinstance(fact, Stopped)]
        assert len(dict(stopped)) == len(stopped)
        ends = [end for end in stopped if end[0] in self._watched]
        assert Counter(self._ends) == Counter(ends), "an end is reported once"
        assert set(dict(ends)) == self._watched, "every end is reported"
        restarted = {fact.path for fact in self._facts if isinstance(fact, Restarted)}
        for path in restarted & self._options.keys():
            assert self._options[path].restart is not RestartPolicy.TEMPORARY

    def _check_crashes(self) -> None:
        """What left a handler is a crash, unless it is a fault or declared."""
        crashes = {
            (fact.path, id(leaf))
            for fact in self._facts
            if isinstance(fact, Crashed)
            for leaf in _leaves(fact.error)
        }
        for path, error in self._books.errors:
            leaves = _leaves(error)
            told = [(path, id(leaf)) in crashes for leaf in leaves]
            if any(_is_undeclared(leaf) for leaf in leaves):
                assert any(told), f"{error!r} of {path} is not told"
            elif len(leaves) == 1:  # not beside a cancel, which may be that of the actor itself
                assert not any(told), f"{error!r} is no crash of {path}"

    def _check_order(self) -> None:
        """When the system stops them, siblings end in reverse order of their first start.

        Those below one actor may have been started beside each other, in any order.
        """
        if self._quiet_from == math.inf:
            return
        if self._last_finish >= self._quiet_from:
            return  # siblings that were to come back say that they have stopped at last
        started = [fact.path for fact in self._facts if isinstance(fact, Spawned)]
        ended = self._facts[int(self._quiet_from) :]
        latest = dict[str, int]()
        if not all(isinstance(fact, Stopped | DeadLetter | Overdue) for fact in ended):
            return  # some were at work still, and may have stopped each other
        stopped = [fact for fact in ended if isinstance(fact, Stopped)]
        for path in [fact.path for fact in stopped if fact.exit is Exit.STOPPED]:
            above, number = path.rpartition("/")[0], started.index(path)
            is_in_order = number < latest.get(above, len(started)) or above in self._options
            assert is_in_order, f"{path} stops before a later sibling"
            latest[above] = number

    def _check_tells(self) -> None:
        """Each has ended in one way: refused, a dead letter, or handled."""
        lost = Counter(id(f.message) for f in self._facts if isinstance(f, DeadLetter))
        # An injected crash comes before the handler, so that is not seen to start.
        failed = {id(f.message) for f in self._facts if isinstance(f, MessageFailed)}
        for key, sent in self._tells.items():
            started = sent.facts["started"] or int(key in failed)
            fates = sent.facts["refused"] + started + lost[key]
            assert fates == 1, f"{sent} has ended {fates} times"


def _is_undeclared(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, RuntimeFault | Refused)


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [leaf for each in group.exceptions for leaf in _leaves(each)]


class _Counted:
    """A sink that counts."""

    def __init__(self, out: Sink[Any], sent: Sent) -> None:
        self._out = out
        self._sent = sent

    async def send(self, item: Any) -> None:
        await self._out.send(item)
        self._sent.facts["sent"] += 1


class _Noted:
    """Somebody waits for somebody."""

    def __init__(self, waits: Counter[tuple[str, str]], edge: tuple[str, str]) -> None:
        self._waits = waits
        self._edge = edge

    def __enter__(self) -> None:
        self._waits[self._edge] += 1

    def __exit__(self, *_: object) -> None:
        self._waits[self._edge] -= 1


class _Handling:
    """A handler at work: one at a time where it is serial, in order, in time, and once."""

    def __init__(self, books: Books, path: str, sent: Sent | None, *, is_serial: bool) -> None:
        self._books = books
        self._path = path
        self._sent = sent
        self._is_serial = is_serial

    def __enter__(self) -> None:
        assert not OUTSIDE.get(), "context of the caller has come along"
        assert carried() == (() if self._sent is None else self._sent.scopes)
        if self._sent is None or self._sent.facts["told"]:
            assert abs(trio.current_effective_deadline()) == math.inf, "a tell has no deadline"
        if self._is_serial:
            assert self._path not in self._books.stopping, "a stop overtakes what is queued"
            assert not self._books.serial[self._path], f"{self._path} handles two at a time"
            self._books.serial[self._path] += 1
        if self._sent is not None:
            self._check_start(self._sent)

    def _check_start(self, sent: Sent) -> None:
        assert not sent.facts["over"], f"{sent} starts after its end"
        assert not sent.facts["started"], f"{sent} starts again"
        sent.facts["started"] += 1
        sent.facts["running"] += 1
        if sent.facts["told"]:
            line = (sent.sender, sent.path)
            assert self._books.latest[line] < sent.number, f"{sent} is overtaken"
            self._books.latest[line] = sent.number
        else:
            assert trio.current_effective_deadline() <= sent.deadline
            assert trio.current_time() <= sent.deadline

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        if error is not None:
            self._books.errors.append((self._path, error))
        if self._is_serial:
            self._books.serial[self._path] -= 1
        if self._sent is not None:
            self._sent.facts["running"] -= 1
