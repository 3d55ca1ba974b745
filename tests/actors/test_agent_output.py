"""An agent that is asked for a class: its runs end with an instance, or say why not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
from agents_scripted import (
    Choosing,
    assert_next_turn_is_accepted,
    assert_one_truth,
    assert_sendable,
    collect,
    entries_of,
    of_run,
    requests_of,
    scripted,
    types_of,
)
from strict_history import refusals

from actors import AgentOptions, open_agent
from actors.agents import Agent, AgentHandle, AgentSetup, RunLimits
from actors.chat import Complete, FinishReason, Outcome, Request, SystemTurn, ToolTurn, UserTurn
from actors.errors import LimitReached, OutputInvalid, StreamTruncated
from actors.journal import AssistantSaid, MemoryJournal, UserSaid
from actors.output import Output
from actors.providers import (
    Capabilities,
    Model,
    call,
    finish,
    say,
    script,
    think,
    truncate,
    usage,
)
from actors.tools import Toolbox, tool
from runtime import open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from actors.agents import AgentRun
    from actors.providers import Script

GOOD = '{"city": "Oslo", "high": 21.5}'
BAD = '{"city": "Oslo", "high": "warm"}'


@attrs.frozen
class Weather:
    """What the weather will be."""

    city: str
    high: float


SCHEMA = Output(Weather).schema
OPTIONS = AgentOptions(output=Weather)


@tool(isolation="inline")
async def measure(city: str) -> float:
    """Measure the temperature of a city."""
    await trio.lowlevel.checkpoint()
    return 21.5 if city == "Oslo" else 0


async def read(run: AgentRun) -> None:
    async with run:
        await collect(run)


async def test_a_run_ends_with_an_instance() -> None:
    async with scripted(script(say(GOOD, pieces=4)), options=OPTIONS) as agent:
        answer = await agent.run("Oslo?")
        (request,) = await requests_of(agent)

    assert answer.value == Weather("Oslo", 21.5)
    assert answer.text == GOOD
    assert request.output == SCHEMA


async def test_a_wrong_answer_is_told_what_is_wrong_and_the_history_has_it() -> None:
    scripts = script(say(BAD), usage(5, 4)), script(say(GOOD), usage(9, 4)), script(say(GOOD))
    async with scripted(*scripts, options=OPTIONS) as agent:
        async with agent.stream("Oslo?") as run:
            assert run.value is None
            events = await collect(run)
        _, second = await requests_of(agent)
        entries = of_run(await entries_of(agent), run)
        await assert_one_truth(agent, run, Outcome.DONE)
        await assert_next_turn_is_accepted(agent)
        requests = await requests_of(agent)

    assert run.value == Weather("Oslo", 21.5)
    assert run.response.usage.output_tokens == 8
    assert types_of(events) == ["token", "answer", "complete"]
    complete = events[-1]
    assert isinstance(complete, Complete)
    assert (complete.content, complete.response.value) == (GOOD, run.value)
    told = second.turns[-1]
    assert isinstance(told, UserTurn)
    assert 'high must be a number, not "warm"' in told.text
    assert refusals(second.turns) == []
    assert [type(each) for each in entries[1:-1]] == [
        UserSaid,
        AssistantSaid,
        UserSaid,
        AssistantSaid,
    ]
    assert len(requests) == 3


async def test_a_model_that_stays_wrong_fails_the_run_and_the_conversation_goes_on() -> None:
    wrong = script(say(BAD), usage(5, 4))
    scripts = wrong, wrong, script(say(GOOD))
    async with scripted(*scripts, options=attrs.evolve(OPTIONS, output_attempts=2)) as agent:
        run = agent.stream("Oslo?")
        with pytest.raises(OutputInvalid) as caught:
            await read(run)
        await assert_one_truth(agent, run, Outcome.FAILED)
        await assert_next_turn_is_accepted(agent)

    error = caught.value
    assert error.problems == ('high must be a number, not "warm"',)
    assert (error.said, error.attempts, error.usage.output_tokens) == (BAD, 2, 8)
    assert run.response.usage.output_tokens == 8
    assert run.value is None


async def test_a_refusal_is_not_argued_with() -> None:
    scripts = script(say("No."), finish(FinishReason.REFUSAL)), script(say(GOOD))
    async with scripted(*scripts, options=OPTIONS) as agent:
        with pytest.raises(OutputInvalid, match="the model refused to answer"):
            await agent.run("Oslo?")
        assert len(await requests_of(agent)) == 1
        await assert_next_turn_is_accepted(agent)


async def test_an_answer_that_says_nothing_is_corrected_too() -> None:
    scripts = script(think("Hm.")), script(say(GOOD))
    async with scripted(*scripts, options=OPTIONS) as agent:
        answer = await agent.run("Oslo?")
        for request in await requests_of(agent):
            assert refusals(request.turns) == []

    assert answer.value == Weather("Oslo", 21.5)


async def test_an_answer_that_is_cut_off_is_never_an_instance() -> None:
    async with scripted(script(say(GOOD), truncate()), options=OPTIONS) as agent:
        run = agent.stream("Oslo?")
        with pytest.raises(StreamTruncated):
            await read(run)

    assert (run.value, run.outcome) == (None, Outcome.TRUNCATED)


async def test_corrections_count_as_model_calls() -> None:
    options = attrs.evolve(OPTIONS, limits=RunLimits(model_calls=1))
    async with scripted(script(say(BAD)), script(say(GOOD)), options=options) as agent:
        with pytest.raises(LimitReached, match="model_calls"):
            await agent.run("Oslo?")
        assert_sendable(await agent.history())


async def test_tools_still_work_and_the_schema_is_told_in_words_then() -> None:
    scripts = script(call("measure", city="Oslo")), script(say(BAD)), script(say(GOOD))
    async with scripted(*scripts, tools=(measure,), options=OPTIONS) as agent:
        answer = await agent.run("Oslo?")
        requests = await requests_of(agent)

    assert answer.value == Weather("Oslo", 21.5)
    for request in requests:
        assert request.output is None
        assert isinstance(request.turns[0], SystemTurn)
        assert json.dumps(SCHEMA.schema) in request.turns[0].text
        assert [spec.name for spec in request.tools] == ["measure"]
        assert refusals(request.turns[1:]) == []


@pytest.mark.parametrize(
    ("capabilities", "tools", "held"),
    [
        (Capabilities(json_schema=True), (), True),
        (Capabilities(json_schema=False), (), False),
        (Capabilities(json_schema=True), (measure,), False),
        (Capabilities(json_schema=True, json_schema_with_tools=True), (measure,), True),
    ],
)
async def test_what_the_model_can_decides_how_it_is_asked(
    capabilities: Capabilities, tools: tuple[object, ...], *, held: bool
) -> None:
    model = Model("scripted:test", script=(script(say(GOOD)),), capabilities=capabilities)
    async with open_agent(model, tools=tools, options=OPTIONS) as agent:  # type: ignore[arg-type]
        assert (await agent.run("Oslo?")).value == Weather("Oslo", 21.5)
        (request,) = await requests_of(agent)

    assert (request.output is not None) is held


async def test_a_class_that_cannot_be_asked_for_is_refused_with_the_options() -> None:
    with pytest.raises(TypeError, match="write an attrs class or a dataclass"):
        AgentOptions(output=int)
    with pytest.raises(ValueError, match="output_attempts must be 1 or more, not 0"):
        AgentOptions(output=Weather, output_attempts=0)


def choose(request: Request) -> Script:
    last = request.turns[-1]
    if isinstance(last, ToolTurn):
        return script(say(BAD, pieces=3), usage(5, 5))
    assert isinstance(last, UserTurn)
    if "That is not what was asked for" in last.text or last.text.endswith("What next?"):
        return script(say(GOOD, pieces=3), usage(5, 5))
    return script(call("measure", city="Oslo"), usage(5, 5))


async def test_wherever_a_run_is_cancelled_the_conversation_goes_on() -> None:
    requests: list[Request] = []
    runs: list[AgentRun] = []
    async with open_system() as system, assert_no_leaks():
        journal = await system.spawn(MemoryJournal, name="journal")
        provider = await system.spawn(Choosing, choose, requests, name="provider")
        setup = AgentSetup(None, Toolbox((measure,)), OPTIONS)
        ref = await system.spawn(Agent, provider, journal, setup, name="agent")
        agent = AgentHandle(ref, system, Model("scripted:echo"))

        async def scenario() -> None:
            run = agent.stream("Oslo?")
            runs.append(run)
            async with run:
                await collect(run)
            assert run.value == Weather("Oslo", 21.5)

        async def check() -> None:
            assert_sendable(await agent.history())
            assert (await agent.run("What next?")).value == Weather("Oslo", 21.5)

        assert await cancel_everywhere(scenario, check=check) > 20
        for request in requests:
            assert refusals(request.turns[1:]) == []
        await ref.stop()
        await provider.stop()
        await journal.stop()
    assert {run.outcome for run in runs} >= {Outcome.CANCELLED, Outcome.DONE}
