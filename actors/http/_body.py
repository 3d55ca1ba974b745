"""The body of an HTTP/1.1 answer: bytes of the connection, cut anywhere, to the body's own. Pure.

Source: RFC 9112, sections 6 and 7. h11 reads the head and with it how the body is framed; what
is here are its three ways to end. Chunks are read several times as fast as h11 reads them,
which makes an event of each, and as strictly: tests hold the two against each other.

Nothing here raises. What came before a fault is not lost: `failure` is for the next read.
"""

from __future__ import annotations

import re
import zlib
from typing import Final, Protocol

MAX_LINE_BYTES: Final = 16_384  # of a chunk's size with its extensions, and of all trailers
MAX_INFLATED_BYTES: Final = 16 * 1024 * 1024  # out of one read
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n\0]*)?\r\n")
_TRAILER: Final = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*)?\r\n")


class Body(Protocol):
    """One body while it arrives.

    Attributes:
        done: It is complete.
        excess: Whether bytes came after its end: nobody asked for them.
        failure: What is wrong with its framing.
    """

    done: bool
    excess: bool
    failure: str | None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the connection; return what of the body is in them."""
        ...

    def end(self) -> None:
        """The connection has ended: the body is `done` by that, or never will be."""
        ...


class Sized:
    """A body of known length; see `Body`."""

    def __init__(self, size: int) -> None:
        self._left = size
        self.done = size == 0
        self.excess = False
        self.failure: str | None = None

    def feed(self, data: bytes) -> bytes:
        piece = data[: self._left]
        self._left -= len(piece)
        self.done = self._left == 0
        self.excess = self.excess or len(piece) < len(data)
        return piece

    def end(self) -> None:
        pass


class UntilClosed:
    """A body that ends with its connection; see `Body`."""

    def __init__(self) -> None:
        self.done = False
        self.excess = False
        self.failure: str | None = None

    def feed(self, data: bytes) -> bytes:
        return data

    def end(self) -> None:
        self.done = True


class Chunked:
    """A body in chunks; see `Body`. Extensions and trailers are read and left out."""

    def __init__(self) -> None:
        self.done = False
        self.excess = False
        self.failure: str | None = None
        self._left = 0  # of the chunk that is being read
        self._step = self._size  # what comes next
        self._held = b""  # the first part of a line
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> bytes:
        if self._held:
            data = self._held + data
            self._held = b""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not self.done and self.failure is None:
            at = self._step(data, at, pieces)
        self.excess = self.excess or (self.done and at < len(data))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def end(self) -> None:
        pass

    def _size(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Read as many whole chunks as there are, then the size of one that is not."""
        while (found := _SIZE.match(data, at)) is not None:
            size = int(found[1], 16)
            start = found.end()
            at = start + size
            if size and data[at : at + 2] == b"\r\n":
                pieces.append(data[start:at])
                at += 2
                continue
            self._left = size
            self._step = self._payload if size else self._trailers
            return start
        return self._hold(data, at, "the size of a chunk")

    def _payload(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        piece = data[at : at + self._left]
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._step = self._line_end
        return at + len(piece)

    def _line_end(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        del pieces
        found = data[at : at + 2]
        if found == b"\r\n":
            self._step = self._size
        elif found == b"\r":
            self._held = found
        else:
            self.failure = "a chunk is longer than its size"
        return at + 2

    def _trailers(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        del pieces
        found = _TRAILER.match(data, at)
        if found is None:
            return self._hold(data, at, "a trailer")
        self._trailer_bytes += len(found[0])
        if found[0] == b"\r\n":
            self.done = True
        elif self._trailer_bytes > MAX_LINE_BYTES:
            self.failure = "the trailers are too long"
        return found.end()

    def _hold(self, data: bytes, at: int, what: str) -> int:
        """Wait for the rest of a line, if it can still become one."""
        line = data[at:]
        if b"\n" in line or b"\r" in line[:-1] or len(line) > MAX_LINE_BYTES:
            self.failure = f"{what} cannot be read: {line[:40]!r}"
        self._held = line
        return len(data)


class Inflated:
    """A body that was compressed with gzip or deflate; see `Body`.

    Nobody looks whether the compression reaches its own end: whatever reads the answer knows
    by its terminal frame whether it is whole.
    """

    def __init__(self, body: Body) -> None:
        self._body = body
        self._inflate = zlib.decompressobj(wbits=47)  # 32 + 15: either format, by its first bytes
        self.done = body.done
        self.excess = False
        self.failure: str | None = None

    def feed(self, data: bytes) -> bytes:
        piece = self._body.feed(data)
        self._note()
        try:
            whole = self._inflate.decompress(piece, MAX_INFLATED_BYTES)
        except zlib.error as error:
            return self._fail(f"its compression cannot be read: {error}")
        if self._inflate.unconsumed_tail:
            return self._fail(f"{len(piece)} bytes of it unpack to over {MAX_INFLATED_BYTES}")
        return whole

    def _fail(self, failure: str) -> bytes:
        self.failure, self.done = failure, False
        return b""

    def end(self) -> None:
        self._body.end()
        self._note()

    def _note(self) -> None:
        self.done, self.excess = self._body.done, self._body.excess
        self.failure = self.failure or self._body.failure
