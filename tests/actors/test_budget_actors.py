"""Budgets through actors, on virtual time; and what the books say after faults and cancels."""

# ruff: noqa: ARG001, ARG002 - virtual time comes as an argument; a fake uses none

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.testing
from agents_scripted import (
    assert_next_turn_is_accepted,
    assert_one_truth,
    collect,
    entries_of,
    requests_of,
    scripted,
)
from budget_parts import COUNTED, HI, SENT, WORDS, provider

from actors.budget import (
    PRICES,
    Budget,
    Price,
    Spending,
    fail_after_tokens,
    metered,
    metered_embedding,
    move_on_after_calls,
    move_on_after_tokens,
)
from actors.chat import Outcome, Request, StreamChunk, Usage, user
from actors.errors import (
    BudgetSpent,
    CircuitOpen,
    ProviderError,
    ProviderOverloaded,
    ProviderUnavailable,
)
from actors.journal import RunEnded
from actors.providers import (
    Fallback,
    Generate,
    Model,
    ProviderApi,
    ProviderHandle,
    Race,
    Script,
    call,
    fail,
    open_provider,
    pause,
    say,
    script,
    stall,
    start_provider,
)
from runtime import Actor, Ask, Ref, RuntimeFault, Sink, System, Tell, open_system
from runtime.testing import cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from trio.testing import MockClock

# Through actors


class Desk:
    """Whoever passes a question on."""


@attrs.frozen
class Question(Ask[Desk, str]):
    text: str


@attrs.frozen
class Note(Tell[Desk]):
    text: str


class Clerk(Actor, Desk):
    """Asks the next one, or in the end the model."""

    def __init__(self, below: Ref[Desk] | Ref[ProviderApi], tokens: int | None = None) -> None:
        self._below: Ref[Any] = below
        self._tokens = tokens
        self.errors: list[RuntimeFault] = []

    @Question.handles
    async def question(self, message: Question) -> str:
        with Budget(tokens=self._tokens) as budget:
            return await self.pass_on(message.text)
        return f"spent {budget.used.calls}"

    async def pass_on(self, text: str) -> str:
        if "model" not in self._below.path:
            return await self._below.ask(Question(text))
        return (await ProviderHandle(self._below).complete([user(text)])).text

    @Note.handles
    async def note(self, message: Note) -> None:
        try:
            await self.pass_on(message.text)
        except BudgetSpent as error:
            self.errors.append(error)


@asynccontextmanager
async def desks(
    *scripts: Script, tokens: int | None = None
) -> AsyncGenerator[tuple[System, Ref[Clerk]]]:
    """Three clerks above a model; the last but one may have a budget of its own."""
    async with open_system() as system:
        model = await start_provider(system, Model("scripted:test", script=scripts), name="model")
        low = await system.spawn(Clerk, model, name="low")
        middle = await system.spawn(Clerk, low, tokens, name="middle")
        yield system, await system.spawn(Clerk, middle, name="high")


async def test_a_budget_reaches_through_three_actors_and_so_does_its_end() -> None:
    async with desks(WORDS) as (system, high):
        with move_on_after_tokens(50) as budget:
            await high.ask(Question("Hi"))
        assert budget.cancelled_caught
        assert budget.used.calls == 1
        for child in system.tree().children:
            assert child.statistics is not None
            assert child.statistics.handling == ()
        assert await high.ask(Question("Hi")) == "word " * 100


async def test_a_budget_in_a_handler_ends_the_work_and_not_the_answer() -> None:
    async with desks(WORDS, tokens=50) as (_, high):
        with fail_after_tokens(1_000) as budget:
            assert await high.ask(Question("Hi")) == "spent 1"
        assert 50 < budget.used.tokens <= 52


async def test_models_that_race_count_each_and_a_spent_budget_stops_them_all(
    autojump_clock: MockClock,
) -> None:
    fast = Model("scripted:fast", script=script(pause(1), say("word " * 100, pieces=100)))
    slow = Model("scripted:slow", script=script(pause(2), "late"))
    async with open_provider(Race(fast, slow)) as model:
        with move_on_after_tokens(50) as budget:
            await model.complete(HI)
    assert (budget.cancelled_caught, budget.used.calls) == (True, 2)


