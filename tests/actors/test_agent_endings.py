"""However a run ends, its reader, the journal and the agent agree on how, and on what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from agents_scripted import (
    assert_next_turn_is_accepted,
    assert_one_truth,
    assert_sendable,
    collect,
    entries_of,
    of_run,
    requests_of,
    said_in,
    scripted,
)

from actors import AgentOptions
from actors.agents import Report, Run, RunLimits, RunReport
from actors.chat import Outcome, Token, ToolEnd, ToolStart, ToolStatus, Usage
from actors.errors import (
    LimitReached,
    ProviderError,
    ProviderUnavailable,
    StreamInterrupted,
    StreamStalled,
    StreamTruncated,
)
from actors.journal import RunEnded, ToolSealed
from actors.providers import call, fail, pause, say, script, stall, think, truncate, usage
from actors.tools import tool

if TYPE_CHECKING:
    from trio.testing import MockClock

    from actors.providers import Script, Step

LONG = say("word " * 40, pieces=40)
AFTERWARDS = script("Fine.", repeat=True)


@tool(isolation="inline")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def test_a_reader_that_breaks_keeps_exactly_what_it_was_shown() -> None:
    for shown in (1, 2, 7, 39):
        async with scripted(script(LONG), AFTERWARDS) as agent:
            async with agent.stream("Go") as run:
                for _ in range(shown):
                    await anext(run)

            assert run.response.text == "word " * shown
            await assert_one_truth(agent, run, Outcome.CANCELLED)
            assert_sendable(await agent.history())
            await assert_next_turn_is_accepted(agent)


async def test_a_break_while_many_tokens_are_in_flight_keeps_only_what_was_taken(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(script(LONG), AFTERWARDS) as agent, agent.stream("Go") as run:
        for _ in range(5):
            await anext(run)
        await trio.sleep(1)  # everything that can be on its way is on its way
    # The system is closed; what was said is in the response.
    assert run.response.text == "word " * 5


@pytest.mark.parametrize("buffer", [0, 1, 8])
async def test_the_history_has_what_any_reader_of_the_actor_took_when_it_left(
    buffer: int,
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(script(LONG), AFTERWARDS) as agent:
        async with agent.ref.stream(Run("r", "Go"), buffer=buffer) as events:
            for _ in range(5):
                await anext(events)
            await trio.sleep(1)
        entries = await entries_of(agent)

    assert said_in(list(entries)) == "word " * 5


@pytest.mark.parametrize("seed", range(8))
async def test_a_token_and_a_deadline_in_one_moment_are_both_in_the_history_or_neither(
    seed: int,
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    del seed  # trio's scheduler throws its own dice
    ticking = [step for _ in range(5) for step in (pause(1), "tick ")]
    async with scripted(script(*ticking), AFTERWARDS) as agent:
        run = agent.stream("Go")
        with trio.move_on_after(3) as scope:
            async with run:
                await collect(run)

        assert scope.cancelled_caught
        await assert_one_truth(agent, run, Outcome.CANCELLED)


async def test_text_of_all_rounds_is_kept_when_the_last_one_is_interrupted() -> None:
    scripts = (script("Let me see. ", call("add", a=2, b=2)), script(LONG), AFTERWARDS)
    async with scripted(*scripts, tools=(add,)) as agent:
        async with agent.stream("2 + 2?") as run:
            async for event in run:
                if isinstance(event, Token) and event.content == "word ":
                    break

        assert run.response.text == "Let me see. word "
        assert [result.content for result in run.tool_results] == ["4"]
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        await assert_next_turn_is_accepted(agent)


async def test_a_break_at_any_event_of_a_tool_round_leaves_a_history_that_can_be_sent() -> None:
    for events in range(1, 12):
        scripts = (
            script("Let me see. ", call("add", a=2, b=2), call("add", a=3, b=3)),
            script("4 and 6."),
            AFTERWARDS,
        )
        async with scripted(*scripts, tools=(add,)) as agent:
            async with agent.stream("2 + 2?") as run:
                for _ in range(events):
                    await anext(run, None)
            if run.outcome is not Outcome.DONE:
                await assert_one_truth(agent, run, Outcome.CANCELLED)
            assert_sendable(await agent.history())
            await assert_next_turn_is_accepted(agent)


async def test_thinking_that_was_shown_is_in_the_journal_after_an_interrupt() -> None:
    async with scripted(script(think("Hm, hm.", pieces=2), LONG), AFTERWARDS) as agent:
        async with agent.stream("Go") as run:
            for _ in range(3):
                await anext(run)
        last = (await agent.history())[-1]
        await assert_next_turn_is_accepted(agent)

    assert (run.response.thinking, run.response.text) == ("Hm, hm.", "word ")
    assert [type(part).__name__ for part in last.parts] == ["Thinking", "Text"]  # type: ignore[union-attr]


ENDINGS: dict[str, tuple[tuple[Step | str, ...], type[Exception], Outcome]] = {
    "truncated": ((truncate(),), StreamTruncated, Outcome.TRUNCATED),
    "stalled": ((stall(),), StreamStalled, Outcome.STALLED),
    "failed": ((fail(ProviderUnavailable("no", status=503)),), ProviderError, Outcome.FAILED),
}


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("pause_between", [0.0, 1.0])
async def test_what_arrived_before_a_fault_is_shown_recorded_and_on_the_error(
    name: str,
    pause_between: float,
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    steps, kind, outcome = ENDINGS[name]
    said = say("one two three ", pieces=7)
    async with scripted(script(said, *steps), AFTERWARDS) as agent:
        async with agent.stream("Go") as run:
            with pytest.raises(kind) as caught:  # noqa: PT012
                async for _ in run:
                    await trio.sleep(pause_between)

        assert run.response.text == "one two three "
        assert isinstance(caught.value, StreamInterrupted | ProviderError)
        assert caught.value.partial.text == "one two three "
        await assert_one_truth(agent, run, outcome)
        await assert_next_turn_is_accepted(agent)


@pytest.mark.parametrize("name", ENDINGS)
async def test_a_fault_leaves_the_block_alone_and_bare(
    name: str,
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    steps, kind, outcome = ENDINGS[name]
    async with scripted(script(*steps), AFTERWARDS) as agent:
        run = agent.stream("Go")
        with pytest.raises(kind):
            async with run:
                await collect(run)

        await assert_one_truth(agent, run, outcome)
        await assert_next_turn_is_accepted(agent)


async def test_an_outer_cancel_is_the_outcome_with_its_reason(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(script("a ", pause(9), "b"), AFTERWARDS) as agent:
        run = agent.stream("Go")
        with trio.CancelScope() as scope:
            async with run:
                async for _ in run:
                    scope.cancel("the user pressed Esc")

        assert scope.cancelled_caught
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        report = await agent.ref.ask(Report(run.id))
    assert report.reason == "the user pressed Esc"


async def test_a_deadline_around_run_is_a_cancel_of_ours_and_no_error(
    autojump_clock: MockClock,
) -> None:
    async with scripted(script("a ", pause(9), "b"), AFTERWARDS) as agent:
        with trio.move_on_after(2) as scope:
            await agent.run("Go")
        assert scope.cancelled_caught
        assert autojump_clock.current_time() == pytest.approx(2.0)

        with pytest.raises(trio.TooSlowError), trio.fail_after(0):
            await agent.run("Go")

        entries = await entries_of(agent)
        ended = [entry for entry in entries if isinstance(entry, RunEnded)]
        assert [(end.outcome, end.reason) for end in ended] == [
            (Outcome.CANCELLED, "the deadline passed")
        ]
        await assert_next_turn_is_accepted(agent)


async def test_a_deadline_that_passes_while_the_reader_is_shielded_is_still_a_cancel(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(script("a ", pause(1), "b"), AFTERWARDS) as agent:
        run = agent.stream("Go")
        with trio.move_on_after(2) as scope:
            async with run:
                async for _ in run:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(5)

        assert scope.cancelled_caught
        await assert_one_truth(agent, run, Outcome.CANCELLED)


async def test_a_deadline_that_passes_in_a_tool_cancels_the_tool_and_is_no_result_of_it(
    autojump_clock: MockClock,
) -> None:
    async def sleeps() -> str:
        """Sleep."""
        with trio.move_on_after(60), trio.CancelScope():
            await trio.sleep(30)
        return "slept"

    async with scripted(script(call("sleeps")), AFTERWARDS, tools=(sleeps,)) as agent:
        run = agent.stream("Go")
        with trio.move_on_after(3) as scope:
            async with run:
                await collect(run)

        assert scope.cancelled_caught
        assert autojump_clock.current_time() == pytest.approx(3.0)
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        entries = of_run(await entries_of(agent), run)
        seals = [entry for entry in entries if isinstance(entry, ToolSealed)]
        assert [seal.status for seal in seals] == [ToolStatus.CANCELLED]
        assert len(await requests_of(agent)) == 1
        await assert_next_turn_is_accepted(agent)


async def test_an_error_of_the_body_leaves_bare_and_cancels_the_run() -> None:
    async with scripted(script(LONG), AFTERWARDS) as agent:
        run = agent.stream("Go")
        with pytest.raises(KeyError, match="mine"):  # noqa: PT012
            async with run:
                await anext(run)
                raise KeyError("mine")

        await assert_one_truth(agent, run, Outcome.CANCELLED)


async def test_the_limit_of_model_calls_is_the_outcome() -> None:
    options = AgentOptions(limits=RunLimits(model_calls=1))
    once = script("Again. ", call("add", a=1, b=1))
    async with scripted(once, AFTERWARDS, tools=(add,), options=options) as agent:
        async with agent.stream("Go") as run:
            with pytest.raises(LimitReached):
                await collect(run)

        assert run.response.text == "Again. "
        await assert_one_truth(agent, run, Outcome.LIMIT)
        await assert_next_turn_is_accepted(agent)


async def test_usage_of_an_interrupted_run_is_known_when_its_block_is_left() -> None:
    scripts = (script(call("add", a=1, b=1), usage(10, 5)), script(LONG, usage(7, 7)), AFTERWARDS)
    async with (
        scripted(*scripts, tools=(add,)) as agent,
        agent.stream("Go") as run,
    ):
        async for event in run:
            if isinstance(event, Token):
                break
    assert run.response.usage == Usage(10, 5)


async def test_a_reader_that_stalls_while_tools_run_holds_up_nobody_else(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    ended: list[int] = []

    async def wait(seconds: int) -> int:
        """Wait."""
        await trio.sleep(seconds)
        ended.append(seconds)
        return seconds

    calls = [call("wait", seconds=n) for n in (1, 2, 3)]
    async with scripted(script(*calls), AFTERWARDS, tools=(wait,)) as agent:
        async with agent.stream("Go") as run:
            for _ in calls:
                assert isinstance(await anext(run), ToolStart)
            await trio.sleep(10)
            assert ended == [1, 2, 3]
            entries = of_run(await entries_of(agent), run)
            assert [type(e).__name__ for e in entries].count("ToolSealed") == 3
            rest = await collect(run)

        assert sum(isinstance(event, ToolEnd) for event in rest) == 3
        await assert_one_truth(agent, run, Outcome.DONE)


async def test_a_reader_that_leaves_while_events_of_tools_wait_for_it_keeps_the_results() -> None:
    calls = [call("add", a=n, b=n) for n in (1, 2, 3)]
    async with scripted(script(*calls), AFTERWARDS, tools=(add,)) as agent:
        async with agent.stream("Go") as run:
            for _ in calls:
                await anext(run)
            await trio.testing.wait_all_tasks_blocked()

        await assert_one_truth(agent, run, Outcome.CANCELLED)
        entries = of_run(await entries_of(agent), run)
        seals = [entry for entry in entries if isinstance(entry, ToolSealed)]
        assert sorted(seal.content for seal in seals) == ["2", "4", "6"]
        await assert_next_turn_is_accepted(agent)


async def test_a_report_of_a_run_that_nobody_knows_is_empty() -> None:
    async with scripted(AFTERWARDS) as agent:
        await agent.run("Hello")
        assert await agent.ref.ask(Report("what run?")) == RunReport()


async def test_all_runs_of_a_conversation_can_be_asked_for_in_the_end() -> None:
    scripts: list[Script] = [script("Hello", usage(1, 1)), script(truncate()), AFTERWARDS]
    async with scripted(*scripts) as agent:
        runs = [agent.stream("Go") for _ in range(3)]
        for run in runs:
            try:
                async with run:
                    await collect(run)
            except StreamTruncated:
                pass

        reports = [await agent.ref.ask(Report(run.id)) for run in runs]
    assert [report.outcome for report in reports] == [run.outcome for run in runs]
    assert [report.usage.total_tokens for report in reports] == [2, 0, 0]
