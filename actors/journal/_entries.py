"""What a journal holds: the facts of a conversation, in the order in which they happened.

Pure and frozen. Each entry names its run and says when it happened (seconds since the epoch).
`write_entry` and `read_entry` turn an entry into one line of JSON and back, whatever it holds.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Literal, cast

import attrs

from actors.chat import (
    AssistantTurn,
    FinishReason,
    Outcome,
    Part,
    Shown,
    ToolCall,
    ToolStatus,
    Usage,
)

if TYPE_CHECKING:
    from cattrs.preconf.json import JsonConverter


@attrs.frozen
class RunStarted:
    """A run began. Whatever an earlier run left open stays open for good."""

    run: str
    timestamp: float = 0.0


@attrs.frozen
class UserSaid:
    run: str
    text: str
    timestamp: float = 0.0


@attrs.frozen
class AssistantSaid:
    """What one call of the model brought.

    Attributes:
        turn: All of it; of an interrupted answer, as much as had arrived.
        complete: Whether the answer reached its end.
        finish_reason: None where it is not complete.
    """

    run: str
    turn: AssistantTurn
    complete: bool
    usage: Usage = attrs.field(factory=Usage)
    finish_reason: FinishReason | None = None
    timestamp: float = 0.0


@attrs.frozen
class ToolCalled:
    """A tool is about to run. Recorded before it starts: without this entry it never did."""

    run: str
    call: ToolCall
    timestamp: float = 0.0


@attrs.frozen
class ToolSealed:
    """How a tool call ended. The first one within its run counts; later ones are for the record."""

    run: str
    call_id: str
    name: str
    content: str
    status: ToolStatus = ToolStatus.OK
    timestamp: float = 0.0
    shown: tuple[Shown, ...] = ()


@attrs.frozen
class ApprovalAsked:
    """A call waits for somebody's approval. It has not started, and will not before that.

    Its id is `call_1/call_2` for the `call_2` of an agent that the run's own `call_1` asks.
    """

    run: str
    call: ToolCall
    timestamp: float = 0.0


@attrs.frozen
class CallApproved:
    """Somebody lets a call run that waits for approval; its `ToolCalled` stands behind this."""

    run: str
    call_id: str
    timestamp: float = 0.0


@attrs.frozen
class CallDenied:
    """A call that waits for approval will not run; where the model hears of it, it is sealed."""

    run: str
    call_id: str
    reason: str = ""
    timestamp: float = 0.0


@attrs.frozen
class RunPaused:
    """A run waits before its next model call until it is told to go on."""

    run: str
    timestamp: float = 0.0


@attrs.frozen
class RunResumed:
    """A run goes on: one that was paused, or the conversation's latest one after its end."""

    run: str
    timestamp: float = 0.0


@attrs.frozen
class RunEnded:
    """A run is over. What is recorded of it is not sent to a model, unless it is resumed."""

    run: str
    outcome: Outcome
    reason: str = ""
    timestamp: float = 0.0


@attrs.frozen
class HandedOver:
    """Another agent speaks in this conversation from the next model call on.

    Attributes:
        to: Its name.
    """

    run: str
    to: str
    timestamp: float = 0.0


@attrs.frozen
class SubRunEnded:
    """A run of another agent, which this run had begun, is over, or waits for approvals.

    Attributes:
        agent: Who that was: a name, or the path of one that was running already.
        sub_run: The id of that run.
        conversation: Where the journal has it, or the one that its recipe names; "" for an
            agent that was running already.
        outcome: Of that run.
        usage: Of it and of all below it. Where it was resumed, the latest entry counts.
        call_id: Of the call that waits with it, and goes on with it; "" if none does.
    """

    run: str
    agent: str
    sub_run: str
    conversation: str
    outcome: Outcome
    usage: Usage = attrs.field(factory=Usage)
    timestamp: float = 0.0
    call_id: str = ""


@attrs.frozen
class GuardStopped:
    """A guard has stopped the run. What it stopped stays here, and is never sent again.

    Attributes:
        guard: Its name.
        on: "input": all of the run is meant; "output": the answer that was being given.
        reason: In the guard's words.
    """

    run: str
    guard: str
    on: Literal["input", "output"]
    reason: str
    timestamp: float = 0.0


@attrs.frozen
class SummedUp:
    """What was said from the beginning of the conversation to the end of `run`, in short.

    No part of the history: whoever chooses what is sent may send it in place of those runs.

    Attributes:
        run: The last one that is in it.
        usage: Of the model call that wrote it, which is part of no run.
    """

    run: str
    text: str
    usage: Usage = attrs.field(factory=Usage)
    timestamp: float = 0.0


@attrs.frozen
class Pinned:
    """A run that is to be sent whatever else is left out; or no longer, if not `pinned`."""

    run: str
    pinned: bool = True
    timestamp: float = 0.0


@attrs.frozen
class Remembered:
    """A memory has what it keeps of a run, as it ended then; no part of the history.

    Attributes:
        by: The name of the memory.
    """

    run: str
    by: str
    timestamp: float = 0.0


Entry = (
    RunStarted
    | UserSaid
    | AssistantSaid
    | ToolCalled
    | ToolSealed
    | ApprovalAsked
    | CallApproved
    | CallDenied
    | RunPaused
    | RunResumed
    | RunEnded
    | HandedOver
    | SubRunEnded
    | GuardStopped
    | SummedUp
    | Pinned
    | Remembered
)


@functools.cache  # made when first needed: most conversations stay in memory
def _converter() -> JsonConverter:
    from cattrs.preconf.json import make_converter  # noqa: PLC0415 - costs an import of all a fifth
    from cattrs.strategies import configure_tagged_union  # noqa: PLC0415

    converter = make_converter()
    # Named by class: `Text` has no field of its own by which to tell it from `Thinking`.
    for union in (Part, Shown, Entry):
        configure_tagged_union(union, converter, tag_name="kind")
    return converter


def write_entry(entry: Entry) -> str:
    """Write an entry as one line of JSON, in ASCII."""
    return json.dumps(_converter().unstructure(entry, unstructure_as=Entry))


def read_entry(line: str) -> Entry:
    """Read what `write_entry` wrote.

    Raises:
        ValueError: If it is no entry; the text says why.
    """
    try:
        # Not every type checker takes a union for a type.
        return cast("Entry", _converter().structure(json.loads(line), cast("Any", Entry)))
    except Exception as error:  # cattrs raises groups of many kinds; the cause is kept
        raise ValueError(f"this line is no entry of a journal ({error}): {line[:200]}") from error
