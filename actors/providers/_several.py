"""Several models in place of one: records that go wherever a model goes, and nest.

Fallback("openai:gpt-4o-mini", Race("local:smollm2", "openai-compatible:mine"))
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import attrs

from actors.errors import ConfigurationError

from ._capabilities import Capabilities, capabilities_in_common, known_capabilities
from ._known import KNOWN
from ._model import Model, resolve, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator


def _checked(models: tuple[object, ...]) -> tuple[Model | Several, ...]:
    checked: list[Model | Several] = []
    for model in models:
        if isinstance(model, str):
            checked.append(Model(model))
        elif isinstance(model, Model | Several):
            checked.append(model)
        else:
            raise ConfigurationError(
                f"{model!r} is no model: write Fallback('openai:gpt-4o-mini', Model(...)), "
                "one argument for each model"
            )
    if not checked:
        raise ConfigurationError("name at least one model: Fallback('openai:gpt-4o-mini', ...)")
    return tuple(checked)


@attrs.frozen(init=False)
class Several:
    """What the records below have in common; not to be used directly.

    Attributes:
        models: Each a model, or several models in turn.

    Raises:
        ConfigurationError: If there is none, or one of them is none.
    """

    models: tuple[Model | Several, ...] = attrs.field(converter=_checked)

    def __init__(self, *models: str | Model | Several) -> None:
        self.__attrs_init__(models)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - made by attrs

    @property
    def name(self) -> str:
        """How it was written: "Fallback(openai:gpt-4o-mini, local:smollm2)"."""
        return f"{type(self).__name__}({', '.join(model.name for model in self.models)})"


@attrs.frozen(init=False)
class Fallback(Several):
    """One after the other: the next is asked if the one before it fails before its first word.

    Not if the request itself is wrong, for it would be wrong everywhere. A model that fails in
    the middle of its answer has answered: the error goes to the reader, with the partial.
    """


@attrs.frozen(init=False)
class RoundRobin(Several):
    """As `Fallback`, but every request begins with the next model, in turn.

    For several keys of one model:
    `RoundRobin(*(Model("openai:gpt-4o-mini", api_key=key) for key in keys))`.
    """


@attrs.frozen(init=False)
class Race(Several):
    """All at once: the first word wins, and the other answers are stopped. All may be billed."""


def _check_after(_record: object, _attribute: attrs.Attribute[float], after: object) -> None:
    if isinstance(after, bool) or not isinstance(after, int | float) or not 0 < after < math.inf:
        raise ConfigurationError(
            f"after is {after!r}, and must be a number of seconds above 0; "
            "for none, write Race(...)"
        )


@attrs.frozen(init=False)
class Hedge(Several):
    """A race in which each model starts `after` seconds behind the one before it.

    It starts at once if one that runs fails. So a second model costs something only where the
    first is slow: take for `after` what nineteen of twenty first words need.
    """

    # The default is never used; it lets both classes be made by attrs in one way.
    after: float = attrs.field(default=math.nan, validator=_check_after)

    def __init__(self, *models: str | Model | Several, after: float) -> None:
        self.__attrs_init__(models, after)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - made by attrs


AnyModel: TypeAlias = str | Model | Several
"""Whatever can be given where a model is asked for."""


def leaves(model: Model | Several) -> Iterator[Model]:
    """The models themselves, from left to right."""
    if isinstance(model, Model):
        yield model
        return
    for each in model.models:
        yield from leaves(each)


def looked_up(model: AnyModel) -> Model | Several:
    """The record of what can be given for a model, after a look at everything it names.

    Raises:
        UnknownModel, MissingKey, ConfigurationError: as `resolve` says.
    """
    if not isinstance(model, Several):
        return resolve(model).model
    for each in leaves(model):
        resolve(each)
    return model


def capabilities_of(model: AnyModel) -> Capabilities:
    """What a model can do, as far as it is known: `capabilities_of("openai:gpt-4o").images`.

    Of several models, what can be relied on whichever answers. Needs no key.

    Raises:
        UnknownModel: No provider has this name.
        ConfigurationError: It is no model.
    """
    (record,) = _checked((model,))
    if isinstance(record, Several):
        return capabilities_in_common(capabilities_of(each) for each in record.models)
    if record.provider not in KNOWN or not record.model:
        raise unknown(record.name)
    return record.capabilities or known_capabilities(record.provider, record.model)
