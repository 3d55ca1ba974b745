"""A fake provider on a real socket of this process: its bytes, its errors, faults included.

It notes every request, how much of the answer was written, and when the client hung up, so
that tests and benchmarks can measure an interrupt from the server's side. It speaks HTTP/1.1
through h11, which comes with httpx2, and never keeps the key that a client sends.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import h11
import msgspec
import trio

from actors.errors import ConfigurationError
from actors.providers import ScriptedPause

from ._fake_answers import FakeAnswer, Fault, answer, check
from ._reply import Reply, refuse, reply_to
from ._wire import Asked, Failure, Task
from ._wires import BY_NAME, WIRES, WireName

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ._wire import Wire

_READ_BYTES: Final = 65536
_LINGER_NOT: Final = struct.pack("ii", 1, 0)  # close with a reset
_KEYS: Final = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
_KEY_IN_PATH: Final = re.compile(r"([?&]key=)[^&]*")
_NOT_FOUND: Final = 404


@attrs.define
class Received:
    """One request, and what became of its answer.

    Attributes:
        path: With the query.
        body: The JSON of the request.
        headers: Names in lower case, without those that hold keys.
        authorized: Whether a key came with it.
        refused: What was wrong with it, where a strict server refused it.
        written: Bytes of the body that the socket has taken.
        finished: Whether the whole answer was written.
        closed: Set when the client has hung up during the answer.
        closed_at: When, on the clock of `time.perf_counter`.
    """

    path: str
    body: dict[str, Any]
    headers: dict[str, str] = attrs.field(repr=False)
    authorized: bool
    refused: str | None = None
    written: int = 0
    finished: bool = False
    closed: trio.Event = attrs.field(factory=trio.Event, repr=False)
    closed_at: float | None = None


class FakeProvider:
    """The server; see `open_fake_provider`.

    Attributes:
        base_url: What to give as `base_url`.
        requests: All requests so far, in the order of their arrival.
        connections: How many connections clients have made so far.
        open_connections: How many of them are open.
    """

    def __init__(self, answers: tuple[FakeAnswer, ...], wire: Wire, *, strict: bool) -> None:
        self.base_url = ""
        self.requests: list[Received] = []
        self.connections = 0
        self.open_connections = 0
        self._answers = answers or (answer("Hello"),)
        self._wire = wire
        self._strict = strict
        self._given = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, request after request."""
        self.connections += 1
        self.open_connections += 1
        peer = h11.Connection(h11.SERVER)
        async with stream:
            try:
                while await self._serve_one(stream, peer):
                    peer.start_next_cycle()
            except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
                return  # the client is gone, or never spoke HTTP: nobody is left to tell
            finally:
                self.open_connections -= 1

    async def _serve_one(self, stream: trio.SocketStream, peer: h11.Connection) -> bool:
        """Answer one request; return whether the connection can take another."""
        received = await _receive(stream, peer)
        if received is None:
            return False
        self.requests.append(received)
        given, reply = self._reply(received)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, stream, peer, received, nursery.cancel_scope)
            await _Sending(stream, peer, received).send(reply, given)
            nursery.cancel_scope.cancel()
        return received.finished and peer.our_state is h11.DONE

    def _reply(self, received: Received) -> tuple[FakeAnswer, Reply]:
        """The next answer, unless the provider would refuse the request.

        Texts become vectors without an answer for it, unless that is an error or a raw body: it
        takes no script.
        """
        path = received.path.partition("?")[0]
        usual: dict[str, Any] = {} if self._strict else {"stream": True}
        task = self._wire.task(path, usual | received.body)
        asked = Asked(
            received.path, received.body, received.headers, self._given, strict=self._strict
        )
        failure = self._refusal(asked, task) if self._strict else None
        if failure is not None:
            received.refused = failure.message
            return FakeAnswer(), refuse(failure, self._given, self._wire)
        given = self._answers[min(self._given, len(self._answers) - 1)]
        if task is Task.EMBED and given.message is None and given.body is None:
            return FakeAnswer(), reply_to(asked, task, FakeAnswer(), self._wire)
        self._given += 1
        return given, reply_to(asked, task or Task.STREAM, given, self._wire)

    def _refusal(self, asked: Asked, task: Task | None) -> Failure | None:
        if task is None:
            return Failure(_NOT_FOUND, f"Invalid URL (POST {asked.path})", "not_found")
        return None if task is Task.EMBED else self._wire.refusal(asked)


