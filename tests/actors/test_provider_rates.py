"""Token buckets, by themselves: the rate holds over any time, and nothing waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.providers import Rate
from actors.providers._rates import Bucket, Rates, estimated_tokens

amounts = st.lists(st.tuples(st.floats(0.1, 500), st.floats(0, 30)), max_size=30)


@given(amounts, st.floats(0.1, 100), st.floats(1, 200))
def test_no_more_passes_in_any_span_than_the_burst_and_what_flows_in(
    asked: list[tuple[float, float]], rate: float, size: float
) -> None:
    bucket, now = Bucket(rate, size), 0.0
    passed: list[tuple[float, float]] = []
    for amount, pause in asked:
        now += pause
        now += max(bucket.seconds(amount, now), 0.0)
        assert bucket.seconds(amount, now) <= 1e-6  # having waited, it may go
        bucket.take(amount, now)
        passed.append((now, amount))

    for first, (begin, _) in enumerate(passed):
        for last in range(first, len(passed)):
            end, biggest = passed[last]
            total = sum(amount for _, amount in passed[first:last])  # up to the last one's turn
            assert total <= size + rate * (end - begin) + 1e-6 * (1 + rate), biggest


@given(st.floats(0.1, 1e6), st.floats(0.1, 100), st.floats(1, 200))
def test_what_no_bucket_can_hold_passes_when_it_is_full_and_leaves_a_debt(
    amount: float, rate: float, size: float
) -> None:
    bucket = Bucket(rate, size)
    bucket.take(size, 0.0)

    wait = bucket.seconds(amount, 0.0)

    assert wait == pytest.approx(min(amount, size) / rate)
    bucket.take(amount, wait)
    assert bucket.level == pytest.approx(min(amount, size) - amount, abs=1e-6)


def test_a_full_bucket_takes_no_more() -> None:
    bucket = Bucket(1.0, 10.0)

    assert bucket.seconds(1, now=1e9) <= 0
    assert bucket.level == 10.0
    bucket.take(-5, now=1e9)
    assert bucket.level == 10.0


def test_time_that_stands_still_or_goes_back_gives_nothing() -> None:
    bucket = Bucket(1.0, 10.0)
    bucket.take(10, now=5.0)

    assert bucket.seconds(1, now=4.0) == 1.0
    assert bucket.seconds(1, now=5.0) == 1.0


def test_requests_and_tokens_are_limited_each_by_its_own_bucket() -> None:
    rates = Rates(Rate(requests_per_minute=60, tokens_per_minute=600, burst=1))

    assert rates.seconds(1, now=0.0) == 0.0
    rates.take(tokens=10, now=0.0)
    assert rates.seconds(1, now=0.0) == pytest.approx(1.0)  # the one request of a second
    assert rates.seconds(5, now=0.0) == pytest.approx(1.0)
    rates.correct(20, now=0.0)  # the answer was longer than thought
    assert rates.seconds(10, now=0.0) == pytest.approx(3.0)
    rates.correct(-20, now=0.0)
    assert rates.seconds(10, now=0.0) == pytest.approx(1.0)


def test_who_comes_behind_others_is_told_how_long_they_all_take() -> None:
    rates = Rates(Rate(requests_per_minute=60, burst=1))
    rates.take(0, now=0.0)

    assert rates.seconds_behind(0, 0, 0, now=0.0) == pytest.approx(1.0)
    assert rates.seconds_behind(4, 0, 0, now=0.0) == pytest.approx(5.0)

    counted = Rates(Rate(tokens_per_minute=60, burst=10))
    counted.take(10, now=0.0)
    assert counted.seconds_behind(2, 20, 5, now=0.0) == pytest.approx(25.0)
    counted.be_quiet(until=30.0)
    assert counted.seconds_behind(2, 20, 5, now=0.0) == 30.0


def test_quiet_holds_without_any_rate() -> None:
    rates = Rates(None)
    assert rates.is_free
    assert rates.seconds(1e9, now=0.0) == 0.0

    rates.be_quiet(until=3.0)
    rates.be_quiet(until=2.0)  # the longer one holds

    assert rates.seconds(0, now=1.0) == 2.0
    assert rates.seconds(0, now=3.0) == 0.0


def test_an_estimate_counts_the_request_and_the_longest_answer() -> None:
    assert estimated_tokens(b"x" * 400, None) == 100
    assert estimated_tokens(b"x" * 400, 50) == 150
