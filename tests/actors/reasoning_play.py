"""Plays a strategy's machine without a model: every call's text in any pieces, in any order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import attrs
from hypothesis import strategies as st

from actors.chat import FinishReason, Thought, Token, ToolResult, ToolSpec, Usage
from actors.reasoning import (
    CallModel,
    CallStatus,
    CancelCalls,
    Emit,
    Exhausted,
    Finish,
    Machine,
    Noted,
    ReasoningEvent,
    ReasoningTrace,
    RunTool,
    StrategyCommand,
    Task,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.reasoning import Strategy

COUNTED = Usage(3, 4)
SEEDS = st.integers(0, 2**32)
LOOK_UP = ToolSpec(
    "look_up",
    "Look a word up.",
    {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
)
WITH_TOOLS = Task("What?", tools=(LOOK_UP,))


@attrs.define
class Played:
    """What came of a problem."""

    machine: Machine
    events: list[ReasoningEvent] = attrs.field(factory=list[ReasoningEvent])
    calls: dict[str, CallModel] = attrs.field(factory=dict[str, CallModel])
    cancelled: set[str] = attrs.field(factory=set[str])
    ran: list[RunTool] = attrs.field(factory=list[RunTool])
    end: Finish | Exhausted | None = None

    @property
    def trace(self) -> ReasoningTrace:
        return self.machine.trace

    @property
    def tokens(self) -> str:
        return "".join(event.content for event in self.events if isinstance(event, Token))

    @property
    def thoughts(self) -> str:
        return "".join(event.content for event in self.events if isinstance(event, Thought))

    @property
    def rebuilt(self) -> ReasoningTrace:
        """The trace that a reader of the events has."""
        trace = ReasoningTrace(self.trace.problem, self.trace.strategy)
        for event in self.events:
            if isinstance(event, Noted):
                trace.take(event.note)
        return trace


class Player:
    """Carries out commands by the dice; `says` is the model, `acts` are the tools."""

    def __init__(
        self,
        machine: Machine,
        says: Callable[[CallModel], str],
        dice: random.Random,
        *,
        acts: Callable[[RunTool], str] = lambda _: "done",
        longest: int = 7,
    ) -> None:
        self.played = Played(machine)
        self._says = says
        self._acts = acts
        self._dice = dice
        self._longest = longest
        self._left: dict[str, str] = {}  # of the running calls: what they will still say
        self._now = 0.0

    def play(self) -> Played:
        machine = self.played.machine
        self._obey(machine.begin(self._tick()))
        while self.played.end is None:
            assert self._left, "it waits for nothing"
            call = self._dice.choice(sorted(self._left))
            rest = self._left[call]
            if rest:
                size = self._dice.randint(1, self._longest)
                self._left[call] = rest[size:]
                self._obey(machine.said(call, rest[:size], "", self._tick()))
            else:
                del self._left[call]
                self._obey(machine.answered(call, COUNTED, FinishReason.STOP, self._tick()))
        return self.played

    def _tick(self) -> float:
        self._now += 1.0
        return self._now

    def _obey(self, commands: Sequence[StrategyCommand]) -> None:
        played = self.played
        for command in commands:
            assert played.end is None, "nothing comes after the end"
            match command:
                case Emit(events):
                    played.events += events
                case CallModel(call):
                    assert call not in played.calls, "ids are new"
                    played.calls[call] = command
                    self._left[call] = self._says(command)
                case CancelCalls(calls):
                    for call in calls:
                        del self._left[call]
                        played.cancelled.add(call)
                case RunTool(call):
                    played.ran.append(command)
                    result = ToolResult(call.id, call.name, self._acts(command))
                    self._obey(played.machine.tool_ended(result, self._tick()))
                case _:
                    played.end = command


def play(
    strategy: Strategy,
    says: Callable[[CallModel], str],
    dice: random.Random,
    *,
    task: Task | None = None,
    acts: Callable[[RunTool], str] = lambda _: "done",
    longest: int = 7,
) -> Played:
    """Play to the end, and check what holds for every strategy and every order."""
    machine = strategy.machine(Task("What?") if task is None else task)
    played = Player(machine, says, dice, acts=acts, longest=longest).play()
    check(played)
    return played


def check(played: Played) -> None:
    """What holds for every trace: whoever takes its notes has it, and no call is left open."""
    trace = played.trace
    assert [step.step_number for step in trace.steps] == list(range(1, len(trace.steps) + 1))
    assert played.rebuilt.steps == trace.steps
    assert played.rebuilt.calls == trace.calls
    assert played.rebuilt.choice == trace.choice
    assert [record.call for record in trace.calls] == list(played.calls)
    for record in trace.calls:
        ended = CallStatus.CANCELLED if record.call in played.cancelled else CallStatus.DONE
        assert record.status is ended
        assert record.ended_at is not None
        assert record.ended_at >= record.started_at
    assert trace.usage.total_tokens == COUNTED.total_tokens * (
        len(trace.calls) - len(played.cancelled)
    )
    if isinstance(played.end, Finish):
        assert trace.answer == played.end.answer == played.tokens
        assert trace.duration is not None
    assert trace.outline().startswith(trace.strategy)


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - dice


def in_turn(*texts: str) -> Callable[[CallModel], str]:
    """A model that says these texts, call by call; the last again and again."""
    left = list(texts)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def one(strategy: Strategy, *texts: str, task: Task | None = None) -> Played:
    return play(strategy, in_turn(*texts), seeded(1), task=task)


def thoughts_of(played: Played) -> list[str]:
    return [step.thought for step in played.trace.steps]
