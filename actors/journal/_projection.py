"""Turns a journal into the history that is sent to a model.

Pure, and total: whatever the entries are, the history is one that every provider accepts, and
so it is with the next user turn behind it.

- It starts with a user turn; neighbouring user turns become one, with a blank line between.
- No assistant turn is empty or follows another. One with tool calls is followed by a `ToolTurn`
  with exactly one result for each call, in order; one that nobody recorded is made up here.
- Ids of calls are unique throughout, and names are made of letters, digits, `_` and `-`.
- An interrupted answer keeps its text, and only those tool calls that are known to have started.
- Once a run is over its part of the history is fixed: what is recorded later is never sent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from actors.chat import (
    AssistantTurn,
    FinishReason,
    Opaque,
    Outcome,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolStatus,
    ToolTurn,
    Turn,
    UserTurn,
)

from ._entries import (
    AssistantSaid,
    Entry,
    Pinned,
    RunEnded,
    RunStarted,
    SummedUp,
    ToolCalled,
    ToolSealed,
    UserSaid,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

UNKNOWN: Final = (
    "The end of this call was not recorded. It may have had its effect: check before you call "
    "it again."
)
NEVER_STARTED: Final = "This call was not carried out: the run ended before it started."
NOTHING_SAID: Final = "(no text)"
BEGINNING: Final = "(the conversation begins here)"
BETWEEN: Final = "\n\n"
NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")


@attrs.define
class _Call:
    """A tool call and what is recorded of it."""

    call: ToolCall
    started: bool = False
    sealed: ToolSealed | None = None

    def result(self) -> tuple[str, ToolStatus]:
        if self.sealed is not None and self.sealed.status is not ToolStatus.UNKNOWN:
            return self.sealed.content, self.sealed.status
        if self.started:
            return UNKNOWN, ToolStatus.UNKNOWN
        return NEVER_STARTED, ToolStatus.CANCELLED


@attrs.define
class _Answer:
    """What one call of the model brought."""

    parts: list[Part | _Call]
    complete: bool
    paused: bool
    wire: str

    def calls(self) -> list[_Call]:
        return [part for part in self.parts if isinstance(part, _Call)]

    def find(self, call_id: str, *, started: bool) -> _Call | None:
        """The first call of that id which has, or has not, started, and is not sealed."""
        for each in self.calls():
            if each.call.id == call_id and each.started == started and each.sealed is None:
                return each
        return None

    def keep(self) -> None:
        """Forget what must not be sent."""
        self.parts = [part for part in self.parts if self._is_kept(part)]

    def _is_kept(self, part: Part | _Call) -> bool:
        if isinstance(part, _Call):
            return self.complete or (part.started and part.call.arguments_error is None)
        return not isinstance(part, Text) or bool(part.text.strip())

    def is_empty(self) -> bool:
        """Thinking alone is no answer: providers refuse a turn that ends with it."""
        silent = Thinking if self.paused else Thinking | Opaque
        return all(isinstance(part, silent) for part in self.parts)

    def unsealed(self) -> list[Part | _Call]:
        """Its parts for a turn of another wire format, which would refuse its signatures."""
        unsealed: list[Part | _Call] = []
        for part in self.parts:
            if isinstance(part, _Call):
                unsealed.append(attrs.evolve(part, call=attrs.evolve(part.call, signature=None)))
            elif not isinstance(part, Opaque):
                unsealed.append(attrs.evolve(part, signature=None))
        return unsealed


class _Record:
    """Reads entries one by one; what they mean is decided when they arrive."""

    def __init__(self) -> None:
        self.said: list[str | _Answer] = []  # a text is the user's
        self.open: str | None = None  # the run that goes on
        self.answer: _Answer | None = None  # its latest
        self._over: set[str] = set()
        self.reads: dict[type[Entry], Callable[[Any], None]] = {
            RunStarted: self._started,
            UserSaid: self._user,
            AssistantSaid: self._assistant,
            ToolCalled: self._called,
            ToolSealed: self._sealed,
            RunEnded: self._ended,
            SummedUp: _not_said,
            Pinned: _not_said,
        }

    def read(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.reads[type(entry)](entry)

    def _started(self, entry: RunStarted) -> None:
        self._turn_to(entry.run)

    def _ended(self, entry: RunEnded) -> None:
        if not self._is_over(entry):
            self._turn_to(None)

    def _turn_to(self, run: str | None) -> None:
        if self.open is not None:
            self._over.add(self.open)
        self.open, self.answer = run, None

    def _is_over(self, entry: Entry) -> bool:
        """Whether its run is; a run that nobody has heard of begins here."""
        if entry.run != self.open and entry.run not in self._over:
            self._turn_to(entry.run)
        return entry.run != self.open

    def _user(self, entry: UserSaid) -> None:
        if not self._is_over(entry):
            self.said.append(entry.text if entry.text.strip() else NOTHING_SAID)

    def _assistant(self, entry: AssistantSaid) -> None:
        if self._is_over(entry):
            return
        parts: list[Part | _Call] = [
            _Call(part) if isinstance(part, ToolCall) else part for part in entry.turn.parts
        ]
        paused = entry.finish_reason is FinishReason.PAUSE
        self.answer = _Answer(parts, entry.complete, paused, entry.turn.wire)
        self.said.append(self.answer)

    def _called(self, entry: ToolCalled) -> None:
        call = self._find(entry, entry.call.id, started=False)
        if call is not None:
            call.started = True

    def _sealed(self, entry: ToolSealed) -> None:
        call = self._find(entry, entry.call_id, started=True)
        if call is not None:
            call.sealed = entry

    def _find(self, entry: Entry, call_id: str, *, started: bool) -> _Call | None:
        if self._is_over(entry) or self.answer is None:
            return None
        return self.answer.find(call_id, started=started)

    def answers(self) -> list[_Answer]:
        return [each for each in self.said if isinstance(each, _Answer)]


def _not_said(entry: SummedUp | Pinned) -> None:
    """For whoever chooses what is sent."""
    del entry


def project(entries: Iterable[Entry]) -> tuple[Turn, ...]:
    """Give the history that is sent to a model, without system turns.

    Args:
        entries: Of one conversation, in order. Any sequence will do.
    """
    record = _Record()
    record.read(entries)
    for answer in record.answers():
        answer.keep()
    said = [each for each in _joined(record.said) if isinstance(each, str) or not each.is_empty()]
    if said and isinstance(said[0], _Answer):
        said.insert(0, BEGINNING)
    return tuple(_Writer().write(said))


def _joined(said: Iterable[str | _Answer]) -> list[str | _Answer]:
    """Join neighbouring answers, unless the results of calls stand between them."""
    joined: list[str | _Answer] = []
    for each in said:
        before = joined[-1] if joined else None
        if isinstance(each, _Answer) and isinstance(before, _Answer) and not before.calls():
            joined[-1] = attrs.evolve(each, parts=[*_continued(before, each), *each.parts])
        else:
            joined.append(each)
    return joined


def _continued(answer: _Answer, by: _Answer) -> list[Part | _Call]:
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

    def write(self, said: Iterable[str | _Answer]) -> list[Turn]:
        for each in said:
            if isinstance(each, _Answer):
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

    def _answer(self, answer: _Answer) -> None:
        parts: list[Part] = []
        results: list[ToolResult] = []
        for part in answer.parts:
            if not isinstance(part, _Call):
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

    Calls that had started are sealed as unknown, and the run ends as failed.

    Args:
        entries: Of one conversation, in order.
        reason: Why the run is over.
        timestamp: Now, in seconds since the epoch.
    """
    record = _Record()
    record.read(entries)
    run = record.open
    if run is None:
        return ()
    left = [
        ToolSealed(run, each.call.id, each.call.name, UNKNOWN, ToolStatus.UNKNOWN, timestamp)
        for each in (record.answer.calls() if record.answer else ())
        if each.started and each.sealed is None
    ]
    return (*left, RunEnded(run, Outcome.FAILED, reason, timestamp))
