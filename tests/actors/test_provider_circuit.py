"""The circuit of the provider actor: real sockets, virtual time."""

# ruff: noqa: ARG001 - the clock makes time virtual
from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest
import trio
from provider_parts import HELLO, NO_SERVER, described, elapsed, fails, model

from actors.errors import (
    CircuitOpen,
    ProviderRejected,
    ProviderUnavailable,
)
from actors.providers import (
    Breaker,
    Retry,
    open_provider,
    pause,
    say,
    stall,
)
from actors.testing import answer, error, open_fake_openai
from runtime import open_system

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_a_dead_provider_is_left_alone_after_so_many_failures(
    socket_clock: MockClock,
) -> None:
    fragile = model(NO_SERVER, retry=Retry(attempts=1), breaker=Breaker(failures=3, seconds=10))
    async with open_system() as system, open_provider(fragile, system=system) as provider:
        for count in range(3):
            failed = await fails(provider)
            assert type(failed) is ProviderUnavailable, count
        assert "circuit open for 10.0 s" in described(system)
        await trio.sleep(4)
        refused = await fails(provider, CircuitOpen)

    assert refused.retry_after == pytest.approx(6)
    assert (refused.attempts, refused.retryable) == (0, True)
    assert "3 requests in a row have failed, the last one because no server at" in str(refused)


async def test_one_probe_passes_and_the_others_fail_at_once_until_it_has_an_answer(
    socket_clock: MockClock,
) -> None:
    answers = (error(500), error(500), answer(pause(3), say("Hel"), pause(3), say("lo")))
    async with open_fake_openai(*answers) as server, open_system() as system:
        fragile = model(server, retry=Retry(attempts=1), breaker=Breaker(failures=2, seconds=10))
        async with (
            open_provider(fragile, system=system) as provider,
            trio.open_nursery() as nursery,
        ):
            await fails(provider)
            await fails(provider)
            await trio.sleep(10)
            nursery.start_soon(provider.complete, HELLO)
            await trio.sleep(1)
            assert "circuit half open" in described(system)
            assert (await fails(provider, CircuitOpen)).retry_after is None
            assert len(server.requests) == 3
            await trio.sleep(3)  # its first chunk is there; it goes on
            assert described(system) == "circuit closed, 1 of 1000 run"
            assert (await provider.complete(HELLO)).text == "Hello"


async def test_a_refusal_of_the_probe_closes_the_circuit_for_the_server_is_there(
    socket_clock: MockClock,
) -> None:
    async with open_fake_openai(error(500), error(400), answer("Hello")) as server:
        fragile = model(server, retry=Retry(attempts=1), breaker=Breaker(failures=1, seconds=10))
        async with open_provider(fragile) as provider:
            await fails(provider)
            await trio.sleep(10)
            await fails(provider, ProviderRejected)
            assert (await provider.complete(HELLO)).text == "Hello"


async def test_a_cancelled_probe_does_not_make_it_stick(socket_clock: MockClock) -> None:
    async with open_fake_openai(error(500), answer(stall()), answer("Hello")) as server:
        fragile = model(server, retry=Retry(attempts=1), breaker=Breaker(failures=1, seconds=10))
        async with open_provider(fragile) as provider:
            await fails(provider)
            await trio.sleep(10)
            with trio.move_on_after(2) as scope:
                await provider.complete(HELLO)
            assert scope.cancelled_caught
            assert (await provider.complete(HELLO)).text == "Hello"


async def test_retries_end_when_the_circuit_opens_and_the_error_is_the_servers(
    socket_clock: MockClock,
) -> None:
    async with open_fake_openai(error(500, "broken")) as server:
        fragile = model(server, retry=Retry(attempts=10), breaker=Breaker(failures=2))
        async with open_provider(fragile) as provider:
            failed = await fails(provider)

    assert str(failed) == "the provider answered 500: broken"
    assert failed.attempts == len(server.requests) == 2


async def test_an_open_circuit_refuses_at_once_although_there_is_no_turn_to_be_had(
    socket_clock: MockClock,
) -> None:
    busy = error(503, retry_after="20")  # its retry is to be the probe
    async with open_fake_openai(busy, answer("Hello")) as server:
        fragile = model(server, concurrency=1, breaker=Breaker(failures=1, seconds=10))
        async with open_provider(fragile) as provider, trio.open_nursery() as nursery:
            nursery.start_soon(provider.complete, HELLO)
            await trio.sleep(1)
            assert await elapsed(functools.partial(fails, provider, CircuitOpen)) < 0.1
            await trio.sleep(10)  # it is due, but so is the one that waits
            assert (await provider.complete(HELLO)).text == "Hello"

    assert 20 < trio.current_time() < 22


async def test_a_retry_that_would_find_the_circuit_open_is_not_waited_for(
    socket_clock: MockClock,
) -> None:
    async with open_fake_openai(error(503, retry_after="5")) as server:
        fragile = model(server, breaker=Breaker(failures=1, seconds=10))
        async with open_provider(fragile) as provider:
            assert await elapsed(functools.partial(fails, provider)) < 0.1


async def test_requests_of_which_the_server_thinks_nothing_do_not_open_it(
    socket_clock: MockClock,
) -> None:
    async with (
        open_fake_openai(error(400)) as server,
        open_provider(model(server, breaker=Breaker(failures=1))) as provider,
    ):
        for _ in range(5):
            await fails(provider, ProviderRejected)

    assert len(server.requests) == 5


async def test_cancels_do_not_open_it(socket_clock: MockClock) -> None:
    async with (
        open_fake_openai(answer(stall())) as server,
        open_provider(model(server, breaker=Breaker(failures=1))) as provider,
    ):
        for _ in range(3):
            with trio.move_on_after(1):
                await provider.complete(HELLO)

    assert len(server.requests) == 3
