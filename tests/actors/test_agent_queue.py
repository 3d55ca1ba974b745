"""Runs that wait: for the one before them, in vain, and for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from agents_scripted import collect, entries_of, of_run, requests_of, scripted

from actors import AgentOptions
from actors.agents import RunLimits
from actors.chat import Outcome, UserTurn
from actors.errors import LimitReached
from actors.journal import RunStarted
from actors.providers import call, pause, script

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_a_second_run_waits_for_the_first(autojump_clock: MockClock) -> None:
    slow = script("a", pause(2), "b", repeat=True)
    order: list[str] = []

    async def ask(text: str) -> None:
        await agent.run(text)
        order.append(text)

    async with scripted(slow) as agent:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "first")
            await trio.sleep(1)
            nursery.start_soon(ask, "second")
        requests = await requests_of(agent)

    assert order == ["first", "second"]
    assert autojump_clock.current_time() == pytest.approx(4.0)
    assert [type(turn).__name__ for turn in requests[1].turns] == [
        "UserTurn",
        "AssistantTurn",
        "UserTurn",
    ]


@pytest.mark.parametrize("through", ["a task", "a thread", "another agent"])
async def test_a_tool_that_asks_its_own_agent_hears_that_it_would_wait_for_itself(
    through: str,
) -> None:
    async def ask_again() -> str:
        """Ask the agent that asks."""
        return (await agent.run("And?")).text

    def ask_from_a_thread() -> str:
        """Ask from a thread."""
        return trio.from_thread.run(ask_again)

    async def delegate() -> str:
        """Ask another agent, which asks this one."""
        async with (
            scripted(script(call("ask_again")), script("hm"), tools=(ask_again,)) as other,
            other.stream("And?") as run,
        ):
            await collect(run)
        return "it said: " + run.tool_results[0].content

    steps = {"a task": "ask_again", "a thread": "ask_from_a_thread", "another agent": "delegate"}
    tools = (ask_again, ask_from_a_thread, delegate)
    async with (
        scripted(script(call(steps[through])), script("ok"), tools=tools) as agent,
        agent.stream("Go") as run,
    ):
        with trio.fail_after(5):
            await collect(run)

    content = run.tool_results[0].content
    assert "would wait for itself: /agent/agent" in content
    assert content.startswith("it said: ") is (through == "another agent")
    assert run.outcome is Outcome.DONE


async def test_an_agent_may_be_a_tool_of_another() -> None:
    async with scripted(script("4", repeat=True)) as counting:

        async def count() -> str:
            """Let another agent count."""
            return (await counting.run("2 + 2?")).text

        async with (
            scripted(script(call("count")), script("It is 4."), tools=(count,)) as agent,
            agent.stream("2 + 2?") as run,
        ):
            await collect(run)

    assert [result.content for result in run.tool_results] == ["4"]


async def test_runs_begin_in_the_order_in_which_they_were_entered(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    for _ in range(10):
        async with (
            scripted(script("ok", repeat=True)) as agent,
            agent.stream("first") as first,
            agent.stream("second") as second,
            agent.stream("third") as third,
        ):
            for run in (first, second, third):
                with trio.fail_after(5):
                    await collect(run)
            asked = [e.run for e in await entries_of(agent) if isinstance(e, RunStarted)]
            assert asked == [first.id, second.id, third.id]


async def test_so_many_runs_may_wait_and_no_more(autojump_clock: MockClock) -> None:  # noqa: ARG001
    options = AgentOptions(limits=RunLimits(queued_runs=1))
    slow = script("a", pause(5), "b", repeat=True)
    async with scripted(slow, options=options) as agent:
        async with trio.open_nursery() as nursery:
            for at in (0, 1):
                await trio.sleep(at)
                nursery.start_soon(agent.run, "in time")
            await trio.sleep(1)
            async with agent.stream("one too many") as refused:
                with pytest.raises(LimitReached, match="1 runs wait") as caught:
                    await collect(refused)
        entries = await entries_of(agent)

    assert caught.value.limit == "queued_runs"
    assert refused.outcome is Outcome.LIMIT
    assert of_run(entries, refused) == []


async def test_a_run_that_is_cancelled_in_the_queue_leaves_no_trace(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    slow = script("a", pause(5), "b", repeat=True)
    async with scripted(slow) as agent:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agent.run, "first")
            await trio.sleep(1)
            queued = agent.stream("second")
            with trio.move_on_after(1) as scope:
                async with queued:
                    await collect(queued)
            assert scope.cancelled_caught
        entries = await entries_of(agent)
        requests = await requests_of(agent)

    assert queued.outcome is Outcome.CANCELLED
    assert of_run(entries, queued) == []
    assert requests[-1].turns == (UserTurn("first"),)
