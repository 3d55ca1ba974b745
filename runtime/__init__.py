"""An actor runtime on trio: supervised, bounded, cancellable all the way down."""

from ._errors import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    AskCycle,
    AskTimeout,
    ForeignRun,
    MailboxFull,
    MessageDropped,
    RuntimeFault,
    SupervisorGaveUp,
    SystemFailed,
)

__all__ = [
    "ActorCrashed",
    "ActorRestarting",
    "ActorStopped",
    "AskCycle",
    "AskTimeout",
    "ForeignRun",
    "MailboxFull",
    "MessageDropped",
    "RuntimeFault",
    "SupervisorGaveUp",
    "SystemFailed",
]
