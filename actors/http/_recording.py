"""Writes down what passes between a provider and its server, byte by byte, with times.

Each line is appended when it happens, so a crash loses one line at most. That takes some 4
microseconds for an event and 120 for a read of 64 KiB; a thread would cost more than it saves.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

import attrs
import trio

from actors.errors import (
    ProviderError,
    ProviderProtocolError,
    RecordingUnusable,
    StreamInterrupted,
    StreamStalled,
    StreamTruncated,
)

from ._open import open_client
from ._secrets import (
    MaskedReads,
    Secrets,
    body_to_keep,
    received_headers,
    sent_headers,
    without_secret_fields,
)
from ._tape import Answered, Asked, End, EndKind, Header, Line, encode, read_line
from ._transport import Transport, TransportStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from ._limits import Limits

PRIVATE: Final = 0o600  # it holds what was asked and answered


class Recorder:
    """Makes transports that write to one file; a `Connect`.

    The first one replaces what the file holds. Those after it, which a restarted provider
    makes, append.

    Args:
        file: Only its owner can read it.
        header: Its first line.
        secrets: What must not be in it, such as the key.
    """

    def __init__(self, file: Path, header: Header, secrets: Iterable[str | None]) -> None:
        self._file = file
        self._header = header
        self._secrets = Secrets(secrets)
        self._progress = Progress()

    def __call__(self, limits: Limits, *, connections: int, secure: bool) -> RecordingClient:
        """Open the file.

        Raises:
            RecordingUnusable: It cannot be written, or is being recorded already.
        """
        pen = Pen(self._file, self._secrets, self._progress)
        try:
            pen.open(self._header)
        except BaseException:
            pen.close()
            raise
        return RecordingClient(open_client(limits, connections=connections, secure=secure), pen)


@attrs.define
class Progress:
    """How far a recording is, also across a provider's restart.

    Attributes:
        began: On trio's clock; None before the file has its first line.
        exchanges: How many there are in it.
    """

    began: float | None = None
    exchanges: int = 0


class Pen:
    """Appends lines to a file that it has for itself."""

    def __init__(self, file: Path, secrets: Secrets, progress: Progress) -> None:
        self.secrets = secrets
        self._file = file
        self._progress = progress
        self._descriptor = -1

    def open(self, header: Header) -> None:
        """Open and lock the file; begin it anew unless this recording has done so already."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._file, flags, PRIVATE)
            self._lock()
            if self._progress.began is None:
                os.fchmod(self._descriptor, PRIVATE)
                os.ftruncate(self._descriptor, 0)
        except OSError as error:
            raise self._unwritable(error) from error
        if self._progress.began is None:
            model = without_secret_fields(header.model)
            first = Header(header.troupe_recording, model, header.wire)
            self._append(self.secrets.mask(encode(first)))
            self._progress.began = trio.current_time()

    def _lock(self) -> None:
        """Keep others out, in this process or another, until the file is closed."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecordingUnusable(
                f"{self._file} is being recorded already: give each model a file of its own"
            ) from error

    def number(self) -> tuple[int, float]:
        """The next exchange's number, and the seconds since the recording began."""
        now = trio.current_time()
        began = self._progress.began
        self._progress.exchanges += 1
        return self._progress.exchanges, now - (now if began is None else began)

    def write(self, line: Line) -> None:
        """Append a line.

        Raises:
            RecordingUnusable: It cannot be written, for instance because the disk is full.
        """
        self._append(encode(line))

    def _append(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RecordingUnusable:
        return RecordingUnusable(f"{self._file} cannot be written: {error.strerror}")

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class RecordingClient(Transport):
    """Carries exchanges out over another transport and writes down what passes."""

    def __init__(self, inner: Transport, pen: Pen) -> None:
        self._inner = inner
        self._pen = pen

    def stream(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> RecordingStream:
        """One exchange; see `Transport.stream`."""
        secrets = self._pen.secrets
        address = urlsplit(url)
        asked = Asked(
            method,
            secrets.mask_text(address.path),  # without the query, where some put the key
            sent_headers(headers or {}, secrets),
            body_to_keep(secrets.mask(content)),
        )
        return RecordingStream(self._inner.stream(method, url, headers, content), asked, self._pen)

    async def aclose(self) -> None:
        """Close the other transport, then the file."""
        try:
            await self._inner.aclose()
        finally:
            self._pen.close()


class RecordingStream(TransportStream):
    """One exchange that is written down."""

    def __init__(self, inner: TransportStream, asked: Asked, pen: Pen) -> None:
        self._inner = inner
        self._asked = asked
        self._pen = pen
        self._reads = MaskedReads(pen.secrets)
        self._number = 0
        self._started = 0.0
        self._has_ended = False
        self.status = 0
        self.headers = {}

    async def __aenter__(self) -> Self:
        self._started = trio.current_time()
        self._number, at = self._pen.number()
        self._pen.write(Line(self._number, round(at, 6), request=self._asked))
        try:
            await self._inner.__aenter__()
        except BaseException as error:
            self._end_quietly(error)
            raise
        try:
            self._write_head()
        except RecordingUnusable as error:
            await self._inner.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    def _write_head(self) -> None:
        self.status, self.headers = self._inner.status, self._inner.headers
        headers = received_headers(self.headers, self._pen.secrets)
        head = Answered(self.status, _with_seconds(headers))
        self._pen.write(Line(self._number, self._now(), answer=head))

    async def read(self) -> bytes:
        """Read from the other transport; see `TransportStream.read`."""
        try:
            data = await self._inner.read()
        except (ProviderError, StreamInterrupted) as error:
            self._end_quietly(error)
            raise
        if data:
            self._write(self._reads.feed(self._now(), data))
        elif not self._has_ended:
            self._end(None, "clean")
        return data

    def _now(self) -> float:
        return round(trio.current_time() - self._started, 6)

    def _write(self, reads: list[tuple[float, bytes]]) -> None:
        for at, data in reads:
            self._pen.write(read_line(self._number, at, data))

    def _end(self, error: BaseException | None, kind: EndKind = "left") -> None:
        if self._has_ended:
            return
        self._has_ended = True
        at = self._now()
        self._write(self._reads.finish())
        end = _end_of(error, self._pen.secrets) if error is not None else End(kind)
        self._pen.write(Line(self._number, at, end=end))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cancel = error if isinstance(error, trio.Cancelled) else None
        try:
            await self._inner.__aexit__(kind, error, trace)
        finally:
            if error is None:
                self._end(None)
            else:
                self._end_quietly(cancel)

    def _end_quietly(self, error: BaseException | None) -> None:
        """Write the end while an error is on its way, which must not be lost for another one."""
        with contextlib.suppress(RecordingUnusable):  # the file without this line says "missing"
            self._end(error)


def _end_of(error: BaseException, secrets: Secrets) -> End:
    said = secrets.mask_text(str(error))
    match error:
        case StreamStalled():
            return End("stalled", said, error.limit, error.seconds)
        case StreamTruncated():
            return End("truncated", said)
        case ProviderProtocolError():
            return End("not-http", said)
        case ProviderError():
            return End("unreachable", said)
        case trio.Cancelled():
            return End("cancelled")
        case _:
            return End("left")


def _with_seconds(headers: dict[str, str]) -> dict[str, str]:
    """A date in Retry-After as seconds, which mean the same whenever the file is played."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - where it is wanted

    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return headers
    return {**headers, "retry-after": f"{max(moment.timestamp() - time.time(), 0.0):.3f}"}
