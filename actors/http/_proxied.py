"""One exchange over httpx2, which knows proxies; `_direct` is what goes without one.

No error of httpx2 leaves this package; the caller's own cancel stays `trio.Cancelled`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, cast

import httpx2
import trio

from actors.errors import (
    ConfigurationError,
    ProviderError,
    ProviderProtocolError,
    ProviderUnavailable,
    StreamStalled,
    StreamTruncated,
)

from ._limits import Deadlines
from ._transport import TransportStream
from ._wire import Batches, Wire

if TYPE_CHECKING:
    from types import TracebackType

    from ._limits import Limits


class ProxiedStream(TransportStream):
    """One request and its answer, read as it comes; see `HttpStream`."""

    def __init__(self, client: httpx2.AsyncClient, request: httpx2.Request, limits: Limits) -> None:
        self._client = client
        self._request = request
        self._limits = limits
        self._response: httpx2.Response | None = None
        self._wire: Wire | None = None
        self._batches: Batches | None = None
        self.status = 0
        self.headers: dict[str, str] = {}

    @property
    def origin(self) -> str:
        """Scheme, host and port: all of the address that may stand in an error."""
        url = self._request.url
        return f"{url.scheme}://{url.netloc.decode('ascii').rpartition('@')[2]}"

    async def __aenter__(self) -> Self:
        deadlines = Deadlines(self._limits)
        deadlines.start(trio.current_time())
        response = await self._send()
        self._response = response
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._wire = Wire(response.extensions["network_stream"], deadlines)
        if self.headers.get("content-encoding", "identity") == "identity":
            # one layer less than `aiter_raw` on the way of every piece
            pieces = aiter(cast("httpx2.AsyncByteStream", response.stream))
        else:
            pieces = response.aiter_bytes()  # compressed, though we did not ask for it
        self._batches = Batches(pieces, self._wire)
        return self

    async def _send(self) -> httpx2.Response:
        """Send, and wait for the head. Whatever fails here has left no socket behind."""
        first_byte, total = self._limits.first_byte, self._limits.total
        limit, patience = ("total", total) if total < first_byte else ("first_byte", first_byte)
        with trio.move_on_after(patience):
            while True:  # ends: each round uses up one connection of the pool
                if (response := await self._attempt()) is not None:
                    return response
        raise self._stalled(limit, patience)

    async def _attempt(self) -> httpx2.Response | None:
        """Send once; None when a connection of the pool was found dead.

        A server may hang up on an idle connection in the moment in which we use it again. It
        has then read nothing, so the request is sent once more.
        """
        is_fresh = False

        async def trace(event: str, _: object) -> None:
            nonlocal is_fresh
            is_fresh = is_fresh or event == "connection.connect_tcp.started"

        self._request.extensions["trace"] = trace
        failure: Exception
        cause: Exception | None = None
        try:
            return await self._client.send(self._request, stream=True)
        except httpx2.LocalProtocolError:
            failure = ConfigurationError("this request cannot be sent over HTTP")
        except httpx2.HTTPError as error:
            if not is_fresh and _hung_up(error):
                return None
            failure, cause = self._refused(error), error
        raise failure from cause

    def _refused(self, error: httpx2.HTTPError) -> Exception:
        """What an error before the head means."""
        match error:
            case httpx2.ConnectTimeout():
                text = f"no server at {self.origin}: no connection within {self._limits.connect} s"
                return ProviderUnavailable(text)
            case httpx2.ConnectError():
                return ProviderUnavailable(f"no server at {self.origin}: {error}")
            case httpx2.ReadTimeout() | httpx2.WriteTimeout() | httpx2.PoolTimeout():
                return self._stalled("first_byte", self._limits.first_byte)
            case httpx2.UnsupportedProtocol():
                return ConfigurationError(f"{self.origin} is no http or https address")
            case httpx2.RemoteProtocolError() if not _hung_up(error):
                return ProviderProtocolError(f"{self.origin} does not speak HTTP: {error}")
            case _:
                return ProviderUnavailable(f"{self.origin} hung up without an answer: {error}")

    def _stalled(self, limit: str, seconds: float) -> StreamStalled:
        return StreamStalled(
            f"{self.origin} took too long: the limit {limit} is {seconds} s",
            limit=limit,
            seconds=seconds,
        )

    async def read(self) -> bytes:
        """Wait for the next bytes of the body and return all that have arrived.

        Returns:
            At most one read of the socket (64 KiB); b"" at the end of the body.
        """
        batches, wire = self._open()
        try:
            return await batches.read()
        except trio.TooSlowError as error:
            raise self._stalled(wire.deadlines.limit, wire.deadlines.seconds) from error
        except (httpx2.HTTPError, trio.BrokenResourceError) as error:
            raise self._broken(error, wire) from error

    def _broken(self, error: Exception, wire: Wire) -> StreamTruncated | ProviderError:
        """What an error inside the body means."""
        if isinstance(error, httpx2.RemoteProtocolError | httpx2.DecodingError) and not (
            wire.saw_end
        ):
            return ProviderProtocolError(f"{self.origin} broke the HTTP protocol: {error}")
        return StreamTruncated(f"the connection to {self.origin} ended inside the answer: {error}")

    def _open(self) -> tuple[Batches, Wire]:
        if self._batches is None or self._wire is None:
            raise RuntimeError("read a stream inside `async with client.stream(...) as stream`")
        return self._batches, self._wire

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        batches, wire = self._open()
        with trio.CancelScope(shield=True):  # closing does not wait for the server
            try:
                await batches.leave()
            finally:
                wire.release()
                await cast("httpx2.Response", self._response).aclose()


def _hung_up(error: httpx2.HTTPError) -> bool:
    """Whether the connection ended before one byte of an answer."""
    if isinstance(error, httpx2.RemoteProtocolError):
        return "disconnected without sending" in str(error)
    return isinstance(error, httpx2.ReadError | httpx2.WriteError)
