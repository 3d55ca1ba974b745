"""Ctrl-C interrupts code of users anywhere, and the runtime's own nowhere.

A KeyboardInterrupt between two lines of a supervisor would leave it half done and its system
without an end. So what runs here in a task of its own, and what parks a task, is protected: a
mark of trio on the code, which costs nothing. Where that calls code of users, it is not. An
interrupt that comes meanwhile is raised in trio's main task, where that waits next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from trio.lowlevel import disable_ki_protection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


@disable_ki_protection
def call(function: Callable[..., T], *args: Any) -> T:
    """Call code of users."""
    return function(*args)


@disable_ki_protection
async def await_call(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run code of users."""
    return await function(*args)
