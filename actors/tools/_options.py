"""The options of a tool, and what they may be.

Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypedDict

import attrs

Isolation = Literal["inline", "thread", "process"]
Approve = bool | Callable[[Mapping[str, Any]], bool]

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")  # what every provider accepts
MAX_RESULT: Final = 100_000  # characters; about 25 000 tokens


class ToolOptions(TypedDict, total=False):
    """What `tool` takes beside the function; it says what each means."""

    name: str | None
    isolation: Isolation | None
    timeout: float | None
    concurrency: int | None
    max_result: int
    effect: bool
    approve: Approve


def _check_name(_record: Options, _attribute: object, name: str | None) -> None:
    if name is not None:
        check_name(name)


def _check_timeout(_record: Options, _attribute: object, timeout: float | None) -> None:
    if timeout is None:
        return
    if not isinstance(timeout, int | float):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
        raise TypeError(f"timeout must be a number of seconds, not {timeout!r}: write timeout=5")
    if not 0 < timeout < math.inf:  # also refuses NaN
        raise ValueError(f"timeout must be positive seconds, or None, not {timeout}")


def _check_concurrency(_record: Options, _attribute: object, concurrency: int | None) -> None:
    if concurrency is not None and concurrency < 1:
        raise ValueError(f"concurrency must be 1 call or more, or None, not {concurrency}")


def _check_max_result(_record: Options, _attribute: object, max_result: int) -> None:
    if max_result < 1:
        raise ValueError(f"max_result must be 1 character or more, not {max_result}")


def _check_effect(_record: Options, _attribute: object, effect: object) -> None:
    if not isinstance(effect, bool):
        raise TypeError(f"effect must be True or False, not {effect!r}")


def _check_approve(_record: Options, _attribute: object, approve: object) -> None:
    if not isinstance(approve, bool) and not callable(approve):
        raise TypeError(
            "approve must be True, or a function of the arguments, for example "
            f'`approve=lambda arguments: arguments["amount"] > 100`, not {approve!r}'
        )


@attrs.frozen(kw_only=True)
class Options:
    """`ToolOptions`, complete and checked.

    Raises:
        TypeError, ValueError: If one cannot be; the text says what to write instead.
    """

    name: str | None = attrs.field(default=None, validator=_check_name)
    isolation: Isolation | None = None  # what suits depends on the function
    timeout: float | None = attrs.field(default=None, validator=_check_timeout)
    concurrency: int | None = attrs.field(default=None, validator=_check_concurrency)
    max_result: int = attrs.field(default=MAX_RESULT, validator=_check_max_result)
    effect: bool = attrs.field(default=False, validator=_check_effect)
    approve: Approve = attrs.field(default=False, validator=_check_approve)


def read_options(options: Mapping[str, object]) -> Options:
    """Check the options of a tool."""
    unknown = sorted(set(options) - {field.name for field in attrs.fields(Options)})
    if unknown:
        offered = ", ".join(field.name for field in attrs.fields(Options))
        raise TypeError(f"there is no option {unknown[0]!r}. The options of a tool are: {offered}")
    return Options(**options)  # type: ignore[arg-type] # the validators look


def check_name(name: str) -> None:
    """Refuse a name that some provider would refuse."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name for a tool: write up to 64 letters, digits, `_` and `-`, "
            "the first a letter or `_`, as name=..."
        )
