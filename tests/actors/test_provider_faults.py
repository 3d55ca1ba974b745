"""What a provider's refusal becomes."""

from __future__ import annotations

import json

import pytest

from actors.errors import (
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from actors.providers.codecs import error_in_stream, refusal, retry_after


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ProviderRejected),
        (401, ProviderUnauthorized),
        (403, ProviderUnauthorized),
        (404, ProviderRejected),
        (413, ProviderRejected),
        (422, ProviderRejected),
        (408, ProviderUnavailable),
        (429, ProviderRateLimited),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
        (529, ProviderUnavailable),
    ],
)
def test_a_status_says_whose_fault_it_is(status: int, kind: type[ProviderError]) -> None:
    error = refusal(status, {}, b"", now=0.0)

    assert type(error) is kind
    assert error.status == status


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": {"message": "No such model", "code": "x"}}', "No such model"),
        (b'{"error": "No such model"}', "No such model"),
        (b'{"message": "No such model", "code": 404}', "No such model"),
        (b'{"detail": "No such model"}', "No such model"),
        (b'{"detail": [{"message": "No such model"}]}', "No such model"),
        (b'[{"error": {"message": "No such model"}}]', "No such model"),
        (b"<html>\n <b>Bad</b>\n</html>", "<html> <b>Bad</b> </html>"),
        (b'{"strange": 1}', '{"strange":1}'),
        (b"[" * 2000 + b"]" * 2000, "[" * 600 + "..."),
        (b"", "(no body)"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_the_providers_own_words_are_found_wherever_it_puts_them(body: bytes, text: str) -> None:
    assert str(refusal(404, {}, body, now=0.0)) == f"the provider answered 404: {text}"


def test_a_key_that_google_does_not_know_is_no_bad_request_though_the_status_says_so() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    error = {"code": 400, "message": "API key not valid.", "details": details}

    found = refusal(400, {}, json.dumps({"error": error}).encode(), now=0.0)

    assert type(found) is ProviderUnauthorized
    assert str(found) == "the provider answered 400: API key not valid."


def test_a_long_body_is_cut() -> None:
    assert len(str(refusal(500, {}, b"x" * 100_000, now=0.0))) < 700


def test_the_request_id_and_the_wait_are_read_from_the_headers() -> None:
    error = refusal(429, {"x-request-id": "r-7", "retry-after": "2"}, b"{}", now=0.0)

    assert (error.request_id, error.retry_after, error.retryable) == ("r-7", 2.0, True)


def test_a_request_id_that_stands_in_the_body_alone_is_found() -> None:
    said = b'{"type": "error", "error": {"message": "Overloaded"}, "request_id": "req_8"}'

    assert refusal(529, {}, said, now=0.0).request_id == "req_8"
    assert refusal(529, {"request-id": "req_7"}, said, now=0.0).request_id == "req_7"
    assert refusal(529, {}, b'{"request_id": 8}', now=0.0).request_id is None


@pytest.mark.parametrize("name", ["code", "type"])
def test_inside_an_answer_as_well_spent_money_does_not_come_back_by_waiting(name: str) -> None:
    error = error_in_stream({"message": "no", name: "insufficient_quota"})

    assert (type(error), error.retryable) == (ProviderRateLimited, False)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 60.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
    ],
)
def test_a_wait_is_seconds_milliseconds_or_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, now=40.0) == seconds


def test_a_redirect_says_where_to() -> None:
    error = refusal(307, {"location": "https://other/v1"}, b"", now=0.0)

    assert isinstance(error, ProviderRejected)
    assert "it redirects to https://other/v1: give that as base_url" in str(error)


@pytest.mark.parametrize(
    ("details", "kind"),
    [
        ({"message": "no", "status_code": 400}, ProviderRejected),
        ({"message": "no", "code": "401"}, ProviderUnauthorized),
        ({"message": "no", "type": "rate_limit_error"}, ProviderRateLimited),
        ({"message": "no", "code": "strange"}, ProviderUnavailable),
        ({"message": "no", "code": {"a": "list"}, "type": ["b"]}, ProviderUnavailable),
        ({"message": "no", "code": "3000", "raw_status_code": 400}, ProviderRejected),
        ({"message": "no", "status": "RESOURCE_EXHAUSTED"}, ProviderRateLimited),
        ({"message": "no", "status": "INVALID_ARGUMENT"}, ProviderRejected),
        ("no", ProviderUnavailable),
    ],
)
def test_an_error_inside_an_answer_is_sorted_by_what_it_says(
    details: object, kind: type[ProviderError]
) -> None:
    error = error_in_stream(details)

    assert type(error) is kind
    assert str(error) == "the provider failed inside its answer: no"
