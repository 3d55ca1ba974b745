"""What the turn machine asks for: the commands that its agent carries out in their order. Pure."""

from __future__ import annotations

from typing import Any

import attrs

from actors.chat import Event, ToolCall
from actors.errors import OutputInvalid
from actors.journal import Entry
from actors.output import Output


@attrs.frozen
class Record:
    """Write the entries to the journal before anything that follows."""

    entries: tuple[Entry, ...]


@attrs.frozen
class Emit:
    """Send the events to the reader."""

    events: tuple[Event, ...]


@attrs.frozen
class CallModel:
    """Send the history, as it is now, to the model."""


@attrs.frozen
class RunTools:
    """Run the calls side by side."""

    calls: tuple[ToolCall, ...]


@attrs.frozen
class Hold:
    """Do nothing until the run is no longer paused, then say `released`."""


@attrs.frozen
class AskApproval:
    """The run has ended, and waits for somebody to approve these calls or deny them."""

    calls: tuple[ToolCall, ...]


@attrs.frozen
class Exhausted:
    """The run has used up a limit: end it with `LimitReached`."""

    limit: str


@attrs.frozen
class Refuse:
    """The answer is not what was asked for, and will not be: end the run with the fault."""

    fault: OutputInvalid


Command = Record | Emit | CallModel | RunTools | Hold | AskApproval | Exhausted | Refuse


@attrs.frozen
class Wanted:
    """What the answer of a run shall be, and how often the model may answer for it."""

    output: Output[Any]
    attempts: int
