"""Agents of asyncio programs and of blocking ones, with servers on real sockets."""

from __future__ import annotations

import asyncio
import random
import threading
from itertools import islice
from typing import TYPE_CHECKING

import pytest
import trio
from bridge_actors import SECONDS, interrupting

from actors import asyncio as for_asyncio
from actors import blocking
from actors.chat import Complete, Outcome, Token
from actors.errors import ProviderUnavailable, StreamTruncated, UnknownModel
from actors.providers import Model, Retry, say, script, truncate
from actors.testing import answer as served
from actors.testing import error, open_fake_provider
from runtime import ActorStopped, open_system
from runtime.bridge import open_asyncio_bridge, open_bridge
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from actors.asyncio import AsyncioAgent
    from actors.blocking import BlockingAgent
    from actors.testing import FakeProvider
    from runtime.bridge import Bridge

CANCELS = 100
WORDS = served(say("word " * 1000, pieces=1000), slow=0.001)
CLOSE_SECONDS = 1.0  # until the server must have seen a close; it takes less than a millisecond


def model_of(server: FakeProvider) -> Model:
    return Model("openai:test", base_url=server.base_url, api_key="k", retry=Retry(attempts=1))


async def see_the_close(server: FakeProvider) -> int:
    """How much of the answer had been written when the client hung up."""
    with trio.fail_after(CLOSE_SECONDS):
        await server.requests[-1].closed.wait()
    return server.requests[-1].written


async def see_all_closes(server: FakeProvider) -> None:
    with trio.fail_after(CLOSE_SECONDS):
        for received in server.requests:
            await received.closed.wait()


def run(program: Coroutine[object, object, None]) -> None:
    with assert_no_leaks():
        asyncio.run(asyncio.wait_for(program, SECONDS * 6))


# asyncio


def test_an_asyncio_program_runs_and_streams() -> None:
    async def main() -> None:
        async with for_asyncio.open_agent("scripted:echo") as agent:
            assert (await agent.run("Hello")).text == "Hello"
            async with agent.stream("Again") as run:
                events = [event async for event in run]
            assert isinstance(events[-1], Complete)
            assert run.response.text == "Again"
            assert run.outcome is Outcome.DONE
            assert len(await agent.history()) == 4

    run(main())


def test_a_cancelled_task_closes_the_socket_and_keeps_what_was_shown() -> None:
    async def read(agent: AsyncioAgent, shown: list[str], enough: asyncio.Event) -> None:
        async with agent.stream("Go") as run:
            async for event in run:
                shown.append(event.content)
                if len(shown) == 5:
                    enough.set()

    async def main() -> None:
        async with (
            open_asyncio_bridge() as servers,
            servers.open(open_fake_provider, WORDS, served("Fine")) as server,
            for_asyncio.open_agent(model_of(server)) as agent,
        ):
            shown: list[str] = []
            enough = asyncio.Event()
            task = asyncio.create_task(read(agent, shown, enough))
            await enough.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert await servers.run(see_the_close, server) < 100_000
            assert (await agent.history())[-1].text == "".join(shown)  # type: ignore[union-attr]
            assert (await agent.run("Go on")).text == "Fine"

    run(main())


def test_random_cancels_close_every_socket() -> None:
    async def read(agent: AsyncioAgent) -> None:
        async with agent.stream("Go") as run:
            async for _ in run:
                pass

    async def main() -> None:
        dice = random.Random(5)  # noqa: S311
        async with (
            open_asyncio_bridge() as servers,
            servers.open(open_fake_provider, WORDS) as server,
            open_asyncio_bridge() as bridge,
        ):
            for _ in range(CANCELS):
                async with for_asyncio.open_agent(model_of(server), bridge=bridge) as agent:
                    task = asyncio.create_task(read(agent))
                    await asyncio.sleep(dice.random() / 30)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                    await servers.run(see_all_closes, server)
            assert len(server.requests) > CANCELS / 10
            assert not any(received.finished for received in server.requests)

    run(main())


def test_what_ends_a_run_arrives_with_its_type_and_its_partial() -> None:
    async def main() -> None:
        cut = served(say("one two ", pieces=4), truncate())
        async with (
            open_asyncio_bridge() as servers,
            servers.open(open_fake_provider, cut) as server,
            for_asyncio.open_agent(model_of(server)) as agent,
        ):
            with pytest.raises(StreamTruncated) as caught:
                await agent.run("Count")
            assert caught.value.partial.text == "one two "

    run(main())


