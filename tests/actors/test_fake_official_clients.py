"""The official clients read from the fakes what the scripts say: so the fakes are no fiction.

The clients come with the extra `peers` (`make peers`); without them these tests are left out,
and say so.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
from official_clients import CLIENTS, MISSING, Seen, are_installed

from actors.chat import FinishReason
from actors.errors import ProviderError
from actors.providers import call, fail, finish, opaque, pause, say, think, together, usage
from actors.testing import FakeAnswer, Fault, Place, answer, error, open_fake_provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.testing import WireName

pytestmark = [
    pytest.mark.skipif(not are_installed(), reason=MISSING),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SEAL = base64.b64encode(b"sealed").decode()
SEALED = ("openai-responses", "anthropic", "gemini")
EVERYTHING = (
    think("First add, ", signature=SEAL),
    say("Let me see. \N{SPARKLES}", pieces=3),
    call("add", a=1, b=[2, {"c": "\N{SNOWMAN}"}]),
    call("now"),
    usage(20, 12, reasoning=5),
)
WANTED = Seen(
    text="Let me see. \N{SPARKLES}",
    thinking="First add, ",
    calls=[("add", {"a": 1, "b": [2, {"c": "\N{SNOWMAN}"}]}), ("now", {})],
    tokens=(20, 12),
)
ASK = "What is 1 + 2?"

each_wire = pytest.mark.parametrize("wire", list(CLIENTS))
each_way = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


async def read(wire: WireName, given: FakeAnswer, *, streamed: bool) -> Seen:
    """What the official client makes of an answer, in a thread beside the server."""
    client = CLIENTS[wire]()
    async with open_fake_provider(given, wire=wire) as server:
        act: Callable[..., Seen] = client.stream if streamed else client.complete
        seen = await trio.to_thread.run_sync(act, server.base_url, ASK)
    (request,) = server.requests
    assert request.refused is None
    return seen


@each_wire
@each_way
async def test_the_official_client_reads_what_the_script_says(
    wire: WireName, *, streamed: bool
) -> None:
    seen = await read(wire, answer(*EVERYTHING), streamed=streamed)

    assert attrs.evolve(seen, seals=[], finish="") == WANTED
    assert seen.seals == ([SEAL] if wire in SEALED else [])


@each_wire
@pytest.mark.parametrize("size", [1, 7])
async def test_it_reads_the_same_in_whatever_pieces_the_bytes_come(
    wire: WireName, size: int
) -> None:
    seen = await read(wire, answer(*EVERYTHING, split=size), streamed=True)

    assert attrs.evolve(seen, seals=[], finish="") == WANTED


@each_wire
async def test_signs_of_life_and_silence_do_not_disturb_it(wire: WireName) -> None:
    given = answer("Hello ", pause(0.01), say("you", pieces=2), usage(1, 2), pings=True)

    assert (await read(wire, given, streamed=True)).text == "Hello you"


@each_wire
@each_way
async def test_it_reads_calls_whose_pieces_come_in_turn(wire: WireName, *, streamed: bool) -> None:
    given = answer(together(call("add", a=1), call("mul", b=2), call("now")))
    seen = await read(wire, given, streamed=streamed)

    assert seen.calls == [("add", {"a": 1}), ("mul", {"b": 2}), ("now", {})]


WORDS = {
    "openai-chat": ("stop", "length", "content_filter", "tool_calls"),
    "openai-responses": ("completed", "max_output_tokens", "content_filter", "completed"),
    "anthropic": ("end_turn", "max_tokens", None, "tool_use"),
    "gemini": ("STOP", "MAX_TOKENS", "SAFETY", "STOP"),
    "ollama": ("stop", "length", None, "stop"),
}
REASONS = (
    FinishReason.STOP,
    FinishReason.LENGTH,
    FinishReason.CONTENT_FILTER,
    FinishReason.TOOL_CALLS,
)


@each_wire
@each_way
async def test_it_reads_why_the_model_stopped_in_the_providers_words(
    wire: WireName, *, streamed: bool
) -> None:
    for reason, word in zip(REASONS, WORDS[wire], strict=True):
        if word is not None:
            seen = await read(wire, answer("Hello", finish(reason)), streamed=streamed)
            assert seen.finish == word


@each_wire
@each_way
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
async def test_an_error_becomes_the_clients_own_error_for_the_status(
    wire: WireName, status: int, *, streamed: bool
) -> None:
    client = CLIENTS[wire]()
    async with open_fake_provider(error(status, "not today"), wire=wire) as server:
        act: Callable[..., Seen] = client.stream if streamed else client.complete
        with pytest.raises(client.errors) as caught:
            await trio.to_thread.run_sync(act, server.base_url, ASK)

    assert client.status_of(caught.value) == status
    assert "not today" in str(caught.value)
    assert type(caught.value).__name__ == client.names.get(status, client.other(status))


@each_wire
@pytest.mark.parametrize("fault", ["step", "fault"])
async def test_an_error_inside_a_stream_is_raised_as_one(wire: WireName, fault: str) -> None:
    if fault == "step":
        given = answer("Hello", fail(ProviderError("overloaded now", status=503)))
    else:
        given = answer("Hello", fault=Fault.ERROR, place=Place.LAST)
    client = CLIENTS[wire]()
    async with open_fake_provider(given, wire=wire) as server:
        with pytest.raises(client.errors, match="overloaded"):
            await trio.to_thread.run_sync(client.stream, server.base_url, ASK)


@each_wire
async def test_a_history_that_the_fake_accepts_is_written_by_the_client_and_replayed(
    wire: WireName,
) -> None:
    """What one answer brought goes back with its results, through the client's own types."""
    client = CLIENTS[wire]()
    async with open_fake_provider(answer(*EVERYTHING), answer("Three"), wire=wire) as server:
        seen = await trio.to_thread.run_sync(client.converse, server.base_url, ASK)

    assert [request.refused for request in server.requests] == [None, None]
    assert seen.text == "Three"


@pytest.mark.parametrize("wire", ["openai-chat", "openai-responses", "gemini", "ollama"])
async def test_it_reads_vectors_that_follow_from_the_words(wire: WireName) -> None:
    client = CLIENTS[wire]()
    texts = ["the cat sat", "the cat sat down", "bread and wine"]
    async with open_fake_provider(wire=wire) as server:
        near, nearer, far = await trio.to_thread.run_sync(client.embed, server.base_url, texts)

    assert sum(a * a for a in near) == pytest.approx(1.0, abs=1e-6)
    assert _dot(near, nearer) > 0.7
    assert _dot(near, far) < 0.5


def _dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_anthropics_client_reads_redacted_thinking() -> None:
    redacted = opaque("anthropic", type="redacted_thinking", data="abc")
    for streamed in (True, False):
        seen = await read("anthropic", answer(redacted, "Hello"), streamed=streamed)
        assert seen.seals == ["abc"]


async def test_openais_client_reads_a_refusal() -> None:
    for wire in ("openai-chat", "openai-responses"):
        for streamed in (True, False):
            seen = await read(wire, answer(finish(FinishReason.REFUSAL)), streamed=streamed)
            assert seen.text == "(refused) I can't help with that."


def test_every_wire_has_its_client() -> None:
    assert len(CLIENTS) == 5
