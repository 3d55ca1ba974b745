"""Agents whose models write ReAct: tools run, histories are text, and all else is as ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from agents_scripted import (
    assert_one_truth,
    collect,
    entries_of,
    requests_of,
    scripted,
    types_of,
)
from strict_history import refusals

from actors import AgentOptions, open_agent
from actors.agents import RunLimits
from actors.chat import (
    AssistantTurn,
    Outcome,
    Settings,
    SystemTurn,
    Text,
    Thinking,
    ToolCall,
    ToolEnd,
    ToolResult,
    ToolSpec,
    ToolTurn,
    Turn,
    UserTurn,
    assistant,
)
from actors.chat import Request as AnyRequest
from actors.errors import CapabilityMissing, LimitReached
from actors.journal import AssistantSaid, ToolCalled, ToolSealed
from actors.providers import Capabilities, Model, call, pause, say, script
from actors.react import NO_ACTION, ReActStyle
from actors.testing import WIRES, WireName, answer, open_fake_provider
from actors.tools import tool

if TYPE_CHECKING:
    from trio.testing import MockClock

    from actors.agents import AgentHandle

REACT = AgentOptions(style="react")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(name="add", isolation="inline")
def quick(a: int, b: int) -> int:
    """Add two numbers at once."""
    return a + b


ACTION = 'Thought: I add.\nAction: add\nAction Input: {"a": 1, "b": 2}'
ANSWER = "Thought: I know.\nFinal Answer: It is 3."


async def texts_sent(agent: AgentHandle) -> list[list[str]]:
    """The turns of every request, but for the instructions."""
    return [
        [turn.text for turn in request.turns[1:] if isinstance(turn, UserTurn | AssistantTurn)]
        for request in await requests_of(agent)
    ]


async def test_an_action_runs_its_tool_and_the_model_is_told_the_observation() -> None:
    async with scripted(script(ACTION), script(ANSWER), tools=(add,), options=REACT) as agent:
        async with agent.stream("1+2?") as run:
            events = await collect(run)
        await assert_one_truth(agent, run, Outcome.DONE)
        requests = await requests_of(agent)
        sent = await texts_sent(agent)

    assert types_of(events) == [
        "thought",
        "tool_start",
        "tool_end",
        "thought",
        "token",
        "answer",
        "complete",
    ]
    assert run.response.text == "It is 3."
    assert sent == [["1+2?"], ["1+2?", ACTION, "Observation: 3"]]
    assert all(request.tools == () for request in requests)
    assert all("\nObservation:" in request.settings.stop for request in requests)
    assert all(refusals(request.turns[1:]) == [] for request in requests)


async def test_the_instructions_show_the_tools_behind_those_of_the_user() -> None:
    model = Model("scripted:test", script=(script(ANSWER),))
    async with open_agent(model, tools=[add], instructions="Be kind.", options=REACT) as agent:
        await agent.run("Hi")
        (request,) = await requests_of(agent)

    first = request.turns[0]
    assert isinstance(first, SystemTurn)
    assert first.text.startswith("Be kind.\n\n")
    assert "- add: Add two numbers." in first.text
    assert '"a": {"type": "integer"}' in first.text


async def test_the_next_run_sees_the_conversation_as_text_that_every_provider_takes() -> None:
    scripts = (script(ACTION), script(ANSWER), script("Final Answer: bye"))
    async with scripted(*scripts, tools=(add,), options=REACT) as agent:
        await agent.run("1+2?")
        await agent.run("Bye")
        sent = await texts_sent(agent)

    assert sent[-1] == [
        "1+2?",
        ACTION,
        "Observation: 3",
        "Thought: I know.\nFinal Answer: It is 3.",
        "Bye",
    ]


async def test_an_action_that_cannot_be_read_is_answered_with_what_to_write() -> None:
    bad = script("Action: add\nAction Input: one and two")
    async with scripted(bad, script(ANSWER), tools=(add,), options=REACT) as agent:
        assert (await agent.run("1+2?")).text == "It is 3."
        sent = await texts_sent(agent)

    observation = sent[-1][-1]
    assert observation.startswith("Observation: the arguments are not valid JSON")
    assert "Write `Action Input:` with one JSON object" in observation


async def test_a_thought_without_an_action_is_answered_with_what_to_write() -> None:
    scripts = (script("Thought: I wonder."), script(ANSWER))
    async with scripted(*scripts, tools=(add,), options=REACT) as agent:
        assert (await agent.run("1+2?")).text == "It is 3."
        sent = await texts_sent(agent)
        entries = await entries_of(agent)

    assert sent[-1][1] == "Thought: I wonder."
    assert sent[-1][2].startswith("Observation: there was no action. Write `Action:`")
    assert [entry.call.name for entry in entries if isinstance(entry, ToolCalled)] == [NO_ACTION]


async def test_so_many_answers_in_a_row_that_cannot_be_read_end_the_run() -> None:
    bad = script("Action: add\nAction Input: one", repeat=True)
    options = AgentOptions(style=ReActStyle(attempts=2))
    async with scripted(bad, tools=(add,), options=options) as agent:
        async with agent.stream("1+2?") as run:
            with pytest.raises(LimitReached, match=r"2 answers in a row") as caught:
                await collect(run)
        await assert_one_truth(agent, run, Outcome.LIMIT)
        requests = await requests_of(agent)

    assert caught.value.limit == "attempts"
    assert len(requests) == 2


async def test_the_count_of_bad_answers_begins_anew_with_a_good_one_and_with_the_user() -> None:
    bad = script("Action: add\nAction Input: one")
    options = AgentOptions(style=ReActStyle(attempts=2))
    scripts = (bad, script(ACTION), bad, script(ANSWER), bad, script(ANSWER))
    async with scripted(*scripts, tools=(add,), options=options) as agent:
        assert (await agent.run("1+2?")).text == "It is 3."
        assert (await agent.run("Again?")).text == "It is 3."


async def test_the_last_mere_thought_that_is_allowed_is_the_answer() -> None:
    thoughts = script("Thought: It must be 3.", repeat=True)
    async with scripted(thoughts, tools=(add,), options=REACT) as agent:
        assert (await agent.run("1+2?")).text == "It must be 3."
        assert len(await requests_of(agent)) == 3


async def test_an_observation_that_a_model_makes_up_is_not_read_and_its_stream_is_left() -> None:
    made_up = script(say(f"{ACTION}\nObservation: 12\nFinal Answer: 12", pieces=40))
    async with scripted(made_up, script(ANSWER), tools=(add,), options=REACT) as agent:
        async with agent.stream("1+2?") as run:
            events = await collect(run)
        sent = await texts_sent(agent)

    assert [event.content for event in events if isinstance(event, ToolEnd)] == ["3"]
    assert run.response.text == "It is 3."
    assert sent[-1][1:] == [ACTION, "Observation: 3"]


async def test_a_model_that_goes_on_behind_its_action_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    long = script(say(f"{ACTION}\nObservation: 1"), pause(50), "2", pause(50), "3")
    async with scripted(long, script(ANSWER), tools=(quick,), options=REACT) as agent:
        assert (await agent.run("1+2?")).text == "It is 3."
        assert autojump_clock.current_time() < 1


async def test_what_was_shown_of_an_interrupted_answer_is_kept() -> None:
    long = script(say("Final Answer: one two three four", pieces=30))
    async with scripted(long, script(ANSWER), tools=(add,), options=REACT) as agent:
        async with agent.stream("Count") as run:
            async for _ in run:
                if "two" in run.response.text:
                    break
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        await agent.run("1+2?")
        sent = await texts_sent(agent)

    assert sent[-1] == ["Count", f"Final Answer: {run.response.text.strip()}", "1+2?"]


async def test_a_conversation_of_an_agent_that_called_tools_goes_on_as_text() -> None:
    async with scripted(
        script("Let me see. ", call("add", a=1, b=2), call("add", a=3, b=4)),
        script("It is 3 and 7."),
        tools=(add,),
    ) as agent:
        await agent.run("1+2? 3+4?")
        history = await agent.history()

    written = ReActStyle().asking(AnyRequest(history)).request.turns[1:]
    assert [turn.text for turn in written if isinstance(turn, UserTurn | AssistantTurn)] == [
        "1+2? 3+4?",
        'Thought: Let me see.\nAction: add\nAction Input: {"a":1,"b":2}',
        "Observation: 3",
        'Action: add\nAction Input: {"a":3,"b":4}',
        "Observation: 7",
        "Final Answer: It is 3 and 7.",
    ]


async def test_a_limit_of_model_calls_holds_as_ever() -> None:
    options = AgentOptions(style="react", limits=RunLimits(model_calls=2))
    async with scripted(script(ACTION, repeat=True), tools=(add,), options=options) as agent:
        with pytest.raises(LimitReached, match=r"2 model calls"):
            await agent.run("1+2?")


async def test_a_class_can_be_asked_for() -> None:
    @attrs.frozen
    class Total:
        value: int

    options = AgentOptions(style="react", output=Total)
    final = script('Thought: I know.\nFinal Answer: {"value": 3}')
    async with scripted(script(ACTION), final, tools=(add,), options=options) as agent:
        assert (await agent.run("1+2?")).value == Total(3)
        assert all(request.output is None for request in await requests_of(agent))


async def test_a_model_without_tools_is_told_of_with_the_option_to_set() -> None:
    model = Model("scripted:test", script=script(ANSWER), capabilities=Capabilities(tools=False))
    async with open_agent(model, tools=[add]) as agent:
        with pytest.raises(CapabilityMissing, match=r'AgentOptions\(style="react"\)'):
            await agent.run("1+2?")
    async with open_agent(model, tools=[add], options=REACT) as agent:
        assert (await agent.run("1+2?")).text == "It is 3."


def test_a_style_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    style: Any = "reactive"
    with pytest.raises(ValueError, match=r'write "tools" .* "react" or ReAct'):
        AgentOptions(style=style)
    with pytest.raises(ValueError, match="attempts must be 1 or more"):
        ReActStyle(attempts=0)


def test_settings_that_speak_of_tools_are_left_out_and_words_to_stop_at_are_kept() -> None:
    settings = Settings(stop="END", tool_choice="required", parallel_tool_calls=True)
    request = AnyRequest((UserTurn("Hi"),), (ToolSpec("add", "", {}),), settings)

    sent = ReActStyle().asking(request).request.settings
    assert sent == Settings(stop=("END", "\nObservation:"))
    assert ReActStyle(stop=False).asking(request).request.settings == Settings(stop="END")


CALL = ToolCall("c1", "add", {"a": 1}, '{"a": 1}')
TURNS: list[tuple[Turn, ...]] = [
    (UserTurn("a"), AssistantTurn((CALL,)), ToolTurn((ToolResult("c1", "add", "1"),))),
    (
        UserTurn("a"),
        AssistantTurn((Text("x"), CALL, Text("y"))),
        ToolTurn((ToolResult("c1", "add", "1"),)),
        assistant("b"),
        UserTurn("c"),
    ),
    (UserTurn("a"), AssistantTurn((Thinking("own"), Text("b")))),
]


@pytest.mark.parametrize("turns", TURNS)
def test_turns_as_text_are_in_an_order_that_every_provider_takes(turns: tuple[Turn, ...]) -> None:
    assert refusals(ReActStyle().asking(AnyRequest(turns)).request.turns[1:]) == []


@pytest.mark.parametrize("wire", WIRES)
async def test_every_wire_takes_it_and_a_strict_server_answers(wire: WireName) -> None:
    names: dict[WireName, str] = {
        "openai-chat": "openai:any",
        "openai-responses": "openai-responses:any",
        "anthropic": "anthropic:claude-sonnet-4-5",
        "gemini": "gemini:any",
        "ollama": "ollama:any",
    }
    options = AgentOptions(style=ReActStyle(stop=wire != "openai-responses"))
    answers = (answer(say(ACTION, pieces=9)), answer(say(ANSWER, pieces=5)))
    async with open_fake_provider(*answers, wire=wire, strict=True) as server:
        model = Model(names[wire], base_url=server.base_url, api_key="key")
        async with open_agent(model, tools=[add], options=options) as agent:
            assert (await agent.run("1+2?")).text == "It is 3."
            entries = await entries_of(agent)

    sealed = [entry.content for entry in entries if isinstance(entry, ToolSealed)]
    assert sealed == ["3"]
    assert [entry.turn.wire for entry in entries if isinstance(entry, AssistantSaid)] == [
        "react"
    ] * 2
