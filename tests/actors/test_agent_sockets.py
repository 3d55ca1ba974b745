"""Agents on a real server: what an interrupt leaves of sockets, and who waits for a slow reader."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
from agents_scripted import assert_sendable, collect

from actors import open_agent
from actors.chat import Outcome, Token
from actors.errors import ProviderUnavailable, StreamTruncated
from actors.providers import Model, Retry, call, reset, say, truncate
from actors.testing import FakeOpenAI, answer, error, open_fake_openai, raw
from runtime import System, open_system
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from actors.agents import AgentHandle

RUNS = 1_000
A_CONVERSATION = 50  # runs; a longer history would only measure the history


def model_of(server: FakeOpenAI) -> Model:
    retry = Retry(attempts=1)
    return Model("openai-compatible:test", base_url=server.base_url, retry=retry)


async def look_up(word: str) -> str:
    """Look a word up."""
    await trio.lowlevel.checkpoint()
    return word


async def interrupt(agent: AgentHandle, events: int) -> None:
    async with agent.stream("Go") as run:
        for _ in range(events):
            await anext(run)
    assert run.outcome is Outcome.CANCELLED


async def converse(server: FakeOpenAI, system: System, dice: random.Random) -> None:
    async with open_agent(model_of(server), tools=[look_up], system=system) as agent:
        for _ in range(A_CONVERSATION):
            await interrupt(agent, dice.randrange(12))
        assert_sendable(await agent.history())


async def test_a_thousand_interrupted_runs_leave_nothing_and_the_server_sees_each_close() -> None:
    dice = random.Random(1)  # noqa: S311 - dice
    talking = answer(say("word " * 100, pieces=100))
    calling = answer(
        say("Let me see. ", pieces=2), call("look_up", word="a"), call("look_up", word="b")
    )
    with assert_no_leaks():
        async with (
            open_fake_openai(talking) as talker,
            open_fake_openai(calling) as caller,
            open_system() as system,
        ):
            for _ in range(RUNS // 2 // A_CONVERSATION):
                await converse(talker, system, dice)
                await converse(caller, system, dice)

            requests = talker.requests + caller.requests
            assert len(requests) > RUNS // 2
            with trio.fail_after(5):
                for received in requests:
                    if not received.finished:
                        await received.closed.wait()
            assert sum(not received.finished for received in requests) > RUNS // 4


def endless_answer(chunks: int) -> bytes:
    delta = {"choices": [{"index": 0, "delta": {"content": "word " * 200}}]}
    return (b"data: " + msgspec.json.encode(delta) + b"\n\n") * chunks


async def test_a_reader_that_stalls_makes_the_server_wait() -> None:
    body = endless_answer(40_000)  # 40 MB
    async with (
        open_fake_openai(raw(body, split=16_384)) as server,
        open_agent(model_of(server)) as agent,
        agent.stream("Go") as run,
    ):
        await anext(run)
        (received,) = server.requests
        before = -1
        while received.written > before:  # what fits into sockets and hands on the way
            before = received.written
            await trio.sleep(0.1)
        assert before < len(body) / 4
        assert not received.finished

        for _ in range(100):
            await anext(run)
    assert run.response.chunk_count == 101


async def test_a_stream_that_is_cut_is_no_success_and_its_text_is_kept() -> None:
    async with (
        open_fake_openai(answer(say("one two ", pieces=4), truncate())) as server,
        open_agent(model_of(server)) as agent,
    ):
        async with agent.stream("Count") as run:
            with pytest.raises(StreamTruncated) as caught:
                await collect(run)
        history = await agent.history()

    assert run.outcome is Outcome.TRUNCATED
    assert caught.value.partial.text == run.response.text == "one two "
    assert history[-1].text == "one two "  # type: ignore[union-attr]


async def test_a_server_that_fails_ends_the_run_and_the_next_one_is_accepted() -> None:
    async with (
        open_fake_openai(error(503, "busy"), answer("one ", reset()), answer("two")) as server,
        open_agent(model_of(server)) as agent,
    ):
        with pytest.raises(ProviderUnavailable, match="busy"):
            await agent.run("Count")
        with pytest.raises(StreamTruncated):
            await agent.run("Count")
        assert (await agent.run("Count")).text == "two"
        sent = server.requests[-1].body["messages"]

    assert [message["role"] for message in sent] == ["user", "assistant", "user"]


async def test_two_agents_in_one_system_keep_their_conversations_apart() -> None:
    async with (
        open_fake_openai(answer("one")) as first_server,
        open_fake_openai(answer("two")) as second_server,
        open_system() as system,
    ):
        async with open_agent(model_of(first_server), system=system) as first:
            async with open_agent(model_of(second_server), system=system) as second:
                assert first.ref.path != second.ref.path
                assert (await second.run("Hello")).text == "two"
                assert (await first.run("Hi")).text == "one"
            assert (await first.run("Still there?")).text == "one"
            assert len(await first.history()) == 4
            assert len(system.tree().children) == 1
        assert system.tree().children == ()

    assert len(second_server.requests) == 1


async def test_leaving_at_the_first_token_closes_the_socket_before_control_returns() -> None:
    async with (
        open_fake_openai(answer(say("word " * 1000, pieces=1000), slow=0.001)) as server,
        open_agent(model_of(server)) as agent,
    ):
        async with agent.stream("Go") as run:
            async for event in run:
                if isinstance(event, Token):
                    break
        with trio.fail_after(1):
            await server.requests[0].closed.wait()
        assert server.requests[0].written < 20_000
