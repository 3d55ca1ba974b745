"""How fast requests may go: token buckets, and the quiet that a provider has asked for. Pure.

A request that needs more than a bucket can hold passes when the bucket is full, and leaves a
debt: the rate holds over time, and nothing waits for ever. Times are given, in seconds on a
clock that never goes back.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ._policies import Rate

MINUTE: Final = 60.0
BYTES_PER_TOKEN: Final = 4  # of English in the usual vocabularies, says OpenAI's guide to tokens
TINY: Final = 1e-6  # seconds: what is less is rounding, and no sleep could be so short


class Bucket:
    """One bucket: `rate` a second flow in, up to `size`; `level` is below 0 while it owes."""

    def __init__(self, rate: float, size: float) -> None:
        self.rate = rate
        self.size = size
        self.level = size
        self._as_of = -math.inf

    def seconds(self, amount: float, now: float) -> float:
        """Until `amount` may be taken; 0 or less for now."""
        self._refill(now)
        return (min(amount, self.size) - self.level) / self.rate

    def seconds_behind(self, before: float, amount: float, now: float) -> float:
        """Until `amount` may be taken by one who comes after others that take `before`."""
        self._refill(now)
        return (before + min(amount, self.size) - self.level) / self.rate

    def take(self, amount: float, now: float) -> None:
        """Take out so much; below 0 it gives back, and what is too much runs over."""
        self._refill(now)
        self.level = min(self.level - amount, self.size)

    def _refill(self, now: float) -> None:
        if now > self._as_of:
            if self._as_of > -math.inf:
                self.level = min(self.level + (now - self._as_of) * self.rate, self.size)
            self._as_of = now


class Rates:
    """The buckets of one provider.

    Attributes:
        quiet_until: No request goes before: the provider has asked for that.
    """

    def __init__(self, policy: Rate | None) -> None:
        self._requests = _bucket(policy.requests_per_minute, policy) if policy else None
        self._tokens = _bucket(policy.tokens_per_minute, policy) if policy else None
        self.is_free = self._requests is None and self._tokens is None
        self.quiet_until = -math.inf

    def quiet(self, now: float) -> float:
        """Seconds for which the provider still wants none."""
        return max(self.quiet_until - now, 0.0)

    def seconds(self, tokens: float, now: float) -> float:
        """Until a request with so many tokens may go; 0.0 for now."""
        waits = [self.quiet(now)]
        if self._requests is not None:
            waits.append(self._requests.seconds(1, now))
        if self._tokens is not None:
            waits.append(self._tokens.seconds(tokens, now))
        return max(waits) if max(waits) > TINY else 0.0

    def seconds_behind(
        self, requests: int, tokens_before: float, tokens: float, now: float
    ) -> float:
        """As `seconds`, for one who comes after so many requests with so many tokens in all."""
        waits = [self.quiet(now)]
        if self._requests is not None:
            waits.append(self._requests.seconds_behind(requests, 1, now))
        if self._tokens is not None:
            waits.append(self._tokens.seconds_behind(tokens_before, tokens, now))
        return max(waits)

    def take(self, tokens: float, now: float) -> None:
        """A request with so many tokens goes."""
        if self._requests is not None:
            self._requests.take(1, now)
        self.correct(tokens, now)

    def give_back(self, tokens: float, now: float) -> None:
        """A request that was to go does not."""
        if self._requests is not None:
            self._requests.take(-1, now)
        self.correct(-tokens, now)

    def correct(self, tokens: float, now: float) -> None:
        """A request had so many more tokens than thought; fewer, if negative."""
        if self._tokens is not None:
            self._tokens.take(tokens, now)

    def be_quiet(self, until: float) -> None:
        self.quiet_until = max(self.quiet_until, until)


def _bucket(per_minute: float | None, policy: Rate) -> Bucket | None:
    if per_minute is None:
        return None
    rate = per_minute / MINUTE
    return Bucket(rate, max(rate * policy.burst, 1.0))


def estimated_tokens(body: bytes, most: int | None) -> int:
    """Of a request and its answer.

    Args:
        body: The request as it is sent.
        most: Tokens that the answer may have at most, where the request says so.
    """
    return len(body) // BYTES_PER_TOKEN + (most or 0)
