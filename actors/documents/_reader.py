"""The process that reads files, seen from here: one request after the other, and its answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio

from actors.child import ChildProcess
from actors.errors import ReaderEnded

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPT: Final = Path(__file__).with_name("_serve.py")
ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 60.0  # it takes under a second, on a machine that has nothing else to do
RUN: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); import actors.documents._serve as s; s.main()"
)


class ReaderProcess(ChildProcess):
    """Reads files for whoever asks, one at a time."""

    def __init__(self) -> None:
        super().__init__(
            # -P: a package in the working directory is not the one that is meant
            [sys.executable, "-P", "-c", RUN, str(ROOT)],
            name="the reader of documents",
            ended=ReaderEnded,
            start_seconds=START_SECONDS,
        )
        self.scope = trio.CancelScope()  # to end it
        self.gone = trio.Event()
        self.why = ""  # it has ended, once it has
        self._streams: tuple[trio.abc.SendStream, trio.abc.ReceiveStream] | None = None
        self._received = bytearray()

    async def become_ready(self, process: trio.Process) -> bool:
        assert process.stdin is not None
        assert process.stdout is not None
        self._streams = process.stdin, process.stdout
        if await self._line():
            return True
        await process.wait()  # its pipe is closed a moment before it is gone
        return False

    async def carry(self) -> None:
        """Run until it ends, or `scope` is cancelled; `gone` is set then."""
        try:
            with self.scope:
                await self.run()
        except (ReaderEnded, OSError) as fault:  # whoever reads from it hears of it
            self.why = str(fault)
        finally:
            self.gone.set()
            self.ready.set()

    async def ask(self, request: Mapping[str, object]) -> None:
        """Send a request.

        Raises:
            ReaderEnded: It has gone.
        """
        if self._streams is None:
            raise await self._fault()
        send, _ = self._streams
        try:
            await send.send_all(json.dumps(request).encode() + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise await self._fault() from error

    async def answer(self) -> dict[str, Any]:
        """Receive the next answer.

        Raises:
            ReaderEnded: It has gone.
        """
        line = await self._line()
        if not line:
            raise await self._fault()
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def _fault(self) -> ReaderEnded:
        await self.gone.wait()
        return ReaderEnded(self.why)

    async def _line(self) -> bytes:
        """One line; empty where there is none any more."""
        assert self._streams is not None
        _, receive = self._streams
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            try:
                piece = await receive.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return b""
            if not piece:
                return b""
            self._received += piece
        line = bytes(self._received[: end + 1])
        del self._received[: end + 1]
        return line
