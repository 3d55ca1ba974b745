"""Cancels at random, more requests than places, real sockets and real time: all stays usable."""

from __future__ import annotations

import random

import trio
from provider_parts import HELLO

from actors.errors import ProviderError
from actors.providers import Breaker, Model, ProviderHandle, Rate, Retry, open_provider, pause, say
from actors.testing import FakeAnswer, FakeOpenAI, answer, error, open_fake_openai
from runtime import open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

PLACES = 8
ASKERS = 32
LONGEST = 0.02  # seconds until a cancel: with so many askers, most come before the end
ANSWERS = (
    answer(say("Hello", pieces=4), slow=0.001),
    answer(pause(0.002), "Hello"),
    error(503),
    FakeAnswer(head_after=0.004),
    error(429, retry_after_ms="3"),
    answer("Hello"),
)


def crowded(server: FakeOpenAI) -> Model:
    return Model(
        "openai-compatible:m",
        base_url=server.base_url,
        concurrency=PLACES,
        waiting=ASKERS,
        retry=Retry(attempts=3, first=0.002),
        breaker=Breaker(failures=4, seconds=0.005),
        rate=Rate(requests_per_minute=120_000, tokens_per_minute=10_000_000, burst=0.05),
    )


async def ask(provider: ProviderHandle, dice: random.Random) -> None:
    """Ask in one of the ways in which people do; some have had enough before the end."""
    try:
        if dice.random() < 0.5:
            await provider.complete(HELLO)
        else:
            async with provider.stream(HELLO) as stream:
                async for _ in stream:
                    if dice.random() < 0.3:
                        return
    except ProviderError:
        return  # the server's refusals, or the circuit's


async def ask_and_be_cancelled(provider: ProviderHandle, dice: random.Random) -> bool:
    """Whether the cancel came before the end; half of them are deadlines, half come unforeseen."""
    seconds = LONGEST * dice.random() ** 2
    if dice.random() < 0.5:
        with trio.move_on_after(seconds) as scope:
            await ask(provider, dice)
        return scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel_later, nursery.cancel_scope, seconds)
        await ask(provider, dice)
        nursery.cancel_scope.cancel()
        return False
    return True


async def cancel_later(scope: trio.CancelScope, seconds: float) -> None:
    await trio.sleep(seconds)
    scope.cancel()


async def test_random_cancels_under_contention_leave_the_pool_usable(seeds: range) -> None:
    """As many cancels as seeds: `--seeds 10000` tries what the release promises."""
    dice = random.Random(7)  # noqa: S311 - no secrets
    left = wanted = len(seeds)

    async def ask_again_and_again(provider: ProviderHandle) -> None:
        nonlocal left
        while left > 0:
            left -= await ask_and_be_cancelled(provider, dice)

    async with (
        assert_no_leaks(),
        open_system() as system,
        open_fake_openai(*ANSWERS * wanted) as server,
        open_provider(crowded(server), system=system) as provider,
    ):
        with trio.fail_after(60 + wanted / 20):
            async with trio.open_nursery() as nursery:
                for _ in range(ASKERS):
                    nursery.start_soon(ask_again_and_again, provider)
        server._answers = (answer("Hello"),)  # noqa: SLF001 - whatever number it has come to
        await trio.sleep(0.05)  # the quiet and the circuit's time are over
        await provider.complete(HELLO)  # the probe
        await _check_all_places(provider)
        ((node,),) = (group.children for group in system.tree().children)
        assert f", 0 of {PLACES} run" in node.details
        assert "wait" not in node.details
        assert "circuit closed" in node.details


async def _check_all_places(provider: ProviderHandle) -> None:
    """As many as there are places run at the same time, and all come to their end."""
    for round_number in range(20):
        done: list[str] = []

        async def complete(done: list[str] = done) -> None:
            done.append((await provider.complete(HELLO)).text)

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for _ in range(PLACES):
                    nursery.start_soon(complete)
        assert done == ["Hello"] * PLACES, round_number


async def test_a_cancel_anywhere_between_retries_and_in_the_line_leaves_nothing_behind() -> None:
    async with (
        open_fake_openai(error(503)) as server,
        open_system() as system,
        open_provider(crowded(server), system=system) as provider,
    ):

        async def scenario() -> None:
            server._answers = (error(503), error(429, retry_after_ms="1"), answer("Hello"))  # noqa: SLF001 - this round's
            server.requests.clear()
            await provider.complete(HELLO)

        async def check() -> None:
            server._answers = (answer("Hello"),)  # noqa: SLF001 - likewise
            with trio.fail_after(1):
                assert (await provider.complete(HELLO)).text == "Hello"
            ((node,),) = (group.children for group in system.tree().children)
            assert f", 0 of {PLACES} run" in node.details
            assert "wait" not in node.details

        assert await cancel_everywhere(scenario, check=check) > 20
