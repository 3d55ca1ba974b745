"""Reads the entries of a journal into what was said, and what became of each tool call. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from actors.chat import (
    FinishReason,
    Opaque,
    Part,
    Shown,
    Text,
    Thinking,
    ToolCall,
    ToolStatus,
)

from ._entries import (
    ApprovalAsked,
    AssistantSaid,
    CallApproved,
    CallDenied,
    Entry,
    GuardStopped,
    HandedOver,
    Pinned,
    Remembered,
    RunEnded,
    RunPaused,
    RunResumed,
    RunStarted,
    SubRunEnded,
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
NOT_APPROVED: Final = "This call was not carried out: it needs an approval that it did not get."
NOT_APPROVED_BELOW: Final = (
    "This call has not come to its end: it asked for something that needs an approval, and did "
    "not get it."
)
DENIED: Final = "This call was not carried out: it was denied."
NOTHING_SAID: Final = "(no text)"


@attrs.define
class Call:
    """A tool call and what is recorded of it."""

    call: ToolCall
    started: bool = False
    asked: bool = False
    denied: bool = False
    waits_below: bool = False  # with the agent that it asks
    sealed: ToolSealed | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether somebody may still approve it."""
        return self.asked and not self.started and not self.denied

    def result(self) -> tuple[str, ToolStatus, tuple[Shown, ...]]:
        if self.sealed is not None and self.sealed.status is not ToolStatus.UNKNOWN:
            return self.sealed.content, self.sealed.status, self.sealed.shown
        if self.waits_below:
            return NOT_APPROVED_BELOW, ToolStatus.CANCELLED, ()
        if self.started:
            return UNKNOWN, ToolStatus.UNKNOWN, ()
        if self.denied:
            return DENIED, ToolStatus.ERROR, ()
        if self.asked:
            return NOT_APPROVED, ToolStatus.CANCELLED, ()
        return NEVER_STARTED, ToolStatus.CANCELLED, ()


@attrs.define
class Answer:
    """What one call of the model brought."""

    parts: list[Part | Call]
    complete: bool
    paused: bool
    wire: str

    def calls(self) -> list[Call]:
        return [part for part in self.parts if isinstance(part, Call)]

    def find(self, call_id: str, suits: Callable[[Call], bool]) -> Call | None:
        """The first call of that id which suits and is not sealed."""
        for each in self.calls():
            if each.call.id == call_id and each.sealed is None and suits(each):
                return each
        return None

    def keep(self) -> None:
        """Forget what must not be sent."""
        self.parts = [part for part in self.parts if self._is_kept(part)]

    def _is_kept(self, part: Part | Call) -> bool:
        if isinstance(part, Call):
            return self.complete or (part.started and part.call.arguments_error is None)
        return not isinstance(part, Text) or bool(part.text.strip())

    def is_empty(self) -> bool:
        """Thinking alone is no answer: providers refuse a turn that ends with it."""
        silent = Thinking if self.paused else Thinking | Opaque
        return all(isinstance(part, silent) for part in self.parts)

    def unsealed(self) -> list[Part | Call]:
        """Its parts for a turn of another wire format, which would refuse its signatures."""
        unsealed: list[Part | Call] = []
        for part in self.parts:
            if isinstance(part, Call):
                unsealed.append(attrs.evolve(part, call=attrs.evolve(part.call, signature=None)))
            elif not isinstance(part, Opaque):
                unsealed.append(attrs.evolve(part, signature=None))
        return unsealed


class Resumed:
    """Where a run went on. A model that is to go on must be spoken to."""


class Record:
    """Reads entries one by one; what they mean is decided when they arrive."""

    def __init__(self) -> None:
        self.said: list[str | Answer | Resumed] = []  # a text is the user's
        self.open: str | None = None  # the run that goes on
        self.answer: Answer | None = None  # its latest
        self.paused = False
        self.left: tuple[str, Answer | None] | None = None  # the latest run, once it is over
        self._over: set[str] = set()
        self._begin = 0  # of the run that goes on, in `said`
        self.reads: dict[type[Entry], Callable[[Any], None]] = {
            RunStarted: self._started,
            UserSaid: self._user,
            AssistantSaid: self._assistant,
            ToolCalled: self._called,
            ToolSealed: self._sealed,
            ApprovalAsked: self._asked,
            CallApproved: self._noted,
            CallDenied: self._denied,
            RunPaused: self._paused,
            RunResumed: self._resumed,
            RunEnded: self._ended,
            GuardStopped: self._stopped,
            HandedOver: _pass_over,
            SubRunEnded: self._sub_run_ended,
            SummedUp: _pass_over,
            Pinned: _pass_over,
            Remembered: _pass_over,
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
            self.left = (self.open, self.answer)
        if run is not None:
            self.left = None
            self._begin = len(self.said)
        self.open, self.answer, self.paused = run, None, False

    def _noted(self, entry: Entry) -> None:
        self._is_over(entry)

    def _paused(self, entry: RunPaused) -> None:
        if not self._is_over(entry):
            self.paused = True

    def _resumed(self, entry: RunResumed) -> None:
        if self.left is not None and self.left[0] == entry.run:
            self.open, self.answer = self.left
            self.left = None
            self._over.discard(entry.run)
        if not self._is_over(entry):
            self.paused = False
            self.said.append(Resumed())

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
        parts: list[Part | Call] = [
            Call(part) if isinstance(part, ToolCall) else part for part in entry.turn.parts
        ]
        paused = entry.finish_reason is FinishReason.PAUSE
        self.answer = Answer(parts, entry.complete, paused, entry.turn.wire)
        self.said.append(self.answer)

    def _called(self, entry: ToolCalled) -> None:
        call = self._find(entry, entry.call.id, _can_start)
        if call is not None:
            call.started, call.waits_below = True, False

    def _sub_run_ended(self, entry: SubRunEnded) -> None:
        if entry.call_id:
            call = self._find(entry, entry.call_id, lambda each: each.started)
            if call is not None:
                call.waits_below = True

    def _asked(self, entry: ApprovalAsked) -> None:
        call = self._find(entry, entry.call.id, lambda each: not each.started and not each.asked)
        if call is not None:
            call.asked = True

    def _denied(self, entry: CallDenied) -> None:
        call = self._find(entry, entry.call_id, lambda each: each.is_waiting)
        if call is not None:
            call.denied = True

    def _sealed(self, entry: ToolSealed) -> None:
        call = self._find(entry, entry.call_id, lambda each: each.started or each.denied)
        if call is not None:
            call.sealed = entry

    def _stopped(self, entry: GuardStopped) -> None:
        """Forget what a guard has stopped."""
        if self._is_over(entry):
            return
        if entry.on == "input":
            del self.said[self._begin :]
            self.answer = None
        elif self.answer is not None and self.said[-1:] == [self.answer]:
            self.said.pop()
            self.answer = None

    def _find(self, entry: Entry, call_id: str, suits: Callable[[Call], bool]) -> Call | None:
        if self._is_over(entry) or self.answer is None:
            return None
        return self.answer.find(call_id, suits)

    def answers(self) -> list[Answer]:
        return [each for each in self.said if isinstance(each, Answer)]


def _can_start(call: Call) -> bool:
    return call.waits_below or not (call.started or call.denied)


def _pass_over(entry: Entry) -> None:
    """For the record: a model does not hear of it."""
