"""What providers say about when to come back, and what is made of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.chat import StreamChunk, StreamResponse
from actors.errors import (
    AnswerFailed,
    CircuitOpen,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
    StreamStalled,
    StreamTruncated,
)
from actors.providers import Breaker, Rate, Retry
from actors.providers._hints import Refused, add_hints, duration, wait_for, windows
from actors.providers._retry import seconds_before_retry

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z

OPENAI = {  # from OpenAI's page on rate limits
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-reset-tokens": "6m0s",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2026-01-01T12:01:00Z",
    "anthropic-ratelimit-input-tokens-limit": "40000",
    "anthropic-ratelimit-input-tokens-remaining": "40000",
    "anthropic-ratelimit-input-tokens-reset": "2026-01-01T12:00:00Z",
}
GROQ = {  # from Groq's page on rate limits
    "x-ratelimit-limit-requests": "14400",
    "x-ratelimit-limit-tokens": "18000",
    "x-ratelimit-remaining-requests": "14370",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-requests": "2m59.56s",
    "x-ratelimit-reset-tokens": "7.66s",
}
GEMINI = b"""{"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED",
    "details": [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}]}}"""


def hinted(headers: dict[str, str], body: bytes = b"{}", tokens: float = 1.0) -> AnswerFailed:
    error = ProviderRateLimited("slow down", status=429)
    add_hints(error, Refused(headers, body), tokens, NOON)
    return error


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("2m59.56s", 179.56),
        ("1h2m3s", 3723.0),
        ("20ms", 0.02),
        ("10", 10.0),
        (" 1.5 ", 1.5),
        ("", None),
        ("soon", None),
        ("3 apples", None),
        ("-3s", None),
    ],
)
def test_a_duration_is_read_in_the_forms_in_which_providers_write_it(
    text: str, seconds: float | None
) -> None:
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


@given(st.text(max_size=20))
def test_no_header_makes_it_fail(text: str) -> None:
    headers = dict.fromkeys([*OPENAI, *ANTHROPIC], text)
    for window in windows(headers, NOON):
        assert window.wait(1) >= 0
    hinted(headers, text.encode("utf-8", "surrogatepass"))


def test_there_is_no_wait_while_something_remains() -> None:
    assert wait_for(windows(OPENAI, NOON), tokens=1000) == 0.0


def test_tokens_that_do_not_fit_wait_for_their_share_of_the_refill() -> None:
    assert wait_for(windows(OPENAI, NOON), tokens=149_992) == pytest.approx(180.0)
    assert wait_for(windows(OPENAI, NOON), tokens=1e9) == pytest.approx(360.0)  # never longer


def test_openais_groqs_and_anthropics_headers_are_read() -> None:
    assert hinted(GROQ, tokens=1800).retry_after == pytest.approx(0.766)
    assert hinted(ANTHROPIC).retry_after == pytest.approx(60 / 50)
    assert hinted(OPENAI).retry_after is None  # it does not know why either


def test_a_moment_without_a_zone_is_taken_as_utc() -> None:
    name = "anthropic-ratelimit-requests-reset"
    assert hinted(ANTHROPIC | {name: "2026-01-01T12:01:00"}).retry_after == pytest.approx(60 / 50)
    assert hinted(ANTHROPIC | {name: "2025-12-31T12:01:00Z"}).retry_after is None  # it is over


def test_geminis_delay_is_in_the_details_of_its_error() -> None:
    assert hinted({}, GEMINI).retry_after == 34.4
    assert hinted({}, b"[%s]" % GEMINI).retry_after == 34.4


def test_what_the_provider_asks_for_outright_comes_before_what_its_limits_say() -> None:
    error = ProviderRateLimited("slow down", status=429, retry_after=2.0)
    add_hints(error, Refused(GROQ, GEMINI), 1800, NOON)

    assert error.retry_after == 2.0


def test_money_that_is_used_up_does_not_come_back_by_waiting() -> None:
    spent = b'{"error": {"message": "no", "type": "insufficient_quota", "code": null}}'

    assert not hinted({}, spent).retryable
    assert ProviderRateLimited("another").retryable


@pytest.mark.parametrize(
    "body",
    [b'{"error": {"code": [], "type": {}}}', b"[" * 2000 + b"]" * 2000, b'{"error":' * 2000],
    ids=["codes that are no words", "too deep", "too deep and cut"],
)
def test_no_body_makes_it_fail(body: bytes) -> None:
    assert hinted({}, body).retryable


def test_a_number_beyond_all_numbers_is_none() -> None:
    headers = dict.fromkeys(GROQ, "9" * 400)

    assert windows(headers, NOON) == []
    assert hinted(headers).retry_after is None


def test_a_provider_may_say_itself_whether_a_retry_makes_sense() -> None:
    assert not hinted({"x-should-retry": "false"}).retryable
    rejected = ProviderRejected("no", status=400)
    add_hints(rejected, Refused({"x-should-retry": "true"}, b""), 1, NOON)
    assert rejected.retryable


# Whether, and when


def before_retry(
    error: AnswerFailed, attempts: int = 1, *, dice: float = 1.0, left: float = math.inf
) -> float | None:
    policy = Retry(attempts=3, first=1, longest=10, factor=2)
    return seconds_before_retry(policy, error, attempts, dice=dice, left=left)


def test_what_may_pass_is_tried_again_so_many_times() -> None:
    for error in (
        ProviderUnavailable("no server"),
        ProviderRateLimited("slow down", status=429),
        StreamTruncated("cut"),
    ):
        assert [before_retry(error, attempts) for attempts in (1, 2, 3, 4)] == [1, 2, None, None]


@pytest.mark.parametrize(
    "error",
    [
        ProviderRejected("bad", status=400),
        ProviderUnauthorized("bad", status=401),
        ProviderOverloaded("ours"),
        CircuitOpen("ours"),
        StreamStalled("slow", limit="first_byte", seconds=1),
    ],
)
def test_what_does_not_pass_at_once_is_not_tried_again(error: AnswerFailed) -> None:
    assert before_retry(error) is None


def test_once_a_chunk_was_handed_on_there_is_no_retry() -> None:
    partial = StreamResponse()
    partial.add(StreamChunk("Hel"))

    assert before_retry(StreamTruncated("cut", partial=partial)) is None


def test_what_the_provider_asks_for_is_waited_for_and_the_jitter_on_top() -> None:
    error = ProviderRateLimited("slow down", status=429, retry_after=5.0)

    assert before_retry(error, dice=0.0) == 5.0
    assert before_retry(error, dice=0.5) == 5.5


def test_longer_than_the_longest_is_not_waited() -> None:
    error = ProviderRateLimited("slow down", status=429, retry_after=10.1)

    assert before_retry(error) is None


def test_a_retry_that_would_begin_after_the_deadline_is_none() -> None:
    error = ProviderUnavailable("no server")

    assert before_retry(error, left=1.1) == 1.0
    assert before_retry(error, left=1.0) is None
    assert before_retry(error, left=-1.0) is None


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 5), st.floats(5, 60), st.floats(1, 10))
def test_a_wait_is_never_longer_than_the_longest_and_grows_with_the_retries(
    retries: int, dice: float, first: float, longest: float, factor: float
) -> None:
    policy = Retry(first=first, longest=longest, factor=factor)

    assert 0 <= policy.seconds(retries, dice) <= longest
    assert policy.seconds(0, dice) == pytest.approx(first * dice)
    assert policy.seconds(retries, 1.0) <= policy.seconds(retries + 1, 1.0)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Retry(attempts=0), "attempts is 0, and must be a whole number above 0"),
        (lambda: Retry(attempts=1.5), "attempts is 1.5"),  # type: ignore[arg-type]
        (lambda: Retry(first=-1), "first is -1, and must be 0 or more seconds"),
        (lambda: Retry(longest=math.nan), "longest is nan"),
        (lambda: Retry(factor=0.5), "factor is 0.5, and must be a number from 1 on"),
        (lambda: Breaker(failures=0), "failures is 0"),
        (lambda: Breaker(seconds=-1), "seconds is -1"),
        (lambda: Rate(requests_per_minute=0), "requests_per_minute is 0"),
        (lambda: Rate(tokens_per_minute=-5), "tokens_per_minute is -5"),
        (lambda: Rate(burst=None), "burst is None"),  # type: ignore[arg-type]
        (lambda: Rate(burst=math.inf), "burst is inf"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(make: object, text: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=text):
        make()
