"""Ways to think about a problem: state machines that decide what to ask a model next. Pure.

`actors.agents.open_reasoner` carries them out.
"""

from ._chain import ChainOfThought
from ._machine import (
    CallModel,
    CancelCalls,
    Command,
    Emit,
    Exhausted,
    Finish,
    Machine,
    RunTool,
    Strategy,
    Task,
    Transitions,
)
from ._react import ReAct
from ._select import Rule, Select, by_wording
from ._trace import (
    CallRecord,
    CallStatus,
    Choice,
    Note,
    Noted,
    ReasoningEvent,
    ReasoningTrace,
    StepStatus,
    ThoughtStep,
)
from ._tree import TreeOfThoughts
from ._vote import SelfConsistency

__all__ = [
    "CallModel",
    "CallRecord",
    "CallStatus",
    "CancelCalls",
    "ChainOfThought",
    "Choice",
    "Command",
    "Emit",
    "Exhausted",
    "Finish",
    "Machine",
    "Note",
    "Noted",
    "ReAct",
    "ReasoningEvent",
    "ReasoningTrace",
    "Rule",
    "RunTool",
    "Select",
    "SelfConsistency",
    "StepStatus",
    "Strategy",
    "Task",
    "ThoughtStep",
    "Transitions",
    "TreeOfThoughts",
    "by_wording",
]
