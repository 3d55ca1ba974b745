"""An actor runtime on trio: supervised, bounded, cancellable all the way down."""

from ._actor import Actor
from ._cell import Statistics
from ._envelope import Propagator, carried, carry
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
from ._events import (
    Crashed,
    DeadLetter,
    Fact,
    GaveUp,
    MessageFailed,
    Overdue,
    Restarted,
    Spawned,
    Stopped,
)
from ._lifecycle import Exit
from ._message import Ask, Sink, Stream, Tell
from ._options import ChildOptions, Conflate, MailboxOptions, Overflow
from ._ref import Ref, Watch
from ._restart import Backoff, RestartLimit, RestartPolicy, RestartStrategy
from ._stream import StreamBlock
from ._subscription import Subscription
from ._system import Supervisor, System, open_system
from ._tree import Node

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorRestarting",
    "ActorStopped",
    "Ask",
    "AskCycle",
    "AskTimeout",
    "Backoff",
    "ChildOptions",
    "Conflate",
    "Crashed",
    "DeadLetter",
    "Exit",
    "Fact",
    "ForeignRun",
    "GaveUp",
    "MailboxFull",
    "MailboxOptions",
    "MessageDropped",
    "MessageFailed",
    "Node",
    "Overdue",
    "Overflow",
    "Propagator",
    "Ref",
    "RestartLimit",
    "RestartPolicy",
    "RestartStrategy",
    "Restarted",
    "RuntimeFault",
    "Sink",
    "Spawned",
    "Statistics",
    "Stopped",
    "Stream",
    "StreamBlock",
    "Subscription",
    "Supervisor",
    "SupervisorGaveUp",
    "System",
    "SystemFailed",
    "Tell",
    "Watch",
    "carried",
    "carry",
    "open_system",
]
