"""The arithmetic of budgets: what a call has used is known better and better, and sums agree."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.budget._arithmetic import (
    BYTES_PER_TOKEN,
    FIRMNESS,
    Allowance,
    Books,
    CallCount,
    Rate,
    Rates,
    Spending,
    size_of,
)
from actors.chat import (
    Request,
    StreamChunk,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    ToolSpec,
    ToolTurn,
    Usage,
    assistant,
    user,
)

NUMBERS = st.integers(0, 10_000)
MONEY = st.decimals(0, 100, places=6)
SPENDINGS = st.builds(Spending, NUMBERS, NUMBERS, NUMBERS, MONEY)


def count(sent: int = 400) -> CallCount:
    return CallCount(Rates(), sent)


def say(text: str) -> StreamChunk:
    return StreamChunk(text)


# Sums


@given(SPENDINGS, SPENDINGS)
def test_what_is_taken_back_leaves_no_trace(one: Spending, other: Spending) -> None:
    assert one + other - other == one


def test_a_sum_with_an_unknown_cost_has_an_unknown_cost() -> None:
    unknown = Spending(1, 10, 5, None)

    assert (Spending(1, 1, 1, Decimal(1)) + unknown).cost is None
    assert (unknown - unknown).cost is None


@pytest.mark.parametrize(
    ("used", "limit"),
    [
        (Spending(3, 60, 40, Decimal("0.20")), None),  # all of it is not more than that
        (Spending(4), "calls"),
        (Spending(0, 60, 41), "tokens"),
        (Spending(cost=Decimal("0.200001")), "cost"),
        (Spending(cost=None), None),
        (Spending(4, 60, 41, Decimal(1)), "calls"),
    ],
)
def test_a_limit_is_exceeded_by_more_than_it_and_not_by_all_of_it(
    used: Spending, limit: str | None
) -> None:
    assert Allowance(calls=3, tokens=100, cost=0.2).exceeded_by(used) == limit


@pytest.mark.parametrize("limits", [{"calls": -1}, {"tokens": 1.5}, {"cost": -0.1}])
def test_a_limit_that_is_none_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be 0 or more"):
        Allowance(**limits)


def test_a_cost_is_meant_as_it_is_written() -> None:
    assert Allowance(cost=0.1).cost == Decimal("0.1")


# One call


def test_before_the_provider_has_counted_four_bytes_are_a_token() -> None:
    call = count(sent=400)
    call.note([say("x" * 40), StreamChunk(thinking="y" * 40)])
    call.note([StreamChunk(tool_calls=(ToolCallDelta(0, "id", "name", "z" * 36),))])

    assert (call.usage.input_tokens, call.usage.output_tokens) == (100, 30)


def test_the_providers_count_replaces_the_estimate() -> None:
    call = count()
    given = Usage(123, 7, cache_read_tokens=100, cache_write_tokens=3, reasoning_tokens=2)
    call.note([say("x" * 400), StreamChunk(usage=given, is_final=True)])

    assert call.usage == attrs.evolve(given, reasoning_tokens=0)
    assert call.is_complete


def test_after_a_count_in_mid_stream_only_what_follows_is_estimated() -> None:
    call = count()
    call.note([say("x" * 400), StreamChunk("x" * 40, usage=Usage(90, 50)), say("x" * 8)])

    assert (call.usage.input_tokens, call.usage.output_tokens) == (90, 52)


def test_a_count_that_comes_again_with_every_chunk_is_not_a_new_one() -> None:
    call = count()
    first = Usage(90, 1)  # as Anthropic reports when a message starts
    call.note([StreamChunk(usage=first)])
    call.note([StreamChunk("x" * 40, usage=first)] * 10)

    assert call.usage.output_tokens == 1 + 100


@pytest.mark.parametrize("nothing", [Usage(), Usage(-1, -1)])
def test_a_count_of_nothing_is_no_count(nothing: Usage) -> None:
    call = count(sent=400)
    call.note([StreamChunk("x" * 400, usage=nothing), StreamChunk(usage=nothing, is_final=True)])

    assert (call.usage.input_tokens, call.usage.output_tokens) == (100, 100)


@given(st.text(max_size=200), st.data())
def test_where_a_text_is_cut_makes_no_difference(text: str, data: st.DataObject) -> None:
    whole, cut = count(), count()
    whole.note([say(text)])
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    cut.note([say(text[start:end]) for start, end in zip([0, *at], [*at, len(text)], strict=True)])

    assert cut.usage == whole.usage


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=20))
def test_an_estimate_only_grows(pieces: list[tuple[str, str]]) -> None:
    call = count()
    before = 0
    for content, thinking in pieces:
        call.note([StreamChunk(content, thinking=thinking)])
        assert call.usage.output_tokens >= before
        before = call.usage.output_tokens
    assert call.is_silent == (not pieces)


def test_what_a_provider_counts_makes_later_estimates_better() -> None:
    rates = Rates()
    chinese = "中" * 1_000  # 3 bytes each; say a token each
    for _ in range(8):
        call = CallCount(rates, 30_000)
        call.note([say(chinese), StreamChunk(usage=Usage(10_000, 1_000), is_final=True)])
    call = CallCount(rates, 30_000)
    call.note([say(chinese)])

    assert call.usage.input_tokens == pytest.approx(10_000, rel=0.02)
    assert call.usage.output_tokens == pytest.approx(1_000, rel=0.02)


def test_reasoning_that_was_not_shown_does_not_spoil_the_rate() -> None:
    rates = Rates()
    call = CallCount(rates, 400)
    hidden = Usage(100, 2_000, reasoning_tokens=1_000)
    call.note([say("x" * 4_000), StreamChunk(usage=hidden, is_final=True)])

    assert call.usage.output_tokens == 2_000
    assert rates.received.tokens(400) == 100

    call = CallCount(rates, 400)
    call.note([StreamChunk("x" * 4_000, thinking="x" * 4_000)])
    call.note([StreamChunk(usage=hidden, is_final=True)])
    assert rates.received.tokens(12_000) == 3_000


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(-5, 10**6)), max_size=20), NUMBERS)
def test_whatever_was_counted_a_token_is_at_least_a_byte(
    counts: list[tuple[int, int]], size: int
) -> None:
    rate = Rate()
    for seen, tokens in counts:
        rate.learn(seen, tokens)

    assert 0 <= rate.tokens(size) <= size
    assert (rate.tokens(size) > 0) == (size > 0)


def test_one_odd_answer_weighs_little_against_the_rule_of_thumb() -> None:
    rate = Rate()
    rate.learn(10, 10)

    assert FIRMNESS <= rate.tokens(FIRMNESS * BYTES_PER_TOKEN) <= FIRMNESS * 1.04


# What is sent


def test_all_text_of_a_request_counts_once() -> None:
    call = ToolCall("call_1", "look_up", {"word": "w" * 1_000}, '{"word": "' + "w" * 1_000 + '"}')
    request = Request(
        (
            user("u" * 1_000),
            assistant("a" * 1_000, call),
            ToolTurn((ToolResult("call_1", "look_up", "r" * 1_000),)),
        ),
        (ToolSpec("look_up", "d" * 1_000, {"type": "object", "x": ["s" * 500, {"y": "t" * 500}]}),),
    )

    assert 5_000 <= size_of(request) - 1_000 <= 5_250


def test_an_image_does_not_count_by_its_bytes() -> None:
    @attrs.frozen
    class Picture:
        data: bytes
        media_type: str = "image/png"

    @attrs.frozen
    class Turn:
        parts: tuple[Picture, ...]

    request: Any = attrs.evolve(Request(()), turns=(Turn((Picture(b"x" * 10**6),)),))
    assert 4_000 <= size_of(request) <= 4_100


def test_an_empty_request_is_not_nothing() -> None:
    assert size_of(Request(())) > 0


# Books: any calls below any budgets, in any order


@attrs.define
class Trial:
    """A call below some budgets, and what is known of it now."""

    below: list[Books]
    known: Spending
    ended: bool = False

    def change(self, known: Spending) -> None:
        for book in self.below:
            book.change(self.known, known)
        self.known = known

    def check(self, *, is_complete: bool) -> None:
        """Ask each budget whether to stop, and end if it is complete."""
        for book in self.below:
            is_over = book.allowance.exceeded_by(book.used) is not None
            goes_on = not is_complete or book.running > 1
            assert book.must_stop(is_complete=is_complete) == (is_over and goes_on)
            assert not is_over or book.limit is not None
        self.ended = is_complete
        for book in self.below if is_complete else ():
            book.end()


def begin(below: list[Books], first: Spending) -> Trial | None:
    """A call, unless one of the budgets refuses it."""
    admitted = [book.admit(first) for book in below]
    assert admitted == [book.allowance.exceeded_by(book.used + first) is None for book in below]
    if not all(admitted):
        return None
    for book in below:
        book.begin(first)
    return Trial(below, first)


LIMITS = st.one_of(st.none(), st.integers(0, 30))
SMALL = st.integers(0, 9)
CALLS = st.builds(Spending, st.just(1), SMALL, SMALL, SMALL.map(Decimal))


@st.composite
def chains(draw: st.DrawFn) -> list[list[Books]]:
    """Nested budgets: for each one itself, with those around it before it."""
    found: list[list[Books]] = []
    for _ in range(draw(st.integers(1, 5))):
        around = draw(st.sampled_from([[], *found]))
        allowance = Allowance(calls=draw(LIMITS), tokens=draw(LIMITS), cost=draw(LIMITS))
        found.append([*around, Books(allowance)])
    return found


@given(chains(), st.data())
def test_in_any_order_each_budget_holds_the_sum_of_the_calls_below_it(
    chains: list[list[Books]], data: st.DataObject
) -> None:
    trials: list[Trial] = []
    for _ in range(data.draw(st.integers(0, 25))):
        going = [trial for trial in trials if not trial.ended]
        if not going or data.draw(st.booleans()):
            trial = begin(data.draw(st.sampled_from(chains)), data.draw(CALLS))
            trials += [] if trial is None else [trial]
        else:
            trial = data.draw(st.sampled_from(going))
            trial.change(data.draw(CALLS))
            trial.check(is_complete=data.draw(st.booleans()))

        for book in (chain[-1] for chain in chains):
            below = [trial for trial in trials if book in trial.below]
            assert book.used == sum((trial.known for trial in below), Spending())
            assert book.running == sum(not trial.ended for trial in below)
