"""Prices: exact sums, names with dates, long calls, and a clear refusal of what has no price."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.budget import PRICES, Price, Prices
from actors.chat import Usage
from actors.errors import ConfigurationError, UnknownPrice
from actors.providers._known import KNOWN

COUNTS = st.integers(0, 10**7)
DOLLARS = st.decimals(0, 1_000, places=4)


def test_a_price_is_for_a_million_tokens() -> None:
    price = Price(0.15, "0.60")

    assert price.cost(Usage(1_000_000, 0)) == Decimal("0.15")
    assert price.cost(Usage(2_000, 500)) == Decimal("0.0006")


def test_what_the_cache_had_costs_its_own_price_and_is_no_fresh_input() -> None:
    price = Price("3", "15", "0.3", "3.75")
    usage = Usage(1_000_000, 0, cache_read_tokens=600_000, cache_write_tokens=100_000)

    assert price.cost(usage) == Decimal("0.9") + Decimal("0.18") + Decimal("0.375")
    assert Price("3", "15").cost(usage) == Decimal(3)


def test_a_long_call_costs_its_own_price_as_a_whole() -> None:
    price = Price("1", "10", above=200_000, beyond=Price("2", "20"))

    assert price.cost(Usage(200_000, 0)) == Decimal("0.2")
    assert price.cost(Usage(200_001, 1)) == Decimal("0.400022")


@given(DOLLARS, DOLLARS, st.lists(st.builds(Usage, COUNTS, COUNTS), max_size=8))
def test_the_price_of_a_sum_is_the_sum_of_the_prices(
    sent: Decimal, received: Decimal, calls: list[Usage]
) -> None:
    price = Price(sent, received)

    total = sum(map(price.cost, calls), Decimal(0))
    assert total == price.cost(sum(calls, Usage()))


def test_more_from_the_cache_than_was_sent_is_never_a_credit() -> None:
    assert Price("3", "15", "0").cost(Usage(5, 0, cache_read_tokens=1_000)) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": -1},
        {"input": "dear"},
        {"output": math.nan},
        {"output": math.inf},
        {"above": 5},
        {"beyond": Price(1, 1)},
    ],
)
def test_a_price_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"dollars|go together"):
        Price(**{"input": 1, "output": 1, **wrong})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("openai:gpt-4o-mini-2024-07-18", "openai:gpt-4o-mini"),
        ("openai-responses:gpt-4o-mini", "openai:gpt-4o-mini"),
        ("anthropic:claude-sonnet-4-20250514", "anthropic:claude-sonnet-4-0"),
        ("anthropic:claude-3-5-haiku-latest", "anthropic:claude-3-5-haiku"),
        ("gemini:gemini-2.0-flash-001", "gemini:gemini-2.0-flash"),
    ],
)
def test_a_dated_name_has_the_price_of_its_model(name: str, same_as: str) -> None:
    assert PRICES.price(name) == PRICES.price(same_as)


def test_a_date_with_a_price_of_its_own_keeps_it() -> None:
    assert PRICES.price("openai:gpt-4o-2024-05-13") != PRICES.price("openai:gpt-4o")


def test_a_model_on_this_machine_costs_nothing_and_says_so() -> None:
    assert PRICES.price("local:smollm2").cost(Usage(10**6, 10**6)) == 0


@pytest.mark.parametrize(
    "name",
    ["openai:gpt-4", "openai:gpt-9", "openai-compatible:qwen", "scripted:echo", "gpt-4o", ""],
)
def test_a_name_means_its_own_price_or_none(name: str) -> None:
    if PRICES.find(name) is not None:
        assert name in PRICES.models
        return
    with pytest.raises(UnknownPrice) as caught:
        PRICES.price(name)
    assert f"with_prices({{{name!r}: Price(" in str(caught.value)
    assert isinstance(caught.value, ConfigurationError)


def test_a_table_can_be_replaced_or_added_to() -> None:
    own = Prices(dt.date(2030, 1, 1), {"openai:gpt-9": Price(1, 2)})
    more = own.with_prices({"openai:gpt-9": Price(3, 4), "house:*": Price(0, 0)})

    assert own.price("openai:gpt-9") == Price(1, 2)
    assert more.price("openai:gpt-9-2030-01-01") == Price(3, 4)
    assert more.price("house:any") == Price(0, 0)
    assert more.as_of == own.as_of


def test_the_table_has_a_date_and_a_source_for_each_provider() -> None:
    providers = {name.partition(":")[0] for name in PRICES.models} - {"openai-responses"}

    assert providers == set(PRICES.sources)
    assert PRICES.as_of.year >= 2026


@pytest.mark.parametrize("provider", sorted(PRICES.sources))
def test_the_model_that_a_message_gives_as_an_example_has_a_price(provider: str) -> None:
    assert PRICES.find(KNOWN[provider].example) is not None


def test_in_the_table_output_is_not_cheaper_than_input_nor_the_cache_dearer() -> None:
    for name, price in PRICES.models.items():
        for each in (price, *([price.beyond] if price.beyond else [])):
            assert each.output >= each.input or "embed" in name, name
            assert each.cache_read is None or each.cache_read <= each.input, name
            assert each.cache_write is None or each.cache_write >= each.input, name
        assert price.beyond is None or price.beyond.input > price.input, name
