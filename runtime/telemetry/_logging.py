"""Writes the facts of a system as structured log lines."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs
import structlog
import trio

from runtime import (
    Actor,
    Crashed,
    DeadLetter,
    Exit,
    GaveUp,
    MessageEnded,
    MessageFailed,
    MessageStarted,
    Overdue,
)

from ._following import follow

if TYPE_CHECKING:
    from runtime import Fact, Subscription, System

LEVELS: Final[dict[type, str]] = {
    Crashed: "error",
    GaveUp: "error",
    Overdue: "warning",
    DeadLetter: "warning",
    MessageFailed: "warning",
    MessageStarted: "debug",
    MessageEnded: "debug",
}  # the rest is "info"
PLAIN: Final = (str, int, float, type(None))  # and of a type derived from them, the name only


class FactLogger(Actor):
    """Logs what happens in a system: `await system.spawn(FactLogger, system)`.

    The event is the fact's name in lower case, its fields are the line's keys. Messages and
    errors are named by their types only, so that no payload, and no secret, gets into a log.
    Spawn it first, and it is there until all others have stopped.

    Args:
        system: Whose facts to write.
        buffer: How many may wait; beyond, the oldest are dropped and their number is logged.
        messages: Whether to write each handler's begin and end, too, at the level "debug".
    """

    def __init__(self, system: System, buffer: int = 1024, *, messages: bool = False) -> None:
        self._system = system
        self._buffer = buffer
        self._messages = messages
        self._dropped = 0  # facts, so far
        self._log: Any = structlog.get_logger("runtime")

    async def started(self) -> None:
        """Returns when nothing is missed any longer."""
        is_listening = trio.Event()
        self.start_soon(self._write_facts, is_listening)
        await is_listening.wait()

    async def _write_facts(self, is_listening: trio.Event) -> None:
        facts = self._system.events(buffer=self._buffer, messages=self._messages)
        await follow(facts, partial(self._write, facts), is_listening)

    def _write(self, source: Subscription, facts: list[Fact]) -> None:
        for fact in facts:
            level = LEVELS.get(type(fact), "info")
            getattr(self._log, level)(type(fact).__name__.lower(), **fields_of(fact))
        if source.dropped > self._dropped:
            self._log.warning("facts_dropped", count=source.dropped - self._dropped)
            self._dropped = source.dropped


def fields_of(fact: Fact) -> dict[str, object]:
    """The fields of a fact as plain values."""
    return {field.name: _plain(getattr(fact, field.name)) for field in attrs.fields(type(fact))}


def _plain(value: object) -> object:
    """A value that tells nothing of what was sent: whatever is not the runtime's own is a name."""
    if isinstance(value, Exit):
        return value.value
    return value if type(value) in PLAIN else type(value).__name__
