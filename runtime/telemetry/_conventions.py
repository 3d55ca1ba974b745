"""What telemetry calls things: names, units and attributes, by OpenTelemetry's conventions.

No name is made from a payload, and no attribute holds one: messages and errors are told by
their types. A path may be different for every user of a service, so it is an attribute of
spans and of log lines; metrics, which keep a series for each value, have the actor's kind.
"""

from __future__ import annotations

from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NamedTuple, cast

import trio

from runtime._lifecycle import is_crash, unwrapped

SCOPE: Final = "runtime.telemetry"  # the instrumentation scope
DISTRIBUTION: Final = "troupe-runtime"

# Attributes
ACTOR_KIND: Final = "troupe.actor.kind"
ACTOR_PATH: Final = "troupe.actor.path"
ACTOR_STATE: Final = "troupe.actor.state"
ACTOR_EXIT: Final = "troupe.actor.exit"
MESSAGE_TYPE: Final = "troupe.message.type"
MESSAGE_KIND: Final = "troupe.message.kind"
MESSAGE_OUTCOME: Final = "troupe.message.outcome"
ERROR_TYPE: Final = "error.type"
EXCEPTION_EVENT: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"


class Name(NamedTuple):
    """A metric: its name, its unit in UCUM's notation, what it counts."""

    name: str
    unit: str
    description: str


SPAWNED: Final = Name("troupe.actor.spawned", "{actor}", "Actors that have started")
CRASHED: Final = Name("troupe.actor.crashed", "{crash}", "Undeclared errors that ended a life")
RESTARTED: Final = Name("troupe.actor.restarted", "{restart}", "Lives after the first")
STOPPED: Final = Name("troupe.actor.stopped", "{actor}", "Actors that are gone for good")
OVERDUE: Final = Name("troupe.actor.overdue", "{report}", "Cancelled, and still at work")
GAVE_UP: Final = Name("troupe.supervisor.given_up", "{supervisor}", "Supervisors that gave up")
DEAD_LETTERS: Final = Name("troupe.message.dead_lettered", "{message}", "Reached nobody")
FAILED: Final = Name("troupe.message.failed", "{message}", "Tells whose handler left an error")
DURATION: Final = Name("troupe.message.duration", "s", "How long handlers take")
ALIVE: Final = Name("troupe.actor.count", "{actor}", "Actors there are")
QUEUED: Final = Name("troupe.mailbox.message.count", "{message}", "Messages in mailboxes")
IN_LINE: Final = Name("troupe.mailbox.sender.count", "{sender}", "Senders that wait for room")
FACTS_LOST: Final = Name("troupe.fact.lost", "{fact}", "Facts that came faster than they were read")

# Seconds. Handlers take from a few microseconds to the minutes of a long answer of a model.
DURATION_BUCKETS: Final = (
    *(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05),
    *(0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0),
)


class Outcome(StrEnum):
    """How a handler ended."""

    HANDLED = "handled"  # it returned
    DECLARED = "declared"  # with an error that the message declares: an answer
    FAILED = "failed"  # with a fault, which fails the message only
    CRASHED = "crashed"  # with an error that ends the actor
    CANCELLED = "cancelled"


def outcome_of(
    message: object, error: BaseException | None
) -> tuple[Outcome, BaseException | None]:
    """How a handler ended, and the error to tell of; `error` is what left it."""
    if error is None:
        return Outcome.HANDLED, None
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        _, others = group.split(trio.Cancelled)
        error = None if others is None else unwrapped(others)
    if error is None or isinstance(error, trio.Cancelled):
        return Outcome.CANCELLED, None
    declared = declared_by(message)
    if is_crash(error, declared):
        return Outcome.CRASHED, error
    return (Outcome.DECLARED if isinstance(error, declared) else Outcome.FAILED), error


def declared_by(message: object) -> tuple[type[Exception], ...]:
    return getattr(type(message), "raises", ())


def name_of(kind: type[Any]) -> str:
    """A class by its full name; those of Python itself by their short one."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def release() -> str | None:
    """Which release of this package tells it."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return None
