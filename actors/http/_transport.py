"""What a provider needs of HTTP: exchanges of one request and one answer, read as it comes.

`HttpClient` carries them out over sockets. `RecordingClient` also writes them down, and
`ReplayClient` plays what was written down; a provider cannot tell them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

import trio

from actors.errors import ProviderError, StreamStalled, StreamTruncated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ._limits import Limits


class TransportStream(Protocol):
    """One request and its answer. Entering sends it and waits for the answer's head.

    Attributes:
        status: The HTTP status.
        headers: The answer's headers, names in lower case.

    Raises:
        ProviderError, StreamStalled, StreamTruncated: as `HttpStream` says.
    """

    status: int
    headers: dict[str, str]

    async def read(self) -> bytes:
        """Wait for the next bytes of the body; b"" at its end, and from then on."""
        ...

    async def read_at_most(self, size: int) -> bytes:
        """Read the body to its end or to about `size` bytes, whichever comes first."""
        body = b""
        while len(body) < size and (data := await self.read()):
            body += data
        return body[:size]

    async def settle(self, seconds: float) -> None:
        """Wait shortly for the body's end, so that the connection can be used again."""
        with trio.move_on_after(seconds):
            try:
                while await self.read():
                    pass
            except (ProviderError, StreamStalled, StreamTruncated):
                return  # the answer was complete; only the connection is lost

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Transport(Protocol):
    """Carries out exchanges, any number at a time; `aclose` when done."""

    def stream(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> TransportStream:
        """One exchange, as an async context manager. Nothing is sent before it is entered."""
        ...

    async def aclose(self) -> None: ...


class Connect(Protocol):
    """Makes a transport; see `HttpClient` for what the arguments mean."""

    def __call__(self, limits: Limits, *, connections: int, secure: bool) -> Transport: ...
