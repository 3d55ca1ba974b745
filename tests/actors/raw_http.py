"""One HTTP request over a bare socket, and how its answer ended."""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs
import trio


@attrs.frozen
class Response:
    """What came.

    Attributes:
        headers: Names in lower case.
        chunks: The body as the server wrote it; in one piece, where it was not chunked.
        ended_well: Whether the body has the end that its framing promised.
        was_reset: Whether the connection was.
    """

    status: int
    headers: Mapping[str, str]
    chunks: list[bytes]
    ended_well: bool
    was_reset: bool

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


async def fetch(
    base_url: str, path: str, body: object, headers: Mapping[str, str] | None = None
) -> Response:
    """POST `body` as JSON to a path of the host; read until the server closes."""
    host, _, port = base_url.removeprefix("http://").partition("/")[0].partition(":")
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: x", "connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"content-length: {len(content)}", "", ""]
    received, was_reset = b"", False
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all("\r\n".join(lines).encode() + content)
        try:
            async for data in stream:
                received += data
        except trio.BrokenResourceError:
            was_reset = True
    return _parsed(received, was_reset=was_reset)


def _parsed(received: bytes, *, was_reset: bool) -> Response:
    head, _, rest = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    ended_well = not was_reset
    chunks = [rest] if rest else []
    if headers.get("transfer-encoding") == "chunked":
        chunks, ended_well = _dechunked(rest)
    elif "content-length" in headers:
        ended_well = len(rest) == int(headers["content-length"])
    return Response(int(first.split()[1]), headers, chunks, ended_well, was_reset)


def _dechunked(rest: bytes) -> tuple[list[bytes], bool]:
    chunks: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return chunks, True
        chunks.append(rest[:length])
        rest = rest[length + 2 :]
    return chunks, False
