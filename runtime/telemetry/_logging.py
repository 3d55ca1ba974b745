"""Writes the facts of a system as structured log lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import structlog

from runtime import Actor, Crashed, DeadLetter, GaveUp, MessageFailed, Overdue

if TYPE_CHECKING:
    from runtime import Fact, System

SERIOUS: Final[dict[type, str]] = {
    Crashed: "error",
    GaveUp: "error",
    Overdue: "warning",
    DeadLetter: "warning",
    MessageFailed: "warning",
}


class FactLogger(Actor):
    """Logs what happens in a system: `await system.spawn(FactLogger, system)`.

    The event is the fact's name in lower case, its fields are the line's keys. Messages and
    errors are named by their types only, so that no payload, and no secret, gets into a log.

    Args:
        system: Whose facts to write.
        buffer: How many may wait; beyond, the oldest are dropped and their number is logged.
    """

    def __init__(self, system: System, buffer: int = 1024) -> None:
        self._system = system
        self._buffer = buffer
        self._log: Any = structlog.get_logger("runtime")

    async def started(self) -> None:
        self.start_soon(self._write_facts)

    async def _write_facts(self) -> None:
        dropped = 0
        async with self._system.events(buffer=self._buffer) as facts:
            async for fact in facts:
                level = SERIOUS.get(type(fact), "info")
                getattr(self._log, level)(type(fact).__name__.lower(), **fields_of(fact))
                if facts.dropped > dropped:
                    self._log.warning("facts_dropped", count=facts.dropped - dropped)
                    dropped = facts.dropped


def fields_of(fact: Fact) -> dict[str, object]:
    """The fields of a fact as plain values."""
    return {field.name: _plain(getattr(fact, field.name)) for field in attrs.fields(type(fact))}


def _plain(value: object) -> object:
    if isinstance(value, str | int | float | None):
        return value
    return getattr(value, "value", None) or type(value).__name__
