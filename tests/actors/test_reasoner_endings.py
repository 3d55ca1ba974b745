"""However a reasoner's run ends, nothing of it goes on, and its trace has what was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from reasoners import (
    ACTING,
    TREE,
    Busy,
    Rival,
    acting_model,
    collect,
    look_up,
    start,
    thinking,
    tree_model,
)

from actors.agents import (
    Reasoner,
    ReasonerHandle,
    ReasonerOptions,
    ReasonerSetup,
    ReasoningLimits,
    ReasoningRun,
    open_reasoner,
)
from actors.budget import move_on_after_tokens
from actors.chat import FinishReason, Outcome, StreamChunk, Thought
from actors.errors import (
    BudgetSpent,
    ConfigurationError,
    LimitReached,
    ProviderRejected,
    StreamTruncated,
)
from actors.providers import (
    Generate,
    Model,
    ProviderApi,
    crash,
    fail,
    finish,
    pause,
    say,
    script,
    stall,
    truncate,
    usage,
)
from actors.reasoning import (
    CallStatus,
    ChainOfThought,
    ReAct,
    ReasoningTrace,
    Select,
    SelfConsistency,
)
from runtime import Actor, ActorCrashed, ActorRestarting, Sink, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock

    from actors.providers import Script

CHAIN = say("Sure.\nStep 1: two and two\nEvidence: a\nConfidence: 0.9\nAnswer: 4", pieces=12)


def model_of(*scripts: Script) -> Model:
    return Model("scripted:test", script=scripts)


def limited(**limits: int) -> ReasonerOptions:
    return ReasonerOptions(ReasoningLimits(**limits))  # type: ignore[arg-type]


async def test_leaving_early_stops_everything_and_the_trace_has_what_was_taken() -> None:
    with assert_no_leaks():
        busy = Busy()
        async with thinking(tree_model, ReasonerSetup(TREE), busy) as reasoner:
            async with reasoner.stream("What?") as run:
                async for event in run:
                    if isinstance(event, Thought):
                        break
            assert busy.running == 0
            assert reasoner.ref.statistics().handling == ()

    assert run.outcome is Outcome.CANCELLED
    assert len(run.trace.steps) == 1
    assert run.trace.answer is None
    assert {call.status for call in run.trace.calls} <= {CallStatus.DONE, CallStatus.CANCELLED}
    assert run.trace.duration is not None


async def test_a_call_that_fails_ends_the_run_with_that_error_alone() -> None:
    refused = ProviderRejected("no such model")
    model = model_of(script(fail(refused)), script(stall(), repeat=True))
    with assert_no_leaks():
        async with (
            open_reasoner(model, strategy=SelfConsistency(3)) as reasoner,
            reasoner.stream("What?") as run,
        ):
            with pytest.raises(ProviderRejected) as caught:
                await collect(run)

    assert caught.value is refused
    assert run.outcome is Outcome.FAILED
    assert sorted(call.status for call in run.trace.calls) == ["cancelled", "cancelled", "failed"]


async def test_a_call_that_is_cut_is_no_success_and_its_thoughts_are_kept() -> None:
    model = model_of(script(say("Step 1: a\nStep 2: b", pieces=9), truncate()))
    async with open_reasoner(model) as reasoner, reasoner.stream("What?") as run:
        with pytest.raises(StreamTruncated) as caught:
            await collect(run)
    assert run.outcome is Outcome.TRUNCATED
    assert [step.thought for step in run.trace.steps] == ["a"]
    assert caught.value.partial.text.startswith("Step 1: a")
    assert run.response.thinking.startswith("a\n")


async def test_a_run_that_spends_its_calls_has_hit_a_limit(autojump_clock: MockClock) -> None:
    model = model_of(script(pause(1), "Answer: 1"), script(pause(1), "Answer: 2", repeat=True))
    async with (
        open_reasoner(model, strategy=SelfConsistency(5), options=limited(model_calls=3)) as (
            reasoner
        ),
        reasoner.stream("What?") as run,
    ):
        with pytest.raises(BudgetSpent) as caught:
            await collect(run)
    assert (caught.value.limit, caught.value.calls) == ("calls", 3)
    assert autojump_clock.current_time() < 1  # the fourth call was not waited for
    assert run.outcome is Outcome.LIMIT


async def test_a_run_that_spends_its_tokens_has_hit_a_limit_and_the_next_has_its_own() -> None:
    long = script(say("Step 1: " + "word " * 100, pieces=100))
    short = script("Answer: 4", usage(9, 3))
    options = limited(tokens=150)
    async with open_reasoner(model_of(long, short), options=options) as reasoner:
        async with reasoner.stream("What?") as run:
            with pytest.raises(BudgetSpent):
                await collect(run)
        assert run.outcome is Outcome.LIMIT
        assert run.response.thinking.startswith("word")
        assert (await reasoner.run("What?")).answer == "4"


async def test_a_budget_around_a_reasoner_counts_its_calls() -> None:
    with move_on_after_tokens(100_000) as budget:
        async with thinking(tree_model, ReasonerSetup(TREE)):
            pass
        async with open_reasoner(model_of(script(CHAIN, usage(5, 7)))) as reasoner:
            await reasoner.run("2 + 2?")
    assert (budget.used.calls, budget.used.tokens) == (1, 12)


async def test_too_many_steps_are_a_limit() -> None:
    model = model_of(script("Action: look_up[cat]", repeat=True))
    async with (
        open_reasoner(model, strategy=ReAct(max_steps=2), tools=[look_up]) as reasoner,
        reasoner.stream("What?") as run,
    ):
        with pytest.raises(LimitReached, match=r"ReAct\(max_steps") as caught:
            await collect(run)
    assert (caught.value.limit, run.outcome) == ("max_steps", Outcome.LIMIT)


async def test_a_provider_that_crashes_fails_the_run_and_the_next_one_is_answered() -> None:
    model = model_of(script("Step 1: a", crash()), script("Answer: 4"))
    async with open_reasoner(model) as reasoner:
        async with reasoner.stream("What?") as run:
            with pytest.raises(ActorCrashed):
                await collect(run)
        assert run.outcome is Outcome.FAILED
        with trio.fail_after(10):
            while not (trace := await answer_or_none(reasoner)):  # noqa: ASYNC110 - no event
                await trio.sleep(0.01)
        assert trace.answer == "4"


async def answer_or_none(reasoner: ReasonerHandle) -> ReasoningTrace | None:
    """None while its provider is coming back."""
    try:
        return await reasoner.run("What?")
    except ActorRestarting:
        return None


async def test_a_rule_that_names_nothing_fails_the_run_and_not_the_reasoner() -> None:
    async with open_reasoner("scripted:echo", strategy=Select(rule=lambda _: "guess")) as reasoner:
        with pytest.raises(ConfigurationError, match="guess"):
            await reasoner.run("What?")
        assert reasoner.ref.statistics().state == "running"
        assert (await reasoner.run("Hi", strategy=ChainOfThought())).answer == "Problem: Hi"


async def test_a_length_that_was_hit_is_said_with_the_answer() -> None:
    model = model_of(script("Step 1: a", finish(FinishReason.LENGTH)))
    async with open_reasoner(model) as reasoner, reasoner.stream("What?") as run:
        await collect(run)

    assert run.response.finish_reason is FinishReason.LENGTH
    assert run.trace.calls[0].finish_reason is FinishReason.LENGTH


@pytest.mark.parametrize("setup", [ReasonerSetup(TREE), ACTING], ids=["tree", "react"])
async def test_wherever_a_run_is_cancelled_nothing_of_it_goes_on(setup: ReasonerSetup) -> None:
    busy = Busy()
    runs: list[ReasoningRun] = []
    model = acting_model if setup is ACTING else tree_model
    async with open_system() as system:
        reasoner = await start(system, model, busy, setup)
        await reasoner.run("What?")

        async def scenario() -> None:
            runs.append(reasoner.stream("What?"))
            with assert_no_leaks():
                async with runs[-1] as run:
                    await collect(run)

        async def check() -> None:
            run = runs[-1]
            assert busy.running == 0
            assert reasoner.ref.statistics().handling == ()
            assert run.outcome in {Outcome.CANCELLED, Outcome.DONE, None}
            assert (run.outcome is Outcome.DONE) == (run.trace.answer is not None)
            steps = run.trace.steps
            assert [step.step_number for step in steps] == list(range(1, len(steps) + 1))
            assert CallStatus.RUNNING not in {call.status for call in run.trace.calls}

        assert await cancel_everywhere(scenario, check=check) > 50

    assert {run.outcome for run in runs} >= {Outcome.CANCELLED, Outcome.DONE}


async def test_a_slow_reader_makes_every_call_wait() -> None:
    """Each call has at most what it has in hand; the reader takes nothing."""
    sent = 0

    def choose(_: object) -> Script:
        nonlocal sent
        sent += 1
        return script(say("Step 1: " + "word " * 1_000, pieces=1_000))

    async with thinking(choose, ReasonerSetup()) as reasoner:
        async with reasoner.stream("What?") as run:
            await anext(run)
            await trio.testing.wait_all_tasks_blocked()
            taken = run.response.chunk_count
            events = [await anext(run) for _ in range(5)]
        assert len(events) == 5
        assert run.response.chunk_count <= taken + 5


async def test_a_call_that_fails_after_it_was_cut_fails_nothing() -> None:
    refused = script(say("no "), fail(ProviderRejected("too late")))
    model = model_of(refused, script(say("yes")))
    async with open_reasoner(model, strategy=Rival()) as reasoner:
        trace = await reasoner.run("Which?")

    assert trace.answer == "yes"
    assert sorted(call.status for call in trace.calls) == ["cancelled", "done"]


class Unfinished(Actor, ProviderApi):
    """Ends its streams as no provider should."""

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        del message
        await out.send(StreamChunk("Step 1: a"))


async def test_a_stream_without_its_final_chunk_is_no_answer_whoever_made_it() -> None:
    async with open_system() as system:
        provider = await system.spawn(Unfinished)
        reasoner = await system.spawn(Reasoner, provider, ReasonerSetup())
        with pytest.raises(StreamTruncated):
            await ReasonerHandle(reasoner, system, ChainOfThought()).run("What?")
