"""Carries out random plans, and checks what has to hold in every one of them.

It keeps books of its own: who waits for whom, what was sent, started and ended. The promises
are checked as it goes, and again at the end.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

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
    Ref,
    Restarted,
    RestartLimit,
    RuntimeFault,
    Sink,
    Stopped,
    Supervisor,
    System,
    SystemFailed,
    open_system,
)
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from random_plans import Child, Plan, Step

QUIET_SECONDS: Final = 250.0  # more than any handler takes
LONGEST_SECONDS: Final = 2_000.0  # virtual; grace, backoff and sleeps add up to far less


@attrs.frozen(eq=False)
class Sent:
    """One message that was sent, and what is known of it."""

    what: str
    path: str
    deadline: float
    sender: object
    number: int
    facts: Counter[str] = attrs.field(factory=Counter[str])


@attrs.define
class Books:
    """What is known while a plan is carried out.

    Attributes:
        waits: Who waits for whom, by path.
        serial: Serial handlers at work, by path.
        latest: The number of the last tell that was started, by sender and path.
        sent: How many messages were sent.
    """

    waits: Counter[tuple[str, str]] = attrs.field(factory=Counter[tuple[str, str]])
    serial: Counter[str] = attrs.field(factory=Counter[str])
    latest: Counter[tuple[object, str]] = attrs.field(factory=Counter[tuple[object, str]])
    sent: int = 0


class World:
    """Carries a plan out and keeps books on it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._refs = list[Ref[Puppet]]()
        self._groups = 0
        self._books = Books()
        self._tells = dict[int, Sent]()  # by the id of the message
        self._kept = list[object]()  # so that ids stay unique
        self._facts = list[Fact]()
        self._ends = Counter[str]()  # reports of watches
        self.done = Counter[str]()  # what has happened, for those who want to know what is covered

    async def run(self) -> None:
        try:
            with trio.fail_after(LONGEST_SECONDS):
                async with assert_no_leaks():
                    await self._run_system()
        except SystemFailed:
            self.done["system failed"] += 1
        self._check_books()

    async def _run_system(self) -> None:
        async with open_system(limit=RestartLimit(5, 5)) as system, trio.open_nursery() as nursery:
            await nursery.start(self._listen, system)
            for child in self._plan.children:
                await self._start(system, child)
            if self._refs:
                async with trio.open_nursery() as callers:
                    for ref in self._refs:
                        nursery.start_soon(self._watch, ref)
                    for job in self._plan.callers:
                        callers.start_soon(self._carry_out, job, None, None)
            await trio.sleep(QUIET_SECONDS)
            await self._check_quiet()
            nursery.cancel_scope.cancel()

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
        self._ends[ref.path] += 1

    async def _start(self, above: Supervisor, child: Child) -> None:
        try:
            if child.children:
                self._groups += 1
                group = await above.supervise(f"group-{self._groups}", **child.plan)
                for below in child.children:
                    await self._start(group, below)
            else:
                await self._spawn(above.spawn, child.on_start, child.options)
        except (RuntimeFault, ValueError, Refused) as error:
            self.done[f"start: {type(error).__name__}"] += 1

    async def _spawn(
        self, spawn: Callable[..., Awaitable[Any]], job: tuple[Step, ...], options: ChildOptions
    ) -> None:
        async def on_start(puppet: Puppet) -> None:
            await self._carry_out(job, puppet, None)

        on_start_or_not = on_start if job else nothing
        ref = await spawn(Puppet, on_start_or_not, name=f"p{len(self._kept)}", options=options)
        self._kept.append(ref)
        self._refs.append(ref)

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
                    await (ref.kill() if step.what == "kill" else ref.stop(step.what == "drain"))
            case _ if me is not None:
                await self._do_inside(step, ref, me, out)
            case _:
                pass

    async def _do_inside(
        self, step: Step, ref: Ref[Puppet], me: Puppet, out: Sink[Any] | None
    ) -> None:
        match step.what:
            case "finish":
                me.stop()
            case "spawn":
                await self._spawn(me.spawn, step.job[:1], ChildOptions(grace=1, cleanup=1))
            case "later":
                me.after(step.seconds % 7, self._order(step), key=step.number)
            case "pipe":
                me.pipe_to_self(trio.sleep, 0.5, to=lambda _: self._order(step))
            case "watch":
                me.watch(ref, lambda _: self._order(step))
            case "both":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._carry_out, step.job, me, None)
                    nursery.start_soon(self._carry_out, step.job[::-1], me, None)
            case _ if out is not None:
                await self._do_in_stream(step, ref, me, out)
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
                me.forward(ref, FeedBeside(self._feeding(step, sent)), out)
            case _:
                pass

    def _order(self, step: Step) -> Order:
        """What an actor tells itself to do."""
        return Order(self._working(step, None))

    # Sending, and what is promised to whoever sends

    async def _ask(self, step: Step, ref: Ref[Puppet], me: Puppet | None) -> None:
        sent = self._new(step, ref)
        kind = Do if step.what == "ask" else DoBeside
        message = kind(self._working(step, sent))
        timeout = 0.5 if step.number == 3 else None
        try:
            with self._waiting(me, ref), trio.move_on_after(step.seconds):
                assert await ref.ask(message, timeout=timeout) == "done"
        except RuntimeFault as fault:
            self._check_fault(fault, sent, message)
            raise
        finally:
            self._check_ended(sent)

    async def _read(self, step: Step, ref: Ref[Puppet], me: Puppet | None) -> None:
        sent = self._new(step, ref)
        kind = Feed if step.what == "feed" else FeedBeside
        message = kind(self._feeding(step, sent))
        taken = 0
        try:
            with self._waiting(me, ref), trio.move_on_after(step.seconds):
                async with ref.stream(message, buffer=step.number) as items:
                    async for item in items:
                        assert item >= 0
                        taken += 1
                        assert sent.facts["sent"] <= taken + step.number + 1
                        if taken > 4:
                            break
        except RuntimeFault as fault:
            self._check_fault(fault, sent, message)
            raise
        finally:
            self._check_ended(sent)

    async def _tell(self, step: Step, ref: Ref[Puppet], me: Puppet | None) -> None:
        sent = self._new(step, ref)
        message = Order(self._working(step, sent))
        self._kept.append(message)
        self._tells[id(message)] = sent
        sent.facts["told"] = 1
        try:
            if step.what == "tell now":
                ref.tell_nowait(message)
            else:
                with self._waiting(me, ref):
                    await ref.tell(message)
        except trio.WouldBlock:
            sent.facts["refused"] = 1
        except (RuntimeFault, trio.Cancelled) as error:
            sent.facts["refused"] = 1
            if isinstance(error, RuntimeFault) and error.message is not message:
                raise AssertionError(f"{error!r} does not give the message back") from error
            raise

    def _new(self, step: Step, ref: Ref[Puppet]) -> Sent:
        self._books.sent += 1
        sender = trio.lowlevel.current_task()
        deadline = trio.current_effective_deadline()
        return Sent(step.what, ref.path, deadline, sender, self._books.sent)

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

    def _check_ended(self, sent: Sent) -> None:
        """Whoever sent it has control again: its handler does not run, and never will."""
        assert not sent.facts["running"], f"{sent} outlives its asker"
        sent.facts["over"] += 1
        assert sent.facts["over"] == 1

    def _check_fault(self, fault: RuntimeFault, sent: Sent, message: object) -> None:
        """What the fault says of the message is true."""
        if fault.message is message:
            assert not sent.facts["started"], f"{fault!r} gives back what was started: {sent}"
        elif fault.path == sent.path and not sent.facts["started"]:
            assert not isinstance(fault, ActorRestarting | MailboxFull | MessageDropped)
            assert not isinstance(fault, ActorStopped) or fault.started or fault.message is not None
        if isinstance(fault, AskTimeout) and fault.message is message:
            assert not sent.facts["started"]
        if isinstance(fault, ActorCrashed):
            assert fault.__cause__ is not None

    def _check_chain(self, cycle: AskCycle) -> None:
        """Each one in the chain does wait for the next, by the books kept here."""
        paths = [path.split(" (")[0] for path in cycle.chain]
        assert paths[0] == paths[-1]
        waits = set(+self._books.waits)
        waits |= {(writer, reader) for reader, writer in waits}  # a stream's may wait, too
        assert set(itertools.pairwise(paths[1:-1])) <= waits, f"{cycle!r}, but waits are {waits}"
        self.done[f"a cycle of {len(paths) - 1}"] += 1

    async def _check_quiet(self) -> None:
        """Whoever does nothing any more has nothing left to do.

        Some crash again and again, and take their siblings along: those are never quiet.
        """
        before = [ref.statistics() for ref in self._refs]
        await trio.sleep(QUIET_SECONDS)
        for ref, earlier in zip(self._refs, before, strict=False):
            seen = ref.statistics()
            if (seen.handled, seen.restarts) == (earlier.handled, earlier.restarts):
                assert seen.state in {"running", "ended"}, f"{ref} is neither up nor gone"
                assert (seen.handling, seen.queued, seen.in_line) == ((), 0, 0), f"{ref}: {seen}"
                assert seen.waiting_for == ()

    def _check_books(self) -> None:
        for fact in self._facts:
            if isinstance(fact, Crashed) and isinstance(fact.error, AssertionError):
                raise fact.error  # one of these checks has failed in a handler
        assert not any(self._books.serial.values())
        stopped = Counter(fact.path for fact in self._facts if isinstance(fact, Stopped))
        assert not [path for path, count in stopped.items() if count > 1]
        gone = set[str]()
        for fact in self._facts:
            assert not (isinstance(fact, Restarted) and fact.path in gone)
            if isinstance(fact, Stopped):
                gone.add(fact.path)
        lost = Counter(id(f.message) for f in self._facts if isinstance(f, DeadLetter))
        if "system failed" not in self.done:
            for key, sent in self._tells.items():
                fates = sent.facts["refused"] + sent.facts["started"] + lost[key]
                assert fates <= 1, f"{sent} has ended {fates} times"


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
        if self._is_serial:
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
        assert trio.current_time() <= trio.current_effective_deadline()

    def __exit__(self, *_: object) -> None:
        if self._is_serial:
            self._books.serial[self._path] -= 1
        if self._sent is not None:
            self._sent.facts["running"] -= 1
