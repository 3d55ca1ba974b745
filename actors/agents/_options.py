"""How an agent is set up; records that check themselves."""

from __future__ import annotations

import math
import os
from decimal import Decimal
from typing import Final, Generic, Literal

import attrs

from actors._value import V_co
from actors.budget import Budget, Prices
from actors.chat import Settings
from actors.journal import Journal
from actors.output import output_of
from actors.react import AsItIs, ReActStyle, Style
from actors.recall import Full, Recall, recall_of
from actors.tools import Toolbox
from runtime import Ref

from ._guards import Guard, as_guards


@attrs.frozen(kw_only=True)
class RunLimits:
    """What one run may use up.

    Attributes:
        model_calls: Calls of the model, the first included.
        queued_runs: Runs that may wait for the one before them; 0 refuses a second run.
        queued_steers: Messages that may wait for a run's next model call.
        depth: Agents below one another that the run may lead to, by tools that ask agents.
        handoffs: How often the model may hand the conversation over; then it is told that it
            must answer itself.
        tokens: Sent and received, by its model calls and by all that its tools call; no limit
            if None. What goes on is stopped when they are spent, as by a `Budget`.
        cost: US dollars, likewise.
        prices: What a token costs; as for a `Budget` if None.

    Raises:
        ValueError: If `model_calls` is below 1, or another limit below 0.
    """

    model_calls: int = 16
    queued_runs: int = 8
    tokens: int | None = None
    cost: float | str | Decimal | None = None
    prices: Prices | None = None
    queued_steers: int = 8
    depth: int = 8
    handoffs: int = 4

    def __attrs_post_init__(self) -> None:
        if self.model_calls < 1:
            raise ValueError(f"model_calls must be 1 or more, not {self.model_calls}")
        for name in ("queued_runs", "queued_steers", "depth", "handoffs"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        self.budget()

    def budget(self) -> Budget | None:
        """A new budget for one run, if there is anything to limit."""
        if self.tokens is None and self.cost is None:
            return None
        return Budget(tokens=self.tokens, cost=self.cost, prices=self.prices)


def check_text(text: object, what: str) -> None:
    """Refuse what no provider takes, before it gets into a history.

    Raises:
        TypeError: If it is no string.
        ValueError: If it cannot be encoded.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a string, not {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{what} has half a character at {error.start}, which cannot be sent: decode it "
            'with errors="replace"'
        ) from None


DEFAULT_LIMITS: Final = RunLimits()
DEFAULT_SETTINGS: Final = Settings()
DEFAULT_TOOLBOX: Final = Toolbox()
ALL: Final = Full()
AS_IT_IS: Final = AsItIs()


def _style(style: Literal["tools", "react"] | Style) -> Style:
    if isinstance(style, str):
        named: dict[str, Style] = {"tools": AsItIs(), "react": ReActStyle()}
        if style in named:
            return named[style]
    elif hasattr(style, "asking"):
        return style
    raise ValueError(
        f'style is {style!r}: write "tools" for a model that calls tools, "react" or '
        "ReActStyle(...) for one that cannot"
    )


@attrs.frozen(kw_only=True)
class AgentOptions(Generic[V_co]):
    """What an agent is beside its model, its tools and its instructions.

    Attributes:
        name: What it is called where agents work together: in a handoff back to it, and as
            `Complete.by`.
        conversation: The id under which the journal keeps what is said.
        limits: What one run may use up.
        settings: Sampling settings of every model call.
        journal: A file that keeps conversations for good, or a journal that runs already and
            may be shared; in memory if None. One agent at a time has a conversation.
        memory: What of the conversation is sent with a request: `Window(turns=20)`, `Summary()`,
            `Selective()`, or several in a list. All of it by default; in any case no more than
            the model's context takes, where that is known. The journal keeps everything.
        style: "tools" for a model that calls tools itself; "react", or a `ReActStyle(...)`, for one
            that cannot: its thoughts and actions are read from its text.
        output: An attrs class or a dataclass that every run shall end with: `answer.value`. None
            for an answer in words. Type checkers follow it: these are `AgentOptions[Weather]`, and
            what is opened with them is an `AgentHandle[Weather]`.
        guards: Checks of what the user says and of what is answered; see `Guard`.
        output_attempts: How often a run's model may answer for that. What is wrong with an answer
            is told to it; after the last one the run fails with `OutputInvalid`.
        cleanup: Seconds that a cancelled tool in a thread gets before it is reported as
            abandoned.
        journal_patience: Seconds that the journal gets for each write. A cancel waits for it; an
            agent whose journal takes longer crashes, and starts again from what is written.

    Raises:
        TypeError: If `output` is no class that a model can be asked for, or `memory` is none.
        ValueError: If `conversation` or `journal` is empty, there is no such `style`, `cleanup`
            or `journal_patience` is no number of seconds, or `output_attempts` is below 1.
    """

    name: str = "agent"
    conversation: str = "main"
    limits: RunLimits = DEFAULT_LIMITS
    settings: Settings = DEFAULT_SETTINGS
    memory: Recall = attrs.field(default=ALL, converter=recall_of)
    style: Style = attrs.field(default=AS_IT_IS, converter=_style)
    output: type[V_co] | None = None
    output_attempts: int = 3
    cleanup: float = 5.0
    journal: str | os.PathLike[str] | Ref[Journal] | None = None
    journal_patience: float = 30.0
    guards: tuple[Guard, ...] = attrs.field(default=(), converter=as_guards)

    def __attrs_post_init__(self) -> None:
        if not self.conversation:
            raise ValueError("conversation must not be empty: it is the id to resume by")
        if self.journal == "":
            raise ValueError('journal must not be empty: write for example "chats.db"')
        if not 0 <= self.cleanup < math.inf:
            raise ValueError(f"cleanup must be 0 or more seconds, not {self.cleanup}")
        if not 0 < self.journal_patience < math.inf:
            raise ValueError(
                f"journal_patience must be positive seconds, not {self.journal_patience}"
            )
        if self.output_attempts < 1:
            raise ValueError(f"output_attempts must be 1 or more, not {self.output_attempts}")
        if self.output is not None:
            output_of(self.output)


DEFAULT_OPTIONS: Final = AgentOptions()


@attrs.frozen
class AgentSetup:
    """All that the `Agent` actor is made of, beside its provider and its journal.

    Attributes:
        instructions: What the model is told before everything else.
        toolbox: What it may call.
        options: The rest.

    Raises:
        TypeError, ValueError: If the instructions are no text that can be sent, or the options
            are none.
    """

    instructions: str | None = None
    toolbox: Toolbox = DEFAULT_TOOLBOX
    options: AgentOptions = DEFAULT_OPTIONS

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.options, AgentOptions):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
            raise TypeError(
                f"options must be AgentOptions, not {self.options!r:.80}: write for example "
                'AgentOptions(conversation="ann")'
            )
        if self.instructions is not None:
            check_text(self.instructions, "the instructions")
