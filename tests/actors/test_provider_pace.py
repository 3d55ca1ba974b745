"""Rates and silence of the provider actor: real sockets, virtual time."""

# ruff: noqa: ARG001 - the clock makes time virtual
from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
from provider_parts import HELLO, elapsed, fails, model

from actors.chat import Settings
from actors.errors import (
    CircuitOpen,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
    StreamStalled,
)
from actors.http import Limits
from actors.providers import (
    Breaker,
    Rate,
    Retry,
    open_provider,
    stall,
    usage,
)
from actors.testing import FakeAnswer, answer, error, open_fake_openai

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_requests_go_no_faster_than_the_rate(socket_clock: MockClock) -> None:
    async with open_fake_openai() as server:
        paced = model(server, rate=Rate(requests_per_minute=60, burst=2))
        async with open_provider(paced) as provider:
            times: list[float] = []
            for _ in range(5):
                await provider.complete(HELLO)
                times.append(trio.current_time())

    assert times == pytest.approx([0, 0, 1, 2, 3], abs=0.01)


async def test_tokens_are_estimated_before_and_corrected_after(socket_clock: MockClock) -> None:
    async with open_fake_openai(answer("Hello", usage(590, 10))) as server:
        paced = model(server, rate=Rate(tokens_per_minute=600, burst=1))
        async with open_provider(paced) as provider:
            await provider.complete(HELLO)
            took = await elapsed(functools.partial(provider.complete, HELLO))

    assert took == pytest.approx(60, abs=1)  # what 600 tokens take


async def test_who_waits_for_the_rate_goes_in_the_order_of_arrival(socket_clock: MockClock) -> None:
    order: list[str] = []
    async with open_fake_openai() as server:
        paced = model(server, rate=Rate(requests_per_minute=60, burst=1))
        async with open_provider(paced) as provider, trio.open_nursery() as nursery:

            async def ask(name: str) -> None:
                await provider.complete(HELLO)
                order.append(name)

            for name in "abcde":
                nursery.start_soon(ask, name)
                await trio.testing.wait_all_tasks_blocked(0.001)

    assert order == list("abcde")


async def test_a_rate_beyond_the_deadline_is_refused_at_once(socket_clock: MockClock) -> None:
    async with open_fake_openai() as server:
        paced = model(server, rate=Rate(requests_per_minute=6, burst=1))
        async with open_provider(paced) as provider:
            await provider.complete(HELLO)
            started = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(provider.complete, HELLO)  # goes in 10 s
                await trio.testing.wait_all_tasks_blocked(0.001)
                with trio.fail_after(15), pytest.raises(ProviderOverloaded) as caught:
                    await provider.complete(HELLO)  # would go in 20 s
                assert trio.current_time() - started < 1

    assert caught.value.retry_after == pytest.approx(20, abs=0.1)
    assert "which is after its deadline" in str(caught.value)
    assert len(server.requests) == 2


async def test_quiet_beyond_the_deadline_is_the_providers_wish_and_refused_at_once(
    socket_clock: MockClock,
) -> None:
    async with (
        open_fake_openai(error(429, retry_after="20")) as server,
        open_provider(model(server, retry=Retry(attempts=1))) as provider,
    ):
        await fails(provider, ProviderRateLimited)
        with trio.fail_after(15):
            failed = await fails(provider, ProviderRateLimited)

    assert (failed.retry_after, failed.attempts, failed.status) == (20, 0, None)
    assert "has asked for no request for another 20.0 s" in str(failed)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("first", "wait"),
    [(error(400), 0), (error(500), 0), (answer(stall()), 60), (answer("Hello"), 60)],
    ids=["refused", "broken", "cancelled", "not counted"],
)
async def test_tokens_come_back_only_if_the_provider_has_not_taken_the_request(
    first: FakeAnswer, wait: float, socket_clock: MockClock
) -> None:
    """The settings allow an answer of as many tokens as flow in within a minute."""
    async with open_fake_openai(first, answer("Hello")) as server:
        paced = model(
            server,
            rate=Rate(tokens_per_minute=600, burst=60),
            settings=Settings(max_tokens=600),
            retry=Retry(attempts=1),
        )
        async with open_provider(paced) as provider:
            with trio.move_on_after(1), contextlib.suppress(ProviderError):
                await provider.complete(HELLO)
            started = trio.current_time()
            await provider.complete(HELLO)

    assert trio.current_time() - started == pytest.approx(wait, abs=5)


