"""Memory: what a stream feels while many documents are stored, beside Chroma's embedded client.

The stream is paced, through provider and agent, from a server in a process of its own. Both sides
store the same documents with the same vectors, made before: it is the storing that is measured.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from time import perf_counter_ns
from typing import Any, Final

import attrs
import trio

from actors import open_agent
from actors.chat import Token
from actors.local import is_pulled
from actors.memory import Item, open_memory
from actors.providers import Embed, EmbedderApi, Embeddings, Model
from runtime import Actor, open_system

from ._figures import Budget, Effort, Figure, figure_of, percentile
from ._host import open_server
from ._rounds import take_turns

DOCUMENTS: Final = 5_000
EMBEDDED_AT_ONCE: Final = 500  # documents: what a program does that has many
DIMENSIONS: Final = 384
DIFFERENT: Final = 500  # vectors
PACE: Final = 200  # chunks a second
LONGEST: Final = 1_000_000  # chunks: the reader leaves before
QUIET_SECONDS: Final = 5.0
ROUNDS: Final = 3  # at most
MEMORY: Final = "memory"
MINILM: Final = "minilm"
EMBEDDED: Final = "embedded client"
QUIET: Final = "quiet"

Work = Callable[[], Awaitable[object]]


@attrs.frozen
class Turn:
    """What one turn saw.

    Attributes:
        latencies: Milliseconds of the chunks meanwhile.
        seconds: How long the work took.
    """

    latencies: Sequence[float]
    seconds: float

    @property
    def p99(self) -> float:
        return percentile(self.latencies, 99)

    @property
    def longest(self) -> Sequence[float]:
        return [max(self.latencies)]


def drawn_vectors(count: int) -> list[tuple[float, ...]]:
    """Vectors in all directions, the same every time."""
    chance = Random(1)  # noqa: S311 - no secret
    return [tuple(chance.gauss(0, 1) for _ in range(DIMENSIONS)) for _ in range(count)]


def _texts(count: int) -> list[str]:
    sentence = "Document {} says what it says about {}. "
    return [sentence.format(number, number % 97) * 5 for number in range(count)]


class Prepared(Actor, EmbedderApi):
    """Has its vectors ready, and gives them out one after the other, over and over."""

    def __init__(self, vectors: Sequence[tuple[float, ...]]) -> None:
        self._vectors = vectors
        self._next = 0

    @Embed.handles
    async def embed(self, message: Embed) -> Embeddings:
        first, self._next = self._next, self._next + len(message.texts)
        numbers = range(first, self._next)
        return Embeddings(tuple(self._vectors[n % len(self._vectors)] for n in numbers), "prepared")


def remembering(effort: Effort) -> Sequence[Figure]:
    """The stream's latency while documents are stored, until all of them can be searched."""

    async def measure() -> Sequence[Figure]:
        count = effort.samples(DOCUMENTS)
        few = attrs.evolve(effort, rounds=min(ROUNDS, effort.rounds))
        vectors, texts = drawn_vectors(DIFFERENT), _texts(count)
        async with open_server() as server:
            url = server.base_url(PACE, LONGEST)
            subjects = {
                MEMORY: partial(_beside_memory, url, texts, vectors),
                EMBEDDED: partial(beside_embedded, url, texts, vectors),
                QUIET: partial(beside, url, partial(trio.sleep, QUIET_SECONDS)),
            }
            if is_pulled(MINILM):
                subjects[MINILM] = partial(_beside_minilm, url, texts)
            rounds = await take_turns(few, subjects)
        return _figures(rounds)

    return trio.run(measure)


def _figures(rounds: dict[str, list[Turn]]) -> list[Figure]:
    titles = {MEMORY: "remember", MINILM: f"remember with {MINILM}"}
    return [
        figure
        for name, title in titles.items()
        if rounds.get(name)
        for figure in figures_beside(title, rounds[name], rounds[EMBEDDED], rounds[QUIET])
    ]


def figures_beside(
    title: str, turns: list[Turn], floors: list[Turn], quiet: list[Turn]
) -> list[Figure]:
    """What the stream felt, and how long the work took."""
    ours, theirs = (
        [[max(0.0, turn.p99 - bare.p99)] for turn, bare in zip(each, quiet, strict=True)]
        for each in (turns, floors)
    )
    longest = [turn.longest for turn in turns], [turn.longest for turn in floors]
    seconds = [[turn.seconds] for turn in turns], [[turn.seconds] for turn in floors]
    return [
        figure_of(f"{title}: p99 added", "ms", ours, theirs, Budget(value=20)),
        figure_of(f"{title}: longest", "ms", *longest),
        figure_of(f"{title}: time", "s", *seconds),
    ]


async def _beside_memory(
    url: str, texts: Sequence[str], vectors: Sequence[tuple[float, ...]]
) -> Turn:
    async with open_system() as system:
        prepared = await system.spawn(Prepared, vectors)
        async with open_memory(embedder=prepared, system=system) as memory:
            return await _stored_in(memory, url, texts)


async def _beside_minilm(url: str, texts: Sequence[str]) -> Turn:
    async with open_memory(embedder=MINILM) as memory:
        return await _stored_in(memory, url, texts)


async def _stored_in(memory: Any, url: str, texts: Sequence[str]) -> Turn:
    await memory.store("The first one loads what is needed.")
    await memory.settled()
    items = [Item(text, {"number": number}) for number, text in enumerate(texts)]

    async def work() -> None:
        await memory.store_many(items)
        await memory.settled()

    return await beside(url, work)


async def beside_embedded(
    url: str, texts: Sequence[str], vectors: Sequence[tuple[float, ...]]
) -> Turn:
    """The same with Chroma in this process, called in a thread."""
    chromadb: Any = importlib.import_module("chromadb")
    config: Any = importlib.import_module("chromadb.config")
    with tempfile.TemporaryDirectory() as folder:
        client = chromadb.PersistentClient(
            folder, settings=config.Settings(anonymized_telemetry=False)
        )
        collection = client.create_collection(
            "bench", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )

        def add(first: int) -> None:
            numbers = range(first, min(first + EMBEDDED_AT_ONCE, len(texts)))
            collection.add(
                ids=[str(number) for number in numbers],
                embeddings=[list(vectors[number % DIFFERENT]) for number in numbers],
                metadatas=[{"number": number} for number in numbers],
                documents=[texts[number] for number in numbers],
            )

        async def work() -> None:
            for first in range(0, len(texts), EMBEDDED_AT_ONCE):
                await trio.to_thread.run_sync(add, first)

        return await beside(url, work)


async def beside(url: str, work: Work) -> Turn:
    """Read a stream for as long as the work takes."""
    latencies: list[float] = []
    begun = trio.Event()
    model = Model("openai-compatible:bench", base_url=url, api_key="none")

    async def read() -> None:
        async with agent.stream("go") as run:
            async for event in run:
                if isinstance(event, Token) and event.content.strip().isdigit():
                    latencies.append((perf_counter_ns() - int(event.content)) / 1e6)
                    begun.set()

    async with open_agent(model) as agent, trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await begun.wait()
        latencies.clear()
        start = perf_counter_ns()
        await work()
        seconds = (perf_counter_ns() - start) / 1e9
        nursery.cancel_scope.cancel()
    return Turn(latencies, seconds)
