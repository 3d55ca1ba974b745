"""A calculator for models: arithmetic read by Python's parser and worked out here, without eval.

Numbers are bounded in size, so that no expression can hold a thread for long.
"""

from __future__ import annotations

import ast
import math
import operator
from typing import TYPE_CHECKING, Any, Final

from ._tool import tool

if TYPE_CHECKING:
    from collections.abc import Callable

Number = int | float

MAX_LENGTH: Final = 1_000  # characters
MAX_BITS: Final = 4_096  # of an integer: about 1 233 digits, below Python's limit for printing
MAX_DIGITS: Final = 400
MAX_FACTORIAL: Final = 450  # the largest whose result fits MAX_BITS


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int):
        bits = base.bit_length() * abs(exponent)  # up to twice what the power needs
        if abs(base) > 1 and bits > 2 * MAX_BITS:
            raise ValueError(f"{base} ** {exponent} is too large")
    power: object = base**exponent
    if isinstance(power, int | float):
        return power
    raise ValueError(f"{base} ** {exponent} is not a real number")


def _round(number: Number, digits: int = 0) -> Number:
    if abs(digits) > MAX_DIGITS:  # Python would work out ten to that power
        raise ValueError(f"round takes at most {MAX_DIGITS} digits, not {digits}")
    return round(number, digits) if digits else round(number)


def _factorial(number: Number) -> int:
    if not isinstance(number, int) or not 0 <= number <= MAX_FACTORIAL:
        raise ValueError(f"factorial takes an integer from 0 to {MAX_FACTORIAL}, not {number}")
    return math.factorial(number)


BINARY: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
UNARY: Final[dict[type[ast.unaryop], Callable[[Number], Number]]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
CONSTANTS: Final = {"pi": math.pi, "e": math.e, "tau": math.tau}
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "degrees": math.degrees,
    "exp": math.exp,
    "factorial": _factorial,
    "floor": math.floor,
    "gcd": math.gcd,
    "hypot": math.hypot,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "radians": math.radians,
    "round": _round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
OFFER: Final = (
    f"numbers, + - * / // % **, parentheses, {', '.join(CONSTANTS)}, and {', '.join(FUNCTIONS)}"
)


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
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"the expression is longer than {MAX_LENGTH} characters: split it")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        return str(_value(tree.body))
    except (SyntaxError, RecursionError, MemoryError) as error:  # the last two: too deeply nested
        raise ValueError(f"{expression!r} is not arithmetic. Use {OFFER}") from error
    except OverflowError as error:
        raise ValueError("a number gets too large") from error
    except TypeError as error:
        raise ValueError(f"a function was called with the wrong numbers: {error}") from error


def _value(node: ast.expr) -> Number:
    value: Number
    match node:
        case ast.Constant(value=bool()):
            raise ValueError(f"{node.value!r} is not a number")
        case ast.Constant(value=int() | float() as value):
            pass
        case ast.Name(id=name) if name in CONSTANTS:
            value = CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            value = UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            value = BINARY[type(op)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            value = FUNCTIONS[name](*map(_value, args))
        case _:
            raise ValueError(f"`{ast.unparse(node)}` is not allowed. Use {OFFER}")
    return _bounded(value)


def _bounded(value: Number) -> Number:
    too_large = value.bit_length() > MAX_BITS if isinstance(value, int) else math.isinf(value)
    if too_large:
        raise ValueError("a number gets too large")
    return value
