"""Budgets in the options of an agent: a run that spends its own ends as "limit hit", everywhere."""

from __future__ import annotations

import pytest
import trio.testing
from agents_scripted import (
    assert_next_turn_is_accepted,
    assert_one_truth,
    assert_sendable,
    collect,
    requests_of,
    scripted,
)

from actors import AgentOptions
from actors.agents import RunLimits
from actors.budget import PRICES, Price, move_on_after_tokens
from actors.chat import Outcome
from actors.errors import BudgetSpent, UnknownPrice
from actors.providers import call, say, script, usage
from runtime import open_system
from runtime.testing import assert_no_leaks

LONG = script(say("word " * 100, pieces=100))
FINE = script("Fine.", usage(10, 2), repeat=True)
DEAR = PRICES.with_prices({"scripted:test": Price(1_000, 10_000)})


def limited(tokens: int | None = None, cost: float | None = None) -> AgentOptions:
    return AgentOptions(limits=RunLimits(tokens=tokens, cost=cost, prices=DEAR))


@pytest.mark.parametrize(
    ("options", "limit"), [(limited(tokens=80), "tokens"), (limited(cost=0.5), "cost")]
)
async def test_a_run_that_spends_its_budget_has_hit_a_limit(
    options: AgentOptions, limit: str
) -> None:
    with assert_no_leaks():
        async with scripted(LONG, FINE, options=options) as agent:
            async with agent.stream("Go") as run:
                with pytest.raises(BudgetSpent) as caught:
                    await collect(run)
            assert caught.value.limit == limit
            assert 0 < run.response.chunk_count < 100
            await assert_one_truth(agent, run, Outcome.LIMIT)
            assert_sendable(await agent.history())


async def test_each_run_has_a_budget_of_its_own() -> None:
    async with scripted(FINE, options=limited(tokens=80)) as agent:
        for _ in range(8):
            assert (await agent.run("Go")).text == "Fine."


async def test_a_run_that_is_done_is_not_failed_for_what_its_last_answer_cost() -> None:
    async with scripted(script("Fine.", usage(100, 100)), options=limited(tokens=50)) as agent:
        async with agent.stream("Go") as run:
            await collect(run)
        await assert_one_truth(agent, run, Outcome.DONE)


async def test_what_an_agent_that_is_a_tool_uses_is_used_by_the_run() -> None:
    async with open_system() as system, scripted(LONG, FINE, system=system) as helper:

        async def consult(question: str) -> str:
            """Ask somebody else."""
            return (await helper.run(question)).text

        answers = script(call("consult", question="Hi")), FINE
        options = limited(tokens=100)
        async with scripted(*answers, tools=(consult,), options=options, system=system) as agent:
            async with agent.stream("Help me") as run:
                with pytest.raises(BudgetSpent):
                    await collect(run)
            await assert_one_truth(agent, run, Outcome.LIMIT)
            assert len(await requests_of(agent)) == 1
            await trio.testing.wait_all_tasks_blocked()
            assert_sendable(await helper.history())
            await assert_next_turn_is_accepted(agent)


async def test_the_tighter_of_the_runs_budget_and_the_callers_decides() -> None:
    async with scripted(LONG, LONG, options=limited(tokens=80)) as agent:
        run = agent.stream("Go")
        with move_on_after_tokens(60) as budget:
            async with run:
                await collect(run)
        assert budget.cancelled_caught
        await assert_one_truth(agent, run, Outcome.CANCELLED)

        run = agent.stream("Go")
        with move_on_after_tokens(1_000) as budget:
            async with run:
                with pytest.raises(BudgetSpent):
                    await collect(run)
        assert not budget.spent
        await assert_one_truth(agent, run, Outcome.LIMIT)


async def test_a_run_with_a_limit_of_money_needs_a_price() -> None:
    options = AgentOptions(limits=RunLimits(cost=1))
    async with scripted(FINE, options=options) as agent:
        async with agent.stream("Go") as run:
            with pytest.raises(UnknownPrice, match="scripted:test"):
                await collect(run)
        await assert_one_truth(agent, run, Outcome.FAILED)
        assert await requests_of(agent) == ()
