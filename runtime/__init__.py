"""An actor runtime on trio: supervised, bounded, cancellable all the way down."""

from ._actor import Actor
from ._carried import Propagator, carried, carry
from ._errors import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    AskCycle,
    AskTimeout,
    BridgeClosed,
    ForeignRun,
    LinkBroken,
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
    MessageEnded,
    MessageFailed,
    MessageStarted,
    Overdue,
    Restarted,
    Spawned,
    Stopped,
)
from ._lifecycle import Exit
from ._message import Ask, Behaviour, Sink, Stream, Tell
from ._options import ChildOptions, Conflate, MailboxOptions, Overflow
from ._pool import Pool, PoolOptions, PoolStatistics
from ._ref import Ref, Watch
from ._restart import Backoff, RestartLimit, RestartPolicy, RestartStrategy
from ._routing import ConsistentHash, Key, Routing
from ._statistics import Statistics
from ._stream import StreamBlock
from ._subscription import Subscription
from ._system import Partitions, Supervisor, System, open_system
from ._topics import Attach, Detach, Publish, Subscribe, Topic
from ._tree import Node

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorRestarting",
    "ActorStopped",
    "Ask",
    "AskCycle",
    "AskTimeout",
    "Attach",
    "Backoff",
    "Behaviour",
    "BridgeClosed",
    "ChildOptions",
    "Conflate",
    "ConsistentHash",
    "Crashed",
    "DeadLetter",
    "Detach",
    "Exit",
    "Fact",
    "ForeignRun",
    "GaveUp",
    "Key",
    "LinkBroken",
    "MailboxFull",
    "MailboxOptions",
    "MessageDropped",
    "MessageEnded",
    "MessageFailed",
    "MessageStarted",
    "Node",
    "Overdue",
    "Overflow",
    "Partitions",
    "Pool",
    "PoolOptions",
    "PoolStatistics",
    "Propagator",
    "Publish",
    "Ref",
    "RestartLimit",
    "RestartPolicy",
    "RestartStrategy",
    "Restarted",
    "Routing",
    "RuntimeFault",
    "Sink",
    "Spawned",
    "Statistics",
    "Stopped",
    "Stream",
    "StreamBlock",
    "Subscribe",
    "Subscription",
    "Supervisor",
    "SupervisorGaveUp",
    "System",
    "SystemFailed",
    "Tell",
    "Topic",
    "Watch",
    "carried",
    "carry",
    "open_system",
]
