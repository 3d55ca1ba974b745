"""What follows a message through every hop, besides its deadline: scopes and a trace."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator

SCOPES: Final[ContextVar[tuple[object, ...]]] = ContextVar("runtime_scopes", default=())


@contextmanager
def carry(scope: object) -> Generator[None]:
    """Register `scope` with every message that is sent inside the block, through all hops."""
    token = SCOPES.set((*SCOPES.get(), scope))
    try:
        yield
    finally:
        SCOPES.reset(token)


def carried() -> tuple[object, ...]:
    """The scopes registered around this code, by this task or by whoever sent its message."""
    return SCOPES.get()


class Propagator(Protocol):
    """Takes a trace context from the sender's task into the handler's.

    Those of one type understand what any of them has captured: a message that is forwarded
    into another system keeps its trace if both propagators are of one type.
    """

    def capture(self) -> object | None:
        """What is to travel; called where the message is sent. None: nothing is attached."""
        ...

    def attach(self, trace: object, path: str, message: object) -> object:
        """A handler of the actor at `path` begins; called in its task. Returns a token."""
        ...

    def detach(self, token: object, error: BaseException | None) -> None:
        """That handler has ended; `error` is what left it."""
        ...


def captured(propagator: Propagator | None) -> object | None:
    """What travels with a message that is sent here and now."""
    return None if propagator is None else propagator.capture()
