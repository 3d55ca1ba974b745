"""A choice of the strategy by the problem, and then that strategy. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from actors.chat import Thought

from ._chain import ChainOfThought
from ._machine import Command, Emit, Machine, Strategy, Task, Transitions
from ._trace import Choice
from ._tree import TreeOfThoughts
from ._vote import SelfConsistency

if TYPE_CHECKING:
    from actors.chat import FinishReason, ToolResult, Usage

HOW: Final = """\
Choose how a problem is best thought about. Do not solve it. The ways are:
{names}
Write one line with the name of the way, a colon, and the reason in a few words."""
USUAL: Final[Mapping[str, Strategy]] = {
    "chain": ChainOfThought(),
    "tree": TreeOfThoughts(),
    "vote": SelfConsistency(),
}

Rule = Callable[[str], str]


def _copied(strategies: Mapping[str, Strategy]) -> Mapping[str, Strategy]:
    return dict(strategies)


@attrs.frozen
class Select:
    """Choose a strategy by the problem.

    Attributes:
        strategies: By their names. The first is taken where the model names none.
        rule: Gives a name for a problem; the model chooses if None.

    Raises:
        ValueError: If there are fewer than two strategies.
    """

    strategies: Mapping[str, Strategy] = attrs.field(factory=lambda: USUAL, converter=_copied)
    rule: Rule | None = None

    def __attrs_post_init__(self) -> None:
        if len(self.strategies) < 2:  # noqa: PLR2004 - a choice
            raise ValueError("Select needs two strategies or more to choose from")

    @property
    def name(self) -> str:
        return "selector"

    def machine(self, task: Task) -> SelectMachine:
        return SelectMachine(task, self)


class SelectPhase(enum.StrEnum):
    NEW = "new"
    CHOOSING = "choosing"
    CHOSEN = "chosen"  # the strategy's own machine has taken over


class SelectMachine(Machine):
    TRANSITIONS: ClassVar[Transitions] = {
        (SelectPhase.NEW, "begin"): {SelectPhase.CHOOSING, SelectPhase.CHOSEN},
        (SelectPhase.CHOOSING, "said"): {SelectPhase.CHOOSING},
        (SelectPhase.CHOOSING, "answered"): {SelectPhase.CHOSEN},
        (SelectPhase.CHOSEN, "said"): {SelectPhase.CHOSEN},
        (SelectPhase.CHOSEN, "answered"): {SelectPhase.CHOSEN},
        (SelectPhase.CHOSEN, "tool_ended"): {SelectPhase.CHOSEN},
    }

    def __init__(self, task: Task, strategy: Select) -> None:
        super().__init__(task, strategy.name, SelectPhase.NEW)
        self._strategy = strategy
        self._chosen: Machine | None = None

    def begun(self, now: float) -> list[Command]:
        rule = self._strategy.rule
        if rule is None:
            self.move("begin", SelectPhase.CHOOSING)
            names = "\n".join(
                f"- {name}: {strategy.name}" for name, strategy in self._strategy.strategies.items()
            )
            return self.ask("select", self.task.turns(HOW.format(names=names)), now)
        name = rule(self.task.problem)
        if name not in self._strategy.strategies:
            known = ", ".join(self._strategy.strategies)
            raise ValueError(f"the rule chose {name!r}; the strategies are: {known}")
        return self._choose("begin", Choice(name, "rule"), now)

    def concluded(self, call: str, text: str, now: float) -> list[Command]:
        del call
        return self._choose("answered", self._read(text), now)

    def _read(self, text: str) -> Choice:
        """The name that is written first."""
        names = list(self._strategy.strategies)
        places = {
            name: found.start()
            for name in names
            if (found := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE))
        }
        reason = text.strip()
        if not places:
            return Choice(names[0], "default", reason)
        return Choice(min(places, key=places.__getitem__), "model", reason)

    def _choose(self, input: str, choice: Choice, now: float) -> list[Command]:
        self.move(input, SelectPhase.CHOSEN)
        machine = self._strategy.strategies[choice.name].machine(self.task)
        machine.trace = self.trace  # one trace, and so one row of numbers, for both
        machine.number_from(self)
        self._chosen = machine
        said = f"{choice.name}, chosen by the {choice.by}"
        began = self.trace.started_at
        commands = [self.note(choice), Emit((Thought(said, now),)), *machine.begin(now)]
        self.trace.started_at = began
        return commands

    @property
    def open_calls(self) -> tuple[str, ...]:
        return super().open_calls if self._chosen is None else self._chosen.open_calls

    def said(self, call: str, text: str, thinking: str, now: float) -> list[Command]:
        if self._chosen is None:
            return super().said(call, text, thinking, now)
        return self._chosen.said(call, text, thinking, now)

    def answered(
        self, call: str, usage: Usage, finish_reason: FinishReason | None, now: float
    ) -> list[Command]:
        if self._chosen is None:
            return super().answered(call, usage, finish_reason, now)
        return self._chosen.answered(call, usage, finish_reason, now)

    def tool_ended(self, result: ToolResult, now: float) -> list[Command]:
        assert self._chosen is not None
        return self._chosen.tool_ended(result, now)