@asynccontextmanager
async def open_fake_provider(
    *answers: FakeAnswer, wire: WireName = "openai-chat", strict: bool = True
) -> AsyncGenerator[FakeProvider]:
    """Serve `answers` as a provider would, one a request in this order, the last again and again.

    Embeddings are served beside them, where the provider has them: vectors that follow from
    the words. Leaving closes every connection.

    Args:
        answers: What the model says; "Hello" without any.
        wire: In which format.
        strict: Refuse what the provider would refuse, in its words, with its 400: histories
            with a call that has no result, for instance. A refused request uses up no answer.
            Otherwise anything is answered, on any path.

    Raises:
        ConfigurationError: There is no such wire, or it cannot say what an answer says.
    """
    if wire not in WIRES:
        raise ConfigurationError(f"there is no wire {wire!r}: write one of {', '.join(WIRES)}")
    for each in answers:
        check(each, BY_NAME[wire])
    server = FakeProvider(answers, BY_NAME[wire], strict=strict)
    failure: BaseException | None = None
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listeners[0].socket.getsockname()[1]
    server.base_url = f"http://127.0.0.1:{port}{BY_NAME[wire].root}"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, server.serve, listeners)
        try:
            yield server
        except BaseException as error:  # noqa: BLE001 - raised again, bare, below the nursery
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


@asynccontextmanager
async def open_fake_openai(
    *answers: FakeAnswer, strict: bool = False
) -> AsyncGenerator[FakeProvider]:
    """`open_fake_provider` for OpenAI's chat completions, and by default not strict."""
    async with open_fake_provider(*answers, strict=strict) as server:
        yield server


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
    keys = [headers.pop(name, "") for name in _KEYS]
    path, in_path = _KEY_IN_PATH.subn(r"\1***", head.target.decode())
    return Received(path, _object(body), headers, authorized=any(keys) or in_path > 0)


def _object(body: bytes) -> dict[str, Any]:
    """The JSON of a request; nothing where it is none, which the strict refuse."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


async def _watch(
    stream: trio.SocketStream,
    peer: h11.Connection,
    received: Received,
    scope: trio.CancelScope,
) -> None:
    """Notice that the client hangs up. What it sends early is its next request: keep it."""
    try:
        while data := await stream.receive_some(_READ_BYTES):
            peer.receive_data(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    received.closed_at = time.perf_counter()
    received.closed.set()
    scope.cancel()


class _Sending:
    """Writes one reply."""

    def __init__(self, stream: trio.SocketStream, peer: h11.Connection, received: Received) -> None:
        self._stream = stream
        self._peer = peer
        self._received = received
        self._framed = True

    async def send(self, reply: Reply, given: FakeAnswer) -> None:
        """Write the reply, as far as the client takes it."""
        try:
            await self._send(reply, given)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the client has hung up, which `_watch` notes

    async def _send(self, reply: Reply, given: FakeAnswer) -> None:
        await trio.sleep(given.head_after)
        self._framed = reply.fault is not Fault.UNFRAMED
        await self._write(h11.Response(status_code=reply.status, headers=_head(reply)))
        for item in reply.writes:
            if isinstance(item, bytes):
                await self._write(h11.Data(data=item))
                self._received.written += len(item)
                if given.slow:
                    await trio.sleep(given.slow)
            elif isinstance(item, ScriptedPause):
                await trio.sleep(item.seconds)
            elif item is not Fault.END:
                await self._break(item)
                return
        await self._write(h11.EndOfMessage())
        self._received.finished = reply.fault is None

    async def _write(self, event: Any) -> None:
        data = cast("bytes | None", self._peer.send(event)) if self._framed else _plain(event)
        if data:
            await self._stream.send_all(data)

    async def _break(self, fault: Fault) -> None:
        if fault is Fault.STALL:
            await trio.sleep_forever()
        if fault is Fault.RESET:
            self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        await self._stream.aclose()


def _plain(event: object) -> bytes:
    """As a server of HTTP/1.0 writes it: h11 would frame the body."""
    if isinstance(event, h11.Response):
        lines = [b"HTTP/1.1 %d OK" % event.status_code]
        lines += [name + b": " + value for name, value in event.headers]
        return b"\r\n".join([*lines, b"", b""])
    return bytes(event.data) if isinstance(event, h11.Data) else b""


def _head(reply: Reply) -> list[tuple[str, str]]:
    match reply.fault:
        case Fault.SHORT:
            framing = ("content-length", str(reply.whole_bytes))
        case Fault.UNFRAMED:
            framing = ("connection", "close")
        case _:
            framing = ("transfer-encoding", "chunked")
    return [*reply.headers, framing]
