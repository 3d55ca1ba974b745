"""Retries of the provider actor: real sockets, virtual time."""

# ruff: noqa: ARG001 - the clock makes time virtual
from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio
from provider_parts import EVEN, HELLO, KEY, NO_SERVER, described, elapsed, fails, model

from actors.errors import (
    ProviderRateLimited,
    ProviderUnavailable,
    StreamStalled,
    StreamTruncated,
)
from actors.http import Limits
from actors.providers import (
    Rate,
    Retry,
    fail,
    open_provider,
    pause,
    reset,
    say,
    stall,
    truncate,
)
from actors.testing import FakeAnswer, answer, error, open_fake_openai, raw
from runtime import open_system

if TYPE_CHECKING:
    from trio.testing import MockClock


@pytest.mark.parametrize(
    "failing",
    [
        error(500),
        error(503),
        error(429),
        error(408),
        answer(reset()),
        answer(truncate()),
        raw(b"data: {"),
        answer(fail(ProviderUnavailable("overloaded", status=503))),
    ],
    ids=["500", "503", "429", "408", "reset", "cut", "cut inside", "error inside"],
)
async def test_what_fails_before_the_first_chunk_is_sent_again(
    failing: FakeAnswer, socket_clock: MockClock
) -> None:
    async with (
        open_fake_openai(failing, failing, answer("Hello")) as server,
        open_provider(model(server)) as provider,
    ):
        response = await provider.complete(HELLO)

    assert response.text == "Hello"
    assert response.metadata["attempts"] == 3
    assert len(server.requests) == 3
    assert all(request.body == server.requests[0].body for request in server.requests)


async def test_an_answer_at_the_first_attempt_says_nothing_of_attempts(
    socket_clock: MockClock,
) -> None:
    async with open_fake_openai() as server, open_provider(model(server)) as provider:
        assert "attempts" not in (await provider.complete(HELLO)).metadata


@pytest.mark.parametrize("fault", [truncate(), reset()], ids=["cut", "reset"])
async def test_after_the_first_chunk_nothing_is_sent_again(
    fault: Any, socket_clock: MockClock
) -> None:
    async with (
        open_fake_openai(answer(say("H"), pause(0.1), fault), answer("Hello")) as server,
        open_provider(model(server)) as provider,
    ):
        failed = await fails(provider, StreamTruncated)

    assert (failed.partial.text, failed.attempts, len(server.requests)) == ("H", 1, 1)
    assert (failed.status, failed.request_id, failed.retryable) == (200, "fake-0", True)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_what_is_the_callers_doing_is_not_sent_again(
    status: int, socket_clock: MockClock
) -> None:
    async with open_fake_openai(error(status)) as server, open_provider(model(server)) as provider:
        failed = await fails(provider)

    assert (failed.status, failed.attempts, failed.retryable) == (status, 1, False)
    assert len(server.requests) == 1


async def test_the_last_error_is_raised_with_the_number_of_attempts(
    socket_clock: MockClock,
) -> None:
    answers = (error(500, "one"), error(502, "two"), error(503, "three"), answer("Hello"))
    async with open_fake_openai(*answers) as server, open_provider(model(server)) as provider:
        failed = await fails(provider, ProviderUnavailable)

    assert str(failed) == "the provider answered 503: three"
    assert (failed.attempts, failed.request_id) == (3, "fake-2")


async def test_a_stall_before_the_first_byte_is_not_sent_again(socket_clock: MockClock) -> None:
    """The caller has said how long to wait for it, and that long it was."""
    async with (
        open_fake_openai(answer(stall())) as server,
        open_provider(model(server, limits=Limits(first_byte=2))) as provider,
    ):
        took = await elapsed(functools.partial(fails, provider, StreamStalled))

    assert took == pytest.approx(2)
    assert len(server.requests) == 1


async def test_the_waits_are_drawn_from_below_a_growing_bound(socket_clock: MockClock) -> None:
    waits: list[float] = []
    async with open_fake_openai(error(500)) as server:
        once = model(server, retry=Retry(attempts=2, first=4), breaker=None)
        async with open_provider(once) as provider:
            for _ in range(40):
                waits.append(await elapsed(functools.partial(fails, provider)))  # noqa: PERF401

    assert all(0 <= wait <= 4 for wait in waits)
    assert min(waits) < 1  # by chance not: once in 100 000 runs
    assert max(waits) > 3  # likewise


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after_ms": "2500"}, 2.5),
        ({"retry_after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0),
        (
            {
                "x_ratelimit_limit_requests": "60",
                "x_ratelimit_remaining_requests": "0",
                "x_ratelimit_reset_requests": "5m0s",
            },
            5,
        ),
        (
            {
                "anthropic_ratelimit_requests_limit": "50",
                "anthropic_ratelimit_requests_remaining": "0",
                "anthropic_ratelimit_requests_reset": "1970-01-01T00:00:10Z",
            },
            0,
        ),
    ],
)
async def test_a_retry_waits_for_as_long_as_the_provider_asks(
    headers: dict[str, str], wait: float, socket_clock: MockClock
) -> None:
    async with (
        open_fake_openai(error(429, **headers), answer("Hello")) as server,
        open_provider(model(server)) as provider,
    ):
        took = await elapsed(functools.partial(provider.complete, HELLO))

    assert wait <= took <= wait + EVEN.first


