"""Whole trees of live supervisors do what OTP's would, but for the differences in the docs."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from otp_supervisor import Child, OtpSupervisor, Reason, Restart, Strategy
from puppet import Heard, Order, Puppet, crash

from runtime import (
    ActorStopped,
    Backoff,
    ChildOptions,
    Exit,
    GaveUp,
    Node,
    Ref,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
    Supervisor,
    System,
    SystemFailed,
    open_system,
)
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from trio.testing import MockClock


# What may happen. Numbers stand for those that live then, counted from the first, round and round.


@attrs.frozen
class Supervise:
    above: int
    strategy: RestartStrategy
    limit: RestartLimit
    policy: RestartPolicy


@attrs.frozen
class Spawn:
    above: int
    policy: RestartPolicy
    fails_in: str  # where it fails, if it does
    fails_at_first: bool


@attrs.frozen
class End:
    """An actor ends; then some actors fail to start, so many times."""

    actor: int
    exit: Exit
    failing: tuple[tuple[int, int], ...]


@attrs.frozen
class Stop:
    supervisor: int


@attrs.frozen
class Wait:
    seconds: float


Step = Supervise | Spawn | End | Stop | Wait

NUMBERS = st.integers(0, 11)
POLICIES = st.sampled_from([RestartPolicy.PERMANENT, *RestartPolicy])
# No window is as long as a difference of two times, for whether its edge counts differs.
LIMITS = st.builds(RestartLimit, st.integers(0, 2), st.sampled_from([100.3, 2.2, 0.7]))
PLACES = st.sampled_from(["the factory", "started"])
BOOLEANS = st.booleans()


def supervise(above: st.SearchStrategy[int] = NUMBERS) -> st.SearchStrategy[Step]:
    return st.builds(Supervise, above, st.sampled_from(RestartStrategy), LIMITS, POLICIES)


def spawn(
    above: st.SearchStrategy[int] = NUMBERS, fails: st.SearchStrategy[bool] = BOOLEANS
) -> st.SearchStrategy[Step]:
    return st.builds(Spawn, above, POLICIES, PLACES, fails)


def spawn_at(above: int) -> st.SearchStrategy[Step]:
    return spawn(st.just(above), st.just(value=False))


FAILING = st.lists(st.tuples(NUMBERS, st.integers(1, 3)), max_size=2).map(tuple)
END = st.builds(End, NUMBERS, st.sampled_from([Exit.FAILED, Exit.FAILED, *Exit]), FAILING)
STOP = st.builds(Stop, NUMBERS)
WAIT = st.builds(Wait, st.sampled_from([0.5, 1.0, 2.0]))
# Two supervisors, one below the other, each with actors before and after it.
BEGINNING = st.tuples(
    spawn_at(0),
    supervise(st.just(0)),
    spawn_at(1),
    supervise(st.just(1)),
    *map(spawn_at, (2, 2, 1, 1, 0)),
).map(list)
STORY = st.lists(
    st.one_of(END, END, END, END, END, spawn(), supervise(), STOP, WAIT), min_size=2, max_size=12
)


@attrs.frozen
class Seat:
    """A place in the model's tree, as the host of the supervisor there."""

    world: World
    path: str

    def below(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"

    def start(self, name: str) -> bool:
        return self.world.start(self.below(name))

    def terminate(self, name: str) -> None:
        self.world.terminate(self.below(name))


class PatientSupervisor(OtpSupervisor):
    """Difference: where a child does not start, OTP's `init` fails, and the one above counts.

    With us it is one more end of that child, and its own supervisor counts.
    """

    def init(self, specifications: list[Child], now: float) -> bool:
        self.children = [Child(c.name, c.restart, is_alive=False) for c in specifications]
        starting = list(self.children)
        while starting and not self.has_shut_down:
            child = starting.pop(0)
            child.is_alive = self.host.start(child.name)
            if child.is_alive:
                continue
            if self.strategy is not Strategy.ONE_FOR_ONE:
                self._restart(child, now)
                self._catch_up(now)
                break
            if not self._may_restart(now):
                self.shut_down()
            starting.append(child)
        return not self.has_shut_down


class World:
    """The model: a tree of OTP's supervisors, and what they started and terminated."""

    def __init__(self, limit: RestartLimit) -> None:
        self.limit = limit
        self.lines = list[str]()
        self.gave_up = list[str]()
        self.failing = Counter[str]()
        self.now = 0.0
        self._plans = {"/": (RestartStrategy.ONE_FOR_ONE, limit)}
        self._remembered = dict[str, list[Child]]()
        self.supervisors = dict[str, OtpSupervisor]()
        self.start("/")

    @property
    def has_failed(self) -> bool:
        return self.supervisors["/"].has_shut_down

    def paths(self, *, supervisors: bool, at: str = "/") -> list[str]:
        """Who lives, in start order, each above what is below it."""
        found = [at] if supervisors == (at in self._plans) else []
        if at in self._plans:
            for name in self.supervisors[at].alive:
                found += self.paths(supervisors=supervisors, at=Seat(self, at).below(name))
        return found

    def above(self, path: str) -> tuple[OtpSupervisor, str]:
        above, _, name = path.rpartition("/")
        return self.supervisors[above or "/"], name

    # The host of all

    def start(self, path: str) -> bool:
        if path not in self._plans:
            if self.failing[path] > 0:
                self.failing[path] -= 1
                return False
            self.lines.append(f"+{path}")
            return True
        strategy, limit = self._plans[path]
        supervisor = PatientSupervisor(
            Strategy(strategy.value), limit.restarts, limit.seconds, Seat(self, path)
        )
        self.supervisors[path] = supervisor
        # Difference: with us those come back that were there, not those of a fixed list, and
        # temporary ones do not.
        has_started = supervisor.init(self._remembered.get(path, []), self.now)
        self._note_end(path)
        return has_started

    def terminate(self, path: str) -> None:
        if path in self._plans:
            self.supervisors[path].shut_down()
            self._remembered[path] = self.supervisors[path].children
        else:
            self.lines.append(f"-{path}")

    def _note_end(self, path: str) -> None:
        if self.supervisors[path].has_shut_down:
            self.gave_up.append(path)
            self._remembered[path] = self.supervisors[path].children

    # What happens

    def spawn(self, path: str, policy: RestartPolicy) -> bool:
        above, name = self.above(path)
        return above.start_child(name, Restart(policy.value))

    def supervise(self, path: str, step: Supervise) -> None:
        self._plans[path] = (step.strategy, step.limit)
        self.spawn(path, step.policy)

    def exited(self, path: str, reason: Reason) -> None:
        """A child has ended of its own accord; a supervisor that gave up takes its own up."""
        above, name = self.above(path)
        above.child_exited(name, reason, self.now)
        if above.has_shut_down:
            place = path.rpartition("/")[0] or "/"
            self._note_end(place)
            if place != "/":
                # Difference: with us that is a failure, in OTP a shutdown, and so no reason
                # to restart a transient supervisor.
                self.exited(place, Reason.ERROR)
        else:
            # Difference: with us a child that is gone for good is forgotten.
            above.delete_child(name)

    def stop(self, path: str) -> None:
        above, name = self.above(path)
        above.terminate_child(name)
        above.delete_child(name)


class Stage:
    """The same things, done to a live system."""

    exits: ClassVar[dict[Exit, Any]] = {Exit.FAILED: crash, Exit.COMPLETED: None}

    def __init__(self, system: System, world: World) -> None:
        self.lines = list[str]()
        self.failing = Counter[str]()
        self.begun = Counter[str]()
        self.world = world
        self.refs = dict[str, Ref[Puppet]]()
        self.supervisors: dict[str, Supervisor] = {"/": system}
        self.system = system

    def make(self, path: str, fails_in: str) -> Puppet:
        async def on_start(_: Puppet) -> None:
            if self.failing[path] > 0:
                self.failing[path] -= 1
                raise OSError("in started")
            self.lines.append(f"+{path}")

        async def on_stop(puppet: Puppet, exit: Exit) -> None:
            del puppet, exit
            self.lines.append(f"-{path}")

        if fails_in == "the factory" and self.failing[path] > 0:
            self.failing[path] -= 1
            raise OSError("in the factory")
        self.begun[path] += 1
        return Puppet(on_start, on_stop)

    async def take(self, number: int, step: Step) -> None:
        """Take a step here and in the model."""
        supervisors = self.world.paths(supervisors=True)
        match step:
            case Wait(seconds):
                self.world.now += seconds
                await trio.sleep(seconds)
            case Supervise():
                above = supervisors[step.above % len(supervisors)]
                await self.supervise(above, f"{number}", step)
            case Spawn():
                above = supervisors[step.above % len(supervisors)]
                await self.spawn(above, f"{number}", step)
            case Stop():
                await self.stop(supervisors[step.supervisor % len(supervisors)])
            case End():
                await self.end(step)
        await trio.testing.wait_all_tasks_blocked()

    async def supervise(self, above: str, name: str, step: Supervise) -> None:
        path = Seat(self.world, above).below(name)
        self.supervisors[path] = await self.supervisors[above].supervise(
            name, strategy=step.strategy, limit=step.limit, restart=step.policy
        )
        self.world.supervise(path, step)

    async def spawn(self, above: str, name: str, step: Spawn) -> None:
        path = Seat(self.world, above).below(name)
        if step.fails_at_first:
            self.failing[path] = self.world.failing[path] = 1
        try:
            self.refs[path] = await self.supervisors[above].spawn(
                self.make, path, step.fails_in, name=name, options=ChildOptions(step.policy)
            )
        except OSError:
            assert not self.world.spawn(path, step.policy)
        else:
            assert self.world.spawn(path, step.policy)

    async def stop(self, path: str) -> None:
        if path != "/":
            self.world.stop(path)
            await self.supervisors[path].stop()

    async def end(self, step: End) -> None:
        actors = self.world.paths(supervisors=False)
        if not actors:
            return
        path = actors[step.actor % len(actors)]
        for number, times in step.failing:
            failing = actors[number % len(actors)]
            self.failing[failing] = self.world.failing[failing] = times
        if step.exit is Exit.STOPPED:
            self.world.stop(path)
            await self.refs[path].stop()
            return

        async def finish(puppet: Puppet) -> None:
            puppet.stop()

        self.world.lines.append(f"-{path}")
        has_failed = step.exit is Exit.FAILED
        self.world.exited(path, Reason.ERROR if has_failed else Reason.NORMAL)
        await self.refs[path].tell(Order(crash if has_failed else finish))

    def compare(self) -> None:
        assert self.lines == self.world.lines
        if not self.world.has_failed:
            supervisors = self.world.paths(supervisors=True)
            actors = self.world.paths(supervisors=False)
            assert [
                node.path for node in _all(self.system.tree()) if not node.statistics
            ] == supervisors
            assert [node.path for node in _all(self.system.tree()) if node.statistics] == actors
            for path in actors:
                statistics = self.refs[path].statistics()
                assert (statistics.state, statistics.restarts) == ("running", self.begun[path] - 1)


def _all(node: Node) -> list[Node]:
    return [node, *(each for child in node.children for each in _all(child))]


async def _play(limit: RestartLimit, steps: list[Step]) -> tuple[Stage, Heard]:
    world, heard = World(limit), Heard()
    async with trio.open_nursery() as nursery:
        stage = await _live_through(steps, world, heard, nursery)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return stage, heard


async def _live_through(
    steps: list[Step], world: World, heard: Heard, nursery: trio.Nursery
) -> Stage:
    stage: Stage | None = None
    try:
        async with open_system(limit=world.limit) as system:
            nursery.start_soon(heard.listen, system)
            await trio.testing.wait_all_tasks_blocked()
            stage = Stage(system, world)
            for number, step in enumerate(steps):
                await stage.take(number, step)
                stage.compare()
    except SystemFailed:
        assert world.has_failed
    else:
        assert not world.has_failed
        world.supervisors["/"].shut_down()
    assert stage is not None
    return stage


LIVE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=150,
)


