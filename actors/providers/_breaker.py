"""The circuit breaker: whether a provider is asked at all. Pure; times are given.

Closed, everything passes, and failures in a row are counted. Open, nothing does. Once its time
is over it is half open: one request passes as a probe, and what becomes of that one decides.
What began before the circuit last moved says nothing about it now, and is not heard.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Final

import attrs

from actors.errors import (
    CircuitOpen,
    ProviderOverloaded,
    ProviderProtocolError,
    ProviderUnavailable,
    StreamInterrupted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.errors import AnswerFailed

    from ._policies import Breaker

SERVER_ERRORS: Final = 500


class CircuitState(enum.Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Verdict(enum.Enum):
    """What a request has shown about the server."""

    ALIVE = "alive"  # it answered, be it with a refusal
    FAILED = "failed"
    UNKNOWN = "unknown"  # the request was cancelled, or never sent


class _Event(enum.Enum):
    TRIPPED = "one failure too many"
    DUE = "a request comes, and its time is over"
    PROBE_ALIVE = "the probe was answered"
    PROBE_FAILED = "the probe failed"
    PROBE_LOST = "the probe was cancelled"


TRANSITIONS: Final[Mapping[tuple[CircuitState, _Event], CircuitState]] = {
    (CircuitState.CLOSED, _Event.TRIPPED): CircuitState.OPEN,
    (CircuitState.OPEN, _Event.DUE): CircuitState.HALF_OPEN,
    (CircuitState.HALF_OPEN, _Event.PROBE_ALIVE): CircuitState.CLOSED,
    (CircuitState.HALF_OPEN, _Event.PROBE_FAILED): CircuitState.OPEN,
    (CircuitState.HALF_OPEN, _Event.PROBE_LOST): CircuitState.OPEN,  # and due at once
}
PROBED: Final = {
    Verdict.ALIVE: _Event.PROBE_ALIVE,
    Verdict.FAILED: _Event.PROBE_FAILED,
    Verdict.UNKNOWN: _Event.PROBE_LOST,
}


@attrs.frozen
class Permit:
    """One request's leave to go; to be reported once, whatever becomes of it."""

    moves: int


class Circuit:
    """One breaker.

    Attributes:
        state: Its state.
        failures: In a row, up to now.
        reason: The last of them, in words.
        probe_at: When it may be probed; only where it is open.
    """

    def __init__(self, policy: Breaker | None) -> None:
        self._policy = policy
        self._moves = 0  # so that what began before the last one is told apart
        self.state = CircuitState.CLOSED
        self.failures = 0
        self.reason = ""
        self.probe_at = -math.inf

    def refusal(self, now: float) -> CircuitOpen | None:
        """Why a request may not go now; None if it may."""
        if self.state is CircuitState.CLOSED:
            return None
        why = f"{self.failures} requests in a row have failed, the last one because {self.reason}"
        if self.state is CircuitState.HALF_OPEN:
            return CircuitOpen(f"not asked: {why}; whether it is back is being tried right now")
        if now >= self.probe_at:
            return None
        left = self.probe_at - now
        return CircuitOpen(f"not asked: {why}; it is tried again in {left:.1f} s", retry_after=left)

    def admit(self, now: float) -> Permit:
        """Let a request go that `refusal` has nothing against."""
        assert self.refusal(now) is None, "ask `refusal` first"
        if self.state is CircuitState.OPEN:
            self._move(_Event.DUE)
        return Permit(self._moves)

    def report(self, permit: Permit, verdict: Verdict, now: float, reason: str = "") -> None:
        """Say, once, what became of a request; `reason` is why it failed."""
        if permit.moves != self._moves or self._policy is None:
            return
        if verdict is Verdict.FAILED:
            self.failures += 1
            self.reason = reason
            self.probe_at = now + self._policy.seconds
        elif verdict is Verdict.ALIVE:
            self.failures = 0
        if self.state is CircuitState.HALF_OPEN:
            self._move(PROBED[verdict])
        elif self.failures >= self._policy.failures:
            self._move(_Event.TRIPPED)

    def _move(self, event: _Event) -> None:
        self.state = TRANSITIONS[self.state, event]
        self._moves += 1


def verdict_on(error: AnswerFailed) -> Verdict:
    """What an error before the first chunk says about the server."""
    if isinstance(error, StreamInterrupted):
        return Verdict.FAILED
    if isinstance(error, ProviderOverloaded | ProviderProtocolError):
        # Ours, or of somebody who does not speak the protocol: a wrong address, for which
        # `CircuitOpen` would be the worse text.
        return Verdict.UNKNOWN
    if isinstance(error, ProviderUnavailable):
        is_answer = error.status is not None and error.status < SERVER_ERRORS
        return Verdict.ALIVE if is_answer else Verdict.FAILED
    return Verdict.ALIVE
