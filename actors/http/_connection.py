"""One socket to a server and the pool of them. What is left in the middle is closed at once.

Closing a socket needs no wait, so that a cancel has nothing to shield and nothing to lose.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Final, Protocol

import attrs
import trio

if TYPE_CHECKING:
    import ssl

READ_BYTES: Final = 65_536
READ_ERRORS: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class Reach(Protocol):
    """Opens a socket to a host; raises `OSError` where there is none."""

    async def __call__(self, host: str, port: int, /) -> trio.SocketStream: ...


@attrs.frozen
class Origin:
    """Where a connection leads to, and whether through TLS."""

    host: str
    port: int
    is_secure: bool

    def __str__(self) -> str:
        scheme, usual = ("https", 443) if self.is_secure else ("http", 80)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}" + (f":{self.port}" if self.port != usual else "")


class Connection:
    """One socket, TLS around it where the origin asks for it.

    Attributes:
        was_used: It has carried an answer before; the server may have hung up since.
        idle_since: On trio's clock.
    """

    def __init__(self, origin: Origin, tcp: trio.SocketStream, stream: trio.abc.Stream) -> None:
        self.origin = origin
        self.send = stream.send_all
        # The socket itself, where nothing is around it: the stream's way to translate its errors
        # is a context manager for each read.
        self.receive = tcp.socket.recv if stream is tcp else stream.receive_some
        self.was_used = False
        self.idle_since = 0.0
        self._socket = tcp.socket

    def is_silent(self) -> bool:
        """Nothing has come while nothing was asked: neither a hang-up nor stray bytes."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close the socket now; what waits for it fails."""
        self._socket.close()


async def open_connection(
    origin: Origin, context: ssl.SSLContext | None, reach: Reach = trio.open_tcp_stream
) -> Connection:
    """Connect, and shake hands where it is to be secure. Cancelled: no socket is left.

    Args:
        origin: Where to.
        context: For TLS.
        reach: Opens the socket.

    Raises:
        OSError: No connection.
        trio.BrokenResourceError: No TLS, or a certificate that is not to be trusted.
    """
    tcp = await reach(origin.host, origin.port)
    if not origin.is_secure:
        return Connection(origin, tcp, tcp)
    assert context is not None, "a client for plain http refuses https"
    try:
        secure = trio.SSLStream(tcp, context, server_hostname=origin.host, https_compatible=True)
        await secure.do_handshake()
    except BaseException:
        tcp.socket.close()
        raise
    return Connection(origin, tcp, secure)


class Pool:
    """At most so many sockets at once; whoever needs one more waits, first come, first served.

    Args:
        most: Sockets, idle ones included.
        keep: Seconds for which an idle one may be used again.
        reach: Opens them.
    """

    def __init__(self, most: int, keep: float, reach: Reach = trio.open_tcp_stream) -> None:
        self.reach = reach
        self._turns = trio.Semaphore(most, max_value=most)
        self._most = most
        self._keep = keep
        self._busy: set[Connection] = set()
        self._idle: list[Connection] = []  # the one that was used last is at the end
        self._is_closed = False

    async def turn(self) -> None:
        """Wait until one more socket may be used; `end_turn` for each turn."""
        await self._turns.acquire()

    def end_turn(self) -> None:
        self._turns.release()

    def idle(self, origin: Origin) -> Connection | None:
        """An idle connection that seems alive; those that do not are closed."""
        now = trio.current_time()
        for connection in reversed(self._idle.copy()):
            if connection.origin != origin:
                continue
            self._idle.remove(connection)
            if now - connection.idle_since < self._keep and connection.is_silent():
                self._busy.add(connection)
                return connection
            connection.close()
        return None

    def make_room(self) -> None:
        """Before one more is opened: the one that is idle the longest gives way."""
        while self._idle and len(self._busy) + len(self._idle) >= self._most:
            self._idle.pop(0).close()

    def add(self, connection: Connection) -> None:
        """One more, in use."""
        self._busy.add(connection)

    def give_back(self, connection: Connection) -> None:
        """Its answer was read to the end: it can carry another."""
        self._busy.discard(connection)
        if self._is_closed:
            connection.close()
            return
        connection.was_used = True
        connection.idle_since = trio.current_time()
        self._idle.append(connection)

    def drop(self, connection: Connection) -> None:
        """Close it."""
        self._busy.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close all of them; what is being read ends as if the server had hung up."""
        self._is_closed = True
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()
        self._busy.clear()