async def test_geminis_way_of_asking_for_a_wait_is_understood(socket_clock: MockClock) -> None:
    body = b'{"error":{"code":429,"message":"no","details":[{"retryDelay":"12s"}]}}'
    busy = FakeAnswer(status=429, body=body, content_type="application/json")
    async with (
        open_fake_openai(busy, answer("Hello")) as server,
        open_provider(model(server)) as provider,
    ):
        assert 12 <= await elapsed(functools.partial(provider.complete, HELLO)) <= 13


async def test_a_provider_that_asks_for_an_hour_is_an_error_at_once_and_asked_anew_next_time(
    socket_clock: MockClock,
) -> None:
    async with (
        open_fake_openai(error(429, retry_after="3600"), answer("Hello")) as server,
        open_provider(model(server)) as provider,
    ):
        failed = await fails(provider, ProviderRateLimited)
        assert (failed.retry_after, failed.attempts) == (3600, 1)
        assert (await provider.complete(HELLO)).text == "Hello"
        assert trio.current_time() < 1


async def test_while_the_provider_wants_quiet_nobody_else_asks_either(
    socket_clock: MockClock,
) -> None:
    async with (
        open_fake_openai(error(429, retry_after="5"), answer("Hello")) as server,
        open_provider(model(server)) as provider,
        trio.open_nursery() as nursery,
    ):
        started = trio.current_time()
        nursery.start_soon(provider.complete, HELLO)
        await trio.sleep(1)
        await provider.complete(HELLO)
        assert trio.current_time() - started == pytest.approx(5)
        assert len(server.requests) == 2


async def test_limits_that_an_answer_says_are_used_up_are_waited_for(
    socket_clock: MockClock,
) -> None:
    headers = (
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "60s"),
    )
    last = FakeAnswer(script=answer("Hello").script, headers=headers)
    async with open_fake_openai(last) as server, open_provider(model(server)) as provider:
        assert await elapsed(functools.partial(provider.complete, HELLO)) < 0.1
        took = await elapsed(functools.partial(provider.complete, HELLO))

    assert took == pytest.approx(1.0)


async def test_a_retry_that_would_begin_after_the_callers_deadline_fails_at_once(
    socket_clock: MockClock,
) -> None:
    async with (
        open_fake_openai(error(429, retry_after="5")) as server,
        open_provider(model(server)) as provider,
    ):
        with trio.move_on_after(4) as scope:
            failed = await fails(provider, ProviderRateLimited)
            assert failed.retry_after == 5
        assert not scope.cancelled_caught
        assert trio.current_time() < 0.1


async def test_a_retry_that_would_wait_for_the_rate_beyond_the_deadline_is_the_last_error(
    socket_clock: MockClock,
) -> None:
    slow = model(server=NO_SERVER, rate=Rate(requests_per_minute=1, burst=60))
    async with open_provider(slow) as provider:
        with trio.fail_after(30):
            failed = await fails(provider, ProviderUnavailable)

    assert "no server at" in str(failed)
    assert failed.attempts == 1


async def test_a_cancel_during_a_backoff_leaves_no_trace(socket_clock: MockClock) -> None:
    async with (
        open_fake_openai(error(503, retry_after="20"), answer("Hello")) as server,
        open_system() as system,
        open_provider(model(server, concurrency=1, waiting=1), system=system) as provider,
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(provider.complete, HELLO)
            await trio.sleep(2)
            assert described(system).endswith("1 of 1 run, quiet for 18.0 s, retried 1 x")
            nursery.cancel_scope.cancel()
        assert (await provider.complete(HELLO)).text == "Hello"
        assert trio.current_time() == pytest.approx(20)
        assert described(system) == "circuit closed, 0 of 1 run, retried 1 x"


async def test_a_retry_is_logged_without_words_of_the_provider(
    caplog: pytest.LogCaptureFixture, socket_clock: MockClock
) -> None:
    caplog.set_level(logging.INFO, logger="actors.providers")
    async with (
        open_fake_openai(error(500, f"the key {KEY}"), answer("Hello")) as server,
        open_provider(model(server, retry=Retry(first=0))) as provider,
    ):
        await provider.complete(HELLO)

    (record,) = caplog.records
    assert record.getMessage() == (
        "/provider: attempt 1 ended with ProviderUnavailable, status 500; the next one is in 0.00 s"
    )
