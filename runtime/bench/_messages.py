"""Messages between actors: ask, tell and stream, each beside bare memory channels."""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

import attrs
import trio

from runtime import Actor, Ask, Ref, Sink, Stream, Tell, open_system

from ._figures import Budget, Effort, Figure, Samples, figure_of
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

ASKS: Final = 3_000
TELLS: Final = 20_000
ITEMS: Final = 5_000
BUFFER: Final = 1  # what `ref.stream` has by default, and so its floor
ROOM: Final = 64  # what a mailbox has by default, and so its floor


class Echo: ...


@attrs.frozen
class Ping(Ask[Echo, int]):
    number: int


@attrs.frozen
class Count(Tell[Echo]):
    number: int


@attrs.frozen
class Stamps(Stream[Echo, int]):
    """A stream of `count` times at which an item was sent, in nanoseconds."""

    count: int


class EchoActor(Actor, Echo):
    """Does as little as a handler can do."""

    def __init__(self) -> None:
        self.last = trio.Event()
        self.expected = 0

    @Ping.handles
    async def ping(self, message: Ping) -> int:
        return message.number

    @Count.handles
    async def count(self, message: Count) -> None:
        if message.number == 0:
            self.last.set()

    @Stamps.handles
    async def stamps(self, message: Stamps, out: Sink[int]) -> None:
        for _ in range(message.count):
            await out.send(perf_counter_ns())


def ask(effort: Effort) -> Sequence[Figure]:
    """An ask and its reply; the floor is a ping-pong over two channels without a buffer."""

    async def measure() -> Sequence[Figure]:
        count = effort.samples(ASKS)
        async with open_system() as system:
            echo = await system.spawn(EchoActor)
            subjects = {"ask": partial(_asks, echo, count), "floor": partial(_ping_pong, count)}
            rounds = await take_turns(effort, subjects)
        return [figure_of("ask", "µs", rounds["ask"], rounds["floor"], Budget(ratio=1.25))]

    return trio.run(measure)


async def _asks(echo: Ref[Echo], count: int) -> Samples:
    samples: list[float] = []
    for number in range(count):
        start = perf_counter_ns()
        await echo.ask(Ping(number))
        samples.append((perf_counter_ns() - start) / 1e3)
    return samples


async def _ping_pong(count: int) -> Samples:
    to_echo, in_echo = trio.open_memory_channel[int](0)
    from_echo, replies = trio.open_memory_channel[int](0)

    async def echo() -> None:
        with from_echo:
            async for number in in_echo:
                await from_echo.send(number)

    samples: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(echo)
        with to_echo:
            for number in range(count):
                start = perf_counter_ns()
                await to_echo.send(number)
                await replies.receive()
                samples.append((perf_counter_ns() - start) / 1e3)
    return samples


def tell(effort: Effort) -> Sequence[Figure]:
    """How many messages one teller gets through to one actor; the floor is one channel."""

    async def measure() -> Sequence[Figure]:
        count = effort.samples(TELLS)
        async with open_system() as system:
            actors: list[EchoActor] = []
            echo = await system.spawn(lambda: _noted(EchoActor(), actors))
            subjects = {
                "tell": partial(_tells, echo, actors[0], count),
                "floor": partial(_channel_messages, count),
            }
            rounds = await take_turns(effort, subjects)
        budget = Budget(ratio=1.5, more_is_better=True)
        return [figure_of("tell", "M/s", rounds["tell"], rounds["floor"], budget)]

    return trio.run(measure)


def _noted(actor: EchoActor, actors: list[EchoActor]) -> EchoActor:
    actors.append(actor)
    return actor


async def _tells(echo: Ref[Echo], actor: EchoActor, count: int) -> Samples:
    actor.last = trio.Event()
    start = perf_counter_ns()
    for number in reversed(range(count)):
        await echo.tell(Count(number))
    await actor.last.wait()
    return [count * 1e3 / (perf_counter_ns() - start)]


async def _channel_messages(count: int) -> Samples:
    outlet, inlet = trio.open_memory_channel[Count](ROOM)

    async def consume() -> None:
        async for message in inlet:
            if message.number == 0:
                return

    start = perf_counter_ns()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        with outlet:
            for number in reversed(range(count)):
                await outlet.send(Count(number))
    return [count * 1e3 / (perf_counter_ns() - start)]


def stream(effort: Effort) -> Sequence[Figure]:
    """From `send` to the reader's hand, item by item; the floor is one channel's hop."""

    async def measure() -> Sequence[Figure]:
        count = effort.samples(ITEMS)
        async with open_system() as system:
            echo = await system.spawn(EchoActor)
            subjects = {
                "stream": partial(_stream_items, echo, count),
                "floor": partial(_channel_items, count),
            }
            rounds = await take_turns(effort, subjects)
        return [figure_of("stream hop", "µs", rounds["stream"], rounds["floor"], Budget(ratio=1.5))]

    return trio.run(measure)


async def _stream_items(echo: Ref[Echo], count: int) -> Samples:
    async with echo.stream(Stamps(count), buffer=BUFFER) as stamps:
        return [(perf_counter_ns() - stamp) / 1e3 async for stamp in stamps]


async def _channel_items(count: int) -> Samples:
    outlet, inlet = trio.open_memory_channel[int](BUFFER)

    async def produce() -> None:
        with outlet:
            for _ in range(count):
                await outlet.send(perf_counter_ns())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        return [(perf_counter_ns() - stamp) / 1e3 async for stamp in inlet]
    raise AssertionError
