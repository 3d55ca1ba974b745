"""Budgets on real sockets: a spent one closes them, a refused call opens none, books stay right."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from actors import open_agent
from actors.budget import Budget, Spending, fail_after, move_on_after_calls, move_on_after_tokens
from actors.chat import Outcome, user
from actors.errors import BudgetSpent, ProviderUnauthorized
from actors.providers import Model, ProviderHandle, open_provider, say, stall, usage
from actors.testing import FakeOpenAI, answer, error, open_fake_openai
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from actors.testing import FakeAnswer

HI = [user("Hi")]
ENDLESS = answer(say("word " * 2_000, pieces=2_000), slow=0.001)
SHORT = answer(say("word " * 4, pieces=4), usage(20, 5))
SECONDS = 5  # until a server must have seen what happened; it takes milliseconds


def model_of(server: FakeOpenAI) -> Model:
    return Model("openai:gpt-4o-mini", base_url=server.base_url, api_key="k")


@asynccontextmanager
async def served(*answers: FakeAnswer) -> AsyncGenerator[tuple[FakeOpenAI, ProviderHandle]]:
    async with (
        open_fake_openai(*answers) as server,
        open_provider(model_of(server)) as provider,
    ):
        yield server, provider


async def test_the_server_sees_the_close_when_the_budget_is_spent() -> None:
    with assert_no_leaks():
        async with served(ENDLESS) as (server, provider):
            with move_on_after_tokens(50) as budget:
                await provider.complete(HI)
            assert budget.cancelled_caught
            with trio.fail_after(SECONDS):
                await server.requests[0].closed.wait()
            assert not server.requests[0].finished


async def test_the_socket_is_closed_though_the_cancel_is_kept_out() -> None:
    async with served(ENDLESS) as (server, provider):
        with move_on_after_tokens(50) as budget, trio.CancelScope(shield=True):
            async with provider.stream(HI) as stream:
                try:
                    async for _ in stream:
                        pass
                except BudgetSpent:
                    assert server.requests[0].closed.is_set()
                    raise
        assert budget.cancelled_caught


async def test_money_stops_a_real_stream_by_the_table_that_comes_with_us() -> None:
    async with served(ENDLESS) as (server, provider):
        budget = Budget(cost="0.0001")  # some 160 tokens at 60 cents a million
        with budget:
            await provider.complete(HI)
        assert budget.limit == "cost"
        assert 150 < budget.used.output_tokens < 250
        with trio.fail_after(SECONDS):
            await server.requests[0].closed.wait()


async def test_a_call_that_is_refused_opens_no_socket() -> None:
    async with served(SHORT) as (server, provider):
        for budget in (Budget(calls=0), Budget(tokens=5), Budget(cost="0.000001")):
            with budget:
                await provider.complete(HI)
            assert budget.cancelled_caught
            assert budget.used == Spending()
        assert server.connections == 0
        assert server.requests == []


async def test_the_providers_count_corrects_the_estimate() -> None:
    async with served(SHORT) as (_, provider):
        with Budget() as budget:
            await provider.complete(HI)
    assert (budget.used.calls, budget.used.input_tokens, budget.used.output_tokens) == (1, 20, 5)


async def test_a_call_that_the_server_refuses_costs_nothing() -> None:
    async with served(error(401, "no"), SHORT) as (_, provider):
        with Budget() as budget:
            try:
                await provider.complete(HI)
            except ProviderUnauthorized:
                assert budget.used == Spending(1)
            await provider.complete(HI)
    assert budget.used.tokens == 25


async def test_a_retry_is_the_same_call() -> None:
    async with served(error(503, "busy", retry_after="0"), SHORT) as (server, provider):
        with Budget(calls=1) as budget:
            await provider.complete(HI)
    assert len(server.requests) == 2
    assert not budget.spent
    assert (budget.used.calls, budget.used.tokens) == (1, 25)


async def test_a_silent_stream_is_closed_when_another_has_spent_the_budget() -> None:
    async with served(answer(stall()), ENDLESS) as (server, provider):
        with move_on_after_tokens(100) as budget:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(provider.complete, HI)
                while not server.requests:  # noqa: ASYNC110 - the first must get the first answer
                    await trio.sleep(0.001)
                nursery.start_soon(provider.complete, HI)
        assert budget.cancelled_caught
        with trio.fail_after(SECONDS):
            for request in server.requests:
                await request.closed.wait()


async def test_an_agent_goes_on_after_a_run_that_was_too_dear() -> None:
    async with open_fake_openai(ENDLESS, SHORT) as server, open_agent(model_of(server)) as agent:
        run = agent.stream("Go")
        with move_on_after_tokens(60) as budget:
            async with run:
                async for _ in run:
                    pass
        assert budget.cancelled_caught
        assert run.outcome is Outcome.CANCELLED
        with move_on_after_calls(1):
            assert (await agent.run("And?")).text == "word " * 4


async def test_random_cancels_under_contention_leave_the_books_right_and_the_pool_usable() -> None:
    dice = random.Random(7)  # noqa: S311 - dice
    talking = answer(say("word " * 40, pieces=40), usage(20, 50), slow=0.0002)
    total = Budget()
    inner: list[Budget] = []

    async def ask(provider: ProviderHandle) -> None:
        budget = Budget(tokens=dice.choice([None, 15, 40, 100]), calls=2)
        inner.append(budget)
        with trio.move_on_after(dice.random() * 0.8), budget:
            for _ in range(dice.randrange(1, 4)):
                await provider.complete(HI)

    with assert_no_leaks():
        async with served(talking) as (server, provider):
            with total:
                for _ in range(10):
                    async with trio.open_nursery() as nursery:
                        for _ in range(20):
                            nursery.start_soon(ask, provider)
            with fail_after(Budget(calls=1)) as last:
                assert (await provider.complete(HI)).text == "word " * 40
            with trio.fail_after(SECONDS):
                for request in server.requests:
                    if not request.finished:
                        await request.closed.wait()
    assert last.used.tokens == 70
    assert total.used == sum((budget.used for budget in inner), Spending())
    assert len(server.requests) - 1 <= total.used.calls
    assert "running" not in repr(total)
    kinds = {(budget.spent, budget.cancelled_caught, budget.used.calls) for budget in inner}
    assert len(kinds) >= 5, kinds  # some were cut short by us, some by their budget, some ended
