"""A conversation as exchanges: what the user said, with all that was answered to it. Pure.

An exchange is a run of the agent. Whichever exchanges are left out, and however many of the
rounds of the present one, what remains is projected as any journal is: so it can always be sent.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import attrs

from actors.chat import AssistantTurn, Turn, UserTurn
from actors.journal import (
    ApprovalAsked,
    AssistantSaid,
    CallApproved,
    CallDenied,
    Entry,
    HandedOver,
    Pinned,
    Remembered,
    RunEnded,
    RunResumed,
    RunStarted,
    SubRunEnded,
    SummedUp,
    ToolCalled,
    ToolSealed,
    UserSaid,
    project,
)

from ._tokens import tokens_of_turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOT_SAID: Final = SummedUp | Pinned | Remembered | HandedOver
OF_A_ROUND: Final = (
    ToolCalled | ToolSealed | ApprovalAsked | CallApproved | CallDenied | SubRunEnded
)
NOTES: Final = "(notes)"  # the run that notes are said in; no run of an agent is called so


class Exchange:
    """One run of a conversation.

    Attributes:
        run: Its id.
        entries: All that the journal has of it.
        is_pinned: Whether it is to be sent whatever else is left out.
    """

    def __init__(self, run: str, entries: Sequence[Entry], *, is_pinned: bool = False) -> None:
        self.run = run
        self.entries = tuple(entries)
        self.is_pinned = is_pinned

    @functools.cached_property
    def turns(self) -> tuple[Turn, ...]:
        """As a model would get it alone."""
        return project(self.entries)

    @functools.cached_property
    def tokens(self) -> float:
        """An estimate; see `actors.recall`."""
        return tokens_of_turns(self.turns)

    @functools.cached_property
    def rounds(self) -> tuple[tuple[Entry, ...], ...]:
        """Each call of the model with the tools that it called; what was said before is none."""
        found: list[list[Entry]] = []
        for entry in self.entries:
            if isinstance(entry, AssistantSaid):
                found.append([entry])
            elif isinstance(entry, OF_A_ROUND) and found:
                found[-1].append(entry)
        return tuple(map(tuple, found))

    def tokens_of_round(self, number: int) -> float:
        """An estimate for a round alone."""
        return tokens_of_turns(project(self.rounds[number])[1:])  # without a made-up beginning

    @property
    def user(self) -> str:
        """What the user said."""
        return "\n\n".join(entry.text for entry in self.entries if isinstance(entry, UserSaid))

    @functools.cached_property
    def words(self) -> str:
        """What was said by both sides, without tools and thoughts."""
        said = [turn.text for turn in self.turns if isinstance(turn, UserTurn | AssistantTurn)]
        return "\n".join(text for text in said if text.strip())

    def __repr__(self) -> str:
        return f"<Exchange {self.run} of {len(self.entries)} entries>"


def by_run(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """What was said, by runs, in the order in which those began.

    What was recorded of a run after its end is left out, for it is never sent.
    """
    runs: dict[str, list[Entry]] = {}
    open: str | None = None
    left: str | None = None  # the latest run, once it is over: it may go on
    for entry in entries:
        if isinstance(entry, NOT_SAID):
            continue
        if isinstance(entry, RunResumed) and entry.run == left:
            open = left
        elif entry.run != open:
            if entry.run in runs:
                continue
            open = entry.run
        left = None
        runs.setdefault(entry.run, []).append(entry)
        if isinstance(entry, RunEnded):
            open, left = None, entry.run
    return runs


@attrs.frozen
class Note:
    """Something that the model is told with a request, and that nobody has said.

    Attributes:
        text: To the model, as if the user said it.
        first: Before the conversation; else right before what the user says now.
        about: What it is, in a few words for the reader.
    """

    text: str
    first: bool = True
    about: str = ""


def composed(
    exchanges: Sequence[Exchange],
    left_out: Iterable[str] = (),
    rounds_left_out: int = 0,
    notes: Sequence[Note] = (),
) -> list[Entry]:
    """The entries to project for a request.

    Args:
        exchanges: All there are; the last one goes on, and is never left out.
        left_out: Ids of runs that are not sent.
        rounds_left_out: So many rounds of the last exchange are not sent, its oldest.
        notes: What is told beside.
    """
    without = set(left_out)
    first = [UserSaid(NOTES, note.text) for note in notes if note.first]
    entries: list[Entry] = [RunStarted(NOTES), *first] if first else []
    for exchange in exchanges[:-1]:
        if exchange.run not in without:
            entries += exchange.entries
    if exchanges:
        present = exchanges[-1]
        now = [UserSaid(present.run, note.text) for note in notes if not note.first]
        dropped = {id(entry) for each in present.rounds[:rounds_left_out] for entry in each}
        for entry in present.entries:
            if isinstance(entry, UserSaid) and now:
                entries += now
                now = []
            if id(entry) not in dropped:
                entries.append(entry)
    return entries


def first_kept(weights: Sequence[float], limit: float, slack: float = 0.0) -> int:
    """Which of a growing row is the first to be kept, so that the rest stays within a limit.

    Found by going through the row as it grew: when it is beyond the limit, the oldest go until it
    is below `limit * (1 - slack)`. So with some slack it stays the same for a while, as caches of
    providers want it. The last one is always kept.
    """
    first, total = 0, 0.0
    for index, weight in enumerate(weights):
        total += weight
        if total > limit:
            while first < index and total > limit * (1 - slack):
                total -= weights[first]
                first += 1
    return first
