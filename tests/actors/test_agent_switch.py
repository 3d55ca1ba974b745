"""An agent that is told to talk to another model: when, what stays, and what a failure leaves."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import trio
from agents_parts import agent_of, until_it_is_back
from agents_scripted import assert_sendable, beside, collect
from several_models import failing, model, nodes, speaker
from strict_history import refusals

from actors import open_agent
from actors.agents import AgentHandle, UseModel
from actors.chat import AssistantTurn, Outcome, Request, UserTurn
from actors.errors import (
    ConfigurationError,
    MissingKey,
    ModelNotPulled,
    ProviderUnavailable,
    UnknownModel,
)
from actors.http._client import _certificates
from actors.providers import (
    Fallback,
    Model,
    Race,
    Requests,
    ScriptedApi,
    call,
    call_text,
    crash,
    pause,
    say,
    script,
    stall,
    think,
)
from actors.testing import answer, open_fake_openai
from runtime import ActorStopped, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock


def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}!"


async def asked(agent: AgentHandle, name: str) -> tuple[Request, ...]:
    """What the scripted provider of this name was asked."""
    ref = agent.system.whereis(beside(agent, name), ScriptedApi)
    assert ref is not None
    return await ref.ask(Requests())


def running(agent: AgentHandle) -> list[str]:
    """The names of all below the agent's group, in the order of their start."""
    (group,) = [each for each in agent.system.tree().children if agent.ref.path in str(each)]
    return [each.path.removeprefix(f"{group.path}/") for each in nodes(group)[1:]]


async def test_the_next_run_talks_to_the_other_model_and_the_conversation_goes_on() -> None:
    async with open_agent(speaker("a")) as agent:
        await agent.run("First?")
        await agent.use(speaker("b"))
        assert (await agent.run("Second?")).text == "b one two"
        assert agent.model.name == "scripted:b"
        (request,) = await asked(agent, "provider-2")
        history = await agent.history()

    assert request.turns == history[:-1] == (UserTurn("First?"), history[1], UserTurn("Second?"))
    assert [turn.text for turn in history if isinstance(turn, AssistantTurn)] == [
        "a one two",
        "b one two",
    ]


async def test_the_one_before_is_stopped_and_the_tree_has_the_new_one() -> None:
    async with open_agent(speaker("a")) as agent:
        assert running(agent) == ["journal", "provider", "agent"]
        await agent.use(Fallback(speaker("b"), speaker("c")))
        assert running(agent) == [
            "journal",
            "agent",
            "provider-2-models",
            "provider-2-models/1-scripted:b",
            "provider-2-models/2-scripted:c",
            "provider-2",
        ]
        assert (await agent.run("Hi")).text == "b one two"
        await agent.use("scripted:echo")
        assert running(agent) == ["journal", "agent", "provider-3"]
        assert (await agent.run("Hi")).text == "Hi"


async def test_a_call_that_goes_on_ends_with_the_model_it_began_with(
    autojump_clock: MockClock,
) -> None:
    async with open_agent(speaker("a", slow=1)) as agent:
        async with agent.stream("Go") as run:
            await anext(run)
            await agent.use(speaker("b"))
            await trio.sleep(0.5)
            assert running(agent) == ["journal", "provider", "agent", "provider-2"]
            await collect(run)
        await trio.testing.wait_all_tasks_blocked()
        assert running(agent) == ["journal", "agent", "provider-2"]
        assert run.response.text == "a one two"
        assert (await agent.run("And now?")).text == "b one two"


async def test_a_switch_between_two_calls_of_a_run_holds_from_the_second_on(
    autojump_clock: MockClock,
) -> None:
    handle: list[AgentHandle] = []

    async def change() -> str:
        """Change the model."""
        await handle[0].use(speaker("b"))
        return "changed"

    first = Model("scripted:a", script=script(think("Hm."), say("Let me see. "), call("change")))
    async with open_agent(first, tools=[change]) as agent:
        handle.append(agent)
        assert (await agent.run("Go")).text == "b one two"
        assert running(agent) == ["journal", "agent", "provider-2"]
        history = await agent.history()

    assert_sendable(history)
    assert [type(turn).__name__ for turn in history] == [
        "UserTurn",
        "AssistantTurn",
        "ToolTurn",
        "AssistantTurn",
    ]


