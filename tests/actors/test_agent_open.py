"""`open_agent`: what it starts and ends, which errors leave it, and how it can be misused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import trio
from agents_scripted import collect, scripted

from actors import AgentOptions, open_agent
from actors.agents import AgentRun, Run, RunLimits
from actors.chat import Outcome
from actors.errors import ConfigurationError, MissingKey, ModelNotPulled, UnknownModel
from actors.journal import MemoryJournal
from actors.providers import Model, pause, say, script
from actors.tools import tool
from runtime import ActorStopped, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock


async def test_an_agent_stands_in_the_tree_behind_its_journal_and_its_provider() -> None:
    async with open_agent("scripted:echo") as agent:
        (group,) = agent.system.tree().children
        assert group.kind == "rest_for_one"
        assert [child.path for child in group.children] == [
            "/agent/journal",
            "/agent/provider",
            "/agent/agent",
        ]
        assert (await agent.run("Hello, agent")).text == "Hello, agent"
        assert agent.model.name == "scripted:echo"


async def test_an_agent_ends_with_its_block_and_a_second_one_takes_its_name() -> None:
    async with assert_no_leaks(), open_system() as system:
        for _ in range(2):
            async with open_agent("scripted:echo", system=system) as agent:
                assert agent.ref.path == "/agent/agent"
                assert agent.system is system
            assert system.tree().children == ()
            with pytest.raises(ActorStopped):
                await agent.run("Are you there?")


async def test_an_agent_ends_only_its_own_part_of_a_system() -> None:
    async with open_system() as system:
        await system.spawn(MemoryJournal, name="somebody")
        with pytest.raises(KeyError, match="mine"):
            async with open_agent("scripted:echo", system=system):
                raise KeyError("mine")
        assert [child.path for child in system.tree().children] == ["/somebody"]


@pytest.mark.parametrize("in_a_system", [False, True])
@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("nonsense", UnknownModel),
        ("scripted:unknown", UnknownModel),
        ("openai:gpt-4o-mini", MissingKey),
        ("openai-compatible:x", ConfigurationError),
        ("local:smollm2", ModelNotPulled),
    ],
)
async def test_a_model_that_cannot_be_used_is_one_bare_error_and_nothing_is_left(
    model: str,
    error: type[Exception],
    in_a_system: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_COMPATIBLE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TROUPE_CACHE", str(tmp_path))
    async with assert_no_leaks(), open_system() as system:
        with pytest.raises(error) as caught:
            async with open_agent(model, system=system if in_a_system else None):
                pass
        assert not isinstance(caught.value, ExceptionGroup)
        assert system.tree().children == ()


async def test_an_error_of_the_body_leaves_bare() -> None:
    runs: list[AgentRun] = []

    async def body() -> None:
        async with open_agent("scripted:echo") as agent, agent.stream("one two") as run:
            runs.append(run)
            await anext(run)
            raise KeyError("mine")

    async with assert_no_leaks():
        with pytest.raises(KeyError, match="mine"):
            await body()
    assert runs[0].outcome is Outcome.CANCELLED


async def test_wherever_the_opening_is_cancelled_nothing_is_left() -> None:
    async def scenario() -> None:
        async with assert_no_leaks(), open_agent("scripted:echo"):
            pass

    assert await cancel_everywhere(scenario) > 10


# Misuse


async def test_a_run_is_used_once() -> None:
    async with open_agent("scripted:echo") as agent:
        run = agent.stream("Hello")
        async with run:
            with pytest.raises(RuntimeError, match=r"call `agent\.stream\(\.\.\.\)` again"):
                await run.__aenter__()
            await collect(run)
        with pytest.raises(RuntimeError, match="again"):
            async with run:
                pass
        assert (run.outcome, run.response.text) == (Outcome.DONE, "Hello")


async def test_a_run_is_read_inside_its_block() -> None:
    async with open_agent("scripted:echo") as agent:
        run = agent.stream("Hello")
        with pytest.raises(RuntimeError, match="inside its block"):
            await anext(run)
        async with run:
            pass
        with pytest.raises(RuntimeError, match="inside its block"):
            await anext(run)


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        (None, TypeError, "what the user says must be a string, not NoneType"),
        (b"Hello", TypeError, "not bytes"),
        ("caf\udce9", ValueError, "half a character at 3"),
    ],
)
async def test_what_no_provider_takes_is_refused_before_it_is_in_the_history(
    text: Any, error: type[Exception], hint: str
) -> None:
    async with open_agent("scripted:echo") as agent:
        with pytest.raises(error, match=hint):
            agent.stream(text)
        with pytest.raises(error, match=hint):
            await agent.run(text)
        with pytest.raises(error, match=hint):
            Run("id", text)
        assert await agent.history() == ()


@pytest.mark.parametrize("instructions", [5, "caf\udce9"])
async def test_instructions_that_cannot_be_sent_are_refused(instructions: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="the instructions"):
        async with open_agent("scripted:echo", instructions=instructions):
            pass


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: RunLimits(model_calls=0), "model_calls must be 1 or more, not 0"),
        (lambda: RunLimits(queued_runs=-1), "queued_runs must be 0 or more, not -1"),
        (lambda: RunLimits(tokens=-1), "tokens must be 0 or more, or None for no limit, not -1"),
        (lambda: RunLimits(cost=-0.1), "cost must be 0 or more, or None for no limit, not -0.1"),
        (lambda: AgentOptions(conversation=""), "conversation must not be empty"),
        (lambda: AgentOptions(cleanup=math.inf), "cleanup must be 0 or more seconds, not inf"),
        (lambda: AgentOptions(cleanup=math.nan), "cleanup"),
        (lambda: AgentOptions(cleanup=-1), "cleanup"),
    ],
)
def test_options_check_themselves(make: Any, hint: str) -> None:
    with pytest.raises((ValueError, TypeError), match=hint):
        make()


async def test_an_id_that_was_used_is_refused_for_a_run() -> None:
    async with open_agent("scripted:echo") as agent:
        for text in ("one", "two"):
            async with agent.ref.stream(Run("same", text)) as events:
                if text == "one":
                    assert len([event async for event in events]) == 3
                else:
                    with pytest.raises(ConfigurationError, match="'same' already"):
                        await anext(events)
        assert len(await agent.history()) == 2


async def test_a_run_whose_admission_is_cancelled_was_never_begun(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(script("a", pause(1), "b", repeat=True)) as agent:
        run = agent.stream("Hello")
        with trio.CancelScope() as scope:
            scope.cancel()
            async with run:
                pass
        assert scope.cancelled_caught
        assert run.outcome is None
        assert await agent.history() == ()


async def test_a_run_says_what_it_is_at_any_time() -> None:
    async with (
        scripted(script(say("one two", pieces=2))) as agent,
        agent.stream("Count") as run,
    ):
        assert isinstance(run, AgentRun)
        assert "open" in repr(run)
        await collect(run)
        assert "done" in repr(run)
        assert repr(agent) == "<AgentHandle /agent/agent on scripted:test>"


async def test_a_model_record_is_as_good_as_its_name() -> None:
    async with open_agent(Model("scripted:echo")) as agent:
        assert (await agent.run("Hello")).text == "Hello"


async def test_an_agent_that_is_used_after_its_block_says_where_to_use_it() -> None:
    async with open_agent("scripted:echo") as agent:
        pass
    with pytest.raises(ActorStopped, match=r"was not started: send it inside of the `async with`"):
        await agent.run("Hello?")
    async with open_system() as system:
        async with open_agent("scripted:echo", system=system) as agent:
            pass
        with pytest.raises(ActorStopped, match=r"the message was not started$"):
            await agent.run("Hello?")


async def test_what_is_given_to_an_agent_in_a_wrong_form_is_refused_with_the_right_one() -> None:
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    wrong: Any
    for wrong, said in (
        ({"tools": add}, r"given in a list: write tools=\[add\]"),
        ({"tools": tool(add)}, r"given in a list: write tools=\[add\]"),
        ({"tools": None}, "given in a list"),
        ({"options": {"name": "ann"}}, r"options must be AgentOptions, not \{'name': 'ann'\}"),
    ):
        with pytest.raises(TypeError, match=said):
            async with open_agent("scripted:echo", **wrong):
                raise AssertionError