def test_agents_share_a_bridge_and_a_system() -> None:
    async def main() -> None:
        async with open_asyncio_bridge() as bridge, bridge.open(open_system) as system:
            threads = threading.active_count()
            async with (
                for_asyncio.open_agent("scripted:echo", system=system, bridge=bridge) as first,
                for_asyncio.open_agent("scripted:echo", system=system, bridge=bridge) as second,
            ):
                said = await asyncio.gather(first.run("one"), second.run("two"), first.run("three"))
                assert [each.text for each in said] == ["one", "two", "three"]
                assert threading.active_count() == threads
                assert {first.handle.ref.path, second.handle.ref.path} == {
                    "/agent/agent",
                    "/agent-2/agent",
                }

    run(main())


def test_an_agent_can_be_opened_in_one_task_and_closed_in_another() -> None:
    async def main() -> None:
        opened = for_asyncio.open_agent("scripted:echo")
        agent = await asyncio.create_task(opened.__aenter__())
        assert (await asyncio.create_task(agent.run("Hello"))).text == "Hello"
        await asyncio.create_task(opened.__aexit__(None, None, None))

    run(main())


# Blocking


def test_a_blocking_program_runs_and_streams() -> None:
    model = Model("scripted:poet", script=script(say("one two ", pieces=2), repeat=True))
    with assert_no_leaks(), blocking.open_agent(model) as agent:
        with agent.stream("Count") as run:
            tokens = [event.content for event in run if isinstance(event, Token)]
        assert tokens == ["one ", "two "]
        assert run.outcome is Outcome.DONE
        assert agent.run("Go on").text == "one two "
        assert len(agent.history()) == 4
        assert agent.model is model


def read_until_interrupted(agent: BlockingAgent, begun: threading.Event, shown: list[str]) -> None:
    with agent.stream("Go") as run:
        for event in run:
            shown.append(event.content)
            if len(shown) == 5:
                begun.set()


def test_a_ctrl_c_closes_the_socket_and_keeps_what_was_shown() -> None:
    begun = threading.Event()
    shown: list[str] = []
    with (
        assert_no_leaks(),
        open_bridge() as servers,
        servers.open(open_fake_provider, WORDS, served("Fine")) as server,
        blocking.open_agent(model_of(server)) as agent,
    ):
        with interrupting(begun), pytest.raises(KeyboardInterrupt):
            read_until_interrupted(agent, begun, shown)

        assert servers.run(see_the_close, server) < 100_000
        history = agent.history()
        assert "".join(shown) in {history[-1].text, history[-1].text + "word "}  # type: ignore[union-attr]
        assert agent.run("Go on").text == "Fine"


def test_a_break_ends_the_run_before_the_block_is_left() -> None:
    with (
        open_bridge() as servers,
        servers.open(open_fake_provider, WORDS) as server,
        blocking.open_agent(model_of(server)) as agent,
    ):
        with agent.stream("Go") as run:
            assert len(list(islice(run, 3))) == 3
        assert run.outcome is Outcome.CANCELLED
        assert servers.run(see_the_close, server) < 100_000
        assert run.response.text == "word word word "


def test_a_blocking_reader_that_stalls_makes_the_server_wait() -> None:
    with (
        open_bridge() as servers,
        servers.open(open_fake_provider, served(say("word " * 400_000, pieces=4000))) as server,
        blocking.open_agent(model_of(server)) as agent,
        agent.stream("Go") as run,
    ):
        next(run)
        written = settled(servers, server)
        assert not server.requests[0].finished
        assert written < 4_000_000 / 2
        assert len(list(islice(run, 50))) == 50


def settled(servers: Bridge, server: FakeProvider) -> int:
    """How much is written when no more is."""
    before = -1
    while server.requests[0].written > before:
        before = server.requests[0].written
        servers.run(trio.sleep, 0.1)
    return before


def test_threads_can_use_one_agent_at_once() -> None:
    with blocking.open_agent("scripted:echo") as agent:
        answers: list[str] = []
        threads = [
            threading.Thread(target=lambda: answers.append(agent.run("Hello").text))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == ["Hello"] * 8


def test_a_model_that_does_not_exist_is_refused_as_always() -> None:
    with assert_no_leaks(), pytest.raises(UnknownModel), blocking.open_agent("nobody:knows"):
        pass


def test_a_provider_that_fails_is_the_callers_error() -> None:
    with (
        open_bridge() as servers,
        servers.open(open_fake_provider, error(503, "busy")) as server,
        blocking.open_agent(model_of(server)) as agent,
        pytest.raises(ProviderUnavailable, match="busy"),
    ):
        agent.run("Hello")


def test_an_agent_that_is_used_after_its_block_says_so() -> None:
    with open_bridge() as bridge:
        with blocking.open_agent("scripted:echo", bridge=bridge) as agent:
            pass
        with pytest.raises(ActorStopped):
            agent.run("Hello")
