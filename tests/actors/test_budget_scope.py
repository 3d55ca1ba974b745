"""Budgets as scopes, on virtual time: what is counted, who is stopped, and what is left alone."""

# ruff: noqa: ARG001 - virtual time comes as an argument; a fake uses none

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from budget_parts import CHEAP, COUNTED, HI, WORDS, asked, complete_in, provider, read

from actors.budget import (
    PRICES,
    Budget,
    Price,
    Spending,
    fail_after,
    fail_after_calls,
    fail_after_cost,
    fail_after_tokens,
    metered,
    move_on_after_calls,
    move_on_after_cost,
    move_on_after_tokens,
)
from actors.chat import Request, StreamResponse, user
from actors.errors import (
    BudgetSpent,
    LimitReached,
    UnknownPrice,
)
from actors.providers import (
    ProviderHandle,
    pause,
    say,
    script,
    stall,
    usage,
)
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from trio.testing import MockClock

# One scope


async def test_a_spent_budget_stops_the_stream_and_leaves_the_block() -> None:
    with assert_no_leaks():
        async with provider(WORDS) as model:
            stream = model.stream(HI)
            with move_on_after_tokens(50) as budget:
                await read(stream)
                raise AssertionError
            assert (budget.spent, budget.limit, budget.cancelled_caught) == (True, "tokens", True)
            assert 50 < budget.used.tokens <= 52
            assert stream.response.text == "word " * 33
            assert model.ref.statistics().state == "running"


async def test_a_budget_that_suffices_changes_nothing() -> None:
    async with provider(COUNTED) as model:
        with fail_after_tokens(30) as budget:
            response = await model.complete(HI)
    assert response.is_complete
    assert budget.used == Spending(1, 20, 10, None)
    assert (budget.spent, budget.limit, budget.cancelled_caught) == (False, None, False)


async def test_failing_says_what_was_used() -> None:
    async with provider(WORDS) as model:
        with pytest.raises(BudgetSpent, match=r"budget of 50 tokens is spent: 51 tokens") as caught:
            await complete_in(fail_after_tokens(50), model)
    error = caught.value
    assert (error.limit, error.calls, error.tokens, error.cost) == ("tokens", 1, 51, None)
    assert isinstance(error.scope, Budget)
    assert isinstance(error, LimitReached)
    assert error.__cause__ is None
    assert error.__suppress_context__


async def test_money_is_counted_by_the_price_of_the_model() -> None:
    async with provider(COUNTED, WORDS) as model:
        with fail_after_cost(0.00012, prices=CHEAP) as budget:
            await model.complete(HI)
        assert budget.used.cost == Price(1, 10).cost(budget_usage(budget))

        with move_on_after_cost("0.0002", prices=CHEAP) as budget:
            await model.complete(HI)
        assert budget.limit == "cost"
        assert budget.used.cost is not None
        assert 0.0002 < budget.used.cost < 0.000225


def budget_usage(budget: Budget) -> Any:
    used = budget.used
    return usage(used.input_tokens, used.output_tokens).usage


@pytest.mark.parametrize("kind", [move_on_after_cost, fail_after_cost])
async def test_a_model_without_a_price_is_refused_before_it_is_asked(kind: Any) -> None:
    async with provider(WORDS) as model:
        with kind(1) as budget, pytest.raises(UnknownPrice, match=r"'scripted:test': Price"):
            await model.complete(HI)
        assert await asked(model) == 0
        assert budget.used == Spending()
        assert not budget.spent


async def test_a_call_beyond_the_last_one_is_not_made() -> None:
    async with provider(COUNTED) as model:
        with move_on_after_calls(2) as budget:
            for _ in range(2):
                await model.complete(HI)
            assert not budget.spent
            await model.complete(HI)
        assert (budget.limit, budget.cancelled_caught) == ("calls", True)
        assert budget.used.calls == await asked(model) == 2

        with pytest.raises(BudgetSpent), fail_after_calls(0):
            await model.complete(HI)
        assert await asked(model) == 2


async def test_a_request_that_alone_is_too_long_is_not_sent() -> None:
    async with provider(WORDS) as model:
        with move_on_after_tokens(100) as budget:
            await model.complete([user("word " * 100)])
        assert budget.cancelled_caught
        assert budget.used == Spending()
        assert await asked(model) == 0


