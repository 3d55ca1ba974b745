"""The facts that the runtime tells about itself: what happened to which actor.

Pure, frozen. Logging, metrics, tracing and the inspector subscribe to them.
"""

from __future__ import annotations

import attrs

from ._lifecycle import Exit


@attrs.frozen
class Spawned:
    """An actor or a supervisor runs for the first time; `kind` is that of its `Node`."""

    path: str
    kind: str = attrs.field(default="", eq=False)


@attrs.frozen
class Crashed:
    """An undeclared error ended an incarnation; `error` is it."""

    path: str
    error: BaseException = attrs.field(eq=False)


@attrs.frozen
class Restarted:
    """The actor runs again; `restarts` counts how often so far."""

    path: str
    restarts: int


@attrs.frozen
class Stopped:
    """The actor is gone for good."""

    path: str
    exit: Exit


@attrs.frozen
class DeadLetter:
    """A message reached nobody; `reason` says why."""

    path: str
    message: object
    reason: str


@attrs.frozen
class MessageFailed:
    """A tell's handler left a fault or a declared error; nobody else hears of it."""

    path: str
    message: object
    error: BaseException = attrs.field(eq=False)


@attrs.frozen
class Overdue:
    """Something of the actor that was cancelled still runs after its `cleanup` seconds.

    A handler whose asker or reader has gone, or the whole actor; it is waited for all the same.
    """

    path: str
    seconds: float


@attrs.frozen
class GaveUp:
    """A supervisor stopped all its children and failed."""

    path: str
    error: BaseException = attrs.field(eq=False)


@attrs.frozen
class MessageStarted:
    """A handler begins; told only to those who asked for `system.events(messages=True)`."""

    path: str
    message: object


@attrs.frozen
class MessageEnded:
    """A handler has ended after `seconds` on trio's clock; told as `MessageStarted` is.

    `error` is what left it: None after a reply, a `trio.Cancelled` after a cancel.
    """

    path: str
    message: object
    seconds: float
    error: BaseException | None = attrs.field(default=None, eq=False)


Fact = (
    Spawned
    | Crashed
    | Restarted
    | Stopped
    | DeadLetter
    | MessageFailed
    | Overdue
    | GaveUp
    | MessageStarted
    | MessageEnded
)
