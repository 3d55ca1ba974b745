"""What a journal holds: the facts of a conversation, in the order in which they happened.

Pure and frozen. Each entry names its run and says when it happened (seconds since the epoch).
`write_entry` and `read_entry` turn an entry into one line of JSON and back, whatever it holds.
"""

from __future__ import annotations

import functools
import json
from typing import Any, cast

import attrs
from cattrs.preconf.json import JsonConverter, make_converter
from cattrs.strategies import configure_tagged_union

from actors.chat import (
    AssistantTurn,
    FinishReason,
    Outcome,
    Part,
    ToolCall,
    ToolStatus,
    Usage,
)


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


@attrs.frozen
class RunEnded:
    """A run is over. What is recorded of it after this is never sent to a model."""

    run: str
    outcome: Outcome
    reason: str = ""
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


Entry = (
    RunStarted | UserSaid | AssistantSaid | ToolCalled | ToolSealed | RunEnded | SummedUp | Pinned
)


@functools.cache  # made when first needed: most conversations stay in memory
def _converter() -> JsonConverter:
    converter = make_converter()
    # Named by class: `Text` has no field of its own by which to tell it from `Thinking`.
    for union in (Part, Entry):
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
