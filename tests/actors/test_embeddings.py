"""Texts to vectors: three wires behind one message, and a real model on this machine."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from chat_decoding import decode
from hypothesis import given
from hypothesis import strategies as st

from actors.budget import Budget
from actors.errors import (
    ConfigurationError,
    ModelNotPulled,
    ProviderError,
    ProviderProtocolError,
    ProviderRejected,
    ProviderUnavailable,
    StreamInterrupted,
    StreamTruncated,
)
from actors.local import locate
from actors.providers import Embed, Fallback, Model, Retry, open_embedder, start_embedder
from actors.providers.codecs import (
    EmbeddingCodec,
    GeminiEmbeddings,
    OllamaEmbeddings,
    OpenAIEmbeddings,
    vectors_of,
)
from actors.testing import WireName, error, open_fake_provider
from runtime import open_system

if TYPE_CHECKING:
    from actors.chat import StreamResponse
    from runtime import RuntimeFault

WIRES: dict[str, tuple[WireName, EmbeddingCodec]] = {
    "openai": ("openai-chat", OpenAIEmbeddings()),
    "gemini": ("gemini", GeminiEmbeddings()),
    "ollama": ("ollama", OllamaEmbeddings()),
}
BODIES = {
    "openai": {
        "data": [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1, 0.5]}],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    },
    "gemini": {"embeddings": [{"values": [1, 0.5]}, {"values": [0, 1]}]},
    "ollama": {"embeddings": [[1, 0.5], [0, 1]], "prompt_eval_count": 7},
}


def read(codec: EmbeddingCodec, body: object) -> tuple[StreamResponse, RuntimeFault | None]:
    class ForTwo:
        wire = "embeddings"

        def decoder(self) -> Any:
            return codec.decoder(2)

    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode(data, [len(data) // 2], ForTwo())  # pyright: ignore[reportArgumentType] - no request is encoded


@pytest.mark.parametrize("name", WIRES)
def test_vectors_come_in_the_order_of_the_texts_and_tokens_as_they_were_counted(name: str) -> None:
    response, failure = read(WIRES[name][1], BODIES[name])

    assert failure is None
    assert vectors_of(response) == ((1.0, 0.5), (0.0, 1.0))
    assert response.usage.input_tokens == (0 if name == "gemini" else 7)


@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("rows", [[], [[1, 2]], [[1], [1], [1]], [[1], [1, 2]], [[], []]])
def test_vectors_that_do_not_fit_the_texts_are_an_error(name: str, rows: list[Any]) -> None:
    body = {
        "openai": {"data": [{"embedding": row} for row in rows]},
        "gemini": {"embeddings": [{"values": row} for row in rows]},
        "ollama": {"embeddings": rows},
    }[name]

    _, failure = read(WIRES[name][1], body)

    assert isinstance(failure, ProviderProtocolError)


@pytest.mark.parametrize("name", WIRES)
def test_an_answer_that_was_cut_is_no_answer(name: str) -> None:
    body = json.dumps(BODIES[name]).encode()

    _, failure = read(WIRES[name][1], body[:-5])

    assert isinstance(failure, StreamTruncated)


@pytest.mark.parametrize("name", WIRES)
def test_an_error_inside_a_good_answer_is_an_error(name: str) -> None:
    _, failure = read(WIRES[name][1], {"error": {"message": "no such model", "code": 404}})

    assert isinstance(failure, ProviderRejected)


@given(
    name=st.sampled_from(sorted(WIRES)),
    body=st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["data", "embedding", "embeddings", "values", "index", "usage", "error"]
                ),
                inner,
            )
        ),
    ),
)
def test_any_bytes_end_with_vectors_or_one_of_our_errors(name: str, body: object) -> None:
    response, failure = read(WIRES[name][1], body)

    assert isinstance(failure, ProviderError | StreamInterrupted | None)
    if failure is None:
        assert len(vectors_of(response)) == 2


@pytest.mark.parametrize("name", WIRES)
async def test_an_embedder_asks_its_provider_and_hands_back_the_vectors(name: str) -> None:
    async with open_fake_provider(wire=WIRES[name][0]) as server:
        model = Model(f"{name}:m", base_url=server.base_url, api_key="k")
        async with open_embedder(model, dimensions=8) as embedder:
            one = await embedder.embed(["red", "blue"])
            again = await embedder.embed(("blue",))
            nothing = await embedder.embed([])

    assert len(one.vectors) == 2
    assert one.vectors[0] != one.vectors[1] == again.vectors[0]
    assert (one.model, nothing.vectors) == (f"{name}:m", ())
    assert len(server.requests) == 2
    assert {len(vector) for vector in one.vectors} == {8}


async def test_more_texts_than_a_request_takes_go_in_several() -> None:
    texts = [f"text {number}" for number in range(250)]
    async with open_fake_provider(wire="gemini") as server:
        model = Model("gemini:m", base_url=server.base_url, api_key="k")
        async with open_embedder(model) as embedder:
            found = await embedder.embed(texts)
            [single] = (await embedder.embed(texts[-1:])).vectors

    assert [len(received.body["requests"]) for received in server.requests] == [100, 100, 50, 1]
    assert len(found.vectors) == 250
    assert found.vectors[-1] == single


async def test_what_may_pass_is_tried_again_and_what_is_wrong_is_not() -> None:
    async with open_fake_provider(error(503), error(400, "no"), wire="openai-chat") as server:
        retry = Retry(attempts=2, first=0.001)
        model = Model("openai:m", base_url=server.base_url, api_key="k", retry=retry)
        async with open_embedder(model) as embedder:
            with pytest.raises(ProviderRejected, match="no"):
                await embedder.embed(["Hello"])

    assert len(server.requests) == 2


async def test_vectors_count_for_the_budgets_around_them() -> None:
    async with open_fake_provider(wire="openai-chat") as server:
        model = Model("openai:m", base_url=server.base_url, api_key="k")
        async with open_embedder(model) as embedder:
            with Budget() as budget:
                await embedder.embed(["some words"])

    assert budget.used.calls == 1
    assert budget.used.tokens > 0


async def test_a_server_that_is_not_there_is_said_to_be_unavailable() -> None:
    model = Model("ollama:m", base_url="http://127.0.0.1:9", retry=Retry(attempts=1))
    async with open_embedder(model) as embedder:
        with pytest.raises(ProviderUnavailable, match="no server"):
            await embedder.embed(["Hello"])


@pytest.mark.parametrize(
    ("texts", "hint"),
    [
        ("one", r"\['one', 'two'\]"),
        (None, "list of strings"),
        ([1], "list of strings"),
        (["a", " "], "text 1 is empty"),
        (["\ud800"], "the request cannot be sent"),
    ],
)
async def test_what_is_no_list_of_texts_is_refused_before_anything_is_sent(
    texts: Any, hint: str
) -> None:
    async with open_fake_provider(wire="openai-chat") as server:
        model = Model("openai:m", base_url=server.base_url, api_key="k")
        async with open_embedder(model) as embedder:
            with pytest.raises(ConfigurationError, match=hint):
                await embedder.embed(texts)

    assert server.requests == []


@pytest.mark.parametrize("model", ["scripted:echo", Model("anthropic:claude", api_key="k")])
async def test_a_provider_without_embeddings_is_refused_with_those_that_have_some(
    model: str | Model,
) -> None:
    with pytest.raises(ConfigurationError, match="has no embeddings: write 'openai:text-embedding"):
        async with open_embedder(model):
            pass


async def test_several_models_are_no_embedder() -> None:
    several: Any = Fallback("local:smollm2", "ollama:m")
    with pytest.raises(ConfigurationError, match="cannot be compared"):
        async with open_embedder(several):
            pass


@pytest.mark.parametrize("dimensions", [0, -1, 1.5, True, "64"])
async def test_a_length_of_vectors_that_is_none_is_refused(dimensions: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"dimensions is .* a whole number above 0"):
        async with open_embedder("local:smollm2", dimensions=dimensions):
            pass


def alike(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def model_is_pulled() -> bool:
    try:
        locate("smollm2")
    except ModelNotPulled:
        return False
    return True


@pytest.mark.skipif(not model_is_pulled(), reason="no model here: run `runtime pull smollm2`")
async def test_the_model_on_this_machine_gives_vectors_that_know_what_is_alike() -> None:
    async with open_system() as system:
        ref = await start_embedder(system, "local:smollm2")
        found = await ref.ask(
            Embed(("The cat sleeps.", "The cat is asleep.", "Stock prices fell.", "word " * 100))
        )
        tree = str(system.tree())

    cat, asleep, stocks, _ = found.vectors
    assert math.isclose(math.hypot(*cat), 1, rel_tol=1e-3)
    assert alike(cat, asleep) > alike(cat, stocks)
    assert found.usage.input_tokens > 100
    assert "embedder-server" in tree
