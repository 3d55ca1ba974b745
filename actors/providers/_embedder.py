"""Texts to vectors: an actor beside the provider of answers, asked by the same policies."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import trio

from actors.budget import metered_embedding
from actors.chat import StreamChunk, StreamResponse, Usage
from actors.errors import ConfigurationError
from actors.local import Address, ModelServer
from runtime import Actor, Exit, Ref, RestartStrategy, Supervisor, open_system

from . import codecs
from ._api import Clock, Embed, EmbedderApi, Embeddings
from ._caller import Caller, Endpoint
from ._exchange import Question, fit_to_send
from ._model import Model, Route, resolve
from ._rates import estimated_tokens
from ._several import Several

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from .codecs import EmbeddingCodec

_NUMBERS: Final = itertools.count(1)
EXAMPLES: Final = (
    "'openai:text-embedding-3-small', 'gemini:gemini-embedding-001', 'ollama:nomic-embed-text' "
    "or 'local:smollm2'"
)


class Embedder(Actor, EmbedderApi):
    """Turns texts into vectors by asking a server over HTTP.

    More texts than the provider takes at once go in several requests, one after the other.

    Args:
        route: The model, looked up by `resolve`.
        endpoint: As for `Provider`.
        dimensions: The length of the vectors, for models that let one choose.
    """

    def __init__(
        self, route: Route, endpoint: Endpoint | None = None, dimensions: int | None = None
    ) -> None:
        found = endpoint if endpoint is not None else route.base_url
        if route.embeddings is None or found is None:
            raise ValueError(f"{route.model.name} has no embeddings: use start_embedder")
        self._model = route.model
        self._codec: EmbeddingCodec = route.embeddings
        self._dimensions = dimensions
        self._caller = Caller(route, found)
        self._clock = Clock()

    async def started(self) -> None:
        self._caller.open(self.ref.path)

    async def stopped(self, exit: Exit) -> None:
        del exit
        await self._caller.aclose()

    def described(self) -> str:
        """How much of the pool is in use, and how the circuit stands."""
        return self._caller.in_words()

    @Embed.handles(concurrent=True)
    async def embed(self, message: Embed) -> Embeddings:
        vectors: list[tuple[float, ...]] = []
        usage = Usage()
        for start in range(0, len(message.texts), self._codec.most):
            response = await self._ask(message.texts[start : start + self._codec.most])
            vectors += codecs.vectors_of(response)
            usage += response.usage
        return Embeddings(tuple(vectors), self._model.name, usage)

    async def _ask(self, texts: Sequence[str]) -> StreamResponse:
        with fit_to_send():
            sent = self._codec.encode(texts, self._model.model, self._dimensions)
        decoder = functools.partial(self._codec.decoder, len(texts))
        question = Question(sent, decoder, estimated_tokens(sent.body, 0))
        kept = _Kept(self._clock.now())
        async with self._caller.turn(), metered_embedding(self._model.name, texts) as count:
            await self._caller.ask(question, kept)
            count(kept.response.usage)
        return kept.response


class _Kept:
    """Where the one chunk of an answer goes; see `Sink`."""

    def __init__(self, started: float) -> None:
        self.response = StreamResponse(started)

    async def send(self, item: StreamChunk) -> None:
        self.response.add(item)

    async def send_many(self, items: Sequence[StreamChunk]) -> None:
        for item in items:
            self.response.add(item)

    @property
    def taken(self) -> int:
        return self.response.chunk_count


class EmbedderHandle:
    """A running embedder.

    Attributes:
        ref: The actor, for those who send it messages themselves.
    """

    def __init__(self, ref: Ref[EmbedderApi]) -> None:
        self.ref = ref

    async def embed(self, texts: Iterable[str]) -> Embeddings:
        """Give each text its vector.

        Cancelled: the socket is closed; there are no vectors.

        Raises:
            ProviderError, StreamInterrupted: As `Embed` says.
            ConfigurationError: What was given is no collection of texts with something in them.
        """
        return await self.ref.ask(Embed(_checked(texts)))


def _checked(texts: Any) -> tuple[str, ...]:
    is_collection = isinstance(texts, Iterable) and not isinstance(texts, str)
    given: tuple[Any, ...] = tuple(cast("Iterable[Any]", texts)) if is_collection else ()
    if not is_collection or not all(isinstance(text, str) for text in given):
        raise ConfigurationError("texts are a list of strings: embed(['one', 'two'])")
    for number, text in enumerate(given):
        if not text.strip():  # providers refuse it, or give a vector that means nothing
            raise ConfigurationError(f"text {number} is empty: leave out what has no words")
    return given


def _embedding_route(model: str | Model, dimensions: int | None) -> Route:
    if isinstance(model, Several):
        raise ConfigurationError(
            f"{model.name} is no single model, and vectors of different models cannot be "
            f"compared: write {EXAMPLES}"
        )
    is_whole = isinstance(dimensions, int) and not isinstance(dimensions, bool)
    if dimensions is not None and not (is_whole and dimensions > 0):
        raise ConfigurationError(
            f"dimensions is {dimensions!r}, and must be a whole number above 0, or None for the "
            "model's own"
        )
    route = resolve(model)
    if route.embeddings is None:
        raise ConfigurationError(f"{route.model.name} has no embeddings: write {EXAMPLES}")
    return route


async def start_embedder(
    supervisor: Supervisor,
    model: str | Model,
    *,
    dimensions: int | None = None,
    name: str = "embedder",
) -> Ref[EmbedderApi]:
    """Start the embedder of `model`, and what it needs, below `supervisor`.

    A local model gets a server of its own, as `name` with "-server" added.

    Raises:
        UnknownModel, MissingKey, ConfigurationError: as `resolve` says; nothing was started.
        ModelNotPulled: A local model's files are not on this machine.
    """
    route = _embedding_route(model, dimensions)
    if route.base_url is not None:
        return await supervisor.spawn(Embedder, route, None, dimensions, name=name)
    serve = functools.partial(ModelServer, embeddings=True)
    server = await supervisor.spawn(serve, route.model.model, name=f"{name}-server")

    async def address() -> str:
        return await server.ask(Address())

    return await supervisor.spawn(Embedder, route, address, dimensions, name=name)


@asynccontextmanager
async def open_embedder(
    model: str | Model, *, dimensions: int | None = None, system: Supervisor | None = None
) -> AsyncGenerator[EmbedderHandle]:
    """Start an embedder, in a system of its own or in the one given; leaving stops it.

    Raises:
        UnknownModel, MissingKey, ConfigurationError: as `resolve` says; nothing was started.
        ModelNotPulled: A local model's files are not on this machine.
    """
    _embedding_route(model, dimensions)
    if system is None:
        async with open_system() as own:
            yield EmbedderHandle(await start_embedder(own, model, dimensions=dimensions))
        return
    group = await system.supervise(
        f"embedder-{next(_NUMBERS)}", strategy=RestartStrategy.REST_FOR_ONE
    )
    try:
        yield EmbedderHandle(await start_embedder(group, model, dimensions=dimensions))
    finally:
        with trio.CancelScope(shield=True):  # bounded by the grace and the cleanup of its actors
            await group.stop()
