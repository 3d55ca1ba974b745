"""Guards: checks of what the user says and of what is answered, and the rules they go by.

Pure. A check is a function of a text, sync or async, which returns None to let it pass, or the
reason why not. `_guarding` runs them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Literal, overload

import attrs

On = Literal["input", "output"]
Check = Callable[[str], "str | Awaitable[str | None] | None"]

TIMEOUT: Final = 30.0
GROWTH: Final = 8  # a further look at a text comes after an eighth more of it, at the earliest


@attrs.frozen
class Guard:
    """A check, what it looks at, and when. Made by `guard`, or as it is.

    Attributes:
        check: Returns None to let a text pass, or the reason why not. A sync one runs on the
            event loop and must be quick; `ask_agent(...)` makes one of an agent.
        on: "input": what the user says. It runs beside the model's first call. The run does not
            complete, and no tool with an effect starts, before it has passed.
            "output": the text of the final answer, before `Complete`.
        every: For an output: look also at the text so far while it streams, after so many
            characters; they are shown when it has passed. The pauses grow with the text, so
            that all looks together read about ten times its length. None: only at the end.
        name: What errors and the journal call it; the function's own name if "".
        timeout: Seconds for one look; a slower one has failed.

    Raises:
        TypeError: If the check cannot be called with a text.
        ValueError: If an option is out of range.
    """

    check: Check
    on: On = attrs.field(kw_only=True)
    every: int | None = attrs.field(default=None, kw_only=True)
    name: str = attrs.field(default="", kw_only=True)
    timeout: float = attrs.field(default=TIMEOUT, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not callable(self.check):
            raise TypeError(
                f"{self.check!r} is no check: write a function of a text that returns None or a "
                "reason, or `ask_agent(...)` for an agent"
            )
        if inspect.isgeneratorfunction(self.check) or inspect.isasyncgenfunction(self.check):
            raise TypeError("a generator is no check: return None or a reason")
        if self.on not in {"input", "output"}:
            raise ValueError(f'on must be "input" or "output", not {self.on!r}')
        if self.every is not None and (self.on == "input" or self.every < 1):
            raise ValueError("every is 1 character or more, and for outputs only")
        if not 0 < self.timeout < math.inf:
            raise ValueError(f"timeout must be positive seconds, not {self.timeout}")
        if not self.name:
            object.__setattr__(self, "name", _name_of(self.check))


def _name_of(check: Check) -> str:
    return str(getattr(check, "__name__", None) or type(check).__name__)


def as_guards(guards: Iterable[Guard]) -> tuple[Guard, ...]:
    """Check that all are guards.

    Raises:
        TypeError: If one is not.
    """
    if isinstance(guards, Guard):
        raise TypeError(f"guards must be several: write `guards=[{guards!r}]`")
    several = tuple(guards)
    for each in several:
        if not isinstance(each, Guard):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
            raise TypeError(f'{each!r} is no guard: write `Guard({each!r}, on="input")`')
    return several


@overload
def guard(
    *, on: On, every: int | None = None, name: str = "", timeout: float = TIMEOUT
) -> Callable[[Check], Guard]: ...
@overload
def guard(
    check: Check, /, *, on: On, every: int | None = None, name: str = "", timeout: float = TIMEOUT
) -> Guard: ...
def guard(
    check: Check | None = None,
    /,
    *,
    on: On,
    every: int | None = None,
    name: str = "",
    timeout: float = TIMEOUT,
) -> Guard | Callable[[Check], Guard]:
    """Turn a function into a guard: `@guard(on="input")`; see `Guard`."""
    if check is not None:
        return Guard(check, on=on, every=every, name=name, timeout=timeout)
    return lambda check: Guard(check, on=on, every=every, name=name, timeout=timeout)


class Looks:
    """When a guard looks at a text that is growing."""

    def __init__(self, guard: Guard) -> None:
        assert guard.every is not None
        self.guard = guard
        self._every = guard.every
        self._next = guard.every

    def is_due(self, length: int) -> bool:
        """Whether to look at the text now that it is so long."""
        if length < self._next:
            return False
        self._next = length + max(self._every, length // GROWTH)
        return True
