"""One HTTP request over a bare socket, and how its answer ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_SECONDS = 10


class Response:
    """What came so far.

    Attributes:
        received: Every byte.
        was_reset: Whether the connection was.
    """

    def __init__(self) -> None:
        self.received = b""
        self.was_reset = False

    @property
    def head(self) -> list[str]:
        return self.received.partition(b"\r\n\r\n")[0].decode().split("\r\n")

    @property
    def status(self) -> int:
        return int(self.head[0].split()[1])

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case."""
        pairs = (line.partition(": ") for line in self.head[1:])
        return {name.lower(): value for name, _, value in pairs}

    @property
    def chunks(self) -> list[bytes]:
        """The body as the server wrote it; in one piece, where it was not chunked."""
        return self._parsed()[0]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def ended_well(self) -> bool:
        """Whether the body has the end that its framing promised."""
        return self._parsed()[1]

    def _parsed(self) -> tuple[list[bytes], bool]:
        rest = self.received.partition(b"\r\n\r\n")[2]
        if self.headers.get("transfer-encoding") == "chunked":
            return _dechunked(rest)
        promised = self.headers.get("content-length")
        whole = len(rest) == int(promised) if promised is not None else not self.was_reset
        return [rest] if rest else [], whole


async def fetch(
    base_url: str,
    path: str,
    body: object,
    headers: Mapping[str, str] | None = None,
    into: Response | None = None,
) -> Response:
    """POST `body` as JSON to a path of the host; read until the server closes.

    Args:
        base_url: Its host and port count.
        path: With the query.
        body: Written as JSON.
        headers: Beside those that HTTP needs.
        into: What to fill, for those who cancel the reading.
    """
    response = into if into is not None else Response()
    host, _, port = base_url.removeprefix("http://").partition("/")[0].partition(":")
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: x", "connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"content-length: {len(content)}", "", ""]
    with trio.fail_after(LONGEST_SECONDS):
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all("\r\n".join(lines).encode() + content)
            try:
                async for data in stream:
                    response.received += data
            except trio.BrokenResourceError:
                response.was_reset = True
    return response


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
