"""A choice of the strategy by the problem, and then that strategy. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from actors.chat import Thought
from actors.errors import ConfigurationError

from ._chain import ChainOfThought
from ._machine import Emit, Machine, Strategy, StrategyCommand, Task, Transitions
from ._react import ReAct
from ._trace import StrategyChoice
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
ACTING: Final[Mapping[str, Strategy]] = {"react": ReAct()}
WORDINGS: Final = (
    ("tree", r"plan|design|puzzle|arrange|schedule|strateg\w+|invent|come up with|best way to"),
    ("vote", r"how (?:many|much|old|long|far|often)|calculate|compute|percent\w*|what is \d+"),
)

Rule = Callable[[str], str | tuple[str, str]]


def by_wording(problem: str) -> tuple[str, str]:
    """A rule for `Select`: by words in the problem, one of "tree", "vote" and "chain"."""
    for name, words in WORDINGS:
        found = re.search(rf"\b(?:{words})\b", problem, re.IGNORECASE)
        if found:
            return name, f"the problem says {found[0].casefold()!r}"
    return "chain", "nothing in its words speaks for another way"


def _copied(strategies: Mapping[str, Strategy] | None) -> Mapping[str, Strategy] | None:
    return None if strategies is None else dict(strategies)


@attrs.frozen
class Select:
    """Choose a strategy by the problem.

    Attributes:
        strategies: By their names. The first is taken where the model names none. If None:
            "chain", "tree" and "vote", and "react" where there are tools.
        rule: Gives a name for a problem, or a name and why, such as `by_wording`; the model
            chooses if None. A name that there is not ends the run with `ConfigurationError`.

    Raises:
        ValueError: If there are fewer than two strategies.
    """

    strategies: Mapping[str, Strategy] | None = attrs.field(default=None, converter=_copied)
    rule: Rule | None = None

    def __attrs_post_init__(self) -> None:
        if self.strategies is not None and len(self.strategies) < 2:  # noqa: PLR2004 - a choice
            raise ValueError("Select needs two strategies or more to choose from")

    @property
    def name(self) -> str:
        return "selector"

    @property
    def good_for(self) -> str:
        return "problems of all kinds"

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
        usual = {**USUAL, **ACTING} if task.tools else USUAL
        self._strategies = usual if strategy.strategies is None else strategy.strategies
        # All of them, so that one that the task does not suit is refused before it is chosen.
        self._machines = {name: each.machine(task) for name, each in self._strategies.items()}
        self._rule = strategy.rule
        self._chosen: Machine | None = None

    def begun(self, now: float) -> list[StrategyCommand]:
        if self._rule is not None:
            return self._choose("begin", self._rule_on(self._rule), now)
        self.move("begin", SelectPhase.CHOOSING)
        names = "\n".join(
            f"- {name}: {strategy.name}, good for {strategy.good_for}"
            for name, strategy in self._strategies.items()
        )
        return self.ask("select", self.task.turns(HOW.format(names=names)), now)

    def _rule_on(self, rule: Rule) -> StrategyChoice:
        try:
            said = rule(self.task.problem)
        except Exception as error:  # whoever wrote the rule hears of it
            raise ConfigurationError(f"the rule failed: {type(error).__name__}: {error}") from error
        name, reason = (said, "") if isinstance(said, str) else said
        if name not in self._strategies:
            known = ", ".join(self._strategies)
            raise ConfigurationError(
                f"the rule chose {name!r}; the strategies to choose from are: {known}"
            )
        return StrategyChoice(name, "rule", reason)

    def concluded(self, call: str, text: str, now: float) -> list[StrategyCommand]:
        del call
        return self._choose("answered", self._read(text), now)

    def _read(self, text: str) -> StrategyChoice:
        """The name that is written first."""
        names = list(self._strategies)
        places = {
            name: found.start()
            for name in names
            if (found := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE))
        }
        said = text.strip()
        if not places:
            return StrategyChoice(names[0], "default", said)
        name = min(places, key=places.__getitem__)
        opened = re.fullmatch(rf"\W*{re.escape(name)}\W*:\s*(.+)", said, re.IGNORECASE | re.DOTALL)
        return StrategyChoice(name, "model", opened[1] if opened else said)

    def _choose(self, input: str, choice: StrategyChoice, now: float) -> list[StrategyCommand]:
        self.move(input, SelectPhase.CHOSEN)
        machine = self._machines[choice.name]
        machine.trace = self.trace  # one trace, and so one row of numbers, for both
        machine.number_from(self)
        self._chosen = machine
        told = Emit((Thought(f"{choice}\n", now),))
        return [self.note(choice, now), told, *machine.begin(now)]

    @property
    def open_calls(self) -> tuple[str, ...]:
        return super().open_calls if self._chosen is None else self._chosen.open_calls

    def said(self, call: str, text: str, thinking: str, now: float) -> list[StrategyCommand]:
        if self._chosen is None:
            return super().said(call, text, thinking, now)
        return self._chosen.said(call, text, thinking, now)

    def counted(self, call: str, usage: Usage, now: float) -> list[StrategyCommand]:
        if self._chosen is None:
            return super().counted(call, usage, now)
        return self._chosen.counted(call, usage, now)

    def answered(
        self, call: str, usage: Usage, finish_reason: FinishReason | None, now: float
    ) -> list[StrategyCommand]:
        if self._chosen is None:
            return super().answered(call, usage, finish_reason, now)
        return self._chosen.answered(call, usage, finish_reason, now)

    def failed(self, call: str, now: float) -> list[StrategyCommand]:
        if self._chosen is None:
            return super().failed(call, now)
        return self._chosen.failed(call, now)

    def tool_ended(self, result: ToolResult, now: float) -> list[StrategyCommand]:
        assert self._chosen is not None
        return self._chosen.tool_ended(result, now)
