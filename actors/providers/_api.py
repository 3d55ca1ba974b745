"""What a provider is to those who talk to it: an interface, its messages, its sense of time."""

from __future__ import annotations

import time
from typing import Final

import attrs
import trio
from trio.lowlevel import RunVar

from actors.chat import Request, StreamChunk, Usage
from runtime import Ask, Stream


class ProviderApi:
    """Whoever answers requests to a model."""


@attrs.frozen
class Generate(Stream[ProviderApi, StreamChunk]):
    """Asks for one answer, streamed. Its last chunk, and no other, is final.

    Raises:
        StreamTruncated, StreamStalled: It was cut; `partial` has what came.
        ProviderError: The provider refused or failed; `partial` likewise.
        ConfigurationError: The request cannot be sent.
    """

    request: Request


class EmbedderApi:
    """Whoever turns texts into vectors."""


@attrs.frozen
class Embeddings:
    """Texts as vectors.

    Attributes:
        vectors: One a text, in the order of the texts, all of one length.
        model: What made them: vectors of different models cannot be compared.
        usage: As far as the provider counts.
    """

    vectors: tuple[tuple[float, ...], ...] = attrs.field(repr=False)
    model: str
    usage: Usage = attrs.field(factory=Usage)


@attrs.frozen
class Embed(Ask[EmbedderApi, Embeddings]):
    """Asks for the vectors of texts.

    Raises:
        ProviderError, StreamInterrupted: The provider refused or failed; there are no vectors.
        ConfigurationError: The request cannot be sent.
    """

    texts: tuple[str, ...]


class ScriptedApi:
    """Whoever plays a script."""


@attrs.frozen
class Requests(Ask[ScriptedApi, tuple[Request, ...]]):
    """Asks for all requests so far, also those before a crash."""


_OFFSET: Final[RunVar[float]] = RunVar("actors_epoch_offset")


class Clock:
    """Seconds since the epoch that move with trio's clock: never back, and in virtual time.

    All clocks of one trio run agree: they look at the wall once, when the first one is made.
    """

    def __init__(self) -> None:
        try:
            self._offset = _OFFSET.get()
        except LookupError:
            self._offset = time.time() - trio.current_time()
            _OFFSET.set(self._offset)

    def now(self) -> float:
        return self._offset + trio.current_time()
