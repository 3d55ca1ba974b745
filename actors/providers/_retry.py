"""Whether a request that failed is sent again, and when. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import CircuitOpen, ProviderOverloaded, StreamStalled

if TYPE_CHECKING:
    from actors.errors import AnswerFailed

    from ._policies import Retry

# A retry may help, but not at once. A stall has used up the time that the caller would give to
# the first byte; our own bounds and the circuit are not passed by whoever asks again.
NOT_AT_ONCE = (StreamStalled, ProviderOverloaded, CircuitOpen)


def seconds_before_retry(
    policy: Retry, error: AnswerFailed, attempts: int, *, dice: float, left: float
) -> float | None:
    """How long to wait before the request is sent again; None if it is not.

    Args:
        policy: The rules.
        error: What became of the last attempt.
        attempts: How many there were, that one included.
        dice: Within 0 and 1.
        left: Seconds until the caller's deadline: there is no retry that begins after it.
    """
    if attempts >= policy.attempts or error.partial.chunks:
        return None
    if not error.retryable or isinstance(error, NOT_AT_ONCE):
        return None
    asked = error.retry_after or 0.0
    if asked > policy.longest:
        return None
    seconds = asked + policy.seconds(attempts - 1, dice)
    return seconds if seconds < left else None
