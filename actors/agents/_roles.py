"""Handoffs: a tool by which the model gives the conversation to another agent.

The journal, its writer and the run stay; instructions, tools, sampling and model change with the
next model call. Who speaks is in the journal, so that it is the same after a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs

from actors.errors import LimitReached
from actors.journal import HandedOver
from actors.providers import AnyModel, Clock
from actors.tools import AnyTool, Toolbox, tool

from ._options import AgentSetup
from ._place import PLACE
from ._recipe import AgentRecipe, NamesRecipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actors.chat import ToolCall
    from actors.journal import Entry


OUTSIDE: Final = "a handoff means something in a run of an agent only"


class Transfer(NamesRecipe):
    """What a handoff's tool calls."""

    def __init__(self, to: str, recipe: AgentRecipe | None) -> None:
        self.to = to
        self.recipe = recipe

    async def __call__(self) -> str:
        """Hand the conversation over."""
        place = PLACE.get()
        if place is None:
            raise RuntimeError(OUTSIDE)
        return await place.hand_over(self.to)


def handoff(
    to: AgentRecipe | str, *, name: str | None = None, description: str | None = None
) -> AnyTool:
    """Offer the model to hand the conversation over: `tools=[handoff(billing)]`.

    From the next model call on, the other's instructions, tools, sampling and model answer, also
    in later runs, until it hands over in turn. What was said stays. Limits, guards and `output`
    are those of the agent that was opened. `RunLimits.handoffs` bounds the back and forth.

    Args:
        to: Who takes over; by its name where that is known from another handoff, or is the
            agent that was opened (`AgentOptions.name`).
        name: Of the tool; "transfer_to_" and the other's name if None.
        description: What the model is told; made of the other's description if None.

    Raises:
        ValueError: If the name cannot be that of a tool.
    """
    title = to if isinstance(to, str) else to.name
    recipe = None if isinstance(to, str) else to
    what = "" if recipe is None else recipe.description
    offered = tool(Transfer(title, recipe), name=name or f"transfer_to_{title}")
    told = description or f"Hand the conversation over to {title}. {what}".strip()
    return attrs.evolve(offered, spec=attrs.evolve(offered.spec, description=told))


@attrs.frozen
class Role:
    """Who may speak in a conversation.

    Attributes:
        model: None for that of the agent that was opened.
    """

    name: str
    setup: AgentSetup
    model: AnyModel | None = None


class Roster:
    """Those who may speak in a conversation, and who does.

    Raises:
        ValueError: If two have the same name, or a handoff names nobody.
    """

    def __init__(self, setup: AgentSetup) -> None:
        self.first = Role(setup.options.name, setup)
        self.acting = self.first
        self._roles = {self.first.name: self.first}
        self._recipes: list[AgentRecipe] = []
        self._add(setup.toolbox)
        for role in self._roles.values():
            self._check_names(role.setup.toolbox)

    def _add(self, toolbox: Toolbox) -> None:
        for recipe in _handed_to(toolbox):
            if recipe in self._recipes:
                continue
            if recipe.name in self._roles:
                raise ValueError(
                    f"two agents are called {recipe.name!r}: give one another name, the one that "
                    "is opened by AgentOptions(name=...)"
                )
            self._recipes.append(recipe)
            self._roles[recipe.name] = Role(recipe.name, recipe.setup, recipe.model)
            self._add(recipe.tools)

    def _check_names(self, toolbox: Toolbox) -> None:
        for transfer in _transfers(toolbox):
            if transfer.to not in self._roles:
                known = ", ".join(self._roles)
                raise ValueError(f"nobody here is called {transfer.to!r}: there are {known}")

    @property
    def models(self) -> tuple[AnyModel, ...]:
        """Those that a handoff leads to."""
        return tuple(role.model for role in self._roles.values() if role.model is not None)

    @property
    def tools(self) -> tuple[AnyTool, ...]:
        """The tools of all of them, namesakes included."""
        return tuple(each for role in self._roles.values() for each in role.setup.toolbox)

    def find(self, name: str) -> Role:
        return self._roles[name]

    def who_asked(self, call: ToolCall, asked_by: Mapping[str, str]) -> Role:
        """Whose tool a call means: of whoever speaks, or spoke when it had to be approved."""
        if call.id not in asked_by:
            return self.acting
        return self._roles.get(asked_by[call.id], self.first)

    def resume(self, entries: Iterable[Entry]) -> None:
        """Let the one speak that the journal names last, if it still exists."""
        for entry in entries:
            if isinstance(entry, HandedOver):
                self.acting = self._roles.get(entry.to, self.first)


class HandsOver(Protocol):
    """What it takes of an agent to hand its conversation over; `Agent` says what each does."""

    @property
    def setup(self) -> AgentSetup: ...
    @property
    def roster(self) -> Roster: ...
    async def make_ready(self, role: Role) -> None: ...
    async def record(self, entries: Sequence[Entry]) -> None: ...


class Handing:
    """The handoffs of one run."""

    def __init__(self, agent: HandsOver, run: str) -> None:
        self._agent = agent
        self._run = run
        self._limit = agent.setup.options.limits.handoffs
        self._count = 0
        self._is_done = False  # in the present round of tools

    def begin_round(self) -> None:
        """The model has called tools."""
        self._is_done = False

    async def hand_over(self, to: str) -> str:
        """Let another speak from the next model call on; the journal knows before.

        Raises:
            LimitReached: It was handed over too often, or in this round already.
            ConfigurationError: The model of that one does not start.
        """
        if self._count >= self._limit:
            raise LimitReached(
                f"the conversation was handed over {self._limit} times in this run: "
                "answer yourself",
                limit="handoffs",
            )
        if self._is_done:
            raise LimitReached("one handoff at a time: it was handed over now", limit="handoffs")
        self._is_done = True
        role = self._agent.roster.find(to)
        try:
            await self._agent.make_ready(role)
            await self._agent.record((HandedOver(self._run, to, Clock().now()),))
        except BaseException:
            self._is_done = False
            raise
        self._agent.roster.acting = role
        self._count += 1
        return f"The conversation is with {to} now."


def _transfers(toolbox: Toolbox) -> tuple[Transfer, ...]:
    functions: tuple[object, ...] = tuple(tool.function for tool in toolbox)
    return tuple(each for each in functions if isinstance(each, Transfer))


def _handed_to(toolbox: Toolbox) -> tuple[AgentRecipe, ...]:
    """Those recipes only that are reached by a handoff, and not by asking."""
    return tuple(transfer.recipe for transfer in _transfers(toolbox) if transfer.recipe is not None)
