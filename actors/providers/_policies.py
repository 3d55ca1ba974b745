"""What a provider does about failure and haste: when to retry, when to give up, how fast to ask.

Pure, frozen. A `Model` carries one of each; the `Provider` actor acts by them.
"""

from __future__ import annotations

import math
import sys
from typing import Any, Final

import attrs

FINITE: Final = sys.float_info.max


def _at_least(least: float, unit: str, most: float = math.inf) -> Any:
    def check(_record: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            raise ValueError(f"{attribute.name} is {value!r}, and must be {unit}")

    return check


def _whole(_record: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{attribute.name} is {value!r}, and must be a whole number above 0")


def _above_zero(_record: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{attribute.name} is {value!r}, and must be a number above 0")


@attrs.frozen(kw_only=True)
class Retry:
    """When a request is sent again, and after how long.

    Only before the first chunk was handed on, and only after what may pass by itself: no server
    there, HTTP 429 and 5xx, an answer that was cut before its first chunk. Each wait is drawn
    evenly from 0 up to `first` seconds, times `factor` for each further one, at most `longest`
    ("full jitter"). What the provider itself asks for is waited for in addition, unless that is
    more than `longest`: then the error comes at once.

    Attributes:
        attempts: In all, the first included: 1 for no retry.
        first: Seconds that the first wait is below.
        longest: Seconds that no wait is above, and that a provider may ask for.
        factor: From one wait's bound to the next one's.
    """

    attempts: int = attrs.field(default=3, validator=_whole)
    first: float = attrs.field(default=0.5, validator=_at_least(0, "0 or more seconds", FINITE))
    longest: float = attrs.field(default=30.0, validator=_at_least(0, "0 or more seconds"))
    factor: float = attrs.field(default=2.0, validator=_at_least(1, "a number from 1 on", FINITE))

    def seconds(self, retries: int, dice: float) -> float:
        """The wait before the retry after `retries` others; `dice` is within 0 and 1."""
        try:
            bound = min(self.first * self.factor**retries, self.longest)
        except OverflowError:
            bound = self.longest
        return bound * dice


@attrs.frozen(kw_only=True)
class Breaker:
    """When a provider that fails is left alone.

    After `failures` in a row it is not asked for `seconds`: requests fail at once, with
    `CircuitOpen`. Then one request probes it, and the others go on failing at once until that
    one has an answer. Only what is the server's doing counts: that it is not there, HTTP 5xx,
    silence or a cut before the first chunk.
    """

    failures: int = attrs.field(default=5, validator=_whole)
    seconds: float = attrs.field(default=10.0, validator=_at_least(0, "0 or more seconds"))


@attrs.frozen(kw_only=True)
class Rate:
    """How fast a provider is asked: token buckets, refilled evenly.

    Attributes:
        requests_per_minute: None for as many as come.
        tokens_per_minute: Of input and output; None for as many as come. They are estimated
            before a request and corrected by what the provider has counted.
        burst: So many seconds' worth may go at once after a quiet time.
    """

    requests_per_minute: float | None = attrs.field(default=None, validator=_above_zero)
    tokens_per_minute: float | None = attrs.field(default=None, validator=_above_zero)
    burst: float = attrs.field(default=10.0, validator=_above_zero)

    def __attrs_post_init__(self) -> None:
        if self.burst is None:  # pyright: ignore[reportUnnecessaryComparison] - not all are type-checked
            raise ValueError("burst is None, and must be a number above 0")
