"""Ways to think about a problem: state machines that decide what to ask a model next. Pure.

`actors.agents.open_reasoner` carries them out.
"""

from ._chain import ChainOfThought
from ._machine import (
    CallModel,
    CancelCalls,
    Emit,
    Exhausted,
    Finish,
    Machine,
    RunTool,
    Strategy,
    StrategyCommand,
    Task,
    Transitions,
)
from ._react import ReAct
from ._select import Rule, Select, by_wording
from ._trace import (
    CallRecord,
    CallStatus,
    Noted,
    ReasoningEvent,
    ReasoningTrace,
    StepStatus,
    StrategyChoice,
    ThoughtStep,
    TraceNote,
)
from ._tree import TreeOfThoughts
from ._vote import SelfConsistency

__all__ = [
    "CallModel",
    "CallRecord",
    "CallStatus",
    "CancelCalls",
    "ChainOfThought",
    "Emit",
    "Exhausted",
    "Finish",
    "Machine",
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
    "StrategyChoice",
    "StrategyCommand",
    "Task",
    "ThoughtStep",
    "TraceNote",
    "Transitions",
    "TreeOfThoughts",
    "by_wording",
]
