"""The actor that keeps a Chroma server alive: `chroma run`, on this machine, as a child process.

When its process ends, so does this incarnation, and the supervisor starts the next one at a new
address: those who use it ask again.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import trio

from actors.child import ChildProcess, kept
from actors.errors import ChromaEnded
from runtime import Actor, Ask

if TYPE_CHECKING:
    from typing import Never

HOST: Final = "127.0.0.1"
POLL_SECONDS: Final = 0.02
ESCAPE: Final = re.compile(r"\x1b\[[0-9;]*m")
LAST_LINES: Final = 4
# What the script `chroma` runs, without the second that its other imports take. Its stdout holds
# log lines, which go where the last words are read from. A stream goes before it: hence the nice.
PROGRAM: Final = (
    "import os, sys, chromadb_rust_bindings as chroma; "
    "os.dup2(2, 1); os.nice(5); sys.argv[0] = 'chroma'; chroma.cli(sys.argv)"
)


class ChromaApi:
    """Whoever serves Chroma."""


@attrs.frozen
class ChromaAddress(Ask[ChromaApi, str]):
    """Asks for the URL, `http://127.0.0.1:PORT`; valid until the server is restarted."""


@attrs.frozen
class ChromaPid(Ask[ChromaApi, int]):
    """Asks for the id of the process above the server, for those who want to watch or end it."""


class ChromaServer(Actor, ChromaApi):
    """Serves Chroma over HTTP to this machine, for as long as it lives.

    Starting it takes about a third of a second. It ends with the process that started it, however
    that ends. Anybody on this machine can use the server: it asks for no key.

    Args:
        folder: What it keeps its data in; one server at a time may have it.
        start_seconds: How long the server may take until it answers.

    Raises:
        ChromaEnded: At the start, if the server does not come up; later it is the crash.
    """

    def __init__(self, folder: str | os.PathLike[str], start_seconds: float = 30.0) -> None:
        if not start_seconds > 0:
            raise ValueError(f"start_seconds must be above 0, not {start_seconds}")
        self._folder = Path(folder).absolute()
        self._start_seconds = start_seconds
        self._process: _ChromaProcess | None = None

    async def started(self) -> None:
        process = _ChromaProcess(self._folder, self._start_seconds)
        # the task owns the child: when it ends, for whatever reason, the child has ended
        self.start_soon(process.run)
        await process.ready.wait()
        self._process = process

    @ChromaAddress.handles
    async def address(self, _: ChromaAddress) -> str:
        return f"http://{HOST}:{self._running.port}"

    @ChromaPid.handles
    async def pid(self, _: ChromaPid) -> int:
        return self._running.pid

    @property
    def _running(self) -> _ChromaProcess:
        assert self._process is not None, "messages come after `started`"
        return self._process


class _ChromaProcess(ChildProcess):
    def __init__(self, folder: Path, start_seconds: float) -> None:
        # Bound and never listened on, it keeps the port from everybody who asks for a free one;
        # a server that sets SO_REUSEADDR, as this one does, may still listen there.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind((HOST, 0))
        self.port: int = self._reserved.getsockname()[1]
        arguments = ["run", "--path", str(folder), "--host", HOST, "--port", str(self.port)]
        super().__init__(
            # -P: a package of that name in the working directory is not the one that is meant
            kept([sys.executable, "-P", "-c", PROGRAM, *arguments]),
            name=f"the Chroma server of {folder}",
            ended=ChromaEnded,
            start_seconds=start_seconds,
            environment=os.environ | {"ANONYMIZED_TELEMETRY": "False"},
        )

    async def run(self) -> Never:
        try:
            await super().run()
        finally:
            self._reserved.close()

    def last_words(self, said: str) -> str:
        """Without the picture that it begins with, and without colours."""
        lines = [line.strip() for line in ESCAPE.sub("", said).splitlines() if line.strip()]
        return "\n".join(lines[-LAST_LINES:])

    async def become_ready(self, process: trio.Process) -> bool:
        """Wait until somebody listens at the port, which is nobody else's."""
        while process.poll() is None:
            if await self._is_open():
                return True
            await trio.sleep(POLL_SECONDS)
        return False

    async def _is_open(self) -> bool:
        try:
            stream = await trio.open_tcp_stream(HOST, self.port)
        except OSError:
            return False
        await stream.aclose()
        return True
