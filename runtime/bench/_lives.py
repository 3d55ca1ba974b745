"""Lives of actors: a spawn, a restart after a crash, and what it costs to be idle."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

import attrs
import trio

from runtime import Actor, Ref, RestartLimit, Supervisor, Tell, open_system

from ._figures import Budget, Effort, Figure, Samples, figure_of
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

LIVES: Final = 1_000
IDLE: Final = 5_000
MANY: Final = 100_000
FEWEST_IDLE: Final = 1_000  # fewer weigh no more than the pages that an allocator has ready
KINDS: Final = ("actor", "task")  # of what idles
NEVER_TOO_MANY: Final = RestartLimit(restarts=1_000_000, seconds=0.001)


class Fragile: ...


@attrs.frozen
class Break(Tell[Fragile]):
    """Crash, and note when."""


class Clock:
    """What outlives the incarnations of one `FragileActor`."""

    def __init__(self) -> None:
        self.crashed_at = 0
        self.is_back = trio.Event()


class FragileActor(Actor, Fragile):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    async def started(self) -> None:
        self.clock.is_back.set()

    @Break.handles
    async def crash(self, message: Break) -> None:
        self.clock.crashed_at = perf_counter_ns()
        raise ArithmeticError(repr(message))


class IdleActor(Actor):
    """An actor that has started and waits for its first message."""


@attrs.frozen
class Cost:
    """What one of many idle actors, or tasks, costs on average.

    Attributes:
        memory: Kilobytes of the process, resident; 1 KB is 1 000 bytes.
        start: Microseconds until it waits.
        stop: Microseconds until it has ended.
    """

    memory: float
    start: float
    stop: float


def spawn(effort: Effort) -> Sequence[Figure]:
    """Until a spawned actor has started; the floor is a bare task, started and ended."""

    async def measure() -> Sequence[Figure]:
        count = effort.samples(LIVES)
        async with open_system() as system, trio.open_nursery() as nursery:
            subjects = {
                "spawn": partial(_spawns, system, count),
                "with stop": partial(_spawns_and_stops, system, count),
                "floor": partial(_tasks, nursery, count),
            }
            rounds = await take_turns(effort, subjects)
        floor = rounds["floor"]
        return [
            figure_of("spawn", "µs", rounds["spawn"], floor, Budget(ratio=2.5)),
            figure_of("spawn and stop", "µs", rounds["with stop"], floor),
        ]

    return trio.run(measure)


async def _spawns(system: Supervisor, count: int) -> Samples:
    samples: list[float] = []
    for _ in range(count):
        clock = Clock()
        start = perf_counter_ns()
        ref = await system.spawn(FragileActor, clock)
        samples.append((perf_counter_ns() - start) / 1e3)
        await ref.stop()
    return samples


async def _spawns_and_stops(system: Supervisor, count: int) -> Samples:
    samples: list[float] = []
    for _ in range(count):
        clock = Clock()
        start = perf_counter_ns()
        ref = await system.spawn(FragileActor, clock)
        await ref.stop()
        samples.append((perf_counter_ns() - start) / 1e3)
    return samples


async def _tasks(nursery: trio.Nursery, count: int) -> Samples:
    async def task() -> None:
        ended.set()

    samples: list[float] = []
    for _ in range(count):
        ended = trio.Event()
        start = perf_counter_ns()
        nursery.start_soon(task)
        await ended.wait()
        samples.append((perf_counter_ns() - start) / 1e3)
    return samples


def restart(effort: Effort) -> Sequence[Figure]:
    """From the error in a handler until the next incarnation has started; the floor is a spawn.

    The log record of the crash is made and thrown away: where it is written is the user's.
    """

    async def measure() -> Sequence[Figure]:
        count = effort.samples(LIVES)
        async with open_system() as system:
            group = await system.supervise("fragile", limit=NEVER_TOO_MANY)
            clock = Clock()
            ref = await group.spawn(FragileActor, clock)
            subjects = {
                "restart": partial(_restarts, ref, clock, count),
                "floor": partial(_spawns, group, count),
            }
            rounds = await take_turns(effort, subjects)
        return [figure_of("restart", "µs", rounds["restart"], rounds["floor"], Budget(ratio=2))]

    with _crashes_unwritten():
        return trio.run(measure)


@contextmanager
def _crashes_unwritten() -> Generator[None]:
    log = logging.getLogger("runtime")
    silence = logging.NullHandler()
    propagate, log.propagate = log.propagate, False
    log.addHandler(silence)
    try:
        yield
    finally:
        log.removeHandler(silence)
        log.propagate = propagate


async def _restarts(ref: Ref[Fragile], clock: Clock, count: int) -> Samples:
    samples: list[float] = []
    for _ in range(count):
        clock.is_back = trio.Event()
        await ref.tell(Break())
        await clock.is_back.wait()
        samples.append((perf_counter_ns() - clock.crashed_at) / 1e3)
    return samples


def memory(effort: Effort) -> Sequence[Figure]:
    """What an idle actor adds to the resident memory of a process of its own; floor: a task."""

    async def measure() -> Sequence[Figure]:
        few = attrs.evolve(effort, rounds=min(3, effort.rounds))
        count = max(FEWEST_IDLE, effort.samples(IDLE))
        costs = await take_turns(few, {kind: partial(cost_of, kind, count) for kind in KINDS})
        actors, tasks = _both(costs, lambda cost: cost.memory)
        return [figure_of("idle actor", "KB", actors, tasks, Budget(value=6.0))]

    return trio.run(measure)


def idle(effort: Effort) -> Sequence[Figure]:
    """The same of a great many, and what each takes to start and to stop; floor: a task.

    One round, since it is long, and nothing need be warmed: each has a process of its own.
    """

    async def measure() -> Sequence[Figure]:
        count = max(FEWEST_IDLE, effort.samples(MANY))
        costs = {kind: [await cost_of(kind, count)] for kind in KINDS}
        memory = _both(costs, lambda cost: cost.memory)
        return [
            figure_of("idle: memory", "KB", *memory, Budget(value=6.0)),
            figure_of("idle: start", "µs", *_both(costs, lambda cost: cost.start)),
            figure_of("idle: stop", "µs", *_both(costs, lambda cost: cost.stop)),
        ]

    return trio.run(measure)


async def cost_of(kind: str, count: int) -> Cost:
    """What each of `count` costs, measured in a process of its own."""
    command = [sys.executable, "-m", "runtime.bench._idle", kind, str(count)]
    done = await trio.run_process(command, capture_stdout=True)
    return Cost(**json.loads(done.stdout))


def _both(
    costs: Mapping[str, Sequence[Cost]], part: Callable[[Cost], float]
) -> tuple[Sequence[Samples], Sequence[Samples]]:
    """One part of the costs of actors and of tasks; a round is one sample."""
    actors, tasks = ([[part(cost)] for cost in costs[kind]] for kind in KINDS)
    return actors, tasks
