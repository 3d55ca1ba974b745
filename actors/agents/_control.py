"""What can be done to a run from any task: interrupt it, say more, pause it, go on with it.

The messages, what a journal says of a run that is to go on, and the methods for those who hold
an agent or a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, cast

import attrs

from actors.chat import Event, Outcome
from actors.errors import ConfigurationError, RunNotOpen
from actors.journal import (
    ApprovalAsked,
    CallDenied,
    Entry,
    GuardStopped,
    HandedOver,
    RunEnded,
    RunStarted,
    ToolCalled,
    UserSaid,
)
from runtime import Ask, Ref, Stream

from ._calls import Resumption, Waiting
from ._conversation import (
    Conversation,
    RunReport,
    of_run,
    own_usage,
    report_of,
    usage_below,
)
from ._options import check_text

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED: Final = "interrupted"
RESTARTED: Final = "the agent was restarted"
SUPERSEDED: Final = "the conversation went on without it"


@attrs.frozen
class Interrupt(Ask[Conversation, bool]):
    """End a run as cancelled, for this reason; the answer comes when nothing of it runs.

    Whoever reads it gets `RunInterrupted`. Of a run that waits for its turn nothing is kept.

    Attributes:
        reason: For the journal, the reader, and the results of tools that were cut short.
        run: The id of the run; the one that goes on if None.

    Returns:
        Whether it was interrupted: False if no such run goes on or waits.
    """

    reason: str = INTERRUPTED
    run: str | None = None

    def __attrs_post_init__(self) -> None:
        check_text(self.reason, "the reason")


@attrs.frozen
class Steer(Ask[Conversation, None]):
    """Tell the model something before its next call in a run that goes on.

    It lands behind the present answer, or behind the results of the present round of tools. A
    run that would be done makes one more model call for it. Where the run ends before, it is
    in the history as what the user said last. It is in the journal when it lands, not before.

    Attributes:
        text: As the user's.
        run: The id of the run; the one that goes on if None.

    Raises:
        TypeError, ValueError: If the text is no text that can be sent.
        RunNotOpen: If no such run goes on or waits: begin one instead.
        LimitReached: If `RunLimits.queued_steers` wait already.
    """

    text: str
    run: str | None = None

    def __attrs_post_init__(self) -> None:
        check_text(self.text, "what the user says")


@attrs.frozen
class Pause(Ask[Conversation, None]):
    """Make no further model call in a run until `Unpause`.

    The present answer and its tools come to their end first; an answer that needs nothing more
    ends the run as ever. The run, and whoever reads it, waits then.

    Raises:
        RunNotOpen: If no such run goes on or waits.
    """

    run: str | None = None


@attrs.frozen
class Unpause(Ask[Conversation, None]):
    """Let a paused run go on.

    Raises:
        RunNotOpen: If no such run goes on or waits. One that ended is resumed with `Resume`.
    """

    run: str | None = None


@attrs.frozen
class Unfinished(Ask[Conversation, RunReport | None]):
    """How the conversation's latest run went; None if it is done, or there is none."""


def _ids(ids: Iterable[str]) -> frozenset[str]:
    if isinstance(ids, str):
        raise TypeError(f"approve must be several ids: write approve=[{ids!r}]")
    given = list(ids)
    for each in given:
        if not isinstance(each, str):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
            raise TypeError(
                f"approve is given ids, not {type(each).__name__}: write approve=[call.id]"
            )
    return frozenset(given)


def _reasons(reasons: object) -> Mapping[str, str]:
    if not isinstance(reasons, Mapping):
        raise TypeError('deny gives each id its reason: write deny={"call_1": "not today"}')
    return dict(cast("Mapping[str, str]", reasons))


@attrs.frozen
class Resume(Stream[Conversation, Event]):
    """Go on with the conversation's latest run where it ended, without a word of the user's.

    Calls that are approved run now; the model is told of those that were denied, and the run
    ends as `needs approval` again while others wait. An answer that was cut short is gone on
    with in a further model call. The limits count anew; the usage adds up.

    Attributes:
        id: Of the run, as in the journal.
        approve: Ids of calls that may run.
        deny: Ids of calls that may not, each with a reason for the model.

    Raises:
        TypeError: If `approve` is one string, or `deny` has no reasons.
        ConfigurationError: If no such call waits for approval, or one is approved and denied.
        RunNotOpen: If the run is done or goes on, or another was begun since, or a guard has
            stopped it, or there is none.
        RuntimeFault: As for `Run`.
    """

    id: str
    approve: frozenset[str] = attrs.field(default=frozenset(), converter=_ids)
    deny: Mapping[str, str] = attrs.field(factory=dict[str, str], converter=_reasons)

    def __attrs_post_init__(self) -> None:
        both = sorted(self.approve & set(self.deny))
        if both:
            raise ConfigurationError(f"the call {both[0]!r} is approved and denied: choose one")
        for reason in self.deny.values():
            check_text(reason, "the reason of a denial")


def latest_run(entries: Sequence[Entry]) -> str | None:
    """The id of the run that was begun last."""
    return next((each.run for each in reversed(entries) if isinstance(each, RunStarted)), None)


