"""A server that streams answers as OpenAI's chat completions do, on bare sockets.

It stands alone, so that it starts fast and imports nothing that is measured: run it as a
script. It prints its port, then one line "closed <time>" for each stream that its reader left
before the end, and ends when its standard input does. The address says what to send:
`/200/1000/v1/chat/completions` is 1 000 chunks at 200 a second, and 0 a second is a flood.
A chunk's text is the time at which it was sent. Times are `time.perf_counter_ns()`, which all
processes of a Linux machine share.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns
from typing import Final

import trio

HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
EVENT: Final = (
    b'{"id":"chatcmpl-9hG0mWbqvTj2","object":"chat.completion.chunk","created":1700000000,'
    b'"model":"bench","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,'
    b'"delta":%s,"logprobs":null,"finish_reason":%s}]}'
)
USAGE: Final = (
    b'{"id":"chatcmpl-9hG0mWbqvTj2","object":"chat.completion.chunk","created":1700000000,'
    b'"model":"bench","choices":[],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":%d,"total_tokens":%d}}'
)
FLOOD_BATCH: Final = 64  # events in one write: the server must outrun its reader


def framed(payload: bytes) -> bytes:
    """One event, as one chunk of the body."""
    event = b"data: %s\n\n" % payload
    return b"%x\r\n%s\r\n" % (len(event), event)


def text_event() -> bytes:
    return framed(EVENT % (b'{"content":"%d "}' % perf_counter_ns(), b"null"))


def first_events() -> bytes:
    return framed(EVENT % (b'{"role":"assistant","content":""}', b"null"))


def last_events(count: int) -> bytes:
    usage = USAGE % (count, count + 9)
    return framed(EVENT % (b"{}", b'"stop"')) + framed(usage) + framed(b"[DONE]") + b"0\r\n\r\n"


class Connection:
    """One client's connection, for one request after the other."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._received = b""
        self._is_ending = False  # the end of the answer is on its way

    async def serve(self) -> None:
        """Answer until the client has left."""
        is_here = True
        while is_here and (path := await self._read_request()) is not None:
            plan = path.split("/")
            if path.endswith("/v1/chat/completions") and len(plan) == 6:  # noqa: PLR2004
                is_here = await self._answer(int(plan[1]), int(plan[2]))
            else:
                await self._stream.send_all(NOT_FOUND)

    async def _read_request(self) -> str | None:
        """The path of the next request, once its body is here; None when the client is gone."""
        while b"\r\n\r\n" not in self._received:
            if not await self._receive():
                return None
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        request, *headers = head.decode("ascii").split("\r\n")
        named = dict(line.lower().split(":", 1) for line in headers)
        length = int(named.get("content-length", 0))
        while len(self._received) < length:
            if not await self._receive():
                return None
        self._received = self._received[length:]
        return request.split(" ")[1]

    async def _receive(self) -> bool:
        data = await self._stream.receive_some()
        self._received += data
        return bool(data)

    async def _answer(self, rate: int, count: int) -> bool:
        """Send an answer and beside it wait for the client to leave; False if it has left."""
        self._is_ending = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._note_close, nursery.cancel_scope)
            try:
                await self._send(rate, count)
            except trio.BrokenResourceError:
                await trio.sleep_forever()  # until the close is noted
            nursery.cancel_scope.cancel()
            return True
        return False

    async def _send(self, rate: int, count: int) -> None:
        await self._stream.send_all(HEAD + first_events())
        if rate:
            start = trio.current_time()
            for number in range(count):
                await trio.sleep_until(start + (number + 1) / rate)
                await self._stream.send_all(text_event())
        else:
            for sent in range(0, count, FLOOD_BATCH):
                batch = text_event() * min(FLOOD_BATCH, count - sent)
                await self._stream.send_all(batch)
        self._is_ending = True
        await self._stream.send_all(last_events(count))

    async def _note_close(self, answer: trio.CancelScope) -> None:
        try:
            data = await self._stream.receive_some()
        except trio.BrokenResourceError:
            data = b""
        closed_at = perf_counter_ns()
        if data and self._is_ending:  # the reader was done before the writer had noticed
            self._received += data
            return
        if data:
            raise RuntimeError("a client sent a second request before its answer was complete")
        print("closed", closed_at, flush=True)  # noqa: T201 - its parent reads it
        answer.cancel()


async def serve() -> None:
    """Serve on a free port of this machine until standard input ends."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print("port", listeners[0].socket.getsockname()[1], flush=True)  # noqa: T201 - likewise
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, listeners)
        await trio.lowlevel.FdStream(sys.stdin.fileno()).receive_some()
        nursery.cancel_scope.cancel()


async def handle(stream: trio.SocketStream) -> None:
    try:
        await Connection(stream).serve()
    except trio.BrokenResourceError:
        return  # the client has gone between two requests
    finally:
        await trio.aclose_forcefully(stream)


if __name__ == "__main__":
    trio.run(serve)
