"""What a supervisor decides, without a supervisor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime._lifecycle import Exit
from runtime._restart import (
    Backoff,
    Child,
    Forget,
    GiveUp,
    Restart,
    RestartLimit,
    RestartPolicy,
    RestartRules,
    RestartStrategy,
)

PLENTY = RestartLimit(restarts=1_000, seconds=1.0)
A, B, C = Child("a"), Child("b"), Child("c")


def decide(
    strategy: RestartStrategy, *children: Child, ended: int, exit: Exit = Exit.FAILED
) -> object:
    return RestartRules(strategy, PLENTY).child_ended(children, ended, exit, now=0.0)


@pytest.mark.parametrize(
    ("policy", "restarted_after"),
    [
        (RestartPolicy.PERMANENT, {Exit.COMPLETED, Exit.FAILED}),
        (RestartPolicy.TRANSIENT, {Exit.FAILED}),
        (RestartPolicy.TEMPORARY, set[Exit]()),
    ],
)
def test_the_policy_says_which_exits_are_followed_by_a_restart(
    policy: RestartPolicy, restarted_after: set[Exit]
) -> None:
    child = Child("a", policy)

    restarted = {
        e
        for e in Exit
        if isinstance(decide(RestartStrategy.ONE_FOR_ONE, child, ended=0, exit=e), Restart)
    }

    assert restarted == restarted_after


@pytest.mark.parametrize("strategy", RestartStrategy)
def test_a_child_that_was_asked_to_stop_is_forgotten_and_takes_nobody_along(
    strategy: RestartStrategy,
) -> None:
    assert decide(strategy, A, B, C, ended=1, exit=Exit.STOPPED) == Forget("b")


def test_one_for_one_restarts_only_the_failed_child() -> None:
    assert decide(RestartStrategy.ONE_FOR_ONE, A, B, C, ended=1) == Restart(stop=(), start=("b",))


def test_rest_for_one_restarts_the_failed_child_and_those_started_after_it() -> None:
    assert decide(RestartStrategy.REST_FOR_ONE, A, B, C, ended=1) == Restart(
        stop=("c",), start=("b", "c")
    )


def test_one_for_all_stops_in_reverse_order_and_starts_in_order() -> None:
    assert decide(RestartStrategy.ONE_FOR_ALL, A, B, C, ended=1) == Restart(
        stop=("c", "a"), start=("a", "b", "c")
    )


def test_a_temporary_sibling_dragged_down_is_not_started_again() -> None:
    once = Child("once", RestartPolicy.TEMPORARY)

    assert decide(RestartStrategy.ONE_FOR_ALL, A, once, ended=0) == Restart(
        stop=("once",), start=("a",)
    )


def test_the_restart_after_the_last_allowed_one_gives_up() -> None:
    rules = RestartRules(RestartStrategy.ONE_FOR_ONE, RestartLimit(restarts=2, seconds=5.0))

    decisions = [rules.child_ended([A], 0, Exit.FAILED, now) for now in (0.0, 1.0, 2.0)]

    assert decisions[-1] == GiveUp("a", restarts=2)


def test_a_restart_stops_counting_after_the_window() -> None:
    rules = RestartRules(RestartStrategy.ONE_FOR_ONE, RestartLimit(restarts=1, seconds=5.0))

    rules.child_ended([A], 0, Exit.FAILED, now=0.0)

    assert isinstance(rules.child_ended([A], 0, Exit.FAILED, now=5.0), Restart)


@pytest.mark.parametrize(("restarts", "seconds"), [(-1, 5.0), (1, 0.0), (1, float("nan"))])
def test_a_meaningless_limit_is_refused(restarts: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        RestartLimit(restarts, seconds)


@given(
    gaps=st.lists(st.floats(min_value=0, max_value=10), max_size=60),
    limit=st.builds(RestartLimit, st.integers(0, 5), st.floats(min_value=0.1, max_value=10)),
)
def test_no_window_ever_holds_more_restarts_than_the_limit(
    gaps: list[float], limit: RestartLimit
) -> None:
    rules, now, restarts = RestartRules(RestartStrategy.ONE_FOR_ONE, limit), 0.0, list[float]()
    for gap in gaps:
        now += gap
        if isinstance(rules.child_ended([A], 0, Exit.FAILED, now), Restart):
            restarts.append(now)

    assert all(
        sum(0 <= t - start < limit.seconds for t in restarts) <= limit.restarts
        for start in restarts
    )


@given(
    backoff=st.builds(
        Backoff, st.floats(0, 10), st.floats(10, 100), st.floats(1, 1e6), st.floats(0, 1)
    ),
    restarts=st.integers(0, 10_000),
    dice=st.floats(0, 1),
)
def test_a_wait_grows_up_to_the_longest_less_its_jitter(
    backoff: Backoff, restarts: int, dice: float
) -> None:
    wait = backoff.seconds(restarts, dice)
    whole = backoff.seconds(restarts, 0)

    assert 0 <= wait <= whole <= backoff.longest
    assert wait >= whole * (1 - backoff.jitter)
    assert backoff.seconds(restarts + 1, 0) >= whole


@pytest.mark.parametrize(("dice", "wait"), [(0, 2), (0.5, 1.5), (1, 1)])
def test_the_dice_take_a_share_of_the_jitter_off_a_wait(dice: float, wait: float) -> None:
    assert Backoff(2, 2, jitter=0.5).seconds(0, dice) == wait


def test_a_backoff_of_nothing_stays_nothing_however_often_it_is_used() -> None:
    assert Backoff(0, 30).seconds(2_000, dice=0.5) == 0


def test_the_waits_double_by_default() -> None:
    waits = [Backoff(0.1, 1.0).seconds(restarts, 0) for restarts in range(5)]

    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": -1},
        {"first": 2, "longest": 1},
        {"factor": 0.5},
        {"jitter": 1.5},
        {"first": float("nan")},
        {"jitter": float("nan")},
    ],
)
def test_a_meaningless_backoff_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Backoff(**wrong)