def resumption_of(entries: Sequence[Entry], message: Resume) -> Resumption:
    """Where a run goes on.

    Raises:
        RunNotOpen, ConfigurationError: If it cannot; see `Resume`.
    """
    id = message.id
    mine = of_run(entries, id)
    if not mine:
        raise RunNotOpen(f"this conversation has no run {id!r}")
    report = report_of(entries, id)
    if report.outcome is Outcome.DONE:
        raise RunNotOpen(f"the run {id!r} is done: begin another with `agent.stream(...)`")
    if any(isinstance(each, GuardStopped) for each in mine):
        raise RunNotOpen(f"a guard has stopped the run {id!r}: begin another")
    if latest_run(entries) != id:
        raise RunNotOpen(f"the conversation went on after the run {id!r}: only the latest goes on")
    waiting = Waiting.read(mine)
    pending = {call.id for call in waiting.calls}
    unknown = sorted((message.approve | set(message.deny)) - pending)
    if unknown:
        raise ConfigurationError(
            f"no call {unknown[0]!r} waits for approval in the run {id!r}; these do: "
            f"{', '.join(sorted(pending)) or 'none'}"
        )
    ids = frozenset(each.call.id for each in mine if isinstance(each, ToolCalled))
    return Resumption(
        own_usage(mine),
        ids | pending,
        waiting,
        message.approve,
        message.deny,
        _asked_by(entries, id),
        usage_below(mine),
        _unsure(mine),
    )


def _unsure(mine: Sequence[Entry]) -> tuple[str, ...]:
    """What was said in a run that a crash cut short: of its guards nothing is known any more."""
    ends = (each.reason for each in mine if isinstance(each, RunEnded))
    if not any(reason.startswith(RESTARTED) for reason in ends):
        return ()
    return tuple(each.text for each in mine if isinstance(each, UserSaid))


def _asked_by(entries: Sequence[Entry], run: str) -> dict[str, str]:
    """Who spoke when calls of a run were asked for, by the ids of the calls."""
    asked_by: dict[str, str] = {}
    speaks = ""
    for entry in entries:
        if isinstance(entry, HandedOver):
            speaks = entry.to
        elif isinstance(entry, ApprovalAsked | ToolCalled) and entry.run == run:
            asked_by.setdefault(entry.call.id, speaks)
    return asked_by


def superseding(entries: Sequence[Entry], now: float) -> list[Entry]:
    """What to record before another run begins: calls that waited for approval are denied."""
    latest = latest_run(entries)
    if latest is None:
        return []
    waiting = report_of(entries, latest).pending
    return [CallDenied(latest, call.id, SUPERSEDED, now) for call in waiting]


class RunControl:
    """What can be done to one run, from any task.

    Attributes:
        id: Of the run, as in the journal.
    """

    def __init__(self, conversation: Ref[Conversation], id: str) -> None:
        self.id = id
        self._conversation = conversation

    async def interrupt(self, reason: str = INTERRUPTED) -> bool:
        """End the run as cancelled, for this reason; returns when nothing of it is running.

        Whoever reads the run gets `RunInterrupted` behind what it was sent.

        Returns:
            Whether that ended the run: False if it had ended, or was not begun.
        """
        return await self._conversation.ask(Interrupt(reason, self.id))

    async def steer(self, text: str) -> None:
        """Tell the model something before its next call in this run; see `Steer`.

        Raises:
            RunNotOpen: If the run has ended, or was not begun: begin another instead.
            LimitReached: If `RunLimits.queued_steers` wait already.
        """
        await self._conversation.ask(Steer(text, self.id))

    async def pause(self) -> None:
        """Make no further model call before `unpause`; see `Pause`.

        Raises:
            RunNotOpen: If the run has ended, or was not begun.
        """
        await self._conversation.ask(Pause(self.id))

    async def unpause(self) -> None:
        """Go on after `pause`.

        Raises:
            RunNotOpen: If the run has ended, or was not begun.
        """
        await self._conversation.ask(Unpause(self.id))


class AgentControl:
    """What can be done to the runs of an agent, from any task."""

    def __init__(self, conversation: Ref[Conversation]) -> None:
        self._conversation = conversation

    async def interrupt(self, reason: str = INTERRUPTED, *, run: str | None = None) -> bool:
        """End a run as cancelled, for this reason; returns when nothing of it is running.

        Whoever reads the run gets `RunInterrupted` behind what it was sent. The next run may
        begin at once.

        Args:
            reason: For the journal, the reader, and the results of tools that were cut short.
            run: The id of a run that goes on or waits; the one that goes on if None.

        Returns:
            Whether that ended a run: False if no such run was going on or waiting.
        """
        return await self._conversation.ask(Interrupt(reason, run))

    async def steer(self, text: str, *, run: str | None = None) -> None:
        """Tell the model something before its next call in the run that goes on; see `Steer`.

        Raises:
            RunNotOpen: If no such run goes on or waits: begin one instead.
            LimitReached: If `RunLimits.queued_steers` wait already.
        """
        await self._conversation.ask(Steer(text, run))

    async def pause(self, run: str | None = None) -> None:
        """Make no further model call in a run before `unpause`; see `Pause`.

        Raises:
            RunNotOpen: If no such run goes on or waits.
        """
        await self._conversation.ask(Pause(run))

    async def unpause(self, run: str | None = None) -> None:
        """Let a paused run go on.

        Raises:
            RunNotOpen: If no such run goes on or waits. One that has ended is resumed.
        """
        await self._conversation.ask(Unpause(run))

    async def unfinished(self) -> RunReport | None:
        """How the latest run went, if it is not done: its id, and what waits for approval.

        After a restart of the program this tells what `resume` can go on with.
        """
        return await self._conversation.ask(Unfinished())
