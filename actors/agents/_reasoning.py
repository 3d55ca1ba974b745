"""The interface of a reasoner: its message, and how it is set up."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

import attrs

from actors.budget import Budget, Prices
from actors.chat import Settings
from actors.errors import ConfigurationError
from actors.reasoning import ChainOfThought, ReasoningEvent, Strategy, Task
from actors.tools import Toolbox
from runtime import Stream

from ._options import check_text

DEFAULT_STRATEGY: Final = ChainOfThought()
DEFAULT_SETTINGS: Final = Settings()
DEFAULT_TOOLBOX: Final = Toolbox()


class Reasoning:
    """The interface of a reasoner."""


@attrs.frozen
class Reason(Stream[Reasoning, ReasoningEvent]):
    """Think about a problem. Leaving the stream stops all model calls and tools of it.

    The events are those of a run, and `Noted` for all that is new in the trace.

    Attributes:
        problem: The question.
        strategy: How to think about it; the reasoner's own way if None.
        context: What is known beside it.

    Raises:
        TypeError, ValueError: If the problem or the context is no text that can be sent.
        ProviderError, StreamTruncated, StreamStalled: What the model's provider says; one call
            that fails ends the others.
        BudgetSpent: A limit of the reasoner's options.
        LimitReached: A limit of the strategy, such as `ReAct(max_steps=...)`.
        ConfigurationError: The strategy needs what there is not, or a request cannot be sent.
    """

    problem: str
    strategy: Strategy | None = None
    context: str = ""

    def __attrs_post_init__(self) -> None:
        check_text(self.problem, "the problem")
        check_text(self.context, "the context")


@attrs.frozen
class ReasoningLimits:
    """What thinking about one problem may use up, and how much goes on side by side.

    Attributes:
        model_calls: Calls of the model, those of its tools included; `BudgetSpent` beyond.
        at_once: Calls that run at a time, of all problems of one reasoner; others wait.
        tokens: Sent and received; no limit if None.
        cost: US dollars, likewise.
        prices: What a token costs; as for a `Budget` if None.

    Raises:
        ValueError: If a limit is below 1, or `tokens` or `cost` below 0.
    """

    model_calls: int = 64
    at_once: int = 8
    tokens: int | None = None
    cost: float | str | Decimal | None = None
    prices: Prices | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("model_calls", "at_once"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        self.budget()

    def budget(self) -> Budget:
        """A new budget for one problem."""
        return Budget(
            calls=self.model_calls, tokens=self.tokens, cost=self.cost, prices=self.prices
        )


DEFAULT_LIMITS: Final = ReasoningLimits()


@attrs.frozen
class ReasonerOptions:
    """What a reasoner is beside its model, its strategy, its tools and its instructions.

    Attributes:
        limits: What one problem may use up.
        settings: Sampling settings of every model call.
        cleanup: Seconds that a cancelled tool in a thread gets before it is abandoned.

    Raises:
        ValueError: If `cleanup` is no number of seconds.
    """

    limits: ReasoningLimits = DEFAULT_LIMITS
    settings: Settings = DEFAULT_SETTINGS
    cleanup: float = 5.0

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.cleanup < math.inf:
            raise ValueError(f"cleanup must be 0 or more seconds, not {self.cleanup}")


@attrs.frozen
class ReasonerSetup:
    """All that the `Reasoner` actor is made of, beside its provider.

    Attributes:
        strategy: How it thinks where a message does not say.
        instructions: What the model is told before everything else.
        toolbox: What the strategies that act may call.
        options: The rest.

    Raises:
        TypeError, ValueError: If the instructions are no text that can be sent.
        ConfigurationError: If the strategy needs what there is not, such as tools, or a tool
            needs approval, which a reasoner cannot wait for.
    """

    strategy: Strategy = DEFAULT_STRATEGY
    instructions: str | None = None
    toolbox: Toolbox = DEFAULT_TOOLBOX
    options: ReasonerOptions = ReasonerOptions()

    def __attrs_post_init__(self) -> None:
        if self.instructions is not None:
            check_text(self.instructions, "the instructions")
        for tool in self.toolbox:
            if tool.approve is not False:
                raise ConfigurationError(
                    f"the tool {tool.name} needs approval, and a reasoner cannot wait for that: "
                    "give it to an agent, or a reasoner another tool"
                )
        self.strategy.machine(self.task(Reason("")))

    def task(self, message: Reason) -> Task:
        """What a strategy is given."""
        return Task(
            message.problem,
            message.context,
            self.instructions or "",
            self.options.settings,
            self.toolbox.specs,
        )
