"""What all strategies have in common: their inputs, their commands, and the books they keep.

A strategy is a state machine: it is told what the model said, and commands what to ask next. It
has no tasks, no clock and no model. Its `TRANSITIONS` are the whole truth about which input is
good in which phase. What is told of a call that was cancelled is not taken in.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

import attrs

from actors.chat import (
    FinishReason,
    Settings,
    SystemTurn,
    Token,
    ToolCall,
    ToolResult,
    ToolSpec,
    Turn,
    Usage,
    user,
)

from ._trace import CallRecord, CallStatus, Noted, ReasoningEvent, ReasoningTrace, TraceNote

if TYPE_CHECKING:
    from collections.abc import Sequence

Transitions = Mapping[tuple[enum.StrEnum, str], set[enum.StrEnum]]
DEFAULT_SETTINGS: Final = Settings()


@attrs.frozen
class CallModel:
    """Ask the model; what it says comes back under the id of the call."""

    call: str
    turns: tuple[Turn, ...]
    settings: Settings


@attrs.frozen
class CancelCalls:
    """Stop the calls at once; nothing that they say counts any longer."""

    calls: tuple[str, ...]


@attrs.frozen
class RunTool:
    """Run a tool; its result comes back."""

    call: ToolCall


@attrs.frozen
class Emit:
    """Send the events to the reader."""

    events: tuple[ReasoningEvent, ...]


@attrs.frozen
class Finish:
    """There is an answer: the run is done."""

    answer: str


@attrs.frozen
class Exhausted:
    """A limit of the strategy is used up without an answer: end with `LimitReached`."""

    limit: str
    text: str


StrategyCommand = CallModel | CancelCalls | RunTool | Emit | Finish | Exhausted


@attrs.frozen
class Task:
    """What is to be thought about.

    Attributes:
        problem: The question.
        context: What is known beside it.
        instructions: What the model is told before everything else.
        settings: Of every model call, where the strategy does not say otherwise.
        tools: What there is to act with, for the strategies that do.
    """

    problem: str
    context: str = ""
    instructions: str = ""
    settings: Settings = DEFAULT_SETTINGS
    tools: tuple[ToolSpec, ...] = ()

    def turns(self, how: str, *more: str) -> tuple[Turn, ...]:
        """A conversation that tells how to answer, states the problem, and goes on with `more`."""
        told = "\n\n".join(part for part in (self.instructions, how) if part)
        known = (f"Context:\n{self.context}",) if self.context else ()
        asked = "\n\n".join((*known, f"Problem: {self.problem}", *more))
        return SystemTurn(told), user(asked)


class Strategy(Protocol):
    """A way to think about a problem: a frozen record that makes a machine for each."""

    @property
    def name(self) -> str:
        """What it is called in traces."""
        ...

    @property
    def good_for(self) -> str:
        """Which problems, in a few words, for a model that chooses among strategies."""
        ...

    def machine(self, task: Task) -> Machine:
        """A machine for one problem.

        Raises:
            ConfigurationError: The task lacks what the strategy needs, such as tools.
        """
        ...


class Machine(ABC):
    """One problem on its way to an answer. A strategy's machine says what its inputs lead to.

    Args:
        task: The problem.
        name: Of the strategy.
        first: The phase to begin in.
    """

    TRANSITIONS: ClassVar[Transitions]

    def __init__(self, task: Task, name: str, first: enum.StrEnum) -> None:
        self.phase = first
        self.trace = ReasoningTrace(task.problem, name)
        self.task = task
        self._open: dict[str, list[str]] = {}  # what was said so far in each running call
        self._asked = 0

    @property
    def open_calls(self) -> tuple[str, ...]:
        """Ids of the calls that have not ended."""
        return tuple(self._open)

    def begin(self, now: float) -> list[StrategyCommand]:
        """Start thinking. Times are seconds since the epoch."""
        self.check("begin")
        self.trace.started_at = self.trace.started_at or now
        return self.begun(now)

    def said(self, call: str, text: str, thinking: str, now: float) -> list[StrategyCommand]:
        """The model has said something more in a call."""
        if call not in self._open:
            return []
        self.check("said")
        self._open[call].append(text)
        return self.heard(call, text, thinking, now)

    def counted(self, call: str, usage: Usage, now: float) -> list[StrategyCommand]:
        """The provider has counted a call that goes on."""
        if call not in self._open:
            return []
        return [self.note(attrs.evolve(self._record(call), usage=usage), now)]

    def answered(
        self, call: str, usage: Usage, finish_reason: FinishReason | None, now: float
    ) -> list[StrategyCommand]:
        """A call is complete."""
        if call not in self._open:
            return []
        self.check("answered")
        text = "".join(self._open.pop(call))
        record = attrs.evolve(
            self._record(call),
            ended_at=now,
            status=CallStatus.DONE,
            usage=usage,
            finish_reason=finish_reason,
        )
        return [self.note(record, now), *self.concluded(call, text, now)]

    def failed(self, call: str, now: float) -> list[StrategyCommand]:
        """A call has failed, and so has the run: the others are stopped."""
        if call not in self._open:
            return []
        del self._open[call]
        rest = self.cut(self.open_calls, now)
        record = attrs.evolve(self._record(call), ended_at=now, status=CallStatus.FAILED)
        return [*rest, self.note(record, now)]

    def tool_ended(self, result: ToolResult, now: float) -> list[StrategyCommand]:
        """A tool has its result."""
        self.check("tool_ended")
        return self.observed(result, now)

    # What each strategy says

    @abstractmethod
    def begun(self, now: float) -> list[StrategyCommand]: ...

    def heard(self, call: str, text: str, thinking: str, now: float) -> list[StrategyCommand]:
        """By default the text waits for the end of its call."""
        del call, text, thinking, now
        return []

    @abstractmethod
    def concluded(self, call: str, text: str, now: float) -> list[StrategyCommand]: ...

    def observed(self, result: ToolResult, now: float) -> list[StrategyCommand]:
        """Only who asks for a tool's run gets its result."""
        del now
        raise AssertionError(
            f"{type(self).__name__} runs no tool, and got a result of {result.name}"
        )

    # What strategies are made of

    def check(self, input: str) -> None:
        assert (self.phase, input) in self.TRANSITIONS, f"{input} is no input of {self.phase}"

    def move(self, input: str, phase: enum.StrEnum) -> None:
        allowed = self.TRANSITIONS.get((self.phase, input), set[enum.StrEnum]())
        assert phase in allowed, f"{input} in {self.phase} leads to {allowed}, not {phase}"
        self.phase = phase

    def ask(
        self, what: str, turns: tuple[Turn, ...], now: float, settings: Settings | None = None
    ) -> list[StrategyCommand]:
        """Ask the model for `what`, which becomes the beginning of the call's id."""
        self._asked += 1
        call = f"{what}-{self._asked}"
        self._open[call] = []
        chosen = self.task.settings if settings is None else settings
        return [self.note(CallRecord(call, now), now), CallModel(call, turns, chosen)]

    def cut(self, calls: Sequence[str], now: float) -> list[StrategyCommand]:
        """Stop calls. The command to do so comes first, so that no reader delays it."""
        if not calls:
            return []
        for call in calls:
            del self._open[call]
        records = [
            attrs.evolve(self._record(call), ended_at=now, status=CallStatus.CANCELLED)
            for call in calls
        ]
        return [CancelCalls(tuple(calls)), *(self.note(record, now) for record in records)]

    def note(self, note: TraceNote, now: float) -> Emit:
        self.trace.take(note)
        return Emit((Noted(note, now),))

    def finish(
        self, input: str, ended: enum.StrEnum, answer: str, now: float
    ) -> list[StrategyCommand]:
        """The answer was shown already, as tokens."""
        self.move(input, ended)
        self.trace.answer = answer
        self.trace.close(now)
        return [Finish(answer)]

    def show_and_finish(
        self, input: str, ended: enum.StrEnum, answer: str, now: float
    ) -> list[StrategyCommand]:
        shown: list[StrategyCommand] = [Emit((Token(answer, now),))] if answer else []
        return [*shown, *self.finish(input, ended, answer, now)]

    def number_from(self, other: Machine) -> None:
        """Number the calls on from where another machine, with the same trace, has stopped."""
        self._asked = other._asked

    @property
    def next_number(self) -> int:
        return len(self.trace.steps) + 1

    def _record(self, call: str) -> CallRecord:
        return next(record for record in self.trace.calls if record.call == call)


def warmer(settings: Settings, temperature: float) -> Settings:
    """With a temperature, where none is given: samples shall differ."""
    if settings.temperature is not None:
        return settings
    return attrs.evolve(settings, temperature=temperature)
