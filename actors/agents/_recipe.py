"""What an agent is made of, to be started when it is needed, or to take over a conversation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Generic, cast

import attrs

from actors._value import V_co
from actors.providers import AnyModel, capabilities_of
from actors.tools import Toolbox

from ._options import DEFAULT_OPTIONS, AgentOptions, AgentSetup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actors.tools import AnyTool

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,47}")


def _as_toolbox(tools: Iterable[AnyTool | Callable[..., object]]) -> Toolbox:
    # The converter of `Toolbox` takes plain functions, too, which not every checker sees.
    return tools if isinstance(tools, Toolbox) else Toolbox(cast("Any", tuple(tools)))


def _check_name(_recipe: object, _attribute: object, name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name for an agent: write up to 48 letters, digits, `_` and `-`, "
            "the first a letter or `_`"
        )


def _check_model(_recipe: object, _attribute: object, model: AnyModel | None) -> None:
    if model is not None:
        capabilities_of(model)  # refuses what is no model; a missing key is told at the start


@attrs.frozen(eq=False)
class AgentRecipe(Generic[V_co]):
    """An agent that does not run yet: for `agent_tool`, `fan_out`, `ask_agent` and `handoff`.

    Attributes:
        name: What others call it.
        model: Whom it talks to; None for the provider of the agent that uses it.
        tools: Tools or plain functions.
        instructions: What its model is told before everything else.
        description: What the models of others are told of it.
        options: Limits, sampling, guards. Its `conversation` is made up for each call, and where
            it has no `journal`, it uses that of the agent that uses it.

    Raises:
        ConfigurationError: If there is no such model. That a key is missing shows at the start.
        TypeError, ValueError: If the name is none, or a function cannot be a tool.
    """

    name: str = attrs.field(validator=_check_name)
    model: AnyModel | None = attrs.field(default=None, validator=_check_model)
    tools: Toolbox = attrs.field(
        factory=Toolbox, converter=_as_toolbox, kw_only=True, repr=lambda tools: repr(tools.names)
    )
    instructions: str | None = attrs.field(default=None, kw_only=True)
    description: str = attrs.field(default="", kw_only=True)
    options: AgentOptions[V_co] = attrs.field(default=DEFAULT_OPTIONS, kw_only=True, repr=False)

    def __attrs_post_init__(self) -> None:
        _ = self.setup

    @property
    def setup(self) -> AgentSetup:
        options = attrs.evolve(self.options, name=self.name)
        return AgentSetup(self.instructions, self.tools, options)

    @property
    def has_effect(self) -> bool:
        """Whether one of its tools changes something in the world, or needs approval."""
        return any(tool.effect or tool.approve for tool in self.tools) or any(
            recipe.has_effect for recipe in recipes_in(self.tools)
        )


class NamesRecipe:
    """The function of a tool that leads to another agent."""

    recipe: AgentRecipe | None


def recipes_in(tools: Toolbox) -> tuple[AgentRecipe, ...]:
    """The recipes that these tools lead to in one step."""
    functions: tuple[object, ...] = tuple(tool.function for tool in tools)
    found = (each.recipe for each in functions if isinstance(each, NamesRecipe))
    return tuple(recipe for recipe in found if recipe is not None)


def all_recipes(tools: Toolbox) -> tuple[AgentRecipe, ...]:
    """The recipes that these tools lead to in any number of steps; each once."""
    found: list[AgentRecipe] = []
    todo = list(recipes_in(tools))
    while todo:
        recipe = todo.pop()
        if recipe not in found:
            found.append(recipe)
            todo += recipes_in(recipe.tools)
    return tuple(found)
