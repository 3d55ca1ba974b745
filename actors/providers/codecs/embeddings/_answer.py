"""What the codecs of embeddings have in common: an answer is one JSON object with vectors. Pure.

The vectors go out in the metadata of a single final chunk, so that an exchange about embeddings
is like any other: the same limits, retries, circuit and budgets.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import attrs

from actors.chat import FinishReason, StreamChunk, StreamResponse, Usage
from actors.errors import ProviderError, ProviderProtocolError
from actors.providers.codecs._decoding import BodyDecoder, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.providers.codecs._codec import Decoder
    from actors.providers.codecs._framing import WireEvent

Vector = tuple[float, ...]
VECTORS: Final = "vectors"


@attrs.frozen
class Read:
    """What a wire's own reader found in a body."""

    vectors: list[Vector] | None
    usage: Usage | None = None
    error: ProviderError | None = None


def vectors_of(response: StreamResponse) -> tuple[Vector, ...]:
    """The vectors of a complete answer, in the order of the texts."""
    found: tuple[Vector, ...] = response.metadata[VECTORS]
    return found


def embedding_decoder(read: Callable[[bytes], Read], texts: int) -> Decoder:
    """A decoder that lets `read` find the vectors, and holds them against what was asked for."""
    return BodyDecoder(_EmbeddingAnswer(read, texts))


class _EmbeddingAnswer:
    """See `Answer` for the contract."""

    may_end = False

    def __init__(self, read: Callable[[bytes], Read], texts: int) -> None:
        self.complete = False
        self.failure: ProviderError | None = None
        self._read = read
        self._texts = texts
        self._found = Read(None)

    def take(self, event: WireEvent, now: float) -> Sequence[StreamChunk]:
        """See `Answer.take`: an event has no place here."""
        del now
        raise ValueError(f"embeddings are not streamed, but this was: {excerpt(event.data)}")

    def whole(self, body: bytes, now: float) -> Sequence[StreamChunk]:
        """See `Answer.whole`."""
        del now
        found = self._read(body)
        self.failure = found.error
        if self.failure is None:
            self._check(found.vectors, body)
        self._found = found
        return ()

    def _check(self, vectors: list[Vector] | None, body: bytes) -> None:
        """A vector that is missing or bent would be stored, and found out about much later."""
        if vectors is None or len(vectors) != self._texts:
            count = "no" if vectors is None else len(vectors)
            wrong = f"{count} vectors for {self._texts} texts"
        elif len({len(vector) for vector in vectors}) > 1:
            wrong = "vectors of different lengths"
        elif not all(vector and all(map(math.isfinite, vector)) for vector in vectors):
            wrong = "a vector that is empty or not finite"
        else:
            return
        raise ProviderProtocolError(f"the provider sent {wrong}: {excerpt(body)}")

    def final(self, now: float) -> StreamChunk:
        """See `Answer.final`."""
        return StreamChunk(
            finish_reason=FinishReason.STOP,
            metadata={VECTORS: tuple(self._found.vectors or ())},
            timestamp=now,
            is_final=True,
            usage=self._found.usage,
        )
