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
    """Takes a trace context from the sender's task into the handler's."""

    def capture(self) -> object | None: ...
    def attach(self, trace: object) -> object: ...
    def detach(self, token: object) -> None: ...
