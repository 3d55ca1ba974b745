"""The bridge: one item from trio to a program on asyncio, and to one that blocks.

Each item is asked for, made, and handed over, so a sample is the way there and back. The floors
do the same with a bare thread, and queues of the standard library.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from runtime.bridge import open_asyncio_bridge, open_bridge

from ._figures import Effort, Figure, Samples, figure_of
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

ITEMS: Final = 2_000  # a round


class _Numbers:
    """Does as little as an iterator can do."""

    def __init__(self) -> None:
        self._numbers = count()

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        return next(self._numbers)


@asynccontextmanager
async def _numbers() -> AsyncGenerator[AsyncIterator[int]]:
    yield _Numbers()


def bridge(effort: Effort) -> Sequence[Figure]:
    """Item by item, as `agent.stream` is read."""

    async def measure() -> Sequence[Figure]:
        items = effort.samples(ITEMS)
        subjects = {
            "asyncio": partial(_in_asyncio, items),
            "queue": partial(_through_a_queue, items),
            "blocking": partial(_in_a_thread, _blocking, items),
            "queues": partial(_in_a_thread, _through_two_queues, items),
        }
        rounds = await take_turns(effort, subjects)
        return [
            figure_of("bridge: asyncio", "µs", rounds["asyncio"], rounds["queue"]),
            figure_of("bridge: blocking", "µs", rounds["blocking"], rounds["queues"]),
        ]

    return asyncio.run(measure())


async def _in_a_thread(subject: Callable[[int], Samples], items: int) -> Samples:
    return await asyncio.to_thread(subject, items)


async def _in_asyncio(items: int) -> Samples:
    samples: list[float] = []
    async with open_asyncio_bridge() as crossing, crossing.stream(_numbers) as numbers:
        for _ in range(items):
            start = perf_counter_ns()
            await anext(numbers)
            samples.append((perf_counter_ns() - start) / 1e3)
    return samples


def _blocking(items: int) -> Samples:
    samples: list[float] = []
    with open_bridge() as crossing, crossing.stream(_numbers) as numbers:
        for _ in range(items):
            start = perf_counter_ns()
            next(numbers)
            samples.append((perf_counter_ns() - start) / 1e3)
    return samples


async def _through_a_queue(items: int) -> Samples:
    loop = asyncio.get_running_loop()
    asked, given = queue.SimpleQueue[int](), asyncio.Queue[int]()
    samples: list[float] = []

    def give(number: int) -> None:
        loop.call_soon_threadsafe(given.put_nowait, number)

    thread = _answering(asked, give)
    for _ in range(items):
        start = perf_counter_ns()
        asked.put(1)
        await given.get()
        samples.append((perf_counter_ns() - start) / 1e3)
    asked.put(0)
    thread.join()
    return samples


def _through_two_queues(items: int) -> Samples:
    asked, given = queue.SimpleQueue[int](), queue.SimpleQueue[int]()
    samples: list[float] = []
    thread = _answering(asked, given.put)
    for _ in range(items):
        start = perf_counter_ns()
        asked.put(1)
        given.get()
        samples.append((perf_counter_ns() - start) / 1e3)
    asked.put(0)
    thread.join()
    return samples


def _answering(asked: queue.SimpleQueue[int], give: Callable[[int], None]) -> threading.Thread:
    """A thread that gives a number for each time that it is asked, until it is told 0."""

    def answer() -> None:
        for number in count():
            if not asked.get():
                return
            give(number)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread
