"""What a provider's wire format is to the rest: a request becomes bytes, bytes become chunks.

A codec is a value. It is pure: no socket, no clock; times are given to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.chat import Request, StreamChunk
    from actors.errors import ProviderError


@attrs.frozen
class WireRequest:
    """What to send: `path` is appended to the provider's base address."""

    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)


class Decoder(Protocol):
    """One answer while it arrives. The last chunk of a complete answer, and no other, is final.

    Where the bytes are cut makes no difference to what comes out.

    Attributes:
        done: The terminal frame has been seen: nothing after it counts.
        failure: The provider reported an error inside the answer, or broke its protocol.
    """

    done: bool
    failure: ProviderError | None

    def feed(self, data: bytes, now: float) -> list[StreamChunk]:
        """Take the next bytes; never raises, so that what came before a failure is not lost.

        Args:
            data: What one read brought.
            now: When, in seconds since the epoch.
        """
        ...

    def finish(self, now: float) -> list[StreamChunk]:
        """The connection has ended in good order; return what that completes.

        Raises:
            StreamTruncated: It ended before the answer was complete.
            ProviderError: The `failure`, where there is one.
        """
        ...


class Codec(Protocol):
    """One wire format.

    Attributes:
        wire: Its name, which stands in `AssistantTurn.wire` and `Opaque.wire`.
    """

    @property
    def wire(self) -> str: ...

    def encode(self, request: Request, model: str) -> WireRequest:
        """The request as bytes. The model's name is the provider's own."""
        ...

    def decoder(self) -> Decoder:
        """A decoder for one answer."""
        ...


class EmbeddingCodec(Protocol):
    """One wire format of embeddings.

    Attributes:
        most: How many texts go into one request.
    """

    @property
    def most(self) -> int: ...

    def encode(self, texts: Sequence[str], model: str, dimensions: int | None) -> WireRequest:
        """The request as bytes. The model's name is the provider's own."""
        ...

    def decoder(self, texts: int) -> Decoder:
        """A decoder for the answer to a request with so many texts; see `vectors_of`."""
        ...