async def test_the_next_model_is_not_asked_for_what_the_first_has_spent() -> None:
    first = Model("scripted:first", script=WORDS)
    async with open_provider(Fallback(first, "scripted:echo")) as model:
        with move_on_after_tokens(50) as budget:
            await model.complete(HI)
        assert (budget.cancelled_caught, budget.used.calls) == (True, 1)
        with fail_after_tokens(1_000), pytest.raises(BudgetSpent), fail_after_tokens(5):
            await model.complete(HI)


async def test_work_that_was_told_counts_after_the_block_and_fails_by_the_error(
    autojump_clock: MockClock,
) -> None:
    async with desks(WORDS) as (system, _):
        model = system.whereis("/model", ProviderApi)
        assert model is not None
        clerks = list[Clerk]()

        def make() -> Clerk:
            clerks.append(Clerk(model))
            return clerks[0]

        clerk = await system.spawn(make)
        with fail_after_tokens(50) as budget:
            await clerk.tell(Note("Hi"))
        await trio.testing.wait_all_tasks_blocked()
        assert budget.spent
        assert [type(error) for error in clerks[0].errors] == [BudgetSpent]


async def test_a_run_of_an_agent_below_a_spent_budget_is_cancelled_and_says_why() -> None:
    async with scripted(WORDS) as agent:
        run = agent.stream("Hi")
        with move_on_after_tokens(60) as budget:
            async with run:
                await collect(run)
        assert budget.cancelled_caught
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        await assert_next_turn_is_accepted(agent)


async def test_agents_that_are_tools_of_agents_count_for_whoever_asked() -> None:
    async with open_system() as system, scripted(WORDS, system=system) as helper:

        async def consult(question: str) -> str:
            """Ask somebody else."""
            return (await helper.run(question)).text

        answers = script(call("consult", question="Hi")), script("Thanks")
        async with scripted(*answers, tools=(consult,), system=system) as agent:
            with move_on_after_calls(2) as budget:
                await agent.run("Help me")
            assert budget.cancelled_caught
            assert budget.used.calls == 2
            assert (len(await requests_of(agent)), len(await requests_of(helper))) == (1, 1)


async def test_however_many_streams_are_in_between_the_cancel_comes_before_the_error() -> None:
    async with open_system() as system, scripted(WORDS, system=system) as helper:

        async def consult(question: str) -> str:
            """Ask somebody else."""
            return (await helper.run(question)).text

        calls = script(call("consult", question="Hi"), repeat=True)
        async with scripted(calls, tools=(consult,), system=system) as agent:
            for _ in range(20):  # trio runs what is ready in any order
                run = agent.stream("Help me")
                with Budget(
                    cost="0.05", prices=PRICES.with_prices({"scripted:*": Price(0, 1_000)})
                ):
                    async with run:
                        await collect(run)
                assert run.outcome is Outcome.CANCELLED
        ends = [entry for entry in await entries_of(helper) if isinstance(entry, RunEnded)]
        assert {end.outcome for end in ends} == {Outcome.CANCELLED}
        assert len(ends) == 20


# The books after faults


async def test_a_call_that_the_provider_refused_is_a_call_and_no_more() -> None:
    async with provider(script(fail(ProviderUnavailable("busy"))), COUNTED) as model:
        with Budget() as budget:
            with pytest.raises(ProviderUnavailable):
                await model.complete(HI)
            assert budget.used == Spending(1, cost=None)
            await model.complete(HI)
    assert budget.used == Spending(2, 20, 10, None)


@pytest.mark.parametrize("kind", [CircuitOpen, ProviderOverloaded])
async def test_a_call_that_was_never_sent_does_not_count(kind: type[ProviderError]) -> None:
    sink: Any = None
    with Budget() as budget:
        with pytest.raises(kind):
            async with metered(sink, "any", Request(())):
                raise kind("not now")
        assert budget.used == Spending(cost=None)
        assert "running" not in repr(budget)


