"""Reads arithmetic and works it out. A parser of its own: nothing here could run code. Pure.

Precedence is Python's: `-2 ** 2` is -4, and `2 ** 3 ** 2` is 512. Every number on the way is
bounded in size, and so are length and depth: no expression can hold a thread for long.

    sum     = product {("+" | "-") product}
    product = signed {("*" | "/" | "//" | "%") signed}
    signed  = ("+" | "-") signed | power
    power   = atom ["**" signed]
    atom    = number | constant | function "(" [sum {"," sum}] ")" | "(" sum ")"
"""

from __future__ import annotations

import math
import operator
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Number = int | float

MAX_LENGTH: Final = 1_000  # characters
MAX_DEPTH: Final = 50  # of parentheses, signs and powers, far below Python's own limit
MAX_BITS: Final = 4_096  # of an integer: about 1 233 digits, below Python's limit for printing
MAX_DIGITS: Final = 400  # that `round` may be asked for: a float has no more
MAX_FACTORIAL: Final = 450  # the largest whose result fits MAX_BITS
SHOWN_DIGITS: Final = 20  # of a number in an error

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:_[0-9]+)*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<sign>\*\*|//|[-+*/%(),])|(?P<other>\S))",
    re.ASCII,
)
# What people and models also write; `^` is a power to whoever asks a calculator.
_WRITTEN: Final = str.maketrans({"^": "**", "×": "*", "·": "*", "÷": "/", "−": "-", "\xa0": " "})  # noqa: RUF001


@attrs.frozen
class _Token:
    text: str
    kind: str
    at: int  # where it begins, counted from 1

    def __str__(self) -> str:
        return f"`{self.text}` at character {self.at}" if self.kind != "end" else "the end"


def evaluate(expression: str) -> Number:
    """Work out an expression.

    Raises:
        ValueError: If it is not arithmetic, or a number in it gets too large; the text is for
            a model and says what to write.
        ZeroDivisionError: If it divides by zero.
    """
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"the expression is longer than {MAX_LENGTH} characters: split it")
    return _Reader(expression.translate(_WRITTEN)).whole()


class _Reader:
    """Reads one expression from left to right and computes as it goes."""

    def __init__(self, expression: str) -> None:
        self._tokens = _tokens(expression)
        self._next = next(self._tokens)
        self._depth = 0

    def whole(self) -> Number:
        number = self._sum()
        if self._next.text == ",":
            raise _not_arithmetic(f"{self._next}: write 1000 or 1_000 for 1,000")
        if self._next.kind != "end":
            raise _not_arithmetic(f"an operator is missing before {self._next}")
        return number

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _sum(self) -> Number:
        number = self._product()
        while self._next.text in {"+", "-"}:
            number = _applied(_OPERATORS[self._take().text], number, self._product())
        return number

    def _product(self) -> Number:
        number = self._signed()
        while self._next.text in {"*", "/", "//", "%"}:
            number = _applied(_OPERATORS[self._take().text], number, self._signed())
        return number

    def _signed(self) -> Number:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep: split the expression")
        if self._next.text == "-":
            self._take()
            number = -self._signed()
        elif self._next.text == "+":
            self._take()
            number = self._signed()
        else:
            number = self._power()
        self._depth -= 1
        return number

    def _power(self) -> Number:
        base = self._atom()
        if self._next.text != "**":
            return base
        self._take()
        return _applied(_power, base, self._signed())

    def _atom(self) -> Number:
        token = self._take()
        if token.kind == "number":
            return _bounded(_read_number(token.text))
        if token.text == "(":
            number = self._sum()
            self._close(token)
            return number
        if token.text in CONSTANTS:
            return CONSTANTS[token.text]
        if token.text in FUNCTIONS:
            return self._call(token)
        raise _not_arithmetic(f"a number is missing where {token} stands")

    def _call(self, name: _Token) -> Number:
        opening = self._take()
        if opening.text != "(":
            raise _not_arithmetic(f"`{name.text}` is a function: write {name.text}(...)")
        numbers: list[Number] = []
        while self._next.text != ")":
            numbers.append(self._sum())
            if self._next.text != ",":
                break
            self._take()
        self._close(opening)
        return _applied(FUNCTIONS[name.text], *numbers, name=name.text)

    def _close(self, opening: _Token) -> None:
        if self._next.text != ")":
            raise _not_arithmetic(f"{opening} is not closed where {self._next} stands")
        self._take()


def _tokens(expression: str) -> Iterator[_Token]:
    at = 0
    while (found := _TOKEN.match(expression, at)) is not None:
        at = found.end()
        kind = found.lastgroup or ""
        yield _Token(found[kind], kind, found.start(kind) + 1)
    yield _Token("", "end", at + 1)


def _read_number(text: str) -> Number:
    return int(text) if text.replace("_", "").isdecimal() else float(text)


def _applied(function: Callable[..., Any], *numbers: Number, name: str = "") -> Number:
    try:
        return _bounded(function(*numbers))
    except OverflowError as error:
        raise ValueError("a number gets too large") from error
    except TypeError as error:
        given = ", ".join(map(_shown, numbers)) or "nothing"
        raise ValueError(f"{name} cannot be worked out of {given}") from error


def _bounded(number: Number) -> Number:
    fits = number.bit_length() <= MAX_BITS if isinstance(number, int) else math.isfinite(number)
    if not fits:
        raise ValueError("a number gets too large")
    return number


def _shown(number: Number) -> str:
    text = str(number)
    return text if len(text) <= SHOWN_DIGITS else f"{text[:SHOWN_DIGITS]}..."


def _not_arithmetic(reason: str) -> ValueError:
    return ValueError(f"{reason}. Write arithmetic: {OFFER}")


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int):
        bits = base.bit_length() * abs(exponent)  # up to twice what the power needs
        if abs(base) > 1 and bits > 2 * MAX_BITS:
            raise ValueError(f"{_shown(base)} ** {_shown(exponent)} is beyond what fits")
    power: object = base**exponent
    if isinstance(power, int | float):
        return power
    raise ValueError(f"{_shown(base)} ** {_shown(exponent)} is not a real number")


def _round(number: Number, digits: int = 0) -> Number:
    if abs(digits) > MAX_DIGITS:  # Python would work out ten to that power
        raise ValueError(f"round takes at most {MAX_DIGITS} digits, not {_shown(digits)}")
    return round(number, digits) if digits else round(number)


def _factorial(number: Number) -> int:
    if not isinstance(number, int) or not 0 <= number <= MAX_FACTORIAL:
        raise ValueError(
            f"factorial takes an integer from 0 to {MAX_FACTORIAL}, not {_shown(number)}"
        )
    return math.factorial(number)


def _largest(first: Number, *others: Number) -> Number:
    return max((first, *others))


def _smallest(first: Number, *others: Number) -> Number:
    return min((first, *others))


_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: left / right,
    "//": lambda left, right: left // right,
    "%": operator.mod,
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
    "max": _largest,
    "min": _smallest,
    "radians": math.radians,
    "round": _round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
OFFER: Final = (
    f"numbers, + - * / // % **, parentheses, {', '.join(CONSTANTS)}, and {', '.join(FUNCTIONS)}"
)
