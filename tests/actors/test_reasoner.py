"""Reasoners: model calls side by side, what their readers get, and what is refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from reasoners import (
    TREE,
    Busy,
    collect,
    look_up,
    thinking,
    tree_model,
)

from actors.agents import (
    Reason,
    ReasonerOptions,
    ReasonerSetup,
    ReasoningLimits,
    open_agent,
    open_reasoner,
)
from actors.chat import (
    Answer,
    Complete,
    FinishReason,
    Outcome,
    Settings,
    Thought,
    Token,
    ToolEnd,
    ToolStart,
)
from actors.errors import (
    ConfigurationError,
    UnknownModel,
)
from actors.providers import (
    Model,
    pause,
    say,
    script,
    usage,
)
from actors.reasoning import (
    CallStatus,
    Noted,
    ReAct,
    ReasoningTrace,
    Select,
    SelfConsistency,
    StepStatus,
)
from actors.tools import progress, tool
from runtime import open_system
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from trio.testing import MockClock

    from actors.providers import Script

CHAIN = say("Sure.\nStep 1: two and two\nEvidence: a\nConfidence: 0.9\nAnswer: 4", pieces=12)


def model_of(*scripts: Script) -> Model:
    return Model("scripted:test", script=scripts)


def limited(**limits: int) -> ReasonerOptions:
    return ReasonerOptions(ReasoningLimits(**limits))  # type: ignore[arg-type]


async def test_thoughts_come_as_they_are_said_then_the_answer_then_the_end() -> None:
    async with (
        open_reasoner(model_of(script(CHAIN, usage(5, 7)))) as reasoner,
        reasoner.stream("2 + 2?") as run,
    ):
        events = await collect(run)

    kinds = [event.type for event in events if not isinstance(event, Noted)]
    assert kinds == ["thought"] * kinds.count("thought") + ["token", "answer", "complete"]
    assert kinds.count("thought") > 3
    assert "".join(event.content for event in events if isinstance(event, Thought)) == (
        "Sure.\ntwo and two\n"
    )
    assert run.response.text == run.trace.answer == "4"
    assert run.outcome is Outcome.DONE
    last = events[-1]
    assert isinstance(last, Complete)
    assert (last.response.text, last.response.usage.total_tokens) == ("4", 12)
    assert last.response.finish_reason is FinishReason.STOP


async def test_the_trace_has_steps_calls_tokens_and_times(autojump_clock: MockClock) -> None:
    async with open_reasoner(model_of(script(pause(2), CHAIN, usage(5, 7)))) as reasoner:
        trace = await reasoner.run("2 + 2?")

    assert isinstance(trace, ReasoningTrace)
    (step,) = trace.steps
    assert (step.thought, step.evidence, step.confidence) == ("two and two", ("a",), 0.9)
    (call,) = trace.calls
    assert (call.status, call.usage.total_tokens) == (CallStatus.DONE, 12)
    assert call.duration == pytest.approx(2.0)
    assert trace.duration == pytest.approx(2.0)
    assert autojump_clock.current_time() == pytest.approx(2.0)
    assert trace.usage.total_tokens == 12


async def test_a_tree_grows_side_by_side_scores_prunes_and_answers() -> None:
    async with thinking(tree_model, ReasonerSetup(TREE)) as reasoner:
        trace = await reasoner.run("What?")

    assert trace.answer == "forty"
    statuses = {step.branch: step.status for step in trace.steps}
    assert statuses["1"] is StepStatus.PRUNED
    assert statuses["2"] is statuses["2.2"] is StepStatus.TAKEN
    assert {step.score for step in trace.steps} == {0.3, 0.8}


async def test_calls_go_on_side_by_side_and_no_more_than_at_once(autojump_clock: MockClock) -> None:
    busy = Busy()
    setup = ReasonerSetup(SelfConsistency(6), options=limited(at_once=2))
    number = iter(range(100))

    def choose(_: object) -> Script:
        return script(pause(1), f"Answer: {next(number)}")

    async with thinking(choose, setup, busy) as reasoner:
        trace = await reasoner.run("What?")

    assert busy.most == 2
    assert trace.duration == pytest.approx(autojump_clock.current_time()) == pytest.approx(3.0)


async def test_one_limit_holds_for_all_problems_of_a_reasoner(autojump_clock: MockClock) -> None:
    busy = Busy()
    setup = ReasonerSetup(options=limited(at_once=1))
    async with (
        thinking(lambda _: script(pause(1), "Answer: 4"), setup, busy) as reasoner,
        trio.open_nursery() as nursery,
    ):
        for _ in range(3):
            nursery.start_soon(reasoner.run, "What?")

    assert busy.most == 1
    assert autojump_clock.current_time() == pytest.approx(3.0)


async def test_samples_that_can_change_nothing_are_stopped(autojump_clock: MockClock) -> None:
    busy = Busy()
    slow = iter([False, False, True])

    def choose(_: object) -> Script:
        return script(pause(1_000 if next(slow) else 1), "Answer: 4")

    async with thinking(choose, ReasonerSetup(SelfConsistency(3)), busy) as reasoner:
        trace = await reasoner.run("What?")
        assert busy.running == 0

    assert trace.answer == "4"
    assert [call.status for call in trace.calls].count(CallStatus.CANCELLED) == 1
    assert trace.duration == pytest.approx(autojump_clock.current_time()) == pytest.approx(1.0)


async def test_tools_run_between_thoughts() -> None:
    first = script("Thought: I look.\nAction: look_up[cat]\nObservation: it is a fish")
    second = script(say("Thought: I know.\nFinal Answer: an animal", pieces=6))
    async with (
        open_reasoner(model_of(first, second), strategy=ReAct(), tools=[look_up]) as reasoner,
        reasoner.stream("What is a cat?") as run,
    ):
        events = await collect(run)

    kinds = [event.type for event in events if event.type not in {"note", "token", "thought"}]
    assert kinds == ["tool_start", "tool_end", "answer", "complete"]
    assert [each.content for each in events if isinstance(each, ToolEnd)] == ["cat is an animal"]
    assert "".join(event.content for event in events if isinstance(event, Token)) == "an animal"
    assert [step.thought for step in run.trace.steps] == ["I look.", "I know."]


async def test_a_tool_that_fails_is_told_to_the_model() -> None:
    def broken(word: str) -> str:
        """Fail."""
        raise ValueError(f"no {word}")

    model = model_of(script("Action: broken(word='a')"), script("Final Answer: it broke"))
    async with (
        open_reasoner(model, strategy=ReAct(), tools=[broken]) as reasoner,
        reasoner.stream("What?") as run,
    ):
        await collect(run)

    assert "no a" in run.tool_results[0].content
    assert run.trace.answer == "it broke"


async def test_a_tool_says_how_far_it_has_come() -> None:
    async def dig(word: str) -> str:
        """Dig."""
        for number in (1, 2):
            progress(f"{word} {number}", fraction=number / 2)
            await trio.testing.wait_all_tasks_blocked()
        progress("nearly")
        return "gold"

    model = model_of(script("Action: dig[hole]"), script("Final Answer: gold"))
    async with (
        open_reasoner(model, strategy=ReAct(), tools=[dig]) as reasoner,
        reasoner.stream("What?") as run,
    ):
        events = [event for event in await collect(run) if event.type.startswith("tool")]

    assert [event.content for event in events] == ["dig", "hole 1", "hole 2", "nearly", "gold"]


async def test_a_tool_can_run_in_a_process_and_is_killed_with_its_run(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    model = model_of(script(f'Action: sleep("{begun}")'))
    asleep = tool(isolation="process")(sleep)
    with assert_no_leaks():
        async with (
            open_reasoner(model, strategy=ReAct(), tools=[asleep]) as reasoner,
            reasoner.stream("What?") as run,
        ):
            async for event in run:
                if isinstance(event, ToolStart):
                    break
            with trio.fail_after(20):
                while not begun.exists():  # noqa: ASYNC110 - there is no event
                    await trio.sleep(0.01)
    assert run.outcome is Outcome.CANCELLED


def sleep(begun: str) -> str:
    """Say that it has begun, and sleep."""
    Path(begun).touch()
    time.sleep(60)
    return "slept"


async def test_a_tool_that_needs_approval_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="look_up needs approval"):
        async with open_reasoner(
            "scripted:echo", strategy=ReAct(), tools=[tool(approve=True)(look_up)]
        ):
            pass


async def test_a_selector_says_in_the_trace_which_way_and_why() -> None:
    model = model_of(script("vote: it is a sum"), script("Answer: 4", repeat=True))
    async with open_reasoner(model, strategy=Select()) as reasoner:
        trace = await reasoner.run("2 + 2?")

    assert trace.choice is not None
    assert (trace.choice.name, trace.choice.by, trace.choice.reason) == (
        "vote",
        "model",
        "it is a sum",
    )
    assert trace.answer == "4"


async def test_a_problem_can_have_a_strategy_and_a_context_of_its_own() -> None:
    busy = Busy()
    async with thinking(lambda _: script("Answer: 4"), ReasonerSetup(), busy) as reasoner:
        trace = await reasoner.run("What?", context="It rains.", strategy=SelfConsistency(2))

    assert trace.strategy == "self-consistency"
    assert "Context:\nIt rains." in busy.requests[0].turns[-1].text  # type: ignore[union-attr]


async def test_instructions_and_settings_reach_every_call() -> None:
    busy = Busy()
    options = ReasonerOptions(settings=Settings(max_tokens=9, temperature=0.0))
    setup = ReasonerSetup(TREE, "Be brief.", options=options)
    async with thinking(tree_model, setup, busy) as reasoner:
        await reasoner.run("What?")

    assert len(busy.requests) > 4
    for request in busy.requests:
        assert (request.settings.max_tokens, request.settings.temperature) == (9, 0.0)
        assert request.turns[0].text.startswith("Be brief.")  # type: ignore[union-attr]


# Misuse


async def test_what_cannot_work_is_refused_before_anything_is_started() -> None:
    with pytest.raises(ConfigurationError, match=r"tools=\["):
        async with open_reasoner("scripted:echo", strategy=ReAct()):
            pass
    with pytest.raises(UnknownModel):
        async with open_reasoner("nobody:nothing"):
            pass
    with pytest.raises(ValueError, match="at_once must be 1 or more"):
        ReasoningLimits(at_once=0)
    with pytest.raises(ValueError, match="model_calls must be 1 or more"):
        ReasoningLimits(model_calls=0)
    with pytest.raises(ValueError, match="cleanup"):
        ReasonerOptions(cleanup=-1)
    with pytest.raises(TypeError, match="the problem must be a string"):
        Reason(7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the context"):
        Reason("?", None, "\ud800")


async def test_a_run_is_used_once() -> None:
    async with open_reasoner(model_of(script("Answer: 4"))) as reasoner:
        run = reasoner.stream("What?")
        async with run:
            await collect(run)
        with pytest.raises(RuntimeError, match=r"call `reasoner\.stream"):
            async with run:
                pass


async def test_reasoners_and_agents_share_a_system() -> None:
    async with open_system() as system:
        async with (
            open_reasoner(model_of(script("Answer: 4")), system=system) as first,
            open_reasoner(model_of(script("Answer: 5")), system=system) as second,
            open_agent("scripted:echo", system=system) as agent,
        ):
            assert (await first.run("?")).answer == "4"
            assert (await second.run("?")).answer == "5"
            assert (await agent.run("Hi")).text == "Hi"
            assert len({first.ref.path, second.ref.path, agent.ref.path}) == 3
        assert system.tree().children == ()


async def test_the_tree_says_how_many_calls_run(autojump_clock: MockClock) -> None:
    setup = ReasonerSetup(SelfConsistency(3), options=limited(at_once=2))
    async with (
        thinking(lambda _: script(pause(1), "Answer: 4"), setup) as reasoner,
        reasoner.stream("What?") as run,
    ):
        for _ in range(3):
            await anext(run)
        await trio.sleep(0.5)
        assert "2 calls, 1 waiting" in repr(reasoner.system.tree())
        assert autojump_clock.current_time() == pytest.approx(0.5)


async def test_answer_is_the_whole_answer_before_the_end() -> None:
    async with (
        open_reasoner(model_of(script(CHAIN))) as reasoner,
        reasoner.stream("2 + 2?") as run,
    ):
        events = await collect(run)
    assert isinstance(events[-2], Answer)
    assert events[-2].content == "4"
    assert repr(run).startswith("<ReasoningRun chain of thought done, 1 steps, 1 calls")
