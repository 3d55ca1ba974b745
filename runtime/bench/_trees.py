"""Trees of supervisors and many actors, and how long they take to come down."""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

import attrs
import trio
import trio.testing

from runtime import Supervisor, open_system

from ._figures import Effort, Figure, Samples, figure_of
from ._lives import IdleActor
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVELS: Final = (10, 10)  # supervisors below the root of the tree, and below each of those
ACTORS: Final = 10_000  # below the last, in equal parts
ROUNDS: Final = 3  # at most


@attrs.frozen
class Shape:
    """How a tree branches: so many supervisors a level, so many actors below each of the last."""

    levels: tuple[int, ...]
    leaves: int

    @property
    def below(self) -> Shape:
        return Shape(self.levels[1:], self.leaves)


def teardown(effort: Effort) -> Sequence[Figure]:
    """The end of a tree of actors, for each of them: stopped with grace, and cancelled.

    The floor is a nest of nurseries of the same shape, cancelled.
    """

    async def measure() -> Sequence[Figure]:
        groups = LEVELS[0] * LEVELS[1]
        shape = Shape(LEVELS, effort.samples(ACTORS // groups))
        few = attrs.evolve(effort, rounds=min(ROUNDS, effort.rounds))
        async with open_system() as system:
            subjects = {
                "stop": partial(_fell, system, shape, groups * shape.leaves, now=False),
                "cancel": partial(_fell, system, shape, groups * shape.leaves, now=True),
                "floor": partial(_cancel_nest, shape, groups * shape.leaves),
            }
            rounds = await take_turns(few, subjects)
        return [
            figure_of("teardown: stop", "µs", rounds["stop"], rounds["floor"]),
            figure_of("teardown: cancel", "µs", rounds["cancel"], rounds["floor"]),
        ]

    return trio.run(measure)


async def _fell(system: Supervisor, shape: Shape, actors: int, *, now: bool) -> Samples:
    tree = await system.supervise("tree")
    await plant(tree, shape)
    start = perf_counter_ns()
    await tree.stop(now=now)
    return [(perf_counter_ns() - start) / 1e3 / actors]


async def plant(above: Supervisor, shape: Shape) -> None:
    """Start a tree of actors below a supervisor."""
    if shape.levels:
        for number in range(shape.levels[0]):
            await plant(await above.supervise(f"group-{number}"), shape.below)
    else:
        for _ in range(shape.leaves):
            await above.spawn(IdleActor)


async def _cancel_nest(shape: Shape, tasks: int) -> Samples:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(nest, shape)
        await trio.testing.wait_all_tasks_blocked()
        start = perf_counter_ns()
        nursery.cancel_scope.cancel()
    return [(perf_counter_ns() - start) / 1e3 / tasks]


async def nest(shape: Shape) -> None:
    """A nursery for each supervisor of the shape, a sleeping task for each actor."""
    async with trio.open_nursery() as nursery:
        if shape.levels:
            for _ in range(shape.levels[0]):
                nursery.start_soon(nest, shape.below)
        else:
            for _ in range(shape.leaves):
                nursery.start_soon(trio.sleep_forever)
