"""A calculator for models; `_arithmetic` reads the expression and keeps it small."""

from __future__ import annotations

from ._arithmetic import evaluate
from ._tool import tool


@tool(isolation="inline")
def calculator(expression: str) -> str:
    """Work out an arithmetic expression, such as `2 * (3 + 4) ** 2 / sqrt(9)`.

    Args:
        expression: Numbers, + - * / // % **, parentheses, pi, e, and functions such as sqrt,
            sin, log, round, min and max.

    Raises:
        ValueError: If it is no such expression, or a number in it gets too large.
        ZeroDivisionError: If it divides by zero.
    """
    return str(evaluate(expression))
