"""What the command line says about an error: the one place that maps errors to lines.

Foreseen is what the user or the provider did, and it is one line. A crash of ours is not.
"""

from __future__ import annotations

from typing import Final

from actors.errors import (
    ChromaEnded,
    ConfigurationError,
    EmbedderEnded,
    JournalDamaged,
    JournalNotWritten,
    LimitReached,
    MemoryDamaged,
    MemoryNotWritten,
    MemoryUnreachable,
    NeedsApproval,
    ProviderError,
    ReaderEnded,
    StreamInterrupted,
)
from runtime import ActorCrashed, RuntimeFault, SupervisorGaveUp, SystemFailed

FORESEEN: Final = (
    ConfigurationError,
    JournalDamaged,
    JournalNotWritten,
    MemoryDamaged,
    MemoryNotWritten,
    MemoryUnreachable,
    ChromaEnded,
    EmbedderEnded,
    ReaderEnded,
    ProviderError,
    StreamInterrupted,
    LimitReached,
    NeedsApproval,
)
MESSENGERS: Final = (ActorCrashed, SupervisorGaveUp, SystemFailed)  # they bring another's error


def line_for(error: BaseException) -> str | None:
    """The line that says `error`, or None where it was not foreseen."""
    error = origin_of(error)
    return one_line(error) if isinstance(error, FORESEEN) else None


def line_for_fault(fault: RuntimeFault) -> str:
    """The line for a fault that the conversation survives, foreseen or not."""
    error = origin_of(fault)
    return one_line(error) if isinstance(error, RuntimeFault) else f"it crashed: {error!r}"


def origin_of(error: BaseException) -> BaseException:
    """The error that a supervisor, or a chain of them, reports."""
    while isinstance(error, MESSENGERS) and error.__cause__ is not None:
        error = error.__cause__
    return error


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
