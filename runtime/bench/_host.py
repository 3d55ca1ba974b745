"""The benchmark's server in a process of its own: its work is not the client's.

Both share this machine's cores. On a busy machine the kernel may run the server on the core
of the client that has just written or closed, and the client's figure then has that in it.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

SCRIPT: Final = Path(__file__).with_name("_server.py")
READ_BYTES: Final = 4096


class Server:
    """A running server; `open_server` makes it.

    Attributes:
        port: On 127.0.0.1.
    """

    def __init__(self, output: trio.abc.ReceiveStream) -> None:
        self._output = output
        self._received = b""
        self.port = 0

    def base_url(self, rate: int, count: int) -> str:
        """Where an answer has `count` chunks, `rate` a second or, for 0, in a flood."""
        return self.root(rate, count) + "/v1"

    def root(self, rate: int, count: int) -> str:
        """The same, for wires whose base address has no version in it."""
        return f"http://127.0.0.1:{self.port}/{rate}/{count}"

    async def closed_at(self) -> int:
        """When the server saw the next stream being left, in `perf_counter_ns`."""
        return await self.read_number("closed")

    async def read_number(self, name: str) -> int:
        """Wait for the server's next line, which says `name` and a number.

        Raises:
            RuntimeError: If the server has ended or says something else.
        """
        while b"\n" not in self._received:
            data = await self._output.receive_some(READ_BYTES)
            if not data:
                raise RuntimeError(f"the benchmark's server ended; what it said is above ({name})")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        word, number = line.decode("ascii").split()
        if word != name:
            raise RuntimeError(f"the benchmark's server said {line!r} where {name} was due")
        return int(number)


@asynccontextmanager
async def open_server() -> AsyncGenerator[Server]:
    """Run the server for the length of the block."""
    process = await trio.lowlevel.open_process(
        [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        server = Server(process.stdout)
        server.port = await server.read_number("port")
        yield server
    finally:
        with trio.CancelScope(shield=True):
            await process.stdin.aclose()  # which ends it
            await process.wait()
            await process.stdout.aclose()
