"""Who waits for whom, and the calls that would wait for themselves.

Pure. A *party* is whoever can wait: a turn (one handler at work), a hook (`started` or
`stopped`), a background task, or a caller outside of all actors that reads a stream. What a
party waits for is an *awaited* thing: a message, an end, a start, a reader. That in turn names
the parties that must go on before the wait is over. The graph is never stored: it is walked
when a call may close a loop, from what the call would wait for back to the caller.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    Step = tuple["Party", Hashable | None]


class Party(Protocol):
    """Whoever can wait.

    Attributes:
        path: What to call it in a chain.
        waits: For each task of it that waits, what it waits for; None where none ever did.
        caller: Where it is a turn: the party that sent the message.
    """

    waits: dict[Hashable, Awaited] | None

    @property
    def caller(self) -> Party | None: ...
    @property
    def path(self) -> str: ...
    def includes(self, task: Any) -> bool:
        """Whether it waits for this task, which has its context."""
        ...

    def refuse_cycles(self) -> None:
        """It waits and cannot be refused: end what now waits, through it, for itself."""
        ...


class Awaited(Protocol):
    """What a party can wait for.

    Attributes:
        path: Whom it belongs to.
    """

    @property
    def path(self) -> str: ...
    def holders(self) -> Iterable[Step]:
        """Who must go on before this wait is over.

        Each with the one task of it that matters, or None where all of it does.
        """
        ...


class Bystander:
    """A party that is no turn: a hook or a background task."""

    caller = None

    __slots__ = ("path", "waits")

    def __init__(self, path: str) -> None:
        self.path = path
        self.waits: dict[Hashable, Awaited] | None = None

    def includes(self, task: Any) -> bool:
        del task
        return True

    def refuse_cycles(self) -> None:
        """Nobody waits in a mailbox of it."""


class Outsider(Bystander):
    """A caller from outside of all actors."""

    __slots__ = ()


PARTY: Final[ContextVar[Party | None]] = ContextVar("runtime_party", default=None)


def is_in_an_actor() -> bool:
    """Whether what runs now is code of an actor."""
    party = PARTY.get()
    return party is not None and not isinstance(party, Outsider)


def note_wait(party: Party, task: Hashable, awaited: Awaited) -> None:
    """A task of the party begins to wait."""
    if party.waits is None:
        party.waits = {}
    party.waits[task] = awaited


def forget_wait(party: Party, task: Hashable) -> None:
    """Its wait is over: to be said when that is decided, before the task runs again."""
    if party.waits:
        party.waits.pop(task, None)


def waited_for(party: Party, task: Hashable | None = None) -> Iterable[Awaited]:
    """What a party waits for, in all of its tasks or in one."""
    if not party.waits:
        return ()
    if task is None:
        return tuple(party.waits.values())
    awaited = party.waits.get(task)
    return () if awaited is None else (awaited,)


def waiting_on(party: Party, awaited: object) -> list[Any]:
    """The tasks of a party that wait for this."""
    return [task for task, each in (party.waits or {}).items() if each is awaited]


def chain_back(awaited: Awaited, caller: Party, task: Hashable) -> tuple[str, ...] | None:
    """The paths from the caller round to the caller, if waiting would close a loop.

    Args:
        awaited: What the caller is about to wait for.
        caller: The party that makes the call.
        task: The task of it that makes the call.
    """
    came_from: dict[Step, tuple[Awaited, Step | None]] = {}
    to_visit: list[tuple[Awaited, Step | None]] = [(awaited, None)]
    while to_visit:
        awaited, before = to_visit.pop()
        for step in awaited.holders():
            if step in came_from:
                continue
            came_from[step] = awaited, before
            party, only_task = step
            if party is caller and (only_task is None or only_task == task):
                return _path_to(step, came_from)
            to_visit += [(further, step) for further in waited_for(party, only_task)]
    return None


def chain_of_wait(awaited: Awaited, party: Party) -> tuple[str, ...] | None:
    """The paths round, if a task of the party waits for it already, and so for itself."""
    for task, each in tuple((party.waits or {}).items()):
        if each is awaited and (chain := chain_back(awaited, party, task)):
            return chain
    return None


def _path_to(last: Step, came_from: dict[Step, tuple[Awaited, Step | None]]) -> tuple[str, ...]:
    """The paths from the party at the end of the walk round to it."""
    paths = list[str]()
    step: Step | None = last
    while step is not None:
        path = step[0].path
        paths.append(path)
        awaited, step = came_from[step]
        if awaited.path != path.partition(" (")[0]:  # others occupy whom it waits for
            paths.append(awaited.path)
    return (last[0].path, *reversed(paths))
