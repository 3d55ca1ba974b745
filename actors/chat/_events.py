"""What happens in a run, as a reader sees it.

Every event has `type`, `content` and `timestamp` (seconds since the epoch). A reader's loop
ends with `Complete` or by raising; `RunCancelled` and `RunFailed` are for observers.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import ClassVar, Literal

import attrs

from ._response import StreamResponse
from ._turns import ToolCall, ToolResult


class Outcome(enum.StrEnum):
    """How a run ended; every run ends with exactly one."""

    DONE = "done"
    CANCELLED = "cancelled"
    TRUNCATED = "truncated"
    STALLED = "stalled"
    LIMIT = "limit hit"
    NEEDS_APPROVAL = "needs approval"
    FAILED = "failed"


@attrs.frozen
class Token:
    """A piece of the answer's text."""

    type: ClassVar[Literal["token"]] = "token"
    content: str
    timestamp: float = 0.0


@attrs.frozen
class Thought:
    """A piece of the model's reasoning."""

    type: ClassVar[Literal["thought"]] = "thought"
    content: str
    timestamp: float = 0.0


@attrs.frozen
class ToolStart:
    """A tool call was recorded and is about to run; `content` is the tool's name."""

    type: ClassVar[Literal["tool_start"]] = "tool_start"
    content: str
    call: ToolCall
    timestamp: float = 0.0


@attrs.frozen
class ToolProgress:
    """How far a tool call has come, by the tool's own words; not in the journal.

    Attributes:
        content: What the tool says, at most 500 characters.
        call: Which call; it has started, and has not ended yet.
        fraction: From 0 to 1; None where the tool cannot tell.
    """

    type: ClassVar[Literal["tool_progress"]] = "tool_progress"
    content: str
    call: ToolCall
    fraction: float | None = None
    timestamp: float = 0.0


@attrs.frozen
class ToolEnd:
    """A tool call was sealed; `content` is what the model will read."""

    type: ClassVar[Literal["tool_end"]] = "tool_end"
    content: str
    result: ToolResult
    timestamp: float = 0.0


@attrs.frozen
class ApprovalNeeded:
    """A tool call was recorded, and waits for approval; `content` is the tool's name.

    The other calls of its round run first; then the run ends as `needs approval`.
    """

    type: ClassVar[Literal["approval_needed"]] = "approval_needed"
    content: str
    call: ToolCall
    timestamp: float = 0.0


@attrs.frozen
class Answer:
    """The whole text of the final model call."""

    type: ClassVar[Literal["answer"]] = "answer"
    content: str
    timestamp: float = 0.0


@attrs.frozen
class Complete:
    """The run is done; `content` is the answer's text. The last event of a reader's loop.

    Attributes:
        by: The name of who has answered: the agent's own, or of whom it handed over to.
    """

    type: ClassVar[Literal["complete"]] = "complete"
    content: str
    response: StreamResponse = attrs.field(eq=False)
    timestamp: float = 0.0
    by: str = ""


@attrs.frozen
class Recalled:
    """What the model is sent of the conversation, where that is not all of it, or more.

    `content` says so in words. It comes before what the model says.

    Attributes:
        left_out: Ids of runs that are not sent as they were.
        told_of: Those of them that are summed up in what is sent.
        notes: What is sent beside what was said.
        tokens: An estimate of the whole request, corrected by what the provider has counted.
        scores: How well what was picked fits what the user says, where it was picked by that:
            by the ids of runs.
        reasons: Why it is not what was asked for, if it is not.
    """

    type: ClassVar[Literal["recalled"]] = "recalled"
    content: str
    left_out: tuple[str, ...] = ()
    told_of: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tokens: int = 0
    scores: Mapping[str, float] = attrs.field(factory=dict[str, float])
    reasons: tuple[str, ...] = ()
    timestamp: float = 0.0


@attrs.frozen
class RunCancelled:
    """The run was interrupted; `content` is the reason."""

    type: ClassVar[Literal["cancelled"]] = "cancelled"
    content: str
    timestamp: float = 0.0


@attrs.frozen
class RunFailed:
    """The run ended with an error; `content` says which."""

    type: ClassVar[Literal["error"]] = "error"
    content: str
    outcome: Outcome = Outcome.FAILED
    timestamp: float = 0.0


Event = (
    Token
    | Thought
    | ToolStart
    | ToolProgress
    | ToolEnd
    | ApprovalNeeded
    | Answer
    | Complete
    | Recalled
    | RunCancelled
    | RunFailed
)
