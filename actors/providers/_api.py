"""What a provider is to those who talk to it: an interface, its messages, its sense of time."""

from __future__ import annotations

import time

import attrs
import trio

from actors.chat import Request, StreamChunk
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


class ScriptedApi:
    """Whoever plays a script."""


@attrs.frozen
class Requests(Ask[ScriptedApi, tuple[Request, ...]]):
    """Asks for all requests so far, also those before a crash."""


class Clock:
    """Seconds since the epoch that move with trio's clock: never back, and in virtual time."""

    def __init__(self) -> None:
        self._offset = time.time() - trio.current_time()

    def now(self) -> float:
        return self._offset + trio.current_time()
