"""A small streaming HTTP client: HTTP/1.1, one pool, no redirects, every wait bounded.

Leaving a stream closes its socket at once: that is how a provider learns that nobody listens.
No error of httpx2 leaves this package; the caller's own cancel stays `trio.Cancelled`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, Self, cast

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

from ._limits import Limits
from ._transport import TransportStream
from ._wire import Batches, Wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from types import TracebackType

USER_AGENT: Final = "troupe-runtime/0.1"
KEEP_IDLE_SECONDS: Final = 30.0  # below the 60 s after which common load balancers hang up


@functools.cache
def _certificates() -> ssl.SSLContext:
    """One for all clients of the process: loading it takes longer than most requests."""
    return httpx2.create_ssl_context()


class HttpClient:
    """A pool of connections; `aclose` when done.

    Args:
        limits: How long each exchange may take.
        connections: At most so many sockets at once; further streams wait for one.
        secure: For https, which costs about 0.1 s once to load the certificates. Without it
            only plain http will do, and no proxy of the environment is asked.
    """

    def __init__(
        self, limits: Limits | None = None, *, connections: int = 100, secure: bool = True
    ) -> None:
        self.limits = limits if limits is not None else Limits()
        self._secure = secure
        self._client = httpx2.AsyncClient(
            verify=_certificates() if secure else False,
            trust_env=secure,
            http1=True,
            http2=False,
            follow_redirects=False,
            limits=httpx2.Limits(
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=KEEP_IDLE_SECONDS,
            ),
            timeout=httpx2.Timeout(
                connect=self.limits.connect,
                read=self.limits.first_byte,
                write=self.limits.first_byte,
                pool=None,  # the limit of the first byte covers the wait for a socket
            ),
            headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
        )

    def stream(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> HttpStream:
        """One exchange, as an async context manager. Nothing is sent before it is entered."""
        for name, value in (headers or {}).items():
            # Checked here, because what the library says about it would quote the key.
            if not (value.isascii() and value.isprintable()):
                raise ConfigurationError(
                    f"the header {name!r} has a line break or a character beyond ASCII in it"
                )
        try:
            request = self._client.build_request(method, url, headers=headers, content=content)
        except httpx2.InvalidURL as error:
            raise ConfigurationError(f"the address of a request is not valid: {error}") from error
        if request.url.scheme == "https" and not self._secure:
            raise ConfigurationError("this client speaks plain http only: HttpClient(secure=True)")
        return HttpStream(self._client, request, self.limits)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()


class HttpStream(TransportStream):
    """One request and its answer, read as it comes.

    Entering sends the request and waits for the answer's head. Leaving before the body's end
    closes the socket; leaving after it gives the connection back to the pool.

    Attributes:
        status: The HTTP status.
        headers: The answer's headers, names in lower case.

    Raises:
        ProviderUnavailable: No server, or it hung up without an answer.
        ProviderProtocolError: What came is not HTTP.
        StreamStalled: A limit has passed.
        StreamTruncated: The connection ended inside the body.
    """

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
        started = trio.current_time()
        response = await self._send()
        self._response = response
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._wire = Wire(response.extensions["network_stream"], self._limits, started)
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
            raise self._stalled(wire.limit, wire.seconds) from error
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
