"""Random systems of actors, and what has to hold in every one of them.

`draw` makes a plan from dice: a tree of supervisors and actors, and callers that ask, tell,
stream, stop and leave. What a message makes its handler do is a job: steps, drawn in advance,
that send further messages. `World` carries a plan out and keeps books: who waits for whom, what
was sent, started and ended. The promises are checked as it goes, and again at the end.
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
    Backoff,
    ChildOptions,
    Crashed,
    DeadLetter,
    Exit,
    Fact,
    MailboxFull,
    MailboxOptions,
    MessageDropped,
    Overflow,
    Ref,
    Restarted,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
    RuntimeFault,
    Sink,
    Stopped,
    Supervisor,
    SupervisorGaveUp,
    System,
    SystemFailed,
    open_system,
)
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

ASKED: Final = {"ask": Do, "ask beside": DoBeside, "feed": Feed, "feed beside": FeedBeside}
QUIET_SECONDS: Final = 250.0  # more than any handler takes
LONGEST_SECONDS: Final = 2_000.0  # virtual; grace, backoff and sleeps add up to far less


@attrs.frozen
class Step:
    """One thing that a job or a caller does.

    Attributes:
        what: "sleep", "crash", "refuse", "emit", a kind of sending, or a kind of stopping.
        seconds: How long it sleeps, or when it leaves what it has sent.
        target: Which actor it is about.
        job: What the handler of the message that is sent does.
        catches: Whether a fault is caught, or leaves the handler.
        number: Of items, of a buffer, or a timeout; as `what` needs it.
    """

    what: str
    seconds: float = 0.0
    target: int = 0
    job: tuple[Step, ...] = ()
    catches: bool = True
    number: int = 0


@attrs.frozen
class Child:
    """One node of the tree: an actor, or with `children` a supervisor of those."""

    options: ChildOptions = attrs.field(factory=ChildOptions)
    on_start: tuple[Step, ...] = ()
    children: tuple[Child, ...] = ()
    plan: dict[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen
class Plan:
    children: tuple[Child, ...]
    callers: tuple[tuple[Step, ...], ...]


# Drawing


def draw(dice: random.Random) -> Plan:
    tree = tuple(_draw_child(dice, depth=2) for _ in range(dice.randint(1, 3)))
    callers = tuple(_draw_job(dice, 3, outside=True) for _ in range(dice.randint(1, 16)))
    return Plan(tree, callers)


def _draw_child(dice: random.Random, depth: int) -> Child:
    if depth and dice.random() < 0.5:
        children = tuple(_draw_child(dice, depth - 1) for _ in range(dice.randint(1, 4)))
        plan = {
            "strategy": dice.choice(list(RestartStrategy)),
            "limit": RestartLimit(dice.choice([0, 2, 10]), dice.choice([1, 5, 60])),
            "backoff": dice.choice([None, None, Backoff(0.5, 2)]),
            "restart": dice.choice(list(RestartPolicy)),
        }
        return Child(children=children, plan=plan)
    options = ChildOptions(
        restart=dice.choice([RestartPolicy.PERMANENT, *RestartPolicy]),
        mailbox=MailboxOptions(dice.choice([1, 1, 2, 8]), dice.choice([Overflow.BLOCK, *Overflow])),
        grace=dice.choice([0, 1, 5]),
        cleanup=dice.choice([0, 1, 5]),
        keep_mailbox=dice.random() < 0.3,
    )
    on_start = _draw_job(dice, 1) if dice.random() < 0.1 else ()
    return Child(options, on_start)


def _draw_job(dice: random.Random, depth: int, *, outside: bool = False) -> tuple[Step, ...]:
    return tuple(_draw_step(dice, depth, outside=outside) for _ in range(dice.randint(1, 3)))


def _draw_step(dice: random.Random, depth: int, *, outside: bool) -> Step:
    seconds = dice.choice([0, 0, 0.5, 1, 1.5])
    if not outside and dice.random() < 0.25:
        return Step(dice.choice(["crash", "refuse", "shielded sleep", "finish"]), seconds)
    if not depth or dice.random() < 0.2:
        return Step("sleep", seconds)
    target = dice.randrange(3) if dice.random() < 0.5 else dice.randrange(16)
    if dice.random() < 0.08:
        return Step(dice.choice(["stop", "drain", "kill"]), target=target)
    kinds = [*ASKED, "ask", "tell", "tell now"]
    if not outside:
        kinds += ["emit", "emit", "forward", "into", "spawn", "later", "pipe", "both", "watch"]
    return Step(
        dice.choice(kinds),
        dice.choice([0, 0.5, 1, 100, 100, 100]),
        target,
        _draw_job(dice, depth - 1),
        dice.random() < 0.6,
        dice.randint(0, 3),
    )


# Carrying out


@attrs.frozen(eq=False)
class Sent:
    """One message that was sent, and what is known of it."""

    what: str
    path: str
    deadline: float
    facts: Counter[str] = attrs.field(factory=Counter[str])


class World:
    """Carries a plan out and keeps books on it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._refs = list[Ref[Puppet]]()
        self._waits = Counter[tuple[str, str]]()  # who waits for whom, by path
        self._serial = Counter[str]()  # serial handlers at work, by path
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
        except SystemFailed as failed:
            assert isinstance(failed.__cause__, SupervisorGaveUp)
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
                group = await above.supervise(f"g{len(self._refs)}-{id(child) % 97}", **child.plan)
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
            case "emit" if out is not None:
                await self._emit(out, step.number)
            case "into" if out is not None:
                sent = self._new(step, ref)
                with self._waiting(me, ref):
                    await ref.stream_into(Feed(self._feeding(step, sent)), out)
            case "forward" if out is not None:
                sent = self._new(step, ref)
                me.forward(ref, FeedBeside(self._feeding(step, sent)), out)
            case "spawn":
                await self._spawn(me.spawn, step.job[:1], ChildOptions(grace=1, cleanup=1))
            case "later":
                me.after(step.seconds % 7, Order(self._working(step, None)), key=step.number)
            case "pipe":
                me.pipe_to_self(trio.sleep, 0.5, to=lambda _: Order(self._working(step, None)))
            case "watch":
                me.watch(ref, lambda _: Order(self._working(step, None)))
            case "both":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._carry_out, step.job, me, None)
                    nursery.start_soon(self._carry_out, step.job[::-1], me, None)
            case _:
                pass

    # Sending, and what is promised to whoever sends

    async def _ask(self, step: Step, ref: Ref[Puppet], me: Puppet | None) -> None:
        sent = self._new(step, ref)
        message: Any = ASKED[step.what](self._working(step, sent))
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
        message: Any = ASKED[step.what](self._feeding(step, sent))
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
            assert not isinstance(error, RuntimeFault) or error.message is message
            raise

    def _new(self, step: Step, ref: Ref[Puppet]) -> Sent:
        return Sent(step.what, ref.path, trio.current_effective_deadline())

    def _waiting(self, me: Puppet | None, ref: Ref[Puppet]) -> _Noted:
        who = f"the task {trio.lowlevel.current_task().name}" if me is None else me.ref.path
        return _Noted(self._waits, (who, ref.path))

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
        return _Handling(self._serial, me.ref, sent, is_serial)

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
        if isinstance(fault, AskTimeout) and fault.message is not None:
            assert not sent.facts["started"]
        if isinstance(fault, ActorCrashed):
            assert fault.__cause__ is not None

    def _check_chain(self, cycle: AskCycle) -> None:
        """Each one in the chain does wait for the next, by the books kept here."""
        paths = [path.split(" (")[0] for path in cycle.chain]
        assert paths[0] == paths[-1]
        waits = set(+self._waits)
        waits |= {(writer, reader) for reader, writer in waits}  # a stream's may wait, too
        assert set(itertools.pairwise(paths[1:-1])) <= waits, f"{cycle!r}, but waits are {waits}"
        self.done[f"cycle of {len(paths) - 1}"] += 1

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
        assert not any(self._serial.values())
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
    def __init__(self, waits: Counter[tuple[str, str]], edge: tuple[str, str]) -> None:
        self._waits = waits
        self._edge = edge

    def __enter__(self) -> None:
        self._waits[self._edge] += 1

    def __exit__(self, *_: object) -> None:
        self._waits[self._edge] -= 1


class _Handling:
    """A handler at work: one at a time where it is serial, in time, once, and not too late."""

    def __init__(
        self,
        serial: Counter[str],
        ref: Ref[Puppet],
        sent: Sent | None,
        is_serial: bool,  # noqa: FBT001
    ) -> None:
        self._serial = serial
        self._path = ref.path
        self._ref = ref
        self._sent = sent
        self._is_serial = is_serial

    def __enter__(self) -> None:
        if self._is_serial:
            assert not self._serial[self._path], f"{self._path} handles two at a time"
            self._serial[self._path] += 1
        if self._sent is not None:
            facts = self._sent.facts
            assert not facts["over"], f"{self._sent} starts after its end"
            assert not facts["started"], f"{self._sent} starts again"
            facts["started"] += 1
            facts["running"] += 1
            if not facts["told"]:
                assert trio.current_effective_deadline() <= self._sent.deadline
            assert trio.current_time() <= trio.current_effective_deadline()

    def __exit__(self, *_: object) -> None:
        if self._is_serial:
            self._serial[self._path] -= 1
        if self._sent is not None:
            self._sent.facts["running"] -= 1
