"""Plays a recording in place of a server: the same bytes, read by read, at the same times.

It waits on trio's clock and for nothing else, so on virtual time a replay takes no time. The
file is read at once and not in a thread: a virtual clock would run on while a thread reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import trio

from actors.errors import (
    ProviderProtocolError,
    ProviderUnavailable,
    RecordingUnusable,
    StreamStalled,
    StreamTruncated,
)

from ._matching import Shelf
from ._secrets import body_to_keep
from ._tape import Asked, Header, Recorded, decode_exchanges, decode_header
from ._transport import Transport, TransportStream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from ._limits import Limits

HEADER_BYTES: Final = 1_000_000

_ENDS: Final[Mapping[str, str]] = {
    "left": "whoever recorded it stopped reading here",
    "cancelled": "whoever recorded it was cancelled here",
    "missing": "the file ends here",
}


def read_header(file: Path) -> Header:
    """The first line of a recording.

    Raises:
        RecordingUnusable: There is no such file, or it is no recording.
    """
    try:
        with file.open("rb") as opened:
            return decode_header(opened.readline(HEADER_BYTES), file)
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> RecordingUnusable:
    return RecordingUnusable(f"there is no recording to play at {file}: {error.strerror}")


class Player:
    """Makes transports that play one file; a `Connect`.

    Those that a restarted provider makes go on where the first one was.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._shelf: Shelf | None = None

    def __call__(self, limits: Limits, *, connections: int, secure: bool) -> ReplayClient:
        """Read the file. Its own limits have been kept or broken when it was recorded.

        Raises:
            RecordingUnusable: It cannot be read; the text says in which line.
        """
        del limits, connections, secure
        if self._shelf is None:
            try:
                exchanges = decode_exchanges(self._file.read_bytes(), self._file)
            except OSError as error:
                raise _unreadable(self._file, error) from error
            self._shelf = Shelf(exchanges, self._file)
        return ReplayClient(self._shelf)


class ReplayClient(Transport):
    """Answers each request as the recording does."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def stream(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> ReplayStream:
        """One exchange; see `Transport.stream`. Which, is decided when it is entered."""
        del headers
        body: Any = body_to_keep(content)
        return ReplayStream(self._shelf, Asked(method, urlsplit(url).path, body=body))

    async def aclose(self) -> None:
        """There is nothing to close."""
        await trio.lowlevel.checkpoint()


class ReplayStream(TransportStream):
    """One exchange that is played.

    Raises:
        ReplayMismatch: The recording has no such request.
        ProviderError, StreamInterrupted: What was recorded at this place.
    """

    def __init__(self, shelf: Shelf, asked: Asked) -> None:
        self._shelf = shelf
        self._asked = asked
        self._recorded: Recorded | None = None
        self._started = 0.0
        self._next = 0
        self.status = 0
        self.headers = {}

    async def __aenter__(self) -> Self:
        self._recorded = recorded = self._shelf.take(self._asked)
        self._started = trio.current_time()
        if recorded.answer is None:
            await self._wait_until(recorded.end_at)
            raise _failure(recorded)
        await self._wait_until(recorded.answer_at)
        self.status, self.headers = recorded.answer.status, dict(recorded.answer.headers)
        return self

    async def read(self) -> bytes:
        """The next read, when its time has come; see `TransportStream.read`."""
        recorded = self._recorded
        if recorded is None:
            raise RuntimeError("read a stream inside `async with client.stream(...) as stream`")
        if self._next < len(recorded.reads):
            at, data = recorded.reads[self._next]
            await self._wait_until(at)
            self._next += 1
            return data
        await self._wait_until(recorded.end_at)
        if recorded.end.kind == "clean":
            return b""
        raise _failure(recorded)

    async def _wait_until(self, at: float) -> None:
        await trio.sleep_until(self._started + at)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """There is no socket to close."""


def _failure(recorded: Recorded) -> Exception:
    """The error with which an exchange ended."""
    end = recorded.end
    match end.kind:
        case "stalled":
            return StreamStalled(end.error, limit=end.limit, seconds=end.seconds)
        case "unreachable":
            return ProviderUnavailable(end.error)
        case "not-http":
            return ProviderProtocolError(end.error)
        case "truncated":
            return StreamTruncated(end.error)
        case _:
            return StreamTruncated(f"the recording is cut: {_ENDS.get(end.kind, end.kind)}")