async def test_an_answer_that_is_complete_is_not_taken_away() -> None:
    much = script("Hello", usage(9_000, 1_000), repeat=True)
    async with provider(much) as model:
        with move_on_after_tokens(5_000) as budget:
            assert (await model.complete(HI)).text == "Hello"
            assert budget.spent
            await model.complete(HI)
            raise AssertionError
        assert budget.cancelled_caught
        assert budget.used.tokens == 10_000
        assert await asked(model) == 1


async def test_failing_does_not_keep_silent_about_a_complete_answer_that_was_too_dear() -> None:
    budget = Budget(tokens=5_000)
    async with provider(script("Hello", usage(9_000, 1_000))) as model:
        with pytest.raises(BudgetSpent):
            await complete_in(fail_after(budget), model)
    assert not budget.cancelled_caught


async def test_several_limits_stand_in_one_budget() -> None:
    async with provider(COUNTED) as model:
        with Budget(calls=5, tokens=70, cost=1, prices=CHEAP) as budget:
            while True:
                await model.complete(HI)
    assert (budget.limit, budget.used.calls) == ("tokens", 3)


async def test_an_error_of_the_block_is_not_hidden_by_a_spent_budget() -> None:
    async with provider(COUNTED) as model:
        with pytest.raises(ZeroDivisionError):
            await divide_by_zero_in(fail_after_tokens(25), model)


async def divide_by_zero_in(block: AbstractContextManager[Budget], model: ProviderHandle) -> None:
    with block as budget:
        await model.complete(HI)
        assert budget.spent
        _ = 1 / 0


async def test_a_budget_is_for_one_block() -> None:
    with move_on_after_calls(1) as budget:
        pass
    with pytest.raises(RuntimeError, match="make another one"), budget:
        pass


async def test_a_budget_tells_its_state() -> None:
    async with provider(COUNTED) as model:
        with Budget(tokens=100, cost=0.5, prices=CHEAP) as budget:
            await model.complete(HI)
            assert repr(budget) == (
                "<Budget(tokens=100, cost=0.5) 30 tokens in 1 call for 0.00012 dollars>"
            )


async def test_what_is_not_below_it_is_not_counted() -> None:
    async with provider(WORDS) as model, model.stream(HI) as stream:
        with move_on_after_tokens(1) as budget:
            async for _ in stream:
                pass
    assert budget.used == Spending()
    assert stream.response.is_complete


async def test_without_a_budget_a_provider_sends_to_the_very_sink_it_was_given() -> None:
    sink: Any = object()
    async with metered(sink, "any", Request(())) as out:
        assert out is sink


# Nested


async def test_the_inner_one_stops_what_is_inside_and_counts_outside() -> None:
    async with provider(WORDS) as model:
        with fail_after_tokens(1_000) as outer:
            inner = await complete_in(move_on_after_tokens(50), model)
            assert inner.cancelled_caught
            assert outer.used == inner.used
            await model.complete(HI)
            assert outer.used.calls == 2
    assert inner.used.calls == 1


async def test_the_outer_one_stops_both_if_it_is_the_tighter() -> None:
    inner = Budget(tokens=1_000)
    async with provider(WORDS) as model:
        with move_on_after_tokens(50) as outer:
            await complete_in(fail_after(inner), model)
            raise AssertionError
    assert (outer.cancelled_caught, inner.cancelled_caught) == (True, False)
    assert (outer.spent, inner.spent) == (True, False)


async def test_where_both_are_spent_the_outer_one_is_left() -> None:
    outer, inner = Budget(tokens=50), Budget(tokens=50)
    async with provider(WORDS) as model:
        with outer:
            await complete_in(fail_after(inner), model)
            raise AssertionError
    assert outer.cancelled_caught
    assert inner.spent
    assert not inner.cancelled_caught


async def test_what_is_learnt_of_a_model_inside_is_known_outside() -> None:
    bytes_are_tokens = script(say("x" * 2_000, pieces=10), usage(10, 2_000), repeat=True)
    async with provider(bytes_are_tokens, bytes_are_tokens, script(say("x" * 2_000), stall())) as m:
        with Budget() as outer:
            for _ in range(2):
                await complete_in(Budget(), m)
            async with m.stream(HI) as stream:
                await anext(stream)
    assert outer.used.output_tokens - 4_000 > 1_500  # by the rule of thumb it would be 500


