"""Turns a journal into the history that is sent to a model.

Pure, and total: whatever the entries are, every provider accepts the history.

- It starts with a user turn; neighbouring user turns become one, with a blank line between.
- No assistant turn is empty or follows another. One with tool calls is followed by a `ToolTurn`
  with exactly one result for each call, in order; one that nobody recorded is made up here.
- Ids of calls are unique throughout, and names are made of letters, digits, `_` and `-`.
- An interrupted answer keeps its text, and only those tool calls that are known to have started.
- What a guard has stopped is not in it: all of a run, or the answer that it was giving.
- Once a run is over its part of the history is fixed: what is recorded later is never sent,
  unless it is the latest and was resumed. A call that waits for approval was not carried out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from actors.chat import (
    AssistantTurn,
    Outcome,
    Part,
    Text,
    Thinking,
    ToolResult,
    ToolStatus,
    ToolTurn,
    Turn,
    UserTurn,
)

from ._entries import Entry, RunEnded, ToolSealed
from ._record import UNKNOWN, Answer, Call, Record, Resumed

if TYPE_CHECKING:
    from collections.abc import Iterable

GO_ON: Final = "(You were interrupted here. Go on.)"
BEGINNING: Final = "(the conversation begins here)"
BETWEEN: Final = "\n\n"
NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")


def project(entries: Iterable[Entry]) -> tuple[Turn, ...]:
    """Give the history that is sent to a model, without system turns.

    Args:
        entries: Of one conversation, in order. Any sequence will do.
    """
    record = Record()
    record.read(entries)
    for answer in record.answers():
        answer.keep()
    heard = _joined(_spoken_to(record.said))
    said = [each for each in heard if isinstance(each, str) or not each.is_empty()]
    if said and isinstance(said[0], Answer):
        said.insert(0, BEGINNING)
    return tuple(_Writer().write(said))


def _spoken_to(said: Iterable[str | Answer | Resumed]) -> list[str | Answer]:
    """Ask the model to go on where a run was resumed behind an answer that it had begun."""
    spoken: list[str | Answer] = []
    for each in said:
        if not isinstance(each, Resumed):
            spoken.append(each)
        elif _ends_with_words(spoken):
            spoken.append(GO_ON)
    return spoken


def _ends_with_words(said: list[str | Answer]) -> bool:
    """Whether nobody has spoken since the model; what a provider paused it expects again."""
    for each in reversed(said):
        if isinstance(each, str):
            return False
        if not each.is_empty():
            return not each.paused and not each.calls()
    return False


def _joined(said: Iterable[str | Answer]) -> list[str | Answer]:
    """Join neighbouring answers, unless the results of calls stand between them."""
    joined: list[str | Answer] = []
    for each in said:
        before = joined[-1] if joined else None
        if isinstance(each, Answer) and isinstance(before, Answer) and not before.calls():
            joined[-1] = attrs.evolve(each, parts=[*_continued(before, each), *each.parts])
        else:
            joined.append(each)
    return joined


def _continued(answer: Answer, by: Answer) -> list[Part | Call]:
    """Its parts, to be followed by others. What a provider paused goes on in mid-sentence."""
    parts = answer.parts if answer.wire == by.wire else answer.unsealed()
    last = parts[-1] if parts else None
    if isinstance(last, Text) and not answer.paused:
        return [*parts[:-1], Text(last.text + BETWEEN)]
    return parts


class _Writer:
    """Writes turns, and keeps the ids of calls apart."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._turns: list[Turn] = []

    def write(self, said: Iterable[str | Answer]) -> list[Turn]:
        for each in said:
            if isinstance(each, Answer):
                self._answer(each)
            else:
                self._user(each)
        return self._turns

    def _user(self, text: str) -> None:
        before = self._turns[-1] if self._turns else None
        if isinstance(before, UserTurn):
            self._turns[-1] = UserTurn(before.text + BETWEEN + text)
        else:
            self._turns.append(UserTurn(text))

    def _answer(self, answer: Answer) -> None:
        parts: list[Part] = []
        results: list[ToolResult] = []
        for part in answer.parts:
            if not isinstance(part, Call):
                parts.append(part)
                continue
            name = NOT_IN_NAMES.sub("_", part.call.name)[:64] or "unnamed"
            call = attrs.evolve(part.call, id=self._unique(part.call.id), name=name)
            parts.append(call)
            results.append(ToolResult(call.id, name, *part.result()))
        while isinstance(parts[-1], Thinking):  # ends: the answer is not empty
            parts.pop()
        self._turns.append(AssistantTurn(tuple(parts), answer.wire))
        if results:
            self._turns.append(ToolTurn(tuple(results)))

    def _unique(self, id: str) -> str:
        unique, count = id or "call", 1
        while unique in self._ids:
            count += 1
            unique = f"{id or 'call'}-{count}"
        self._ids.add(unique)
        return unique


def closing(entries: Iterable[Entry], *, reason: str, timestamp: float) -> tuple[Entry, ...]:
    """Give the entries that close what a crash left open; none where nothing is open.

    Calls that had started are sealed as unknown. The run ends as failed, or, where it was paused,
    as cancelled; calls that wait for approval wait on.

    Args:
        entries: Of one conversation, in order.
        reason: Why the run is over.
        timestamp: Now, in seconds since the epoch.
    """
    record = Record()
    record.read(entries)
    run = record.open
    if run is None:
        return ()
    left = [
        ToolSealed(run, each.call.id, each.call.name, UNKNOWN, ToolStatus.UNKNOWN, timestamp)
        for each in (record.answer.calls() if record.answer else ())
        if each.started and each.sealed is None and not each.waits_below
    ]
    if record.paused:
        ended = RunEnded(run, Outcome.CANCELLED, f"{reason} while the run was paused", timestamp)
    else:
        ended = RunEnded(run, Outcome.FAILED, reason, timestamp)
    return (*left, ended)