@given(limit=LIMITS, beginning=BEGINNING, story=STORY)
@LIVE
async def test_a_tree_of_supervisors_does_what_otp_does(
    limit: RestartLimit, beginning: list[Step], story: list[Step], autojump_clock: MockClock
) -> None:
    del autojump_clock
    async with assert_no_leaks():
        stage, heard = await _play(limit, [*beginning, *story])
    assert stage.lines == stage.world.lines
    assert [fact.path for fact in heard.of(GaveUp)] == stage.world.gave_up


# At any time, also while others start, stop and wait: what must hold when it has become quiet


@attrs.frozen
class Blow:
    """A crash, a stop or a new child, after a while."""

    at: float
    what: str
    child: int


class Lives:
    """When the lives of each child began and whether one is going on."""

    def __init__(self, starts_in: float, stops_in: float) -> None:
        self.began = dict[str, float]()
        self.going_on = set[str]()
        self.failing = Counter[str]()
        self._starts_in = starts_in
        self._stops_in = stops_in

    def make(self, name: str) -> Puppet:
        async def on_start(_: Puppet) -> None:
            assert name not in self.going_on
            await trio.sleep(self._starts_in)
            if self.failing[name] > 0:
                self.failing[name] -= 1
                raise OSError
            self.going_on.add(name)
            self.began[name] = trio.current_time()

        async def on_stop(puppet: Puppet, exit: Exit) -> None:
            del puppet, exit
            await trio.sleep(self._stops_in)
            self.going_on.remove(name)

        return Puppet(on_start, on_stop)


