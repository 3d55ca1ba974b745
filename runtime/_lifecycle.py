"""The life of an actor: its states, why it ended, and what a failed handler means.

Pure. `TRANSITIONS` is the whole truth: a pair that is not in it is a bug in the runtime.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from ._errors import InjectedCrash, RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Iterator

Group: TypeAlias = BaseExceptionGroup[BaseException]


class State(enum.Enum):
    STARTING = "starting"  # `started` is running; messages queue up
    RUNNING = "running"
    STOPPING = "stopping"  # takes no new messages, finishes what it has begun
    RESTARTING = "restarting"  # between two incarnations
    ENDED = "ended"

    __hash__ = object.__hash__  # that of `Enum` is Python code, and this is looked up all the time


class Exit(enum.Enum):
    COMPLETED = "completed"  # the actor decided it was done
    STOPPED = "stopped"  # somebody asked it to stop
    FAILED = "failed"  # an exception left a handler

    __hash__ = object.__hash__  # likewise


class Sequel(enum.Enum):
    """What follows when an incarnation has ended."""

    NONE = "none"  # that was the last one
    LATER = "later"  # another, when a backoff has passed
    AT_ONCE = "at once"  # another, as soon as those before it have started


TRANSITIONS: Final = {
    State.STARTING: {State.RUNNING, State.STOPPING, State.RESTARTING, State.ENDED},
    State.RUNNING: {State.STOPPING, State.RESTARTING, State.ENDED},
    State.STOPPING: {State.RESTARTING, State.ENDED},
    State.RESTARTING: {State.STARTING, State.ENDED},
    State.ENDED: set[State](),
}


def unwrapped(error: BaseException, declared: tuple[type[Exception], ...] = ()) -> BaseException:
    """The error that a group stands for: the one inside, or the first if none is a crash.

    A KeyboardInterrupt or the like among others wins, for it ends the system. A group of
    several errors among which there is a crash stands for itself.
    """
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("Group", error)
    leaves = list(_leaves(group))
    for leaf in leaves:
        if not isinstance(leaf, Exception):
            return leaf
    if len(leaves) == 1 or not any(is_crash(leaf, declared) for leaf in leaves):
        return leaves[0]
    return group


def _leaves(group: Group) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(cast("Group", error))
        else:
            yield error


def is_crash(error: BaseException, declared: tuple[type[Exception], ...]) -> bool:
    """Whether an error that left a handler ends the actor.

    Declared errors are part of the protocol, and a fault is another actor's trouble: both
    fail the message only. What a simulation injects is a crash whatever is declared.
    """
    return isinstance(error, InjectedCrash) or not isinstance(error, (RuntimeFault, *declared))