async def test_prices_that_are_given_outside_hold_inside_unless_others_are_given() -> None:
    async with provider(COUNTED) as model:
        with Budget(prices=CHEAP) as outer:
            inner = await complete_in(fail_after_cost(1), model)
            other = PRICES.with_prices({"scripted:*": Price(10, 100)})
            another = await complete_in(fail_after_cost(1, prices=other), model)
            assert inner.used.cost == Decimal("0.00012")
            assert another.used.cost == Decimal("0.0012")
    assert outer.used.cost == Decimal("0.00024")


# Several tasks


async def test_tasks_below_one_budget_count_together_and_stop_together() -> None:
    responses = [StreamResponse() for _ in range(5)]
    async with provider(WORDS) as model:

        async def listen(number: int) -> None:
            stream = model.stream(HI)
            responses[number] = stream.response
            await read(stream)

        with move_on_after_tokens(200) as budget:
            async with trio.open_nursery() as nursery:
                for number in range(5):
                    nursery.start_soon(listen, number)
    assert (budget.cancelled_caught, budget.used.calls) == (True, 5)
    assert 200 < budget.used.tokens <= 210
    assert [0 < response.chunk_count < 100 for response in responses] == [True] * 5


async def test_an_answer_that_spends_the_budget_stops_one_that_is_silent(
    autojump_clock: MockClock,
) -> None:
    silent = script(pause(50), "late")
    dear = script(pause(1), "Hello", usage(9_000, 1_000))
    async with provider(silent, dear) as model:
        with move_on_after_tokens(5_000) as budget:
            async with trio.open_nursery() as nursery:
                for _ in range(2):
                    nursery.start_soon(model.complete, HI)
                    await trio.testing.wait_all_tasks_blocked()
    assert budget.cancelled_caught
    assert trio.current_time() - 1 == pytest.approx(0)


async def test_a_task_beyond_the_reach_of_the_cancel_gets_the_error(
    autojump_clock: MockClock,
) -> None:
    async with provider(WORDS) as model:

        async def ask() -> None:
            with pytest.raises(BudgetSpent) as caught:
                await model.complete(HI)
            assert caught.value.scope is budget

        async with trio.open_nursery() as around:
            with move_on_after_tokens(50) as budget:
                around.start_soon(ask)
                await trio.sleep_forever()
    assert budget.cancelled_caught


async def test_a_shield_inside_keeps_the_cancel_out_but_not_the_end_of_the_budget(
    autojump_clock: MockClock,
) -> None:
    async with provider(WORDS) as model:
        with move_on_after_tokens(50) as budget, trio.CancelScope(shield=True):
            await model.complete(HI)
        assert budget.cancelled_caught
        shielded = trio.CancelScope(shield=True)
        with pytest.raises(BudgetSpent), fail_after_tokens(50), shielded:
            await model.complete(HI)


async def test_of_a_group_only_what_is_its_own_is_taken_out(autojump_clock: MockClock) -> None:
    async def ask(model: ProviderHandle) -> None:
        with trio.CancelScope(shield=True):
            await model.complete(HI)

    async def break_down() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("mine")

    async with provider(WORDS) as model:
        with pytest.raises(ExceptionGroup) as caught:
            await in_one_nursery(move_on_after_tokens(50), partial(ask, model), break_down)
        assert [str(error) for error in caught.value.exceptions] == ["mine"]

        budget = move_on_after_tokens(50)
        await in_one_nursery(budget, partial(ask, model))
        assert budget.cancelled_caught


async def in_one_nursery(budget: Budget, *functions: Callable[[], Awaitable[None]]) -> None:
    with budget:
        async with trio.open_nursery() as nursery:
            for function in functions:
                nursery.start_soon(function)


async def test_another_run_in_a_thread_counts_and_is_stopped_by_the_error() -> None:
    async def other_run() -> str:
        async with provider(WORDS) as model:
            try:
                await model.complete(HI)
            except BudgetSpent as error:
                return error.limit
        return ""

    with move_on_after_tokens(50) as budget:
        limit = await trio.to_thread.run_sync(trio.run, other_run)
        assert limit == "tokens"
        await trio.sleep(5)
    assert budget.cancelled_caught
