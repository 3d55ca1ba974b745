"""The policies on every wire: what a server says in its own format is understood, virtual time."""

# ruff: noqa: ARG001 - the clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
import trio
from provider_parts import EVEN, HELLO, KEY, fails

from actors.errors import ProviderError, ProviderRejected, ProviderUnavailable, StreamTruncated
from actors.providers import Model, fail, open_provider, pause, reset, say
from actors.testing import (
    WIRES,
    FakeAnswer,
    FakeProvider,
    WireName,
    answer,
    error,
    open_fake_provider,
)

if TYPE_CHECKING:
    from trio.testing import MockClock

PROVIDERS = {"openai-chat": "openai"}  # the other wires have the names of their providers
each_wire = pytest.mark.parametrize("wire", WIRES)


def model(wire: WireName, server: FakeProvider) -> Model:
    name = f"{PROVIDERS.get(wire, wire)}:m"
    return Model(name, base_url=server.base_url, api_key=KEY, retry=EVEN)


@each_wire
@pytest.mark.parametrize(
    "failing",
    [error(503), error(429), answer(reset())],
    ids=["503", "429", "reset"],
)
async def test_what_fails_before_the_first_chunk_is_sent_again(
    wire: WireName, failing: FakeAnswer, socket_clock: MockClock
) -> None:
    async with (
        open_fake_provider(failing, failing, answer("Hello"), wire=wire) as server,
        open_provider(model(wire, server)) as provider,
    ):
        response = await provider.complete(HELLO)

    assert (response.text, response.metadata["attempts"]) == ("Hello", 3)
    assert len(server.requests) == 3


@each_wire
async def test_after_the_first_words_nothing_is_sent_again(
    wire: WireName, socket_clock: MockClock
) -> None:
    cut = answer(say("Hello"), pause(0.1), reset())
    async with (
        open_fake_provider(cut, answer("Hello"), wire=wire) as server,
        open_provider(model(wire, server)) as provider,
    ):
        failed = await fails(provider, StreamTruncated)

    assert (failed.partial.text, failed.attempts, len(server.requests)) == ("Hello", 1, 1)


@each_wire
async def test_a_refusal_is_not_sent_again_and_says_what_the_provider_says(
    wire: WireName, socket_clock: MockClock
) -> None:
    async with (
        open_fake_provider(error(400, "no such thing"), wire=wire) as server,
        open_provider(model(wire, server)) as provider,
    ):
        failed = await fails(provider, ProviderRejected)

    assert "no such thing" in str(failed)
    assert (failed.status, failed.attempts, failed.retryable) == (400, 1, False)


@each_wire
async def test_a_wait_that_a_header_asks_for_is_waited(
    wire: WireName, socket_clock: MockClock
) -> None:
    async with (
        open_fake_provider(error(429, retry_after="7"), answer("Hello"), wire=wire) as server,
        open_provider(model(wire, server)) as provider,
    ):
        await provider.complete(HELLO)

    assert 7 <= trio.current_time() <= 8.1


@each_wire
async def test_an_error_inside_an_answer_that_has_begun_keeps_what_came(
    wire: WireName, socket_clock: MockClock
) -> None:
    broken = answer(say("Hel"), fail(ProviderUnavailable("overloaded", status=503)))
    async with (
        open_fake_provider(broken, answer("Hello"), wire=wire) as server,
        open_provider(model(wire, server)) as provider,
    ):
        failed = await fails(provider, ProviderError)

    assert failed.partial.text == "Hel"
    assert "overloaded" in str(failed)
    assert len(server.requests) == 1


async def test_anthropics_own_headers_and_its_overload_are_understood(
    socket_clock: MockClock,
) -> None:
    limited = attrs.evolve(
        error(429),
        headers=(
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2999-01-01T00:00:00Z"),
        ),
    )
    async with (
        open_fake_provider(error(529), limited, wire="anthropic") as server,
        open_provider(model("anthropic", server)) as provider,
    ):
        failed = await fails(provider)

    assert (failed.status, failed.attempts) == (429, 2)
    assert failed.retry_after is not None
    assert failed.retry_after > 1e6  # so it is for the caller to decide
