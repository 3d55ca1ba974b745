"""The circuit, by itself: when it opens, whom it lets through, and that it never sticks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import (
    AnswerFailed,
    ProviderOverloaded,
    ProviderProtocolError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
    StreamStalled,
    StreamTruncated,
)
from actors.providers import Breaker
from actors.providers._breaker import TRANSITIONS, Circuit, CircuitState, Verdict, verdict_on

if TYPE_CHECKING:
    from actors.providers._breaker import Permit


def failed(circuit: Circuit, now: float, times: int = 1) -> None:
    for _ in range(times):
        circuit.report(circuit.admit(now), Verdict.FAILED, now, "no server")


def opened(now: float = 0.0) -> Circuit:
    circuit = Circuit(Breaker(failures=3, seconds=10))
    failed(circuit, now, times=3)
    assert circuit.state is CircuitState.OPEN
    return circuit


def test_it_opens_after_so_many_failures_in_a_row_and_says_why_and_for_how_long() -> None:
    refusal = opened().refusal(now=4.0)

    assert refusal is not None
    assert refusal.retry_after == 6.0
    assert str(refusal) == (
        "not asked: 3 requests in a row have failed, the last one because no server; "
        "it is tried again in 6.0 s"
    )


def test_an_answer_in_between_starts_the_count_anew() -> None:
    circuit = Circuit(Breaker(failures=3))
    failed(circuit, 0.0, times=2)
    circuit.report(circuit.admit(0.0), Verdict.ALIVE, 0.0)
    failed(circuit, 0.0, times=2)

    assert circuit.state is CircuitState.CLOSED


def test_a_cancelled_request_neither_counts_nor_starts_the_count_anew() -> None:
    circuit = Circuit(Breaker(failures=3))
    failed(circuit, 0.0, times=2)
    circuit.report(circuit.admit(0.0), Verdict.UNKNOWN, 0.0)
    assert circuit.state is CircuitState.CLOSED
    failed(circuit, 0.0)

    assert circuit.state is CircuitState.OPEN


def test_exactly_one_probe_passes_and_others_are_refused_until_it_has_ended() -> None:
    circuit = opened()
    probe = circuit.admit(10.0)

    refusal = circuit.refusal(now=1000.0)

    assert refusal is not None
    assert refusal.retry_after is None
    assert "is being tried right now" in str(refusal)
    circuit.report(probe, Verdict.ALIVE, 1001.0)
    assert circuit.refusal(now=1001.0) is None
    assert (circuit.state, circuit.failures) == (CircuitState.CLOSED, 0)


def test_a_probe_that_fails_opens_it_for_as_long_again() -> None:
    circuit = opened()
    circuit.report(circuit.admit(10.0), Verdict.FAILED, 12.0, "no server")

    refusal = circuit.refusal(now=12.0)

    assert refusal is not None
    assert refusal.retry_after == 10.0


def test_a_probe_that_is_cancelled_leaves_the_next_one_to_the_next_request() -> None:
    circuit = opened()
    circuit.report(circuit.admit(10.0), Verdict.UNKNOWN, 11.0)

    assert circuit.state is CircuitState.OPEN
    assert circuit.refusal(now=11.0) is None
    circuit.admit(11.0)
    assert circuit.refusal(now=11.0) is not None


@pytest.mark.parametrize("verdict", Verdict)
def test_what_began_before_it_opened_is_not_heard(verdict: Verdict) -> None:
    circuit = Circuit(Breaker(failures=3, seconds=10))
    old = circuit.admit(0.0)
    failed(circuit, 0.0, times=3)

    circuit.report(old, verdict, 5.0)
    assert circuit.state is CircuitState.OPEN
    circuit.admit(10.0)
    circuit.report(old, verdict, 11.0)
    assert circuit.state is CircuitState.HALF_OPEN


def test_without_a_policy_it_never_opens() -> None:
    circuit = Circuit(None)
    failed(circuit, 0.0, times=1000)

    assert circuit.refusal(0.0) is None


steps = st.lists(
    st.tuples(st.floats(0, 8), st.sampled_from([None, *Verdict]), st.integers(0, 5)), max_size=80
)


@given(steps, st.integers(1, 4))
def test_it_never_lets_two_probes_through_and_never_sticks(
    steps: list[tuple[float, Verdict | None, int]], failures: int
) -> None:
    circuit = Circuit(Breaker(failures=failures, seconds=5))
    now = 0.0
    out: list[tuple[Permit, CircuitState]] = []  # with the state in which it was admitted
    for pause, verdict, which in steps:
        now += pause
        if verdict is None:
            if circuit.refusal(now) is None:
                before = circuit.state
                out.append((circuit.admit(now), before))
                probing = circuit.state is CircuitState.HALF_OPEN
                assert probing == (before is CircuitState.OPEN)
        elif out:
            permit, _ = out.pop(which % len(out))
            circuit.report(permit, verdict, now)
        if circuit.state is CircuitState.HALF_OPEN:
            # whoever is out and is heard is the one probe
            heard = [permit for permit, before in out if before is CircuitState.OPEN]
            assert heard
            assert circuit.refusal(now) is not None
    for permit, _ in out:
        circuit.report(permit, Verdict.UNKNOWN, now)

    assert circuit.state is not CircuitState.HALF_OPEN
    assert circuit.refusal(now + 5.001) is None


def test_every_state_can_be_left_and_reached() -> None:
    assert {state for state, _ in TRANSITIONS} == set(CircuitState)
    assert set(TRANSITIONS.values()) == set(CircuitState)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ProviderUnavailable("no server"), Verdict.FAILED),
        (ProviderUnavailable("busy", status=503), Verdict.FAILED),
        (ProviderUnavailable("slow", status=408), Verdict.ALIVE),
        (StreamStalled("slow", limit="first_byte", seconds=1), Verdict.FAILED),
        (StreamTruncated("cut"), Verdict.FAILED),
        (ProviderRejected("bad", status=400), Verdict.ALIVE),
        (ProviderUnauthorized("no", status=401), Verdict.ALIVE),
        (ProviderRateLimited("no", status=429), Verdict.ALIVE),
        (ProviderProtocolError("no HTTP"), Verdict.UNKNOWN),
        (ProviderOverloaded("ours"), Verdict.UNKNOWN),
    ],
)
def test_only_what_is_the_servers_doing_counts(error: AnswerFailed, verdict: Verdict) -> None:
    assert verdict_on(error) is verdict
