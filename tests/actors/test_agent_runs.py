"""What a run shows its reader: events in order, usage, thinking, the rounds of tools."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import trio
from agents_scripted import (
    collect,
    entries_of,
    of_run,
    requests_of,
    scripted,
    types_of,
)
from strict_history import refusals

from actors import AgentOptions, open_agent
from actors.agents import RunLimits
from actors.chat import (
    Complete,
    Outcome,
    Settings,
    SystemTurn,
    Thought,
    Token,
    ToolEnd,
    ToolStart,
    ToolStatus,
    ToolTurn,
    Usage,
)
from actors.errors import LimitReached
from actors.journal import RunEnded, ToolCalled, ToolSealed
from actors.providers import call, call_text, pause, say, script, think, usage
from actors.tools import tool

if TYPE_CHECKING:
    from trio.testing import MockClock


@tool(isolation="inline")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def test_a_plain_answer_is_tokens_then_the_answer_then_complete() -> None:
    async with (
        scripted(script(say("Good day to you", pieces=3), usage(5, 4))) as agent,
        agent.stream("Hello") as run,
    ):
        events = await collect(run)
        with pytest.raises(StopAsyncIteration):
            await anext(run)

    assert types_of(events) == ["token", "answer", "complete"]
    assert [e.content for e in events if isinstance(e, Token)] == ["Good ", "day t", "o you"]
    assert events[-1].content == run.response.text == "Good day to you"
    assert run.response.is_complete
    assert (run.outcome, run.response.usage) == (Outcome.DONE, Usage(5, 4))


async def test_the_outcome_and_the_journal_are_there_with_the_complete_event() -> None:
    async with scripted(script("Hello")) as agent, agent.stream("Hello") as run:
        async for event in run:
            if isinstance(event, Complete):
                ended = of_run(await entries_of(agent), run)[-1]
                assert isinstance(ended, RunEnded)
                assert run.outcome is ended.outcome is Outcome.DONE


async def test_run_gives_the_final_response_with_the_usage_of_the_whole_run() -> None:
    scripts = (
        script("Let me see. ", call("add", a=2, b=2), usage(10, 5)),
        script("It is 4.", usage(20, 3)),
    )
    async with scripted(*scripts, tools=(add,)) as agent:
        response = await agent.run("2 + 2?")

    assert response.text == "It is 4."
    assert (response.usage.input_tokens, response.usage.output_tokens) == (30, 8)


async def test_thinking_is_shown_and_kept_apart_from_the_text() -> None:
    async with scripted(script(think("Hm, hm", pieces=2), "Yes.")) as agent:
        async with agent.stream("Really?") as run:
            events = await collect(run)
        last = (await agent.history())[-1]

    assert types_of(events) == ["thought", "token", "answer", "complete"]
    assert [e.content for e in events if isinstance(e, Thought)] == ["Hm,", " hm"]
    assert (run.response.thinking, run.response.text) == ("Hm, hm", "Yes.")
    assert [type(part).__name__ for part in last.parts] == ["Thinking", "Text"]  # type: ignore[union-attr]


async def test_instructions_and_settings_go_with_every_request() -> None:
    model = "scripted:echo"
    options = AgentOptions(settings=Settings(temperature=0.5))
    async with open_agent(model, instructions="Be brief.", options=options) as agent:
        await agent.run("one")
        await agent.run("two")
        requests = await requests_of(agent)
        history = await agent.history()

    assert [request.turns[0] for request in requests] == [SystemTurn("Be brief.")] * 2
    assert {request.settings.temperature for request in requests} == {0.5}
    assert not any(isinstance(turn, SystemTurn) for turn in history)


async def test_a_round_of_tools_is_announced_run_and_answered() -> None:
    scripts = (
        script("Let me see.", call("add", a=2, b=2), call("add", a=3, b=3)),
        script("4 and 6."),
    )
    async with scripted(*scripts, tools=(add,)) as agent:
        async with agent.stream("2 + 2? 3 + 3?") as run:
            events = await collect(run)
        asked = (await requests_of(agent))[1]
        entries = of_run(await entries_of(agent), run)

    kinds = ["token", "tool_start", "tool_end", "token", "answer", "complete"]
    assert types_of(events) == kinds
    assert sorted(result.content for result in run.tool_results) == ["4", "6"]
    results = asked.turns[-1]
    assert isinstance(results, ToolTurn)
    assert [result.content for result in results.results] == ["4", "6"]
    assert [type(e).__name__ for e in entries].count("ToolSealed") == 2
    assert refusals(asked.turns) == []


async def test_a_call_is_in_the_journal_before_its_tool_starts() -> None:
    seen: list[type] = []

    async def look() -> str:
        """Look into the journal."""
        seen.extend(type(entry) for entry in await entries_of(agent))
        return "seen"

    async with scripted(script(call("look")), script("ok"), tools=(look,)) as agent:
        await agent.run("Look")

    assert seen[-1] is ToolCalled


async def test_async_tools_of_one_round_run_side_by_side(autojump_clock: MockClock) -> None:
    async def wait(seconds: float) -> float:
        """Wait."""
        await trio.sleep(seconds)
        return seconds

    calls = (call("wait", seconds=3.0), call("wait", seconds=2.0))
    began = autojump_clock.current_time()
    async with scripted(script(*calls), script("done"), tools=(wait,)) as agent:
        async with agent.stream("Wait") as run:
            await collect(run)
        history = await agent.history()

    assert autojump_clock.current_time() - began == pytest.approx(3.0)
    assert [result.content for result in run.tool_results] == ["2.0", "3.0"]  # as they ended
    turn = history[2]
    assert isinstance(turn, ToolTurn)
    assert [result.content for result in turn.results] == ["3.0", "2.0"]  # as they were called


async def test_a_sync_tool_runs_in_a_thread_while_an_async_one_runs() -> None:
    met = threading.Event()
    home = threading.current_thread()

    def sync_tool() -> str:
        """Wait for the other."""
        assert threading.current_thread() is not home
        assert met.wait(10)
        return "met"

    async def async_tool() -> str:
        """Let the other go."""
        await trio.sleep(0.001)
        met.set()
        return "set"

    both = (call("sync_tool"), call("async_tool"))
    async with (
        scripted(script(*both), script("ok"), tools=(sync_tool, async_tool)) as agent,
        agent.stream("Meet") as run,
    ):
        await collect(run)

    assert sorted(result.content for result in run.tool_results) == ["met", "set"]


def fails() -> str:
    """Fail."""
    raise TimeoutError("not today")


async def too_slow() -> str:
    """Be too slow for its own deadline."""
    with trio.fail_after(1):
        await trio.sleep(10)
    return "never"


@tool(timeout=2)
async def endless() -> str:
    """Never end."""
    await trio.sleep_forever()
    return "never"


async def scoped() -> str:
    """Cancel a part of itself."""
    with trio.move_on_after(1):
        await trio.sleep_forever()
    return "moved on"


@pytest.mark.parametrize(
    ("step", "status", "text"),
    [
        (call("fails"), ToolStatus.ERROR, "TimeoutError: not today"),
        (call("too_slow"), ToolStatus.ERROR, "TooSlowError"),
        (call("endless"), ToolStatus.ERROR, "timeout of 2 s"),
        (call("scoped"), ToolStatus.OK, "moved on"),
        (call("nothing"), ToolStatus.ERROR, "there is no tool 'nothing'"),
        (call("add", a="2", b=2), ToolStatus.ERROR, "a"),
        (call_text("add", '{"a": 2, "b"'), ToolStatus.ERROR, "not valid JSON"),
        (call("add", a=2, b=2), ToolStatus.OK, "4"),
    ],
)
async def test_whatever_a_tool_does_goes_back_to_the_model_and_the_run_goes_on(
    step: object,
    status: ToolStatus,
    text: str,
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    tools = (add, fails, too_slow, endless, scoped)
    async with scripted(script(step), script("I see."), tools=tools) as agent:  # type: ignore[arg-type]
        async with agent.stream("Go") as run:
            await collect(run)
        told = (await requests_of(agent))[1].turns[-1]
        entries = of_run(await entries_of(agent), run)

    assert run.outcome is Outcome.DONE
    assert isinstance(told, ToolTurn)
    (result,) = told.results
    assert result.status is status
    assert text in result.content
    sealed = [entry for entry in entries if isinstance(entry, ToolSealed)]
    assert [(seal.status, seal.content) for seal in sealed] == [(status, result.content)]


async def test_the_results_that_the_reader_saw_are_the_ones_that_the_model_got() -> None:
    scripts = (script(call("add", a=1, b=1)), script(call("add", a=2, b=2)), script("ok"))
    async with scripted(*scripts, tools=(add,)) as agent:
        async with agent.stream("Go") as run:
            events = await collect(run)
        last = (await requests_of(agent))[-1]

    starts = [event.call.id for event in events if isinstance(event, ToolStart)]
    ends = [event.result for event in events if isinstance(event, ToolEnd)]
    told = [r for turn in last.turns if isinstance(turn, ToolTurn) for r in turn.results]
    assert len(set(starts)) == 2
    assert [result.content for result in ends] == [result.content for result in told] == ["2", "4"]
    assert ends == run.tool_results


async def test_a_huge_result_is_cut_before_it_gets_into_the_history() -> None:
    @tool(max_result=100, isolation="inline")
    def dump() -> str:
        """Say far too much."""
        return "x" * 1_000_000

    async with (
        scripted(script(call("dump")), script("ok"), tools=(dump,)) as agent,
        agent.stream("Dump") as run,
    ):
        await collect(run)

    assert len(run.tool_results[0].content) < 200


async def test_a_run_that_calls_the_model_too_often_ends_with_its_limit() -> None:
    options = AgentOptions(limits=RunLimits(model_calls=2))
    again = script("Again. ", call("add", a=1, b=1), repeat=True)
    async with scripted(again, tools=(add,), options=options) as agent:
        with pytest.raises(LimitReached, match="model_calls") as caught:
            await agent.run("Go")
        requests = await requests_of(agent)

    assert caught.value.limit == "model_calls"
    assert len(requests) == 2


async def test_durations_are_right_after_virtual_time_has_moved(autojump_clock: MockClock) -> None:  # noqa: ARG001
    async with scripted(script(pause(20), "a", pause(5), "b", repeat=True)) as agent:
        for _ in range(3):
            async with agent.stream("Hello") as run:
                await collect(run)

            assert run.response.time_to_first_chunk == pytest.approx(20, abs=0.1)
            assert run.response.duration == pytest.approx(25, abs=0.1)
