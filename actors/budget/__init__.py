"""Budgets: how many tokens, dollars and calls of models a block may use up.

`with move_on_after_tokens(5_000) as budget:` is left when they are used up;
`with fail_after_cost(0.20):` raises `BudgetSpent`.
"""

from ._arithmetic import Spending
from ._meter import EmbeddingMeter, Meter, metered, metered_embedding
from ._prices import Price, Prices
from ._scope import (
    Budget,
    fail_after,
    fail_after_calls,
    fail_after_cost,
    fail_after_tokens,
    move_on_after_calls,
    move_on_after_cost,
    move_on_after_tokens,
)
from ._table import PRICES

__all__ = [
    "PRICES",
    "Budget",
    "EmbeddingMeter",
    "Meter",
    "Price",
    "Prices",
    "Spending",
    "fail_after",
    "fail_after_calls",
    "fail_after_cost",
    "fail_after_tokens",
    "metered",
    "metered_embedding",
    "move_on_after_calls",
    "move_on_after_cost",
    "move_on_after_tokens",
]