async def test_what_the_new_model_is_sent_is_a_history_that_it_takes(
    autojump_clock: MockClock,
) -> None:
    """Also after a cut, a tool that was cancelled, and arguments that were none."""

    async def wait() -> None:
        """Wait for ever."""
        await trio.sleep_forever()

    first = Model(
        "scripted:a",
        script=[
            script(say("one "), pause(1), stall()),
            script(say("two "), call("wait"), call("wait")),
            script(call_text("wait", '{"a": '), say("x")),
            script("three"),
        ],
    )
    async with open_agent(first, tools=[wait]) as agent:
        for _ in range(2):
            with trio.move_on_after(0.5):
                await agent.run("Go")
        await agent.run("Go on")
        await agent.use(speaker("b"))
        assert (await agent.run("And now?")).text == "b one two"
        (request,) = await asked(agent, "provider-2")

    assert refusals(request.turns) == []
    assert request.turns[-1] == UserTurn("And now?")
    assert [tool.name for tool in request.tools] == ["wait"]


async def test_a_real_server_is_sent_what_the_other_one_has_said() -> None:
    async with (
        open_fake_openai(answer(say("Let me see."), call("look_up", word="ship"))) as first,
        open_fake_openai(answer("A ship!")) as second,
    ):
        before = Model("openai-compatible:one", base_url=first.base_url)
        after = Model("openai-compatible:two", base_url=second.base_url)

        async with open_agent(before, tools=[look_up]) as agent:
            async with agent.stream("What is a ship?") as run:
                async for event in run:
                    if event.type == "tool_start":
                        await agent.use(after)
            assert run.outcome is Outcome.DONE

    sent = second.requests[0].body
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool"]
    assert sent["messages"][2]["content"] == "ship!"
    assert sent["model"] == "two"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("nonsense", UnknownModel),
        ("openai:gpt-4o-mini", MissingKey),
        ("local:smollm2", ModelNotPulled),
        (Fallback("scripted:echo", "local:smollm2"), ModelNotPulled),
        (3, ConfigurationError),
    ],
)
async def test_a_model_that_cannot_be_had_leaves_the_one_before(
    wrong: Any, error: type[Exception], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("TROUPE_CACHE", str(tmp_path))
    async with open_agent(speaker("a")) as agent:
        with pytest.raises(error):
            await agent.use(wrong)
        assert running(agent) == ["journal", "provider", "agent"]
        assert agent.model.name == "scripted:a"
        assert (await agent.run("Hi")).text == "a one two"
        assert agent.ref.statistics().restarts == 0
        await agent.use("scripted:echo")
        assert (await agent.run("Hi")).text == "Hi"


async def test_any_other_error_of_the_start_is_no_crash_of_the_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _certificates.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    async with open_agent(speaker("a")) as agent:
        with pytest.raises(ConfigurationError, match="does not start") as caught:
            await agent.use(Model("openai-compatible:x", base_url="https://127.0.0.1:1/v1"))
        assert isinstance(caught.value.__cause__, FileNotFoundError)
        assert running(agent) == ["journal", "provider", "agent"]
        assert agent.ref.statistics().restarts == 0


async def test_the_model_stays_after_a_crash_of_the_agent() -> None:
    async with open_agent(speaker("a")) as agent:
        await agent.use(speaker("b"))
        ref: Any = agent.ref
        actor: Any = ref._cell.owner.life.actor  # noqa: SLF001 - to do harm
        actor.start_soon(_break)
        await trio.testing.wait_all_tasks_blocked()
        await until_it_is_back(agent)
        assert agent.ref.statistics().restarts == 1
        assert (await agent.run("Hi")).text == "b one two"


async def _break() -> None:
    raise ValueError("broken on purpose")


async def test_a_crash_of_the_new_provider_costs_no_more_than_the_run(
    autojump_clock: MockClock,
) -> None:
    async with open_agent(speaker("a")) as agent:
        await agent.run("Hi")
        await agent.use(Model("scripted:b", script=[script("b ", crash()), script("back")]))
        with pytest.raises(Exception, match="crash"):
            await agent.run("Go")
        await trio.sleep(1)
        assert (await agent.run("Hi")).text == "back"
        assert len(await agent.history()) == 6


async def test_many_at_once_come_in_turn_and_leave_one() -> None:
    async with open_agent(speaker("a")) as agent:
        async with trio.open_nursery() as nursery:
            for name in "bcdef":
                nursery.start_soon(agent.use, speaker(name))
        await agent.run("Hi")
        assert len(running(agent)) == 3


async def test_of_two_at_once_the_one_that_came_last_stays() -> None:
    """Also if the one before it takes longer to start."""
    long = Fallback(*(speaker(f"b{number}") for number in range(30)))
    async with open_agent(speaker("a")) as agent:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agent.use, long)
            while agent.ref.statistics().handling == ():
                await trio.lowlevel.checkpoint()
            nursery.start_soon(agent.use, "scripted:echo")
        assert agent.model.name == "scripted:echo"
        assert running(agent) == ["journal", "agent", "provider-3"]


