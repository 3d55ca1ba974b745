"""A crowd of busy actors: what one that has little to do waits beside it, and who gets a turn."""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

import attrs
import trio

from runtime import Actor, Ask, Ref, Tell, open_system

from ._figures import Effort, Figure, Samples, figure_of
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

BUSY: Final = 1_000  # actors
ASKS: Final = 10  # a round, to the one that is idle
ROUNDS: Final = 3  # at most: an ask takes a good many milliseconds


class Worker: ...


@attrs.frozen
class Work(Tell[Worker]):
    """Count it, and send yourself the next."""


@attrs.frozen
class Call(Ask[Worker, None]):
    """Answer at once."""


class Crowd:
    """What busy actors, or busy tasks, have in common.

    Attributes:
        handled: Messages so far, of each.
        goes_on: Whether they send themselves the next one.
    """

    def __init__(self, size: int) -> None:
        self.handled = [0] * size
        self.goes_on = True


class WorkerActor(Actor, Worker):
    def __init__(self, crowd: Crowd, number: int) -> None:
        self.crowd = crowd
        self.number = number

    async def started(self) -> None:
        self.myself = self.ref

    @Work.handles
    async def work(self, message: Work) -> None:
        self.crowd.handled[self.number] += 1
        if self.crowd.goes_on:
            self.myself.tell_nowait(message)

    @Call.handles
    async def answer(self, message: Call) -> None:
        del message


@attrs.frozen
class Shift:
    """What was seen in one turn.

    Attributes:
        asks: Milliseconds that each ask took.
        handled: Messages of each of the crowd meanwhile.
        seconds: How long it took.
    """

    asks: Samples
    handled: list[int]
    seconds: float

    @property
    def spread(self) -> Samples:
        """The most that one has handled, by the least; none at all counts as one."""
        return [max(self.handled) / max(1, min(self.handled))]

    @property
    def pace(self) -> Samples:
        """Millions of messages a second, of all together."""
        return [sum(self.handled) / self.seconds / 1e6]


def fairness(effort: Effort) -> Sequence[Figure]:
    """An ask to an idle actor beside a crowd of busy ones, and how evenly those get on.

    The floor is a ping-pong beside a crowd of tasks, each of which sends itself the next
    message through a memory channel.
    """

    async def measure() -> Sequence[Figure]:
        size, asks = effort.samples(BUSY), effort.samples(ASKS)
        few = attrs.evolve(effort, rounds=min(ROUNDS, effort.rounds))
        subjects = {
            "actors": partial(beside_actors, size, asks),
            "tasks": partial(beside_tasks, size, asks),
        }
        rounds = await take_turns(few, subjects)
        actors, tasks = rounds["actors"], rounds["tasks"]
        return [
            figure_of("fairness: ask", "ms", [s.asks for s in actors], [s.asks for s in tasks]),
            figure_of(
                "fairness: spread", "x", [s.spread for s in actors], [s.spread for s in tasks]
            ),
            figure_of("fairness: pace", "M/s", [s.pace for s in actors], [s.pace for s in tasks]),
        ]

    return trio.run(measure)


async def beside_actors(size: int, asks: int) -> Shift:
    crowd = Crowd(size)
    async with open_system() as system:
        idle = await system.spawn(WorkerActor, crowd, 0)
        busy: list[Ref[Worker]] = [
            await system.spawn(WorkerActor, crowd, number) for number in range(size)
        ]
        for worker in busy:
            worker.tell_nowait(Work())
        shift = await _watched(crowd, partial(idle.ask, Call()), asks)
        crowd.goes_on = False
    return shift


async def beside_tasks(size: int, asks: int) -> Shift:
    crowd = Crowd(size)
    to_idle, at_idle = trio.open_memory_channel[None](0)
    back, replies = trio.open_memory_channel[None](0)

    async def idle() -> None:
        while True:
            await at_idle.receive()
            await back.send(None)

    async def busy(number: int) -> None:
        outlet, inlet = trio.open_memory_channel[None](1)
        while True:
            outlet.send_nowait(None)
            await inlet.receive()
            crowd.handled[number] += 1

    async def ask() -> None:
        await to_idle.send(None)
        await replies.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(idle)
        for number in range(size):
            nursery.start_soon(busy, number)
        shift = await _watched(crowd, ask, asks)
        nursery.cancel_scope.cancel()
    return shift


async def _watched(crowd: Crowd, ask: Callable[[], Awaitable[None]], count: int) -> Shift:
    """Ask `count` times while the crowd is at work."""
    await ask()  # by then all of them are
    before = list(crowd.handled)
    asks: list[float] = []
    begin = perf_counter_ns()
    for _ in range(count):
        start = perf_counter_ns()
        await ask()
        asks.append((perf_counter_ns() - start) / 1e6)
    seconds = (perf_counter_ns() - begin) / 1e9
    handled = [now - then for now, then in zip(crowd.handled, before, strict=True)]
    return Shift(asks, handled, seconds)
