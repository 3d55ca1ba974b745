"""A server that streams answers as five providers do, on bare sockets.

It stands alone, so that it starts fast and imports nothing that is measured: run it as a
script. It prints its port, then one line "closed <time>" for each stream that its reader left
before the end, and ends when its standard input does. The address says what to send:
`/200/1000/v1/chat/completions` is 1 000 chunks at 200 a second, and 0 a second is a flood. What
follows the two numbers tells the wire: `/v1/chat/completions`, `/v1/responses`, `/v1/messages`,
`/v1beta/models/bench:streamGenerateContent` or `/api/chat`. `/0/0/v1/calling/chat/completions`
calls four tools. A chunk's text is the time at which
it was sent. Times are `time.perf_counter_ns()`, which all processes of a Linux machine share.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns
from typing import Final, NamedTuple

import trio

HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n"
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
    b'"usage":{"prompt_tokens":9,"completion_tokens":1234567,"total_tokens":7654321}}'
)
RESPONSE: Final = (
    b'{"id":"resp_0","object":"response","created_at":1700000000,"status":"%s","error":null,'
    b'"incomplete_details":null,"instructions":null,"model":"bench","output":[],'
    b'"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"temperature":1.0,"top_p":1.0,'
    b'"metadata":{},"usage":%s}'
)
RESPONSE_USAGE: Final = (
    b'{"input_tokens":9,"input_tokens_details":{"cached_tokens":0},"output_tokens":1234567,'
    b'"output_tokens_details":{"reasoning_tokens":0},"total_tokens":7654321}'
)
PLACE: Final = b'"item_id":"msg_0","output_index":0,"content_index":0'
CANDIDATE: Final = (
    b'{"candidates":[{"content":{"parts":[{"text":"%s"}],"role":"model"}%s,"index":0}],'
    b'"usageMetadata":{"promptTokenCount":9%s},"modelVersion":"bench","responseId":"r-0"}'
)
LINE: Final = (
    b'{"model":"bench","created_at":"2026-01-01T00:00:00.000000Z",'
    b'"message":{"role":"assistant","content":"%s"},"done":%s}\n'
)


def chunk_of(event: bytes) -> bytes:
    """As one chunk of the body."""
    return b"%x\r\n%s\r\n" % (len(event), event)


def framed(payload: bytes) -> bytes:
    """One event, as one chunk of the body."""
    return chunk_of(b"data: %s\n\n" % payload)


def named(name: bytes, fields: bytes) -> bytes:
    """One event with its name, which also stands in its data."""
    return chunk_of(b'event: %s\ndata: {"type":"%s",%s}\n\n' % (name, name, fields))


class Wire(NamedTuple):
    """One wire format as bytes, with `NOW`, `COUNT` and `TOTAL` where those are to stand."""

    content_type: bytes
    opening: bytes
    text: bytes
    closing: bytes


# As long as what takes their place: the sizes of the chunks hold.
NOW: Final = b"1234567890123456"
COUNT: Final = b"1234567"
TOTAL: Final = b"7654321"
SSE: Final = b"text/event-stream; charset=utf-8"
CHAT: Final = Wire(
    SSE,
    framed(EVENT % (b'{"role":"assistant","content":""}', b"null")),
    framed(EVENT % (b'{"content":"%s "}' % NOW, b"null")),
    framed(EVENT % (b"{}", b'"stop"')) + framed(USAGE) + framed(b"[DONE]"),
)
# Four calls, of the tools "ask_0" to "ask_3", whatever the two numbers in the address are.
CALLING: Final = Wire(
    SSE,
    framed(
        EVENT
        % (
            b'{"role":"assistant","content":null,"tool_calls":[%s]}'
            % b",".join(
                b'{"index":%d,"id":"call_%d","type":"function",'
                b'"function":{"name":"ask_%d","arguments":"{\\"task\\":\\"go\\"}"}}'
                % (number, number, number)
                for number in range(4)
            ),
            b"null",
        )
    ),
    b"",
    framed(EVENT % (b"{}", b'"tool_calls"')) + framed(USAGE) + framed(b"[DONE]"),
)
RESPONSES: Final = Wire(
    SSE,
    named(
        b"response.created",
        b'"sequence_number":0,"response":' + RESPONSE % (b"in_progress", b"null"),
    )
    + named(
        b"response.output_item.added",
        b'"sequence_number":1,"output_index":0,"item":{"id":"msg_0","type":"message",'
        b'"status":"in_progress","role":"assistant","content":[]}',
    )
    + named(
        b"response.content_part.added",
        b'"sequence_number":2,%s,"part":{"type":"output_text","text":"","annotations":[],'
        b'"logprobs":[]}' % PLACE,
    ),
    named(
        b"response.output_text.delta",
        b'"sequence_number":3,%s,"delta":"%s ","logprobs":[]' % (PLACE, NOW),
    ),
    named(
        b"response.completed",
        b'"sequence_number":9,"response":' + RESPONSE % (b"completed", RESPONSE_USAGE),
    ),
)
MESSAGES: Final = Wire(
    SSE,
    named(
        b"message_start",
        b'"message":{"id":"msg_0","type":"message","role":"assistant","model":"bench",'
        b'"content":[],"stop_reason":null,"stop_sequence":null,'
        b'"usage":{"input_tokens":9,"output_tokens":1}}',
    )
    + named(b"content_block_start", b'"index":0,"content_block":{"type":"text","text":""}'),
    named(b"content_block_delta", b'"index":0,"delta":{"type":"text_delta","text":"%s "}' % NOW),
    named(b"content_block_stop", b'"index":0')
    + named(
        b"message_delta",
        b'"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":1234567}',
    )
    + chunk_of(b'event: message_stop\ndata: {"type":"message_stop"}\n\n'),
)
GEMINI: Final = Wire(
    b"text/event-stream",
    b"",
    framed(CANDIDATE % (NOW + b" ", b"", b"")),
    framed(CANDIDATE % (b"", b',"finishReason":"STOP"', b',"candidatesTokenCount":1234567')),
)
OLLAMA: Final = Wire(
    b"application/x-ndjson",
    b"",
    chunk_of(LINE % (NOW + b" ", b"false")),
    chunk_of(LINE % (b"", b'true,"done_reason":"stop","prompt_eval_count":9,"eval_count":1234567')),
)
WIRES: Final = {
    "/v1/chat/completions": CHAT,
    "/v1/calling/chat/completions": CALLING,
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
    "/v1beta/models/bench:streamGenerateContent": GEMINI,
    "/v1/models/bench:streamGenerateContent": GEMINI,  # Google's client, for a host of one's own
    "/api/chat": OLLAMA,
}
FLOOD_BATCH: Final = 64  # events in one write: the server must outrun its reader


def text_of(wire: Wire) -> bytes:
    """One piece of text, whose words are the time."""
    return wire.text.replace(NOW, b"%016d" % perf_counter_ns())


def end_of(wire: Wire, count: int) -> bytes:
    """What comes after the last text; a blank before a number is good JSON."""
    end = wire.closing.replace(COUNT, b"%7d" % count).replace(TOTAL, b"%7d" % (count + 9))
    return end + b"0\r\n\r\n"


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
            plan = path.partition("?")[0].split("/", 3)
            wire = WIRES.get("/" + plan[-1])
            if wire is not None:
                is_here = await self._answer(wire, int(plan[1]), int(plan[2]))
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

    async def _answer(self, wire: Wire, rate: int, count: int) -> bool:
        """Send an answer and beside it wait for the client to leave; False if it has left."""
        self._is_ending = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._note_close, nursery.cancel_scope)
            try:
                await self._send(wire, rate, count)
            except trio.BrokenResourceError:
                await trio.sleep_forever()  # until the close is noted
            nursery.cancel_scope.cancel()
            return True
        return False

    async def _send(self, wire: Wire, rate: int, count: int) -> None:
        await self._stream.send_all(HEAD % wire.content_type + wire.opening)
        if rate:
            start = trio.current_time()
            for number in range(count):
                await trio.sleep_until(start + (number + 1) / rate)
                await self._stream.send_all(text_of(wire))
        else:
            for sent in range(0, count, FLOOD_BATCH):
                batch = text_of(wire) * min(FLOOD_BATCH, count - sent)
                await self._stream.send_all(batch)
        self._is_ending = True
        await self._stream.send_all(end_of(wire, count))

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
