"""One exchange over a connection of our own: h11 reads the head, `_body` the rest.

Between the socket and the reader there is one wait, under one deadline, and no task, no lock
and no event object for each piece.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Final, Self, cast

import h11
import trio

from actors.errors import (
    ConfigurationError,
    ProviderProtocolError,
    ProviderUnavailable,
    StreamStalled,
    StreamTruncated,
)

from ._body import Body, Chunked, Inflated, Sized, UntilClosed
from ._connection import READ_BYTES, READ_ERRORS, Connection, Origin, Pool, open_connection
from ._limits import Deadlines
from ._transport import TransportStream

if TYPE_CHECKING:
    from types import TracebackType

    from ._limits import Limits

MAX_HEAD_BYTES: Final = 100 * 1024
_NO_BODY: Final = frozenset({204, 304})


class Ask:
    """What is sent: a request as h11 sees it, and its body."""

    def __init__(
        self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], content: bytes
    ) -> None:
        self.is_head = method.upper() == "HEAD"
        self.h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._parts = (method, target, headers, content)

    def encoded(self) -> bytes:
        """The request as bytes.

        Raises:
            ConfigurationError: It cannot be said in HTTP.
        """
        method, target, headers, content = self._parts
        self.h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        try:
            head = self.h11.send(h11.Request(method=method, target=target, headers=headers))
            body = self.h11.send(h11.Data(content)) if content else b""
            end = self.h11.send(h11.EndOfMessage())
        except h11.LocalProtocolError:
            pass
        else:
            return b"".join((head or b"", body or b"", end or b""))
        raise ConfigurationError("this request cannot be sent over HTTP")  # no header is quoted


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

    def __init__(
        self, pool: Pool, context: ssl.SSLContext | None, origin: Origin, ask: Ask, limits: Limits
    ) -> None:
        self._pool = pool
        self._context = context
        self._to = origin
        self._ask = ask
        self._limits = limits
        self._deadlines = Deadlines(limits)
        self._connection: Connection | None = None
        self._body: Body | None = None
        self._arrived = b""  # of the body, with the bytes that brought the head
        self._keeps = False
        self._has_turn = False
        self.status = 0
        self.headers: dict[str, str] = {}

    @property
    def origin(self) -> str:
        """Scheme, host and port: all of the address that may stand in an error."""
        return str(self._to)

    async def __aenter__(self) -> Self:
        self._deadlines.start(trio.current_time())
        limits = self._limits
        total, first_byte = limits.total, limits.first_byte
        limit, patience = ("total", total) if total < first_byte else ("first_byte", first_byte)
        with trio.move_on_after(patience):
            await self._pool.turn()
            self._has_turn = True
            try:
                await self._exchange()
            except BaseException:
                self._leave()
                raise
            return self
        raise self._stalled(limit, patience)

    async def _exchange(self) -> None:
        """Send, and read the head; anew, where an idle connection turns out to be dead.

        A server may hang up on an idle connection in the moment in which we use it again. It
        has then read nothing, so the request is sent once more.
        """
        while True:  # ends: each round uses up one connection of the pool
            connection = await self._connect()
            hang_up = await self._ask_over(connection)
            if hang_up is None:
                return
            self._drop()
            if not connection.was_used:
                raise ProviderUnavailable(
                    f"{self.origin} hung up without an answer: {hang_up.__cause__ or hang_up}"
                ) from hang_up

    async def _connect(self) -> Connection:
        connection = self._pool.idle(self._to)
        if connection is None:
            self._pool.make_room()
            connection = await self._open()
            self._pool.add(connection)
        self._connection = connection
        return connection

    async def _open(self) -> Connection:
        cause: Exception
        seconds = self._limits.connect
        try:
            with trio.move_on_after(seconds):
                return await open_connection(self._to, self._context, self._pool.reach)
        except (OSError, trio.BrokenResourceError, ssl.CertificateError) as error:
            cause = error
        else:
            raise ProviderUnavailable(
                f"no server at {self.origin}: no connection within {seconds} s"
            )
        reason = _first_of(cause.__cause__ or cause)
        raise ProviderUnavailable(f"no server at {self.origin}: {reason}") from reason

    async def _ask_over(self, connection: Connection) -> Exception | None:
        """Send the request and read the head of its answer.

        Returns:
            How the connection ended, if it did before the first byte; None for an answer.

        Raises:
            ProviderProtocolError: What came is no head.
        """
        request = self._ask.encoded()
        with contextlib.suppress(trio.BrokenResourceError):  # it may have said why before
            await connection.send(request)
        reader = self._ask.h11
        heard = False
        try:
            while not isinstance(event := reader.next_event(), h11.Response):
                if event is h11.NEED_DATA:
                    data = await connection.receive(READ_BYTES)
                    if not (data or heard):
                        return EOFError("it closed the connection")
                    heard = True
                    reader.receive_data(bytes(data))
        except READ_ERRORS as error:
            return error
        except h11.RemoteProtocolError as error:
            raise ProviderProtocolError(f"{self.origin} does not speak HTTP: {error}") from error
        self._begin(event)
        self._arrived = bytes(reader.trailing_data[0])
        return None

    def _begin(self, head: h11.Response) -> None:
        """Take in the head: it says how the body ends, and whether the connection is kept."""
        self.status = head.status_code
        headers: dict[str, str] = {}
        for name, value in head.headers:
            key, text = name.decode("ascii"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self.headers = headers
        closes = "close" in headers.get("connection", "").lower()
        is_sound = not {"transfer-encoding", "content-length"} <= headers.keys()
        self._keeps = head.http_version == b"1.1" and not closes and is_sound
        self._body = self._body_of(headers)

    def _body_of(self, headers: dict[str, str]) -> Body:
        body: Body
        if self._ask.is_head or self.status in _NO_BODY:
            return Sized(0)
        if "transfer-encoding" in headers:  # h11 knows no other than "chunked"
            body = Chunked()
        elif "content-length" in headers:
            body = Sized(int(headers["content-length"]))
        else:
            body = UntilClosed()
        match headers.get("content-encoding", "identity").lower():
            case "identity":
                return body
            case "gzip" | "x-gzip" | "deflate":
                return Inflated(body)  # compressed, though we did not ask for it
            case other:
                raise ProviderProtocolError(
                    f"{self.origin} compressed its answer with {other!r}, unasked"
                )

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
        body, connection = self._body, self._connection
        if body is None or connection is None:
            raise RuntimeError("read a stream inside `async with client.stream(...) as stream`")
        data, self._arrived = self._arrived, b""
        while not body.done:
            if body.failure is not None:
                raise ProviderProtocolError(
                    f"{self.origin} broke the HTTP protocol: {body.failure}"
                )
            piece = body.feed(data or await self._receive(body, connection))
            data = b""
            if piece:
                self._deadlines.begun = True
                return piece
        return b""

    async def _receive(self, body: Body, connection: Connection) -> bytes:
        """Read the socket once, under the limit that ends first; b"" when that ends the body."""
        deadlines = self._deadlines
        cause: Exception | None = None
        reason = "it was closed"
        with trio.CancelScope(deadline=deadlines.next(trio.current_time())) as scope:
            try:
                data = await connection.receive(READ_BYTES)
            except READ_ERRORS as error:
                cause, reason = error, str(error.__cause__ or error)
            else:
                if data:
                    return bytes(data)
                body.end()
                if body.done:
                    return b""
        if scope.cancelled_caught:
            raise self._stalled(deadlines.limit, deadlines.seconds)
        raise StreamTruncated(
            f"the connection to {self.origin} ended inside the answer: {reason}"
        ) from cause

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        """Keep the connection if its answer was read to the end, else close it at once.

        Leaving twice is leaving once: whoever wraps a stream may close it early.
        """
        if not self._has_turn:
            return
        self._has_turn = False
        body, connection = self._body, self._connection
        is_over = body is not None and body.done and not body.excess and not self._arrived
        if connection is not None and is_over and self._keeps:
            self._connection = None
            self._pool.give_back(connection)
        self._drop()
        self._pool.end_turn()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.drop(connection)


def _first_of(error: BaseException) -> BaseException:
    """What one attempt failed with: trio tries every address of a name, and groups the failures."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
