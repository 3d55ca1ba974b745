"""What a provider says about when to come back, in headers and in the body of an error. Pure.

Sources, November 2026: OpenAI's and Groq's pages on rate limits (`x-ratelimit-*`), Anthropic's
(`anthropic-ratelimit-*`), Google's `RetryInfo` in `google/rpc/error_details.proto`, and the
official SDKs of OpenAI and Anthropic (`x-should-retry`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import msgspec

from .codecs import says_spent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.errors import ProviderError

REQUESTS: Final = "requests"
_OPENAI: Final = ("requests", "tokens")
_ANTHROPIC: Final = ("requests", "tokens", "input-tokens", "output-tokens")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_MAX_DEPTH: Final = 4  # a list of errors, in each "error", in that "details", a list


@attrs.frozen
class Window:
    """One of a provider's limits, as it stands.

    All three providers refill evenly: `seconds` is until it is as good as new.
    """

    kind: str
    limit: float
    remaining: float
    seconds: float

    def wait(self, amount: float) -> float:
        """Seconds until so much is there again, or all there can be; 0.0 for now."""
        missing = min(amount, self.limit) - self.remaining
        used = self.limit - self.remaining
        return self.seconds * missing / used if missing > 0 and used > 0 else 0.0


def windows(headers: Mapping[str, str], now: float) -> list[Window]:
    """The limits that the headers (names in lower case) tell of; `now` is since the epoch."""
    return [window for window in _windows(headers, now) if window is not None]


def _windows(headers: Mapping[str, str], now: float) -> Iterator[Window | None]:
    for kind in _OPENAI:
        yield _window(kind, [headers.get(f"x-ratelimit-{x}-{kind}", "") for x in _PARTS], now)
    for kind in _ANTHROPIC:
        values = [headers.get(f"anthropic-ratelimit-{kind}-{x}", "") for x in _PARTS]
        yield _window(kind, values, now)


_PARTS: Final = ("limit", "remaining", "reset")


def _window(kind: str, values: list[str], now: float) -> Window | None:
    limit, remaining = (_number(value) for value in values[:2])
    seconds = duration(values[2])
    if seconds is None:
        seconds = _until(values[2], now)
    if limit is None or remaining is None or seconds is None:
        return None
    return Window(kind, limit, remaining, seconds)


def wait_for(found: list[Window], tokens: float) -> float:
    """Seconds until a request with so many tokens fits into all of them; 0.0 for now."""
    return max((each.wait(1 if each.kind == REQUESTS else tokens) for each in found), default=0.0)


def duration(text: str) -> float | None:
    """Seconds from "20ms", "6m0s", "2m59.56s", "1.5"; None if it is none."""
    text = text.strip()
    number = _number(text)
    if number is not None:
        return number
    if not text or _DURATION.sub("", text):
        return None
    return sum(float(count) * _UNITS[unit] for count, unit in _DURATION.findall(text))


def _number(text: str) -> float | None:
    text = text.strip()
    plain = text.isascii() and text.replace(".", "", 1).isdecimal()
    number = float(text) if plain else math.inf
    return number if math.isfinite(number) else None


def _until(text: str, now: float) -> float | None:
    """Seconds to a moment as RFC 3339 writes it."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment.timestamp() - now, 0.0)


@attrs.frozen
class Refused:
    """A refusal as it came: headers with names in lower case, and as much as was read."""

    headers: Mapping[str, str]
    body: bytes


def add_hints(error: ProviderError, refused: Refused, tokens: float, now: float) -> None:
    """Put on `error` what the provider says about a retry, where it does not say so already.

    Args:
        error: What the refusal became.
        refused: The refusal.
        tokens: How many the request needs, as far as it is known.
        now: Seconds since the epoch.
    """
    body = _decoded(refused.body)
    if error.retry_after is None:
        error.retry_after = _retry_delay(body)
    if error.retry_after is None and error.retryable:
        error.retry_after = wait_for(windows(refused.headers, now), tokens) or None
    said = refused.headers.get("x-should-retry")
    if said in ("true", "false"):
        error.retryable = said == "true"
    if any(says_spent(details) for details in _dicts(body)):
        error.retryable = False


def _retry_delay(body: object) -> float | None:
    """The delay of Google's RetryInfo."""
    for details in _dicts(body):
        delay = details.get("retryDelay")
        if isinstance(delay, str) and (seconds := duration(delay)) is not None:
            return seconds
    return None


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _dicts(value: object, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The objects in the places where providers put the facts of an error."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _dicts(each, depth + 1)
    elif isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        yield found
        for name in ("error", "details"):
            yield from _dicts(found.get(name), depth + 1)
