"""How far a tool has come: said by the tool, heard by whoever runs it.

`progress` finds its listener by context, so that it works in a task, in a thread and in a
process, and a function that is called without a run has nobody who listens.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Generator

MAX_CONTENT: Final = 500  # characters, so that one always fits into what a pipe takes at once


def _bounded(content: str) -> str:
    """Cut it, and replace what UTF-8 cannot hold."""
    return content[:MAX_CONTENT].encode("utf-8", "replace").decode("utf-8")


@attrs.frozen
class Progress:
    """How far a tool has come.

    Attributes:
        content: In words; cut at 500 characters.
        fraction: From 0 to 1; None where nobody can tell.

    Raises:
        ValueError: If `fraction` is not from 0 to 1.
    """

    content: str = attrs.field(converter=_bounded)
    fraction: float | None = None

    def __attrs_post_init__(self) -> None:
        if self.fraction is not None and not 0 <= self.fraction <= 1:  # also refuses NaN
            raise ValueError(
                f"fraction must be from 0 to 1, not {self.fraction}: write for example "
                "progress('half', fraction=done / total)"
            )


Listener = Callable[[Progress], None]
_LISTENER: ContextVar[Listener | None] = ContextVar(
    "the listener of a tool's progress", default=None
)


def progress(content: str, *, fraction: float | None = None) -> None:
    """Say how far this tool has come, from inside it: a `ToolProgress` in the run's stream.

    Never waits, and costs little. A reader that is slower than the tool sees the latest only.
    Whoever calls the function without a run hears nothing.

    Args:
        content: In words; cut at 500 characters.
        fraction: From 0 to 1, where it is known.

    Raises:
        ValueError: If `fraction` is not from 0 to 1.
    """
    said = Progress(content, fraction)
    listener = _LISTENER.get()
    if listener is not None:
        listener(said)


def listener() -> Listener | None:
    """Who hears of the progress of the call that runs here."""
    return _LISTENER.get()


@contextlib.contextmanager
def heard_by(listener: Listener | None) -> Generator[None]:
    """Give what runs in this block, and what it starts, a listener.

    Args:
        listener: Called in whatever thread the tool runs in; must neither wait nor raise.
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
