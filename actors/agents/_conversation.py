"""The interface of an agent: its messages, and what can be said of a run that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import attrs
import trio

from actors.chat import Event, Outcome, ToolCall, Turn, Usage
from actors.errors import (
    LimitReached,
    NeedsApproval,
    RunInterrupted,
    StreamStalled,
    StreamTruncated,
)
from actors.journal import (
    AssistantSaid,
    Entry,
    RunEnded,
    RunPaused,
    RunResumed,
    RunStarted,
    SubRunEnded,
)
from actors.providers import AnyModel
from runtime import Ask, Stream

from ._calls import Waiting
from ._options import check_text

if TYPE_CHECKING:
    from collections.abc import Sequence


OUTCOMES: Final = (
    (StreamTruncated, Outcome.TRUNCATED),
    (StreamStalled, Outcome.STALLED),
    (LimitReached, Outcome.LIMIT),
    (NeedsApproval, Outcome.NEEDS_APPROVAL),
)


class Conversation:
    """The interface of an agent."""


@attrs.frozen
class Run(Stream[Conversation, Event]):
    """Answer the user. Leaving the stream interrupts the run; what was taken of it is kept.

    The `id` is new with every run of the conversation: `uuid.uuid4().hex` will do.

    Read it with `buffer=0`: then the history holds exactly what the reader has taken. With a
    larger buffer a reader can still take so many events more after a run has failed.

    Raises:
        TypeError, ValueError: If the text is no text that can be sent.
        ProviderError, StreamTruncated, StreamStalled: What the model's provider says.
        LimitReached: A limit of the agent's options.
        RunInterrupted: Somebody else has interrupted it.
        NeedsApproval: Calls of tools wait for approval; `Resume` goes on.
        OutputInvalid: The answers are not of the class that the options ask for.
        AskCycle: If a tool of this agent asks, which would wait for itself.
        ConfigurationError: If the id was used before, or the request cannot be sent.
    """

    id: str
    text: str

    def __attrs_post_init__(self) -> None:
        check_text(self.text, "what the user says")


@attrs.frozen
class History(Ask[Conversation, tuple[Turn, ...]]):
    """The whole conversation as turns. What of it is sent is for `AgentOptions(memory=...)`."""


@attrs.frozen
class Entries(Ask[Conversation, tuple[Entry, ...]]):
    """All that the journal has of the conversation."""


@attrs.frozen
class Pin(Ask[Conversation, None]):
    """Send a run with every request, whatever else is left out; with `pinned=False`, no longer.

    Raises:
        ConfigurationError: The conversation has no such run.
    """

    id: str
    pinned: bool = True


@attrs.frozen
class UseModel(Ask[Conversation, None]):
    """Talk to another model from the next model call on, also in the run that goes on.

    The conversation stays. The provider before it is stopped once no call uses it. If the new
    one does not start, or this is cancelled, the agent keeps the one that it has.

    Raises:
        ConfigurationError: The model cannot be used (`UnknownModel`, `MissingKey`, ...), or the
            agent was given a provider that somebody else started.
        RuntimeFault: It does not start.
    """

    model: AnyModel


@attrs.frozen
class RunReport:
    """How a run went, by the journal.

    Attributes:
        outcome: None while it runs or waits, or if it was never begun.
        usage: Of all its model calls so far, and of all runs below it that are over.
        own_usage: Of its own model calls alone.
        reason: In words, where it did not end as done.
        id: Of the run; empty if there is none.
        pending: The calls that wait for approval, of it and of the runs below it.
        paused: Whether it waits for `Unpause`.
    """

    outcome: Outcome | None = None
    usage: Usage = Usage()  # noqa: RUF009 - frozen
    reason: str = ""
    id: str = ""
    pending: tuple[ToolCall, ...] = ()
    paused: bool = False
    own_usage: Usage = Usage()  # noqa: RUF009 - frozen


@attrs.frozen
class Settle(Ask[Conversation, None]):
    """Return when its memory has what it keeps of the runs so far, or could not have it."""


@attrs.frozen
class Report(Ask[Conversation, RunReport]):
    """How a run went, also one from before a crash."""

    id: str


def of_run(entries: Sequence[Entry], run: str) -> list[Entry]:
    """What a journal has of a run, from its beginning; the latest runs are found at once."""
    mine: list[Entry] = []
    for entry in reversed(entries):
        if entry.run == run:
            mine.append(entry)
            if isinstance(entry, RunStarted):
                break
    mine.reverse()
    return mine


def own_usage(entries: Sequence[Entry]) -> Usage:
    """Of the model calls of a run."""
    return sum((each.usage for each in entries if isinstance(each, AssistantSaid)), Usage())


def usage_below(entries: Sequence[Entry]) -> dict[str, Usage]:
    """Of the runs below a run, by their ids."""
    return {each.sub_run: each.usage for each in entries if isinstance(each, SubRunEnded)}


def report_of(entries: Sequence[Entry], run: str) -> RunReport:
    """What a journal says of a run."""
    mine = of_run(entries, run)
    own = own_usage(mine)
    changes = [each for each in mine if isinstance(each, RunEnded | RunPaused | RunResumed)]
    last = changes[-1] if changes else None
    return RunReport(
        last.outcome if isinstance(last, RunEnded) else None,
        sum(usage_below(mine).values(), own),
        last.reason if isinstance(last, RunEnded) else "",
        run if mine else "",
        Waiting.read(mine).calls,
        isinstance(last, RunPaused),
        own,
    )


def verdict(error: BaseException | None) -> tuple[Outcome, str]:
    """What an error, or leaving early without one, means for a run, and why in words."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        cancelled, _ = group.split(trio.Cancelled)
        error = cancelled or group
        while isinstance(error, BaseExceptionGroup):
            error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    match error:
        case None:
            return Outcome.CANCELLED, "the reader has left"
        case trio.Cancelled():
            what = "the deadline passed" if error.source == "deadline" else "the run was cancelled"
            return Outcome.CANCELLED, error.reason or what
        case RunInterrupted():
            return Outcome.CANCELLED, error.reason
        case _:
            pass
    for kind, outcome in OUTCOMES:
        if isinstance(error, kind):
            return outcome, str(error)
    return Outcome.FAILED, f"{type(error).__name__}: {error}"
