"""The tools of a run that is cancelled at every step; a process imports them from here."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Literal

import trio

from actors.tools import progress, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from actors.tools import AnyTool

Isolation = Literal["inline", "thread", "process"]
ISOLATIONS: tuple[Isolation, ...] = ("inline", "thread", "process")

_lock = threading.Lock()


running: int = 0  # bodies of tools, in this process


@contextlib.contextmanager
def counted() -> Generator[None]:
    global running  # noqa: PLW0603 - tools in other threads are to be seen from the loop's
    with _lock:
        running += 1
    try:
        yield
    finally:
        with _lock:
            running -= 1


def look(number: int) -> int:
    """Look at a number."""
    with counted():
        time.sleep(0.001)
        return number


def count(number: int) -> int:
    """Count, and say so."""
    with counted():
        progress("half", fraction=0.5)
        time.sleep(0.005)
        return number + 1


def fail() -> None:
    """Fail."""
    with counted():
        raise ValueError("no")


async def look_inline(number: int) -> int:
    """Look at a number."""
    with counted():
        await trio.lowlevel.checkpoint()
        return number


async def count_inline(number: int) -> int:
    """Count, and say so."""
    with counted():
        progress("half", fraction=0.5)
        await trio.sleep(0.005)
        return number + 1


async def fail_inline() -> None:
    """Fail."""
    with counted():
        await trio.lowlevel.checkpoint()
        raise ValueError("no")


def tools_of(isolation: Isolation) -> tuple[AnyTool, ...]:
    """The three tools `look`, `count` and `fail`."""
    functions: dict[str, Callable[..., Any]] = {"look": look, "count": count, "fail": fail}
    if isolation == "inline":
        functions = {"look": look_inline, "count": count_inline, "fail": fail_inline}
    return tuple(tool(each, name=name, isolation=isolation) for name, each in functions.items())
