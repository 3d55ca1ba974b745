"""What makes a function a tool, and what refuses to become one."""

from __future__ import annotations

import functools
import inspect
import math
import re
from typing import TYPE_CHECKING, Any

import pytest

from actors.tools import BoundCall, Tool, Toolbox, tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from decimal import Decimal


@tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@tool(name="wait-for", timeout=2.5, max_result=10)
async def wait(seconds: float) -> str:
    """Wait."""
    return f"waited {seconds}"


class Account:
    def __init__(self) -> None:
        self.balance = 0

    def deposit(self, amount: int) -> int:
        """Put money in."""
        self.balance += amount
        return self.balance


class Greeter:
    async def __call__(self, name: str) -> str:
        """Greet somebody."""
        return f"hello {name}"


def test_a_tool_is_still_called_like_its_function() -> None:
    assert add(2, b=3) == 5
    assert add(2) == 3
    assert str(inspect.signature(add)) == str(inspect.signature(add.function))


async def test_an_async_tool_is_still_awaited_like_its_function() -> None:
    assert await wait(1.0) == "waited 1.0"


def test_options_are_kept() -> None:
    assert (wait.name, wait.timeout, wait.max_result) == ("wait-for", 2.5, 10)


def test_sync_tools_run_in_a_thread_and_async_ones_inline_unless_said_otherwise() -> None:
    assert add.isolation == "thread"
    assert wait.isolation == "inline"
    assert tool(add.function, isolation="inline").isolation == "inline"


def test_a_tool_has_no_effect_and_needs_no_approval_unless_said_otherwise() -> None:
    assert (add.effect, add.approve) == (False, False)


def test_a_tool_says_that_it_has_an_effect_and_which_calls_need_approval() -> None:
    def is_large(arguments: Mapping[str, Any]) -> bool:
        return bool(arguments["amount"] > 100)

    @tool(effect=True, approve=is_large)
    def pay(amount: int) -> None:
        """Pay."""

    assert pay.effect is True
    assert pay.approve is is_large
    assert tool(add.function, approve=True).approve is True


def test_a_wrong_option_is_refused_before_there_is_a_function() -> None:
    with pytest.raises(ValueError, match="timeout must be positive"):
        tool(timeout=-1)


def test_a_bound_method_is_a_tool_of_its_object() -> None:
    account = Account()
    call = tool(account.deposit).bind({"amount": 5})

    assert isinstance(call, BoundCall)
    assert call() == 5
    assert account.balance == 5


def test_an_object_that_can_be_called_is_a_tool_under_a_given_name() -> None:
    greet = tool(Greeter(), name="greet")

    assert greet.spec.description == "Greet somebody."
    assert greet.is_async


def test_a_tool_shows_its_name_and_not_its_whole_schema() -> None:
    assert "spec='add'" in repr(add)
    assert "properties" not in repr(add)


def nothing_said(a: int) -> int:
    return a


def only_arguments(a: int) -> int:
    """
    Args:
        a: A number.
    """  # noqa: D205, D212
    return a


def no_type(a) -> None:  # noqa: ANN001  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]
    """Do it."""


def positional(a: int, /) -> None:
    """Do it."""


def many(*items: int) -> None:
    """Do it."""


def options(**items: int) -> None:
    """Do it."""


def wrong_entry(a: int) -> None:  # noqa: D417 (that is the point)
    """Do it.

    Args:
        b: A number.
    """


def hidden_type(price: Decimal) -> None:
    """Do it."""


@tool
def returns_hidden(a: int) -> Decimal:
    """Do it."""
    raise NotImplementedError


def generates(a: int) -> Iterator[int]:
    """Do it."""
    yield a


async def generates_slowly(a: int) -> AsyncIterator[int]:
    """Do it."""
    yield a


REFUSED: list[tuple[Any, str]] = [
    (nothing_said, "has no docstring: write what it does"),
    (only_arguments, "has no docstring"),
    (no_type, "parameter 'a' has no type: write for example `a: str`"),
    (positional, "remove the `/`"),
    (many, "write `items: list[...]`"),
    (options, "write `items: dict[str, ...]`"),
    (wrong_entry, "the docstring describes 'b', which is not a parameter"),
    (hidden_type, "name 'Decimal' is not defined. Import what it names"),
    (generates, "return a list"),
    (generates_slowly, "return a list"),
    (Account.deposit, "offer `tool(instance.method)`"),
    (math.sqrt, "remove the `/`"),
    (Account, "write a function that calls it"),
    (functools.partial(add, 1), "write a function that calls it"),
    (5, "write a function that calls it"),
    (add, "is a tool already"),
    (Greeter(), 'write tool(..., name="...")'),
]


@pytest.mark.parametrize(("function", "text"), REFUSED)
def test_what_a_model_could_not_use_is_refused_when_the_tool_is_made(
    function: Callable[..., object], text: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(text)):
        tool(function)


@pytest.mark.parametrize(
    ("function", "wrong", "text"),
    [
        (add.function, {"isolation": "fork"}, "must be 'inline', 'thread' or 'process'"),
        (wait.function, {"isolation": "process"}, "an async function runs inline"),
        (Account().deposit, {"isolation": "process"}, "functions of a module only"),
        (add.function, {"isolation": "inline", "concurrency": 1}, "drop concurrency"),
        (add.function, {"concurrency": 0}, "concurrency must be 1 call or more"),
        (wait.function, {"isolation": "thread"}, "an async function runs inline"),
        (add.function, {"isolation": "inline", "timeout": 1}, "drop the timeout"),
        (add.function, {"timeout": 0}, "timeout must be positive"),
        (add.function, {"timeout": "5"}, "timeout must be a number of seconds, not '5': write"),
        (add.function, {"timeout": float("nan")}, "timeout must be positive"),
        (add.function, {"max_result": 0}, "max_result must be 1"),
        (add.function, {"name": "add numbers"}, "is no name for a tool"),
        (add.function, {"name": "a" * 65}, "is no name for a tool"),
        (add.function, {"effect": 1}, "effect must be True or False, not 1"),
        (add.function, {"approve": "always"}, "approve must be True, or a function"),
        (add.function, {"approved": True}, "there is no option 'approved'. The options"),
    ],
)
def test_an_option_that_cannot_be_kept_is_refused(
    function: Callable[..., object], wrong: dict[str, Any], text: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(text)):
        tool(function, **wrong)


def test_a_toolbox_takes_tools_and_plain_functions() -> None:
    box = Toolbox([add, Account().deposit])

    assert box.names == ("add", "deposit")
    assert [spec.description for spec in box.specs] == ["Add two numbers.", "Put money in."]
    assert all(isinstance(each, Tool) for each in box)
    assert box.get("add") is add
    assert box.get("subtract") is None
    assert len(Toolbox()) == 0


def test_a_toolbox_refuses_two_tools_of_one_name() -> None:
    with pytest.raises(ValueError, match="two tools are called 'add'"):
        Toolbox([add, add])
