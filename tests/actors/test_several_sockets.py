"""Several models on real sockets: whose are closed, when, and what a thousand cancels leave."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
from several_models import HELLO

from actors import open_agent
from actors.chat import Token
from actors.errors import NoModelAnswered, ProviderUnauthorized, StreamTruncated
from actors.http import Limits
from actors.providers import (
    Fallback,
    Hedge,
    Model,
    Race,
    Retry,
    RoundRobin,
    open_provider,
    pause,
    reset,
    say,
    stall,
    truncate,
)
from actors.testing import FakeAnswer, FakeOpenAI, answer, error, open_fake_openai
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

PATIENCE = 5.0  # seconds: generous, the machine may be busy
RUNS = 1_000
TALKING = answer(say("word " * 2000, pieces=2000), slow=0.001)
MUTE = answer(stall())


@asynccontextmanager
async def servers(*answers: FakeAnswer) -> AsyncGenerator[list[FakeOpenAI]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_fake_openai(each)) for each in answers]


def model(server: FakeOpenAI, *, key: str | None = None, first_byte: float = 60.0) -> Model:
    return Model(
        "openai-compatible:m",
        base_url=server.base_url,
        api_key=key,
        limits=Limits(first_byte=first_byte),
        retry=Retry(attempts=1),  # so that each fault is the one that falls through
    )


async def all_closed(*found: FakeOpenAI) -> None:
    """Wait until the client has hung up on every answer that was not written to its end."""
    with trio.fail_after(PATIENCE):
        for server in found:
            for received in server.requests:
                if not received.finished:
                    await received.closed.wait()


async def test_the_sockets_of_losers_are_closed_while_the_winner_speaks() -> None:
    late = attrs.evolve(TALKING, head_after=60.0)
    async with (
        servers(MUTE, TALKING, late) as (mute, talker, sleeper),
        open_provider(Race(model(mute), model(talker), model(sleeper))) as provider,
    ):
        async with provider.stream(HELLO) as stream:
            async for chunk in stream:
                if chunk.content:
                    break
            with trio.fail_after(PATIENCE):
                await mute.requests[0].closed.wait()
                await sleeper.requests[0].closed.wait()
            (received,) = talker.requests
            assert not received.closed.is_set()
            assert not received.finished
        await all_closed(talker)


async def test_a_hedge_closes_the_slow_one() -> None:
    async with (
        servers(MUTE, answer("Hello")) as (mute, quick),
        open_provider(Hedge(model(mute), model(quick), after=0.05)) as provider,
    ):
        assert (await provider.complete(HELLO)).text == "Hello"
        await all_closed(mute)
    assert len(mute.requests) == len(quick.requests) == 1


@pytest.mark.parametrize(
    "given",
    [
        error(503, "busy"),
        error(429, "slower"),
        error(401, "who?"),
        error(404, "no such model"),
        answer(truncate()),
        answer(reset()),
        answer(stall()),
    ],
    ids=["503", "429", "401", "404", "cut", "reset", "stall"],
)
async def test_every_fault_before_the_first_word_falls_through(given: FakeAnswer) -> None:
    async with (
        servers(given, answer("Hello")) as (bad, good),
        open_provider(Fallback(model(bad, first_byte=0.2), model(good))) as provider,
    ):
        response = await provider.complete(HELLO)
        await all_closed(bad)

    assert response.text == "Hello"
    assert response.metadata["model"] == "m"
    assert len(bad.requests) == 1


async def test_a_server_that_is_not_there_falls_through() -> None:
    async with servers(answer("Hello")) as (gone,):
        address = model(gone)
    async with (
        servers(answer("Hello")) as (good,),
        open_provider(Fallback(address, model(good))) as provider,
    ):
        assert (await provider.complete(HELLO)).text == "Hello"


async def test_a_cut_after_the_first_word_does_not_fall_through() -> None:
    half = answer(say("Hello", pieces=5), pause(0.02), truncate())
    async with (
        servers(half, answer("again")) as (bad, good),
        open_provider(Fallback(model(bad), model(good))) as provider,
    ):
        with pytest.raises(StreamTruncated) as caught:
            await provider.complete(HELLO)

    assert caught.value.partial.text == "Hello"
    assert good.requests == []


async def test_keys_take_turns_and_one_that_is_refused_is_passed_over() -> None:
    """Each key has a provider, a connection pool and limits of its own."""
    async with servers(answer("Hello")) as (server,), servers(error(401, "bad-key?")) as (strict,):
        keys = [
            model(server, key="key-1"),
            model(strict, key="bad-key"),
            model(server, key="key-3"),
        ]
        async with open_provider(RoundRobin(*keys)) as provider:
            for _ in range(6):
                assert (await provider.complete(HELLO)).text == "Hello"

        assert [len(each.requests) for each in (server, strict)] == [6, 2]
        assert all(received.authorized for received in server.requests)


async def test_no_key_is_in_the_error_of_all() -> None:
    async with (
        servers(error(401, "bad: key-1"), error(401, "bad: key-2")) as (one, two),
        open_provider(Race(model(one, key="key-1"), model(two, key="key-2"))) as provider,
    ):
        with pytest.raises(NoModelAnswered) as caught:
            await provider.complete(HELLO)

    assert "key-" not in str(caught.value) + repr(caught.value.failures)
    assert [type(each) for each in caught.value.failures] == [ProviderUnauthorized] * 2


async def test_leaving_an_agents_run_in_a_race_closes_all_that_run() -> None:
    async with (
        servers(MUTE, MUTE, TALKING) as (first, second, talker),
        open_agent(Race(model(first), Race(model(second), model(talker)))) as agent,
    ):
        async with agent.stream("Go") as run:
            async for event in run:
                if isinstance(event, Token):
                    break
        await all_closed(first, second, talker)


async def test_a_thousand_random_cancels_under_contention_leave_usable_pools() -> None:
    dice = random.Random(3)  # noqa: S311 - dice
    quick = answer(say("one two three", pieces=3), slow=0.001)
    with assert_no_leaks():
        async with servers(quick, TALKING, MUTE, error(503)) as found:
            a, b, c, d = (model(server) for server in found)
            several = Fallback(d, Race(a, c, Hedge(b, RoundRobin(d, a), after=0.002)))

            async def leave_at_random(runs: int) -> None:
                for _ in range(runs):
                    with trio.move_on_after(dice.random() * 0.02):
                        await provider.complete(HELLO)

            async with open_provider(several) as provider:
                async with trio.open_nursery() as nursery:
                    for _ in range(20):
                        nursery.start_soon(leave_at_random, RUNS // 20)
                await all_closed(*found)
                with trio.fail_after(PATIENCE):
                    assert (await provider.complete(HELLO)).text.startswith(("one", "word"))
            await all_closed(*found)
