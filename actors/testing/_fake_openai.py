"""A fake OpenAI server on a real socket of this process: answers in bytes, faults included.

It notes every request, how much of the answer was written, and when the client hung up, so
that tests and benchmarks can measure an interrupt from the server's side. It speaks HTTP/1.1
through h11, which comes with httpx2, and never keeps the key that a client sends.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import h11
import msgspec
import trio

from actors.providers import Pause, Reset, Stall

from ._fake_answers import Answer, answer, frames

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_READ_BYTES: Final = 65536
_LINGER_NOT: Final = struct.pack("ii", 1, 0)  # close with a reset


@attrs.define
class Received:
    """One request, and what became of its answer.

    Attributes:
        path: With the query.
        body: The JSON of the request.
        headers: Names in lower case, without the authorization.
        authorized: Whether a key came with it.
        written: Bytes of the body that the socket has taken.
        finished: Whether the whole answer was written.
        closed: Set when the client has hung up during the answer.
        closed_at: When, on the clock of `time.perf_counter`.
    """

    path: str
    body: dict[str, Any]
    headers: dict[str, str] = attrs.field(repr=False)
    authorized: bool
    written: int = 0
    finished: bool = False
    closed: trio.Event = attrs.field(factory=trio.Event, repr=False)
    closed_at: float | None = None


class FakeOpenAI:
    """The server; see `open_fake_openai`.

    Attributes:
        base_url: What to give as `base_url`.
        requests: All requests so far, in the order of their arrival.
        connections: How many connections clients have made so far.
    """

    def __init__(self, answers: tuple[Answer, ...]) -> None:
        self.base_url = ""
        self.requests: list[Received] = []
        self.connections = 0
        self._answers = answers or (answer("Hello"),)

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, request after request."""
        self.connections += 1
        peer = h11.Connection(h11.SERVER)
        async with stream:
            try:
                while await self._serve_one(stream, peer):
                    peer.start_next_cycle()
            except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
                return  # the client is gone, or never spoke HTTP: nobody is left to tell

    async def _serve_one(self, stream: trio.SocketStream, peer: h11.Connection) -> bool:
        """Answer one request; return whether the connection can take another."""
        received = await _receive(stream, peer)
        if received is None:
            return False
        number = len(self.requests)
        self.requests.append(received)
        given = self._answers[min(number, len(self._answers) - 1)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, stream, received, nursery.cancel_scope)
            await _Reply(stream, peer, received).send(given, number)
            nursery.cancel_scope.cancel()
        return received.finished and peer.our_state is h11.DONE


@asynccontextmanager
async def open_fake_openai(*answers: Answer) -> AsyncGenerator[FakeOpenAI]:
    """Serve `answers`, one a request in this order, the last one again and again.

    Leaving closes every connection.
    """
    server = FakeOpenAI(answers)
    failure: BaseException | None = None
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listeners[0].socket.getsockname()[1]
    server.base_url = f"http://127.0.0.1:{port}/v1"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, server.serve, listeners)
        try:
            yield server
        except BaseException as error:  # noqa: BLE001 - raised again, bare, below the nursery
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _receive(stream: trio.SocketStream, peer: h11.Connection) -> Received | None:
    """Read one request; None when the client has no more."""
    head: h11.Request | None = None
    body = b""
    while True:
        event = peer.next_event()
        match event:
            case h11.NEED_DATA:
                peer.receive_data(await stream.receive_some(_READ_BYTES))
            case h11.Request():
                head = event
            case h11.Data():
                body += bytes(event.data)
            case h11.EndOfMessage():
                break
            case _:
                return None
    if head is None:
        return None
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    key = headers.pop("authorization", "")
    return Received(
        head.target.decode(), msgspec.json.decode(body) if body else {}, headers, bool(key)
    )


async def _watch(stream: trio.SocketStream, received: Received, scope: trio.CancelScope) -> None:
    """Notice that the client hangs up: during an answer it has nothing to send."""
    try:
        while await stream.receive_some(_READ_BYTES):
            pass
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    received.closed_at = time.perf_counter()
    received.closed.set()
    scope.cancel()


class _Reply:
    """Writes one answer."""

    def __init__(self, stream: trio.SocketStream, peer: h11.Connection, received: Received) -> None:
        self._stream = stream
        self._peer = peer
        self._received = received

    async def send(self, given: Answer, number: int) -> None:
        """Write the answer, as far as the client takes it."""
        try:
            await self._send(given, number)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the client has hung up, which `_watch` notes

    async def _send(self, given: Answer, number: int) -> None:
        headers = [("content-type", given.content_type), ("x-request-id", f"fake-{number}")]
        await trio.sleep(given.head_after)
        await self._write(
            h11.Response(
                status_code=given.status,
                headers=[*headers, *given.headers, ("transfer-encoding", "chunked")],
            )
        )
        for frame in frames(given, self._received.body, number):
            if isinstance(frame, bytes):
                await self._write(h11.Data(data=frame))
                self._received.written += len(frame)
                if given.slow:
                    await trio.sleep(given.slow)
            elif isinstance(frame, Pause):
                await trio.sleep(frame.seconds)
            else:
                await self._break(frame)
                return
        await self._write(h11.EndOfMessage())
        self._received.finished = True

    async def _write(self, event: Any) -> None:
        data = cast("bytes | None", self._peer.send(event))
        if data:
            await self._stream.send_all(data)

    async def _break(self, happening: object) -> None:
        if isinstance(happening, Stall):
            await trio.sleep_forever()
        if isinstance(happening, Reset):
            self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        await self._stream.aclose()
