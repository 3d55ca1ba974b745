"""Actors and blocks for the tests of the bridge, and an interrupt that comes when it should."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from runtime import Actor, Ask, Sink, Stream, open_system

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from runtime import Ref

SECONDS = 10.0  # that a test waits before it fails; nothing takes as long


class Counting:
    """The interface."""


@attrs.frozen
class Add(Ask[Counting, int]):
    number: int


@attrs.frozen
class Fail(Ask[Counting, None]):
    error: Exception


@attrs.frozen
class CountUp(Stream[Counting, int]):
    """Numbers from 0 on, without an end."""


@attrs.frozen
class Silence(Stream[Counting, int]):
    """Nothing, for ever."""


class Counter(Actor, Counting):
    """Tells the test what happens: events that can be waited for in any thread."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.total = 0

    @Add.handles
    async def add(self, message: Add) -> int:
        self.total += message.number
        return self.total

    @Fail.handles
    async def fail(self, message: Fail) -> None:
        raise message.error

    @CountUp.handles
    async def count_up(self, message: CountUp, out: Sink[int]) -> None:
        del message
        try:
            while True:
                await out.send(self.notes.sent)
                self.notes.sent += 1
        finally:
            self.notes.quiet.set()

    @Silence.handles
    async def silence(self, message: Silence, out: Sink[int]) -> None:
        del message, out
        await self.notes.wait_for_ever()


@attrs.define
class Notes:
    """What a test wants to know of the other side.

    Attributes:
        sent: Items that were taken from the handler's hand.
        busy: Set when something has begun to wait for ever.
        quiet: Set when what was begun has ended.
        reason: Why, where a cancel has ended it.
    """

    sent: int = 0
    busy: threading.Event = attrs.field(factory=threading.Event)
    quiet: threading.Event = attrs.field(factory=threading.Event)
    reason: str | None = None

    async def wait_for_ever(self) -> None:
        self.busy.set()
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            self.reason = cancelled.reason
            with trio.CancelScope(shield=True):
                await trio.sleep(0.01)  # whoever does not wait for the end is found out
            raise
        finally:
            self.quiet.set()

    @asynccontextmanager
    async def block(self) -> AsyncGenerator[str]:
        """Says "inside"; its end takes a moment."""
        try:
            yield "inside"
        except trio.Cancelled as cancelled:
            self.reason = cancelled.reason
            raise
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.01)
            self.quiet.set()


@asynccontextmanager
async def open_counter(notes: Notes) -> AsyncGenerator[Ref[Counter]]:
    async with open_system() as system:
        yield await system.spawn(Counter, notes, name="counter")


@contextmanager
def interrupting(when: threading.Event) -> Generator[None]:
    """Send this process the signal of a Ctrl-C when the event is set."""

    def interrupt() -> None:
        if when.wait(SECONDS):
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        yield
    finally:
        when.set()
        thread.join()