async def _strike(
    group: Supervisor, lives: Lives, refs: list[Ref[Puppet]], name: str, blow: Blow
) -> None:
    await trio.sleep(blow.at)
    ref = refs[blow.child % len(refs)]
    match blow.what:
        case "crash":
            await ref.tell(Order(crash))
        case "crash, and fail to start":
            lives.failing[ref.path[-1]] = 2
            await ref.tell(Order(crash))
        case "stop":
            await ref.stop()
        case _:
            with contextlib.suppress(ActorStopped):  # taken down before it had ever started
                refs.append(await group.spawn(lives.make, name, name=name))


SHORT = st.sampled_from([0.0, 0.25, 0.5])
BLOWS = st.builds(
    Blow,
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0]),
    st.sampled_from(["crash", "crash", "crash, and fail to start", "stop", "spawn"]),
    NUMBERS,
)


@given(
    strategy=st.sampled_from(RestartStrategy),
    backoff=st.sampled_from([None, Backoff(0.25, 1.0, jitter=0.0)]),
    starts_in=SHORT,
    stops_in=SHORT,
    blows=st.lists(BLOWS, max_size=8),
)
@LIVE
async def test_whatever_happens_when_each_child_lives_once_in_the_end_and_in_order(
    strategy: RestartStrategy,
    backoff: Backoff | None,
    starts_in: float,
    stops_in: float,
    blows: list[Blow],
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    lives = Lives(starts_in, stops_in)
    async with assert_no_leaks(), open_system() as system:
        group = await system.supervise(
            "group", strategy=strategy, limit=RestartLimit(10**6, 1.0), backoff=backoff
        )
        refs = [await group.spawn(lives.make, name, name=name) for name in "abcd"]
        async with trio.open_nursery() as nursery:
            for name, blow in zip("efghijkl", blows, strict=False):
                nursery.start_soon(_strike, group, lives, refs, name, blow)
        await trio.sleep(60)
        stopped = {ref.path[-1] for ref in refs if ref.statistics().state == "ended"}
        alive = [node.path[-1] for node in system.tree().children[0].children]
        assert set(alive) == lives.going_on == {ref.path[-1] for ref in refs} - stopped
        if strategy is not RestartStrategy.ONE_FOR_ONE:
            # Who depends on another one began after it, in its last life, too. (Difference: one
            # that was added during a restart of the group did not wait for that.)
            began = [lives.began[name] for name in alive if name in "abcd"]
            assert began == sorted(began)
    assert lives.going_on == set()
