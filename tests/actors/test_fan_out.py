"""Several agents side by side: bounded, in order, and of one mind about errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from agents_scripted import collect, scripted

from actors.agents import AgentRecipe, fan_out
from actors.budget import move_on_after_calls
from actors.chat import StreamResponse, Usage
from actors.errors import ConfigurationError, ProviderUnavailable
from actors.providers import Model, Step, call, echo, fail, pause, say, script, usage
from runtime import open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock


def recipe(*steps: Step | str) -> AgentRecipe:
    return AgentRecipe("worker", Model("scripted:worker", script=script(*steps, repeat=True)))


DOWN = recipe(pause(1), fail(ProviderUnavailable("no server")))


async def test_the_answers_come_in_the_order_of_the_jobs(autojump_clock: MockClock) -> None:
    del autojump_clock
    slow, quick = recipe(pause(5), echo()), recipe(echo())
    answers = await fan_out([(slow, "one"), (quick, "two"), (slow, "three")])
    assert [answer.text for answer in answers] == ["one", "two", "three"]
    assert trio.current_time() < 6


async def test_so_many_run_at_once_and_no_more(autojump_clock: MockClock) -> None:
    del autojump_clock
    worker = recipe(pause(1), "done")
    await fan_out([(worker, "x")] * 2, at_once=2)  # what it takes to start
    begun = trio.current_time()
    async with open_system() as system:
        await fan_out(((worker, str(number)) for number in range(7)), at_once=3, system=system)
        assert system.tree().children == ()
    assert trio.current_time() - begun == pytest.approx(3, abs=0.1)


async def test_the_first_fault_ends_the_others_and_is_raised_bare(
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    with assert_no_leaks():
        with pytest.raises(ProviderUnavailable, match="no server") as caught:
            await fan_out([(recipe(pause(60), "late"), "a"), (DOWN, "b"), (DOWN, "c")])
        assert not isinstance(caught.value, BaseExceptionGroup)
    assert trio.current_time() < 10


async def test_faults_can_be_kept_in_their_places(autojump_clock: MockClock) -> None:
    del autojump_clock
    jobs = [(recipe(pause(60), "late"), "a"), (DOWN, "b")]
    late, fault = await fan_out(jobs, on_error="keep")
    assert isinstance(late, StreamResponse)
    assert late.text == "late"
    assert isinstance(fault, ProviderUnavailable)


async def test_agents_that_run_take_part(autojump_clock: MockClock) -> None:
    del autojump_clock
    async with scripted(script("from one that runs")) as agent:
        answers = await fan_out([(agent, "a"), (recipe(echo()), "b")])
    assert [answer.text for answer in answers] == ["from one that runs", "b"]


async def test_inside_of_a_tool_they_stand_below_and_count_for_the_run() -> None:
    worker = recipe(say("done"), usage(1, 1))

    async def research(question: str) -> list[str]:
        """Look into it from three sides."""
        answers = await fan_out([(worker, question)] * 3)
        return [answer.text for answer in answers]

    scripts = script(call("research", question="why"), usage(10, 1)), script("Fine.", usage(10, 1))
    async with scripted(*scripts, tools=(research,)) as agent, agent.stream("Go") as run:
        await collect(run)
    assert [result.content for result in run.tool_results] == ['["done", "done", "done"]']
    assert run.response.usage == Usage(23, 5)


async def test_budgets_count_them_all() -> None:
    with move_on_after_calls(2) as budget:
        await fan_out([(recipe(echo()), "x")] * 5, at_once=1)
    assert budget.cancelled_caught
    assert budget.used.calls == 2


async def test_wherever_it_is_cancelled_nothing_is_left() -> None:
    async def scenario() -> None:
        with assert_no_leaks():
            await fan_out([(recipe(echo()), "one"), (recipe(echo()), "two")])

    assert await cancel_everywhere(scenario) > 50


async def test_misuse_is_loud() -> None:
    jobs: Any = [("not an agent", "x")]
    with pytest.raises(TypeError, match="is no agent"):
        await fan_out(jobs)
    with pytest.raises(ValueError, match="at_once must be 1"):
        await fan_out([], at_once=0)
    with pytest.raises(ValueError, match='"raise" or "keep"'):
        await fan_out([], on_error="ignore")  # type: ignore[call-overload]
    with pytest.raises(ConfigurationError, match="has no model"):
        await fan_out([(AgentRecipe("worker"), "x")])
    assert await fan_out([]) == []
