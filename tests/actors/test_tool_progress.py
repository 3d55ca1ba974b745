"""What a tool says of its progress: it reaches the reader, in order, and costs nobody anything."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from agents_scripted import (
    assert_one_truth,
    collect,
    entries_of,
    of_run,
    said_in,
    scripted,
    types_of,
)

from actors.chat import Outcome, ToolCall, ToolEnd, ToolProgress, ToolStart, ToolStatus
from actors.journal import ToolSealed
from actors.providers import call, say, script
from actors.tools import Progress, Terms, Toolbox, execute, progress, tool
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock

    from actors.chat import Event


async def steps(number: int) -> str:
    """Take steps."""
    for step in range(number):
        progress(f"step {step}", fraction=step / number)
        await trio.testing.wait_all_tasks_blocked()
    return "there"


def said(events: list[Event]) -> list[str]:
    return [event.content for event in events if isinstance(event, ToolProgress)]


async def test_progress_comes_between_the_start_and_the_end_of_its_call() -> None:
    async with (
        scripted(script(call("steps", number=3)), script("Done."), tools=(steps,)) as agent,
        agent.stream("Go") as run,
    ):
        events = await collect(run)

    assert types_of(events)[:3] == ["tool_start", "tool_progress", "tool_end"]
    assert said(events) == ["step 0", "step 1", "step 2"]
    first = next(event for event in events if isinstance(event, ToolProgress))
    start = next(event for event in events if isinstance(event, ToolStart))
    assert (first.call, first.fraction) == (start.call, 0.0)


async def test_what_is_said_last_is_shown_although_the_tool_is_done() -> None:
    @tool(isolation="inline")
    def quick() -> None:
        """Speak, and be done."""
        progress("begun")
        progress("as good as done")

    async with (
        scripted(script(call("quick")), script("Done."), tools=(quick,)) as agent,
        agent.stream("Go") as run,
    ):
        events = await collect(run)

    assert said(events) == ["as good as done"]
    assert types_of(events)[:3] == ["tool_start", "tool_progress", "tool_end"]


async def test_a_thread_is_heard_while_it_works() -> None:
    shown = threading.Event()

    def works() -> bool:
        """Work until somebody has seen that it does."""
        progress("at work")
        return shown.wait(10)

    async with (
        scripted(script(call("works")), script("Done."), tools=(works,)) as agent,
        agent.stream("Go") as run,
    ):
        async for event in run:
            if isinstance(event, ToolProgress):
                shown.set()
            if isinstance(event, ToolEnd):
                assert event.content == "true"


async def test_behind_a_stalled_reader_only_the_latest_is_kept_and_the_tool_goes_on() -> None:
    done = trio.Event()

    async def chatters() -> None:
        """Say a great deal."""
        for number in range(1000):
            progress(f"{number}")
            await trio.lowlevel.checkpoint()
        done.set()

    async with (
        scripted(script(call("chatters")), script("Done."), tools=(chatters,)) as agent,
        agent.stream("Go") as run,
    ):
        await anext(run)  # the start; then the reader takes nothing
        await done.wait()
        await trio.testing.wait_all_tasks_blocked()
        sealed = [e for e in await entries_of(agent) if isinstance(e, ToolSealed)]
        assert len(sealed) == 1  # the journal does not wait for the reader
        events = await collect(run)

    first, last = said(events)
    assert int(first) < 10
    assert last == "999"


async def test_the_journal_has_no_progress_and_the_answer_after_it_is_kept_exactly() -> None:
    async with scripted(
        script(call("steps", number=4)), script(say("One two three.", pieces=4)), tools=(steps,)
    ) as agent:
        async with agent.stream("Go") as run:
            async for event in run:
                if event.content.startswith("two") or len(run.response.text) > 5:
                    break
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        assert said_in(of_run(await entries_of(agent), run)) == run.response.text != ""


async def test_a_thread_that_outlives_its_call_speaks_to_nobody(mock_clock: MockClock) -> None:
    leave = threading.Event()
    left = threading.Event()

    @tool(timeout=1)
    def deaf() -> None:
        """Speak too late."""
        progress("begun")
        leave.wait(10)
        progress("late")
        left.set()

    async with scripted(script(call("deaf")), script("Done."), tools=(deaf,)) as agent:
        async with agent.stream("Go") as run:
            events = [await anext(run), await anext(run)]
            mock_clock.autojump_threshold = 0  # now that the thread has begun
            events += await collect(run)
        leave.set()
        assert await trio.to_thread.run_sync(left.wait, 10)
        await trio.testing.wait_all_tasks_blocked()

    assert said(events) == ["begun"]


async def test_a_run_that_is_cancelled_at_any_checkpoint_of_its_progress_leaves_nothing() -> None:
    def in_thread() -> None:
        """Speak in a thread."""
        progress("one")
        progress("two")

    async def scenario() -> None:
        async with assert_no_leaks():
            answers = (
                script(call("steps", number=2), call("in_thread")),
                script("Done."),
            )
            async with (
                scripted(*answers, tools=(steps, in_thread)) as agent,
                agent.stream("Go") as run,
            ):
                await collect(run)

    assert await cancel_everywhere(scenario) > 20


async def test_execute_tells_its_listener() -> None:
    heard: list[Progress] = []
    await execute(
        Toolbox([steps]), ToolCall("1", "steps", {"number": 2}), terms=Terms(progress=heard.append)
    )

    assert heard == [Progress("step 0", 0.0), Progress("step 1", 0.5)]


async def test_a_function_that_is_called_without_a_run_speaks_to_nobody() -> None:
    assert await steps(1) == "there"


async def test_a_fraction_that_is_none_is_the_tools_error() -> None:
    @tool(isolation="inline")
    def wrong() -> None:
        """Count in percent."""
        progress("half", fraction=50)

    result = await execute(Toolbox([wrong]), ToolCall("1", "wrong"))
    assert result.status is ToolStatus.ERROR
    assert "fraction must be from 0 to 1, not 50" in result.content


@pytest.mark.parametrize("text", ["a" * 10_000, "\ud800" * 600])
def test_what_is_said_is_bounded_and_can_be_written(text: str) -> None:
    assert len(Progress(text).content.encode()) <= 2_000
