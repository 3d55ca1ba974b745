"""How long a provider may be silent."""

from __future__ import annotations

import math
from typing import Final

import attrs

SOONEST: Final = 0.001  # seconds; 0 would also give up on bytes that have arrived already


def _positive(_record: object, attribute: attrs.Attribute[float], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(
            f"{attribute.name} is {value!r}, and must be a number of seconds above 0; "
            "write math.inf for no limit"
        )


@attrs.frozen
class Limits:
    """Time limits of one exchange with a provider, each in seconds.

    Attributes:
        connect: Until the connection stands, TLS included.
        first_byte: From the call to the first byte of the answer's body.
        idle: Between two reads of the body.
        total: For the whole answer. It is looked at when there is nothing to read, so
            a reader that takes its time never loses what has already arrived.
    """

    connect: float = attrs.field(default=5.0, validator=_positive)
    first_byte: float = attrs.field(default=60.0, validator=_positive)
    idle: float = attrs.field(default=30.0, validator=_positive)
    total: float = attrs.field(default=600.0, validator=_positive)


class Deadlines:
    """When to give up on the next bytes of one answer.

    Attributes:
        begun: The body has begun: from here on the limit between reads holds.
        limit: Which limit the last read waited under, and `seconds`, its length.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._first = self._total = math.inf
        self.begun = False  # it may begin with the bytes that brought the head
        self.limit = "first_byte"
        self.seconds = limits.first_byte

    def start(self, now: float) -> None:
        """The exchange begins."""
        self._first = now + self._limits.first_byte
        self._total = now + self._limits.total

    def next(self, now: float) -> float:
        """When a read that begins now must have ended; notes which limit that is."""
        limits = self._limits
        if self.begun:
            self.limit, self.seconds, deadline = "idle", limits.idle, now + limits.idle
        else:
            self.limit, self.seconds, deadline = "first_byte", limits.first_byte, self._first
        if self._total < deadline:
            self.limit, self.seconds, deadline = "total", limits.total, self._total
        return max(deadline, now + SOONEST)
