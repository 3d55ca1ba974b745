"""What the benchmarks of actors time is what they say that they time."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from runtime import open_system
from runtime.bench import BENCHMARKS, Effort
from runtime.bench._chains import Hold, Pass, _cancels, _nest, _relayed, link_up
from runtime.bench._crowds import Shift, beside_actors, beside_tasks
from runtime.bench._lives import cost_of
from runtime.bench._trees import Shape, nest, plant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime import Node

TINY = Effort(rounds=1, share=0.001)
FIGURES = {
    "chain": [f"chain of {depth}{part}" for part in ("", ": cancel") for depth in (1, 3, 5, 10)],
    "fairness": ["fairness: ask", "fairness: spread", "fairness: pace"],
    "idle": ["idle: memory", "idle: start", "idle: stop"],
    "teardown": ["teardown: stop", "teardown: cancel"],
    "stall": ["stall"],
    "codecs": [
        f"{wire}: {figure}"
        for wire in ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
        for figure in ("chunk", "flood")
    ],
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_stands_beside_its_floor(name: str) -> None:
    (benchmark,) = (b for b in BENCHMARKS if b.name == name)

    figures = benchmark.measure(TINY)

    assert [figure.name for figure in figures] == FIGURES[name]
    for figure in figures:
        assert figure.p50 > 0
        assert figure.floor is not None
        assert figure.floor > 0
        assert figure.ratio is not None
        assert figure.ratio > 0


# Chains


async def test_an_ask_passes_through_every_link_of_its_chain() -> None:
    async with open_system() as system:
        links = await link_up(system, 5)

        assert await links[0].ask(Pass(7)) == 7
        assert [link.statistics().handled for link in links] == [1] * 5


async def test_a_cancelled_chain_is_quiet_when_its_asker_has_control_again() -> None:
    async with open_system() as system:
        links = await link_up(system, 5)
        async with trio.open_nursery() as nursery:
            held = trio.Event()
            nursery.start_soon(links[0].ask, Hold(held))
            await held.wait()
            assert [link.statistics().handling for link in links] == [("Hold",)] * 5

            nursery.cancel_scope.cancel()

        assert [link.statistics().handling for link in links] == [()] * 5


async def test_relays_are_as_many_tasks_as_the_chain_has_actors() -> None:
    living = trio.lowlevel.current_statistics().tasks_living
    seen: list[int] = []

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_relayed, 5, 1_000)
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        seen.append(trio.lowlevel.current_statistics().tasks_living - living)

    assert seen == [1 + 5]


async def test_a_nest_is_as_many_tasks_as_the_chain_has_actors() -> None:
    living = trio.lowlevel.current_statistics().tasks_living

    async with trio.open_nursery() as nursery:
        reached = trio.Event()
        nursery.start_soon(_nest, 5, reached)
        await reached.wait()
        assert trio.lowlevel.current_statistics().tasks_living - living == 1 + 5
        nursery.cancel_scope.cancel()


async def test_a_cancel_takes_until_the_one_who_waits_has_control_again() -> None:
    async def hold(reached: trio.Event) -> None:
        reached.set()
        try:
            await trio.sleep_forever()
        finally:
            end = perf_counter() + 0.002
            while perf_counter() < end:
                pass

    samples = await _cancels(hold, 3)

    assert len(samples) == 3
    assert all(sample >= 2_000 for sample in samples)


# Crowds


async def test_an_idle_actor_is_asked_while_every_busy_one_is_at_work() -> None:
    shift = await beside_actors(size=20, asks=5)

    assert len(shift.asks) == 5
    assert len(shift.handled) == 20
    assert all(shift.handled)


async def test_an_idle_task_is_asked_while_every_busy_one_is_at_work() -> None:
    shift = await beside_tasks(size=20, asks=5)

    assert len(shift.asks) == 5
    assert len(shift.handled) == 20
    assert all(shift.handled)


def test_a_spread_compares_the_most_with_the_least() -> None:
    assert Shift([1.0], [20, 30, 10], seconds=1.0).spread == [3.0]
    assert Shift([1.0], [20, 0], seconds=1.0).spread == [20.0]


def test_a_pace_counts_the_messages_of_all() -> None:
    assert Shift([1.0], [1_000_000, 3_000_000], seconds=2.0).pace == [2.0]


# Trees


def leaves_of(node: Node) -> Iterator[Node]:
    if node.statistics is not None:
        yield node
    for child in node.children:
        yield from leaves_of(child)


async def test_a_tree_has_its_actors_below_its_supervisors_and_stops_with_them() -> None:
    async with open_system() as system:
        tree = await system.supervise("tree")
        await plant(tree, Shape((2, 3), leaves=4))

        paths = [leaf.path for leaf in leaves_of(system.tree())]
        assert len(paths) == 2 * 3 * 4
        assert all(path.startswith("/tree/group-") and path.count("/") == 4 for path in paths)

        await tree.stop()
        assert not list(leaves_of(system.tree()))


async def test_a_nest_has_a_task_for_each_actor_and_each_supervisor_of_the_tree() -> None:
    living = trio.lowlevel.current_statistics().tasks_living

    async with trio.open_nursery() as nursery:
        nursery.start_soon(nest, Shape((2, 3), leaves=4))
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living - living == 1 + 2 + 6 + 24
        nursery.cancel_scope.cancel()


# Idle ones


async def test_an_idle_actor_costs_more_than_a_task_and_less_than_its_budget() -> None:
    actor, task = await cost_of("actor", 2_000), await cost_of("task", 2_000)

    assert 0.5 < task.memory < actor.memory < 6.0
    assert min(actor.start, actor.stop, task.start, task.stop) > 0