async def test_a_call_that_failed_later_has_used_what_had_come(autojump_clock: MockClock) -> None:
    broken = script(say("word " * 8), fail(ProviderUnavailable("busy")))
    async with provider(broken, script(stall())) as model:
        with Budget() as budget:
            with pytest.raises(ProviderUnavailable):
                await model.complete(HI)
            assert budget.used == Spending(1, SENT, 10, None)
            with trio.move_on_after(1):
                await model.complete(HI)
    assert budget.used == Spending(2, 2 * SENT, 10, None)  # it may have been worked on


async def test_what_has_arrived_counts_though_nobody_takes_it(autojump_clock: MockClock) -> None:
    class Full:
        taken = 0

        async def send(self, item: StreamChunk) -> None:
            await trio.sleep_forever()

        async def send_many(self, items: Sequence[StreamChunk]) -> None:
            await trio.sleep_forever()

    with Budget() as budget:
        for _ in range(2):
            with trio.move_on_after(1):
                async with metered(Full(), "any", Request(())) as out:
                    await out.send(StreamChunk("word " * 8))
            with trio.move_on_after(1):
                async with metered(Full(), "any", Request(())) as out:
                    await out.send_many([StreamChunk("word " * 8)] * 2)
    assert (budget.used.calls, budget.used.output_tokens) == (4, 60)


async def test_a_provider_of_ones_own_is_counted_if_it_says_so() -> None:
    class Own(Actor, ProviderApi):
        @Generate.handles(concurrent=True)
        async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
            async with metered(out, "own:model", message.request) as counted:
                assert counted.taken == 0
                for _ in range(100):
                    await counted.send(StreamChunk("word "))
                await counted.send_many([StreamChunk(is_final=True)])

    async with open_system() as system:
        model = ProviderHandle(await system.spawn(Own))
        with move_on_after_tokens(50) as budget:
            await model.complete(HI)
        assert budget.cancelled_caught
        assert (await model.complete(HI)).text == "word " * 100


async def embed(texts: list[str], usage: Usage) -> None:
    async with metered_embedding("openai:text-embedding-3-small", texts) as count:
        await trio.lowlevel.checkpoint()
        count(usage)


async def test_texts_that_become_vectors_count_by_what_is_sent() -> None:
    await embed(["nobody counts"], Usage(4))
    with Budget(cost=1) as budget:
        await embed(["word " * 8, "word " * 8], Usage())
        assert (budget.used.calls, budget.used.tokens) == (1, 20)
        await embed(["word " * 8], Usage(9))
    assert (budget.used.calls, budget.used.tokens) == (2, 29)
    assert budget.used.cost == Decimal("0.00000058")

    with move_on_after_tokens(25) as budget:
        await embed(["word " * 8], Usage(30))  # found out when it is there
        assert budget.spent
        await embed(["word"], Usage(1))
        raise AssertionError
    assert budget.cancelled_caught
    assert (budget.used.calls, budget.used.tokens) == (1, 30)

    with move_on_after_tokens(25) as budget:
        with pytest.raises(ProviderUnavailable):
            async with metered_embedding("any", ["word " * 8]):
                raise ProviderUnavailable("busy")
        assert budget.used == Spending(1, cost=None)


async def test_vectors_that_spend_the_budget_stop_what_else_goes_on() -> None:
    async with provider(script(stall())) as model:
        with move_on_after_tokens(25) as budget:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(model.complete, HI)
                await trio.testing.wait_all_tasks_blocked()
                await embed(["word "], Usage(30))
    assert budget.cancelled_caught


async def test_wherever_the_caller_is_cancelled_no_call_is_left_in_the_books() -> None:
    budgets = list[Budget]()

    async def scenario() -> None:
        async with scripted(WORDS) as agent:
            outer, inner = Budget(), Budget(tokens=40)
            budgets.extend((outer, inner))
            with outer:
                with inner:
                    await agent.run("Hi")
                await agent.run("Hi")

    await cancel_everywhere(scenario)

    assert len(budgets) > 60  # two for each checkpoint that was cancelled
    assert [budget for budget in budgets if "running" in repr(budget)] == []
    for outer, inner in zip(budgets[::2], budgets[1::2], strict=True):
        assert outer.used.calls >= inner.used.calls
        assert outer.used.tokens >= inner.used.tokens