async def test_the_message_is_for_whoever_has_a_ref_alone() -> None:
    async with open_agent(speaker("a")) as agent:
        await agent.ref.ask(UseModel(speaker("b")))
        assert agent.model.name == "scripted:b"
        assert repr(agent) == "<AgentHandle /agent/agent on scripted:b>"


async def test_an_agent_with_a_provider_of_somebody_elses_says_why_it_cannot() -> None:
    async with agent_of() as agent:
        with pytest.raises(ConfigurationError, match="give it a ModelSwitch"):
            await agent.use("scripted:echo")
        assert (await agent.run("Hi")).text == "Fine."


async def test_a_run_in_progress_at_the_end_is_ended_by_its_agent(
    autojump_clock: MockClock,
) -> None:
    """The provider that was started last does not end under it."""
    outcomes: list[Outcome | None] = []

    async def talk(agent: AgentHandle) -> None:
        async with agent.stream("Go") as run:
            with pytest.raises(ActorStopped):
                await collect(run)
        outcomes.append(run.outcome)

    async with trio.open_nursery() as nursery, open_agent("scripted:echo") as agent:
        await agent.use(model("b", say("Hm."), stall()))
        nursery.start_soon(talk, agent)
        await trio.testing.wait_all_tasks_blocked()

    assert outcomes == [Outcome.CANCELLED]


async def test_wherever_a_switch_is_cancelled_the_agent_has_one_model(
    autojump_clock: MockClock,
) -> None:
    async def scenario() -> None:
        async with assert_no_leaks(), open_agent(speaker("a")) as agent:
            await agent.use(Race(speaker("b"), speaker("c")))
            assert (await agent.run("Hi")).text.endswith("one two")
            assert len(running(agent)) == 6

    assert await cancel_everywhere(scenario) > 30


async def test_a_switch_that_is_cancelled_has_happened_or_left_no_trace(
    autojump_clock: MockClock,
) -> None:
    """After every number of steps: of the new model nothing is left, or it is the one."""
    before_and_after = {"scripted:a": 3, "Race(scripted:b, scripted:c)": 6}
    seen: set[str] = set()
    async with open_agent(speaker("a")) as agent:

        async def scenario() -> None:
            await agent.use(Race(speaker("b"), speaker("c")))

        async def check() -> None:
            await trio.testing.wait_all_tasks_blocked()
            seen.add(agent.model.name)
            assert len(running(agent)) == before_and_after[agent.model.name]
            await agent.use(speaker("a"))
            assert (await agent.run("Hi")).text == "a one two"

        assert await cancel_everywhere(scenario, check=check) > 5
    assert seen == set(before_and_after)


async def test_switches_and_cancels_at_random_leave_one_model_and_a_history_that_is_sendable(
    autojump_clock: MockClock,
) -> None:
    dice = random.Random(5)  # noqa: S311 - dice
    models = [
        speaker("a", after=0.5, slow=0.5),
        Race(speaker("b", slow=1), speaker("c", after=0.25)),
        Fallback(failing("d", ProviderUnavailable("no"), after=0.25), speaker("e", slow=0.25)),
        "scripted:echo",
    ]
    async with open_system() as system:
        async with open_agent("scripted:echo", tools=[look_up], system=system) as agent:
            for _ in range(150):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_run_at_most, agent, dice.choice([0.25, 0.5, 1, 2, 9]))
                    await trio.sleep(dice.choice([0, 0.25, 0.5, 1]))
                    with trio.move_on_after(dice.choice([0, 9])):
                        await agent.use(dice.choice(models))
                assert_sendable(await agent.history())
            await trio.testing.wait_all_tasks_blocked()
            top = [name for name in running(agent) if "/" not in name]
            assert len([name for name in top if not name.endswith("-models")]) == 3
            assert agent.ref.statistics().restarts == 0
        assert system.tree().children == ()


async def _run_at_most(agent: AgentHandle, seconds: float) -> None:
    with trio.move_on_after(seconds):
        async with agent.stream("Go") as run:
            await collect(run)
