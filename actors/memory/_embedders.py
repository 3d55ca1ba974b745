"""Who makes the vectors of a memory: named as `open_memory(embedder=...)` takes it.

Each is an actor that answers `Embed`: "minilm" and "lexical" here, any other name the providers'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import trio

from actors.errors import ConfigurationError
from actors.local import EMBEDDING_MODELS, locate_embedding
from actors.providers import Embed, EmbedderApi, Embeddings, Model, resolve, start_embedder
from runtime import Actor, Ref

from ._lexical import NAME as LEXICAL
from ._lexical import lexical_vector
from ._minilm import LocalEmbedder

if TYPE_CHECKING:
    from runtime import Supervisor

EXAMPLES: Final = '"minilm", "lexical", "openai:text-embedding-3-small"'

LEXICAL_NAMES: Final = ("lexical", LEXICAL)  # the second is what a memory remembers, and says

AnyEmbedder = str | Model | Ref[EmbedderApi]


class LexicalEmbedder(Actor, EmbedderApi):
    """Makes vectors of the words of a text, in a thread. It knows nothing of their meaning."""

    @Embed.handles(concurrent=True)
    async def embed(self, message: Embed) -> Embeddings:
        vectors = await trio.to_thread.run_sync(lambda: tuple(map(lexical_vector, message.texts)))
        return Embeddings(vectors, LEXICAL)


@attrs.frozen
class StartedEmbedder:
    """An embedder that runs, and the name that a memory remembers."""

    ref: Ref[EmbedderApi]
    name: str


def check_embedder(embedder: AnyEmbedder) -> None:
    """Refuse what cannot be an embedder, before anything is started.

    Raises:
        ConfigurationError: There is no such one, or it needs a key (`UnknownModel`,
            `MissingKey`) or files (`ModelNotPulled`); the text says what to do.
    """
    if isinstance(embedder, Ref) or embedder in LEXICAL_NAMES:
        return
    if not isinstance(embedder, str | Model):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
        raise ConfigurationError(f"embedder is {embedder!r}: write {EXAMPLES}")
    if isinstance(embedder, str) and embedder in EMBEDDING_MODELS:
        locate_embedding(embedder)
        return
    if isinstance(embedder, str) and ":" not in embedder:
        raise ConfigurationError(f"there is no embedder {embedder!r}: write {EXAMPLES}")
    if resolve(embedder).embeddings is None:
        raise ConfigurationError(f"{embedder} has no embeddings: write {EXAMPLES}")


async def start_memory_embedder(group: Supervisor, embedder: AnyEmbedder) -> StartedEmbedder:
    """Start an embedder below `group`; one that runs is asked for its name.

    Raises:
        ConfigurationError: As `check_embedder` says.
        RuntimeFault: It does not start, or does not answer.
    """
    if isinstance(embedder, Ref):
        return StartedEmbedder(embedder, (await embedder.ask(Embed(("hello",)))).model)
    if embedder in LEXICAL_NAMES:
        return StartedEmbedder(await group.spawn(LexicalEmbedder, name="embedder"), LEXICAL)
    if isinstance(embedder, str) and embedder in EMBEDDING_MODELS:
        ref = await group.spawn(LocalEmbedder, embedder, name="embedder")
        return StartedEmbedder(ref, embedder)
    name = embedder if isinstance(embedder, str) else embedder.name
    return StartedEmbedder(await start_embedder(group, embedder), name)
