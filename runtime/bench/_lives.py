"""Lives of actors: a spawn, a restart after a crash, and what an idle actor weighs."""

from __future__ import annotations

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
    from collections.abc import Generator, Sequence

LIVES: Final = 1_000
IDLE: Final = 5_000
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
        count = max(1_000, effort.samples(IDLE))
        subjects = {kind: partial(_weigh, kind, count) for kind in ("actor", "task")}
        rounds = await take_turns(attrs.evolve(effort, rounds=min(3, effort.rounds)), subjects)
        budget = Budget(value=6.0)
        return [figure_of("idle actor", "KB", rounds["actor"], rounds["task"], budget)]

    return trio.run(measure)


async def _weigh(kind: str, count: int) -> Samples:
    command = [sys.executable, "-m", "runtime.bench._idle", kind, str(count)]
    done = await trio.run_process(command, capture_stdout=True)
    return [float(done.stdout)]
