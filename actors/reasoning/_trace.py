"""What was thought: steps, model calls, and the trace that they add up to. Pure.

A trace is made of notes, each a step, a call or a choice, so that whoever reads the notes has
the same trace as whoever wrote them.
"""

from __future__ import annotations

import enum
from typing import Any, ClassVar, Literal

import attrs

from actors.chat import Event, FinishReason, Usage


class StepStatus(enum.StrEnum):
    """What became of a thought."""

    TAKEN = "taken"
    OPEN = "open"  # a branch that may still be followed
    PRUNED = "pruned"  # a branch that is not followed any longer


class CallStatus(enum.StrEnum):
    """What became of a model call."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


def _share(_record: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:  # also refuses NaN
        raise ValueError(f"{attribute.name} must be from 0 to 1, or None, not {value}")


@attrs.frozen
class ThoughtStep:
    """One thought.

    Attributes:
        step_number: From 1, in the order in which the thoughts were complete.
        thought: Its text.
        confidence: From 0 to 1, as the model states it; None where it states none.
        evidence: What the model says that it rests on.
        score: From 0 to 1: how good the model finds a branch, or the share of a vote; None
            where nobody said.
        branch: The place in a tree, as "2.1" for the first thought after the second; "" where
            there is no tree.
        status: What became of it.
        timestamp: When it was complete, in seconds since the epoch.

    Raises:
        ValueError: If `step_number` is below 1, or `confidence` or `score` not from 0 to 1.
    """

    step_number: int = attrs.field(validator=attrs.validators.ge(1))
    thought: str
    confidence: float | None = attrs.field(default=None, validator=_share)
    evidence: tuple[str, ...] = ()
    score: float | None = attrs.field(default=None, kw_only=True, validator=_share)
    branch: str = attrs.field(default="", kw_only=True)
    status: StepStatus = attrs.field(default=StepStatus.TAKEN, kw_only=True)
    timestamp: float = attrs.field(default=0.0, kw_only=True)

    def __str__(self) -> str:
        marks = [
            f"{name} {value:.2g}"
            for name, value in (("score", self.score), ("confidence", self.confidence))
            if value is not None
        ]
        if self.status is not StepStatus.TAKEN:
            marks.append(self.status)
        first = next(iter(self.thought.splitlines()), "")
        return f"{self.branch or self.step_number}. {first}" + (
            f" [{', '.join(marks)}]" if marks else ""
        )


@attrs.frozen
class CallRecord:
    """One call of the model.

    Attributes:
        call: Its id: what it was for, and a number.
        started_at: When it was asked for, in seconds since the epoch; it may have waited for
            its turn.
        ended_at: None while it runs, or where nobody saw its end.
        status: What became of it.
        usage: As far as the provider has counted: often nothing for a call that was cancelled.
        finish_reason: Why the model stopped; None where it was stopped.
    """

    call: str
    started_at: float
    ended_at: float | None = None
    status: CallStatus = CallStatus.RUNNING
    usage: Usage = Usage()  # noqa: RUF009 - frozen
    finish_reason: FinishReason | None = None

    @property
    def duration(self) -> float | None:
        return None if self.ended_at is None else self.ended_at - self.started_at

    def __str__(self) -> str:
        took = "" if self.duration is None else f" after {self.duration:.1f} s"
        tokens = self.usage.total_tokens
        return f"{self.call} {self.status}{took}" + (f", {tokens} tokens" if tokens else "")


@attrs.frozen
class StrategyChoice:
    """Which strategy was chosen.

    Attributes:
        name: Its name among those to choose from.
        by: "model", "rule", or "default" where the model named none of them.
        reason: In words, as far as there are any.
    """

    name: str
    by: Literal["model", "rule", "default"]
    reason: str = ""

    def __str__(self) -> str:
        said = (
            f"{self.name}, chosen by the {self.by}"
            if self.by != "default"
            else (f"{self.name}, since the model chose none")
        )
        return f"{said}: {self.reason}" if self.reason else said


TraceNote = ThoughtStep | CallRecord | StrategyChoice


@attrs.frozen
class Noted:
    """Something new for the trace, among the events of a run; `content` says it in a line."""

    type: ClassVar[Literal["note"]] = "note"
    note: TraceNote
    timestamp: float = 0.0

    @property
    def content(self) -> str:
        return str(self.note)


ReasoningEvent = Event | Noted


@attrs.define
class ReasoningTrace:
    """All that was thought about a problem; readable at any time and after any ending.

    Attributes:
        problem: What was asked.
        strategy: How it is thought about.
        steps: In the order of their numbers.
        calls: Of the model, in the order in which they were asked for.
        choice: Which strategy a selector chose; None without one.
        answer: None before there is one.
        started_at: Seconds since the epoch.
        ended_at: None while it goes on.
    """

    problem: str
    strategy: str
    steps: list[ThoughtStep] = attrs.field(factory=list[ThoughtStep])
    calls: list[CallRecord] = attrs.field(factory=list[CallRecord])
    choice: StrategyChoice | None = None
    answer: str | None = None
    started_at: float = 0.0
    ended_at: float | None = None

    @property
    def usage(self) -> Usage:
        """Of all calls whose end is known."""
        return sum((call.usage for call in self.calls), Usage())

    @property
    def duration(self) -> float | None:
        """Seconds from the beginning to the end; None while it goes on."""
        return None if self.ended_at is None else self.ended_at - self.started_at

    def add_step(self, step: ThoughtStep) -> None:
        """Add a step, or put it in the place of the one with the same number."""
        index = step.step_number - 1
        if index < len(self.steps):
            self.steps[index] = step
        elif index == len(self.steps):
            self.steps.append(step)
        else:
            raise ValueError(
                f"step {step.step_number} cannot follow step {len(self.steps)}: "
                f"number it {len(self.steps) + 1}"
            )

    def take(self, note: TraceNote) -> None:
        """Take in a note; a later one replaces an earlier one of the same step or call."""
        match note:
            case ThoughtStep():
                self.add_step(note)
            case CallRecord():
                self._take_call(note)
            case StrategyChoice():
                self.choice = note

    def _take_call(self, record: CallRecord) -> None:
        for index, known in enumerate(self.calls):
            if known.call == record.call:
                self.calls[index] = record
                return
        self.calls.append(record)

    def close(self, now: float) -> None:
        """Nothing more comes: what was running was cancelled. Closed once, it stays so."""
        if self.ended_at is not None:
            return
        for index, call in enumerate(self.calls):
            if call.status is CallStatus.RUNNING:
                self.calls[index] = attrs.evolve(call, status=CallStatus.CANCELLED)
        self.ended_at = now

    def outline(self) -> str:
        """All of it in lines, the branches of a tree below those that they grow from."""
        head = [f"{self.strategy}: {self.problem}"]
        head += [f"  {self.choice}"] if self.choice is not None else []
        lines = [
            f"{'  ' * (1 + step.branch.count('.'))}{step}"
            for step in sorted(self.steps, key=_place)
        ]
        end = [] if self.answer is None else [f"  answer: {self.answer}"]
        return "\n".join([*head, *lines, *end])


def _place(step: ThoughtStep) -> tuple[int, ...]:
    """Where a step stands in an outline: below the branch that it grows from."""
    return tuple(int(part) for part in step.branch.split(".") if part.isdecimal())
