"""An actor that does what its messages say, so that a test can say it in one place."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from runtime import (
    Actor,
    ActorCrashed,
    Ask,
    Exit,
    Fact,
    Ref,
    RuntimeFault,
    Sink,
    Stream,
    System,
    Tell,
)

Work = Callable[["Puppet"], Awaitable[Any]]
Feeding = Callable[["Puppet", Sink[Any]], Awaitable[None]]


class Refused(Exception):
    """A declared error of all messages here."""


class Stage: ...


@attrs.frozen
class Do(Ask[Stage, Any]):
    """Handled one at a time; the reply is what `work` returns."""

    raises = (Refused,)
    work: Work


@attrs.frozen
class DoBeside(Ask[Stage, Any]):
    """Handled beside the others."""

    raises = (Refused,)
    work: Work


@attrs.frozen
class Order(Tell[Stage]):
    raises = (Refused,)
    work: Work


@attrs.frozen
class Feed(Stream[Stage, Any]):
    """A stream that occupies the actor."""

    raises = (Refused,)
    feeding: Feeding


@attrs.frozen
class FeedBeside(Stream[Stage, Any]):
    raises = (Refused,)
    feeding: Feeding


async def nothing(*_: object) -> None:
    """Work that is none."""


class Puppet(Actor, Stage):
    """Does what it is told.

    Args:
        on_start: Called with the actor in `started`.
        on_stop: Called with the actor and its exit in `stopped`.
    """

    def __init__(
        self, on_start: Work = nothing, on_stop: Callable[[Puppet, Exit], Awaitable[Any]] = nothing
    ) -> None:
        self.on_start = on_start
        self.on_stop = on_stop
        self.handled = 0

    async def started(self) -> None:
        await self.on_start(self)

    async def stopped(self, exit: Exit) -> None:
        await self.on_stop(self, exit)

    @Do.handles
    async def do(self, message: Do) -> Any:
        self.handled += 1
        return await message.work(self)

    @DoBeside.handles(concurrent=True)
    async def do_beside(self, message: DoBeside) -> Any:
        return await message.work(self)

    @Order.handles
    async def order(self, message: Order) -> None:
        await message.work(self)

    @Feed.handles
    async def feed(self, message: Feed, out: Sink[Any]) -> None:
        await message.feeding(self, out)

    @FeedBeside.handles(concurrent=True)
    async def feed_beside(self, message: FeedBeside, out: Sink[Any]) -> None:
        await message.feeding(self, out)


async def crash(_: object) -> None:
    """Work that ends in an undeclared error."""
    raise ValueError("crash")


def returns(value: object) -> Work:
    async def work(_: object) -> object:
        return value

    return work


def does(call: Callable[[Puppet], object]) -> Do:
    """A message whose handler makes one call, and replies with what that returns."""

    async def work(puppet: Puppet) -> Any:
        return call(puppet)

    return Do(work)


def sleeps(seconds: float) -> Work:
    async def work(_: object) -> None:
        await trio.sleep(seconds)

    return work


def forwards(ref: Ref[Puppet], message: Do | DoBeside) -> Work:
    """Work that has another actor do the work."""

    async def work(puppet: Puppet) -> Any:
        return puppet.forward(ref, message)

    return work


class Heard:
    """Collects the facts of a system."""

    def __init__(self) -> None:
        self.facts = list[Fact]()

    async def listen(self, system: System) -> None:
        async with system.events() as facts:
            async for fact in facts:
                self.facts.append(fact)

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


async def crash_now(ref: Ref[Puppet]) -> None:
    with pytest.raises(ActorCrashed):
        await ref.ask(Do(crash))
    await trio.testing.wait_all_tasks_blocked()


async def outcome_of(ref: Ref[Puppet], message: Do | DoBeside, into: list[Any]) -> None:
    """Put the reply or the fault that an ask ends with `into` a list."""
    try:
        into.append(await ref.ask(message))
    except RuntimeFault as fault:
        into.append(fault)


@contextmanager
def alarm(seconds: int = 10) -> Generator[None]:
    """Around what would hang if it failed: so many real seconds, then it fails."""

    def give_up(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
