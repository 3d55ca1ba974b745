"""A small streaming HTTP client: HTTP/1.1, one pool, no redirects, every wait bounded.

Leaving a stream closes its socket at once: that is how a provider learns that nobody listens.
Where the environment names a proxy, httpx2 is asked, which knows about them; without one, the
sockets are our own, for that costs half as much a piece of an answer.
"""

from __future__ import annotations

import base64
import functools
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Final

import httpx2
import trio

from actors.errors import ConfigurationError

from ._connection import Origin, Pool
from ._direct import Ask, HttpStream
from ._limits import Limits
from ._proxied import ProxiedStream

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from ._connection import Reach
    from ._transport import TransportStream

USUAL_HEADERS: Final = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "connection": "keep-alive",
    "user-agent": "troupe-runtime/0.1",
}
KEEP_IDLE_SECONDS: Final = 30.0  # below the 60 s after which common load balancers hang up
_PORTS: Final = {"http": 80, "https": 443}


@functools.cache
def _certificates() -> ssl.SSLContext:
    """One for all clients of the process: loading it takes longer than most requests."""
    context = httpx2.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def forget_certificates() -> None:
    """Load them anew for the next client: SSL_CERT_FILE may say something else now."""
    _certificates.cache_clear()


class HttpClient:
    """A pool of connections; `aclose` when done.

    Args:
        limits: How long each exchange may take.
        connections: At most so many sockets at once; further streams wait for one.
        secure: For https, which costs about 0.1 s once to load the certificates. Without it
            only plain http will do, and no proxy of the environment is asked.
        reach: Opens the sockets, where it matters to which address of a host; no proxy is
            asked then either, for that would choose the address itself.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        connections: int = 100,
        secure: bool = True,
        reach: Reach | None = None,
    ) -> None:
        self.limits = limits if limits is not None else Limits()
        self._context = _certificates() if secure else None
        self._may_use_proxy = secure and reach is None and _has_proxy()
        self._pool = Pool(connections, KEEP_IDLE_SECONDS, reach or trio.open_tcp_stream)
        self._client = self._open_proxied(connections) if self._may_use_proxy else None

    def _open_proxied(self, connections: int) -> httpx2.AsyncClient:
        assert self._context is not None
        return httpx2.AsyncClient(
            verify=self._context,
            trust_env=True,
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
        )

    def stream(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> TransportStream:
        """One exchange, as an async context manager. Nothing is sent before it is entered."""
        for name, value in (headers or {}).items():
            # Checked here, because what the library says about it would quote the key.
            if not (value.isascii() and value.isprintable()):
                raise ConfigurationError(
                    f"the header {name!r} has a line break or a character beyond ASCII in it"
                )
        try:
            sent = httpx2.Headers(USUAL_HEADERS)
            sent.update(headers)
            make = httpx2.Request if self._client is None else self._client.build_request
            request = make(method, url, headers=sent, content=content)
        except httpx2.InvalidURL as error:
            raise ConfigurationError(f"the address of a request is not valid: {error}") from error
        address = request.url
        if address.scheme not in _PORTS:
            raise ConfigurationError(
                f"{address.scheme}://{address.host} is no http or https address"
            )
        if address.scheme == "https" and self._context is None:
            raise ConfigurationError("this client speaks plain http only: HttpClient(secure=True)")
        if self._client is not None:
            return ProxiedStream(self._client, request, self.limits)
        if address.userinfo and "authorization" not in request.headers:
            request.headers["authorization"] = _basic(address.userinfo)
        origin = Origin(
            address.raw_host.decode("ascii"),
            address.port or _PORTS[address.scheme],
            address.scheme == "https",
        )
        ask = Ask(method, address.raw_path, request.headers.raw, content)
        return HttpStream(self._pool, self._context, origin, ask, self.limits)

    async def aclose(self) -> None:
        """Close every connection."""
        self._pool.close()
        if self._client is not None:
            await self._client.aclose()


def _has_proxy() -> bool:
    """Whether the environment names one; which address goes past it, httpx2 knows."""
    return not urllib.request.getproxies().keys().isdisjoint({"http", "https", "all"})


def _basic(userinfo: bytes) -> str:
    """What name and password in an address mean; they are percent-encoded there."""
    credentials = urllib.parse.unquote_to_bytes(userinfo)
    return "Basic " + base64.b64encode(credentials).decode("ascii")
