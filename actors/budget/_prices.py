"""What tokens cost. Pure; the numbers themselves are data, and stand in `_table.py`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import attrs

from actors.errors import UnknownPrice

if TYPE_CHECKING:
    from actors.chat import Usage

MILLION: Final = 1_000_000
# The marks of a dated or a moving name of the same model.
VERSION: Final = re.compile(r"-(\d{4}-\d\d-\d\d|\d{8}|\d{3}|latest)$")


def to_dollars(value: float | str | Decimal) -> Decimal:
    """0.2 means 0.20 and not the binary fraction next to it.

    Raises:
        ValueError: It is no number.
    """
    try:
        dollars = Decimal(str(value))
    except InvalidOperation:
        dollars = Decimal("NaN")
    if dollars.is_nan():
        raise ValueError(f"{value!r} is no number of dollars: write 0.2 or '0.20'")
    return dollars


def to_dollars_or_none(value: float | str | Decimal | None) -> Decimal | None:
    return None if value is None else to_dollars(value)


def _not_negative(_: object, attribute: attrs.Attribute[Any], value: Decimal | None) -> None:
    if value is not None and not 0 <= value < math.inf:
        raise ValueError(f"{attribute.name} must be 0 or more dollars, not {value}")


@attrs.frozen
class Price:
    """US dollars for a million tokens.

    Attributes:
        input: Sent.
        output: Received, reasoning included.
        cache_read: Sent, and found in the provider's cache; as `input` if None.
        cache_write: Sent, and put into it; as `input` if None.
        above: Beyond so many input tokens the whole call costs what `beyond` says.
        beyond: The price of such long calls.

    Raises:
        ValueError: If a price is negative, or only one of `above` and `beyond` is given.
    """

    input: Decimal = attrs.field(converter=to_dollars, validator=_not_negative)
    output: Decimal = attrs.field(converter=to_dollars, validator=_not_negative)
    cache_read: Decimal | None = attrs.field(
        default=None, converter=to_dollars_or_none, validator=_not_negative
    )
    cache_write: Decimal | None = attrs.field(
        default=None, converter=to_dollars_or_none, validator=_not_negative
    )
    above: int | None = attrs.field(default=None, kw_only=True)
    beyond: Price | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if (self.above is None) != (self.beyond is None):
            raise ValueError("above= and beyond= go together: so many tokens, and their Price(...)")

    def cost(self, usage: Usage) -> Decimal:
        """What so many tokens of one call cost, in dollars."""
        if self.above is not None and self.beyond is not None and usage.input_tokens > self.above:
            return self.beyond.cost(usage)
        read, written = usage.cache_read_tokens, usage.cache_write_tokens
        fresh = max(0, usage.input_tokens - read - written)
        dollars = self.input * fresh + self.output * usage.output_tokens
        if read:
            dollars += (self.input if self.cache_read is None else self.cache_read) * read
        if written:
            dollars += (self.input if self.cache_write is None else self.cache_write) * written
        return dollars / MILLION


@attrs.frozen
class Prices:
    """A table of prices: data with a date, never asked for over a network.

    A name is looked up as it is, then without the date or the "-latest" at its end.

    Attributes:
        as_of: When they were collected.
        models: Prices by the name that a `Model` has, `provider:model`. A name `provider:*`
            holds for all models of a provider that are not named.
        sources: Where they come from: providers, each with the title of its page.
    """

    as_of: date
    models: Mapping[str, Price]
    sources: Mapping[str, str] = attrs.field(factory=dict[str, str])

    def with_prices(self, models: Mapping[str, Price]) -> Prices:
        """This table with some prices added or replaced."""
        return attrs.evolve(self, models={**self.models, **models})

    def find(self, model: str) -> Price | None:
        """The price of a model by its full name, or None."""
        provider, _, _ = model.partition(":")
        for name in (model, VERSION.sub("", model), f"{provider}:*"):
            if name in self.models:
                return self.models[name]
        return None

    def price(self, model: str) -> Price:
        """The price of a model by its full name.

        Raises:
            UnknownPrice: If it has none; the text says how to give one.
        """
        price = self.find(model)
        if price is None:
            raise UnknownPrice(
                f"no price is known for {model!r}, so no budget of money can hold for it: give "
                f"prices=PRICES.with_prices({{{model!r}: Price(input=0.15, output=0.60)}}), in "
                "dollars for a million tokens, from actors.budget"
            )
        return price