async def test_the_line_for_the_rate_is_bounded(socket_clock: MockClock) -> None:
    async with open_fake_openai() as server:
        paced = model(server, rate=Rate(requests_per_minute=60, burst=1), waiting=3)
        async with open_provider(paced) as provider, trio.open_nursery() as nursery:
            await provider.complete(HELLO)
            for _ in range(3):
                nursery.start_soon(provider.complete, HELLO)
            await trio.testing.wait_all_tasks_blocked(0.001)
            with pytest.raises(ProviderOverloaded, match="3 wait"):
                await provider.complete(HELLO)


async def test_a_small_request_does_not_overtake_a_large_one(socket_clock: MockClock) -> None:
    order: list[str] = []
    async with open_fake_openai() as server:
        paced = model(server, rate=Rate(tokens_per_minute=600, burst=20))
        async with open_provider(paced) as provider, trio.open_nursery() as nursery:

            async def ask(name: str, most: int) -> None:
                await provider.complete(HELLO, settings=Settings(max_tokens=most))
                order.append(name)

            for name, most in (("first", 100), ("large", 150), ("small", 1)):
                nursery.start_soon(ask, name, most)
                await trio.testing.wait_all_tasks_blocked(0.001)

    assert order == ["first", "large", "small"]


@pytest.mark.parametrize(
    "rate", [Rate(requests_per_minute=6, burst=1), Rate(tokens_per_minute=6, burst=10)]
)
async def test_who_is_cancelled_while_waiting_for_the_rate_has_taken_nothing_of_it(
    rate: Rate, socket_clock: MockClock
) -> None:
    """One request in 10 s, and in 10 s a token; larger requests than that go one by one."""
    async with (
        open_fake_openai(answer("Hello", usage(1, 0))) as server,
        open_provider(model(server, rate=rate, waiting=5)) as provider,
    ):
        await provider.complete(HELLO)
        started = trio.current_time()
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(provider.complete, HELLO)
                await trio.sleep(2)
                nursery.cancel_scope.cancel()
        with trio.fail_after(5):  # so it is not thought to come behind those either
            await provider.complete(HELLO)
        assert trio.current_time() - started == pytest.approx(10, abs=0.01)

    assert len(server.requests) == 2


# Silence


@pytest.mark.parametrize("limit", ["first_byte", "idle", "total"])
@pytest.mark.parametrize("seconds", [0.05, 1.0, 30.0])
async def test_a_stall_is_noticed_within_50_ms_of_its_limit(
    limit: str, seconds: float, socket_clock: MockClock
) -> None:
    silent = answer(stall()) if limit == "first_byte" else answer("Hel", stall())
    limits = Limits(**({"first_byte": 100, "idle": 100, "total": 100} | {limit: seconds}))
    async with (
        open_fake_openai(silent) as server,
        open_provider(model(server, limits=limits)) as provider,
    ):
        started = trio.current_time()
        failed = await fails(provider, StreamStalled)
        took = trio.current_time() - started

    assert isinstance(failed, StreamStalled)
    assert (failed.limit, failed.seconds) == (limit, seconds)
    assert 0 <= took - seconds < 0.05
    assert failed.partial.text == ("" if limit == "first_byte" else "Hel")


async def test_no_server_within_the_limit_to_connect(socket_clock: MockClock) -> None:
    """A listener whose backlog is full: the connection is never made."""
    with trio.socket.socket() as listener:
        await listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        fillers = [await _connecting(port) for _ in range(4)]
        silent = model(
            f"http://127.0.0.1:{port}/v1", limits=Limits(connect=3), retry=Retry(attempts=1)
        )
        async with open_provider(silent) as provider:
            took = await elapsed(functools.partial(fails, provider, ProviderUnavailable))
        for filler in fillers:
            filler.close()

    assert took == pytest.approx(3, abs=0.05)


async def _connecting(port: int) -> trio.socket.SocketType:
    socket = trio.socket.socket()
    with trio.move_on_after(0.01):
        await socket.connect(("127.0.0.1", port))
    return socket


async def test_who_finds_the_circuit_open_after_waiting_gives_the_rate_back(
    socket_clock: MockClock,
) -> None:
    slow = attrs.evolve(error(503), head_after=5.0)
    async with open_fake_openai(slow, answer("Hello")) as server:
        paced = model(
            server,
            rate=Rate(requests_per_minute=6, burst=10),  # one every 10 seconds
            breaker=Breaker(failures=1, seconds=10),
            retry=Retry(attempts=1),
        )
        async with open_provider(paced) as provider, trio.open_nursery() as nursery:
            nursery.start_soon(fails, provider, ProviderUnavailable)  # until 5, so open until 15
            await trio.sleep(1)
            await fails(provider, CircuitOpen)  # at 10, when the rate would have let it go
            await trio.sleep(6)
            assert await elapsed(functools.partial(provider.complete, HELLO)) < 1
