"""What a provider's error means: a status, headers and a body become one of our errors. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from actors.errors import (
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEXT: Final = 600
ERROR_BODY_BYTES: Final = 64 * 1024
_REQUEST_IDS: Final = ("x-request-id", "request-id", "x-amzn-requestid", "cf-ray")
_KINDS: Final[Mapping[int, type[ProviderError]]] = {
    401: ProviderUnauthorized,
    403: ProviderUnauthorized,
    408: ProviderUnavailable,
    409: ProviderUnavailable,
    425: ProviderUnavailable,
    429: ProviderRateLimited,
}
_WORDS: Final[Mapping[str, int]] = {  # an error's type, where no status comes with it
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    "INVALID_ARGUMENT": 400,  # Google's, from google/rpc/code.proto
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
}
_GOOGLES_BAD_KEY: Final = b'"API_KEY_INVALID"'  # with status 400: google/api/error_reason.proto
_SPENT: Final = ("insufficient_quota", "billing_hard_limit_reached", "billing_error")


def refusal(status: int, headers: Mapping[str, str], body: bytes, now: float) -> ProviderError:
    """The error for an answer whose status is not 200.

    Args:
        status: The HTTP status.
        headers: Names in lower case.
        body: As much of it as was read.
        now: Seconds since the epoch, for a Retry-After that is a date.
    """
    details = _decoded(body)
    said = _text_of(details) if details is not None else _plain(body)
    if status < 400:  # noqa: PLR2004 - a redirect, which a POST must not follow
        said = f"it redirects to {headers.get('location', 'nowhere')}: give that as base_url"
    kind = ProviderUnauthorized if _GOOGLES_BAD_KEY in body else _kind(status)
    return kind(
        f"the provider answered {status}: {said}",
        status=status,
        request_id=request_id_of(headers) or _request_id_in(details),
        retry_after=retry_after(headers, now),
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The provider's id of a request; names in lower case."""
    return next((headers[name] for name in _REQUEST_IDS if name in headers), None)


def error_in_stream(error: object, around: object = None) -> ProviderError:
    """The error for an error object inside an answer whose status was 200.

    Args:
        error: The object, or whatever stands in its place.
        around: What it stands in, where that may name the request.
    """
    text = f"the provider failed inside its answer: {_text_of(error)}"
    details = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
    status = _status(details)
    kind = _kind(status) if status is not None else ProviderUnavailable
    found = kind(text, status=status, request_id=_request_id_in(around))
    if says_spent(details):
        found.retryable = False
    return found


def says_spent(details: Mapping[str, Any]) -> bool:
    """Whether no waiting mends an error, since what is used up is the money."""
    return any(details.get(name) in _SPENT for name in ("code", "type"))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the provider asks to wait, or None."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if value.strip().replace(".", "", 1).isdecimal() and math.isfinite(float(value)):
            return float(value) * unit
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - costs as much as a codec

    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    return max(moment.timestamp() - now, 0.0)


def _kind(status: int) -> type[ProviderError]:
    if status in _KINDS:
        return _KINDS[status]
    return ProviderUnavailable if status >= 500 else ProviderRejected  # noqa: PLR2004


def _status(details: Mapping[str, Any]) -> int | None:
    for name in ("status_code", "raw_status_code", "status", "code"):
        value = details.get(name)
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:  # noqa: PLR2004
            return value
    for name in ("code", "type", "status"):
        if (status := _WORDS.get(str(details.get(name)))) is not None:
            return status
    return None


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _plain(body: bytes) -> str:
    return _bounded(body.decode("utf-8", "replace")) or "(no body)"


def _request_id_in(said: object) -> str | None:
    """Anthropic names the request also beside its error."""
    found = cast("dict[str, object]", said).get("request_id") if isinstance(said, dict) else None
    return found if isinstance(found, str) else None


def _text_of(error: object) -> str:
    """Find the sentence meant for people; providers put it in many places."""
    found: object = error
    while (inner := _inside(found)) is not None:
        found = inner
    return _bounded(found if isinstance(found, str) else msgspec.json.encode(found).decode())


def _inside(error: object) -> object | None:
    if isinstance(error, dict):
        details = cast("dict[str, object]", error)
        return next((details[k] for k in ("error", "message", "detail") if details.get(k)), None)
    if isinstance(error, list):
        errors = cast("list[object]", error)
        return errors[0] if len(errors) == 1 else None
    return None


def _bounded(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "..."
