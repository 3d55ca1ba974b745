"""The child process that serves a model, and the promise that it ends with its block.

The child holds the other end of a pipe that only this process has open: it ends when we close it,
and also when we are killed. It is its own process group, so Ctrl-C reaches it only through us.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from actors.errors import ModelServerEnded, ProviderError, StreamInterrupted
from actors.http import Limits, open_client

if TYPE_CHECKING:
    from typing import Never

    from ._cache import PulledModel

_SCRIPT: Final = Path(__file__).with_name("_serve.py")
_END_SECONDS: Final = 2.0  # from the end of its stdin to the kill; it takes some 20 ms
_LAST_WORDS_SECONDS: Final = 1.0
_TAIL_BYTES: Final = 4096
_HEALTH_SECONDS: Final = 0.05
_HEALTH_LIMITS: Final = Limits(connect=1.0, first_byte=1.0, idle=1.0, total=1.0)


class ModelProcess:
    """A server for one model; it is alive inside `run` and never outside.

    Args:
        pulled: Where the model's files are.
        start_seconds: How long it may take until it answers.

    Attributes:
        ready: Set when it answers.
        address: `http://127.0.0.1:PORT`, once it is ready.
        pid: Its process id, once it is ready.
    """

    def __init__(
        self, pulled: PulledModel, start_seconds: float, *, embeddings: bool = False
    ) -> None:
        self.ready = trio.Event()
        self.address = ""
        self.pid = 0
        self._pulled = pulled
        self._start_seconds = start_seconds
        self._embeddings = embeddings
        self._tail = b""

    async def run(self) -> Never:
        """Start the child and stay until it ends.

        Cancelled, also while it starts: the child has ended and is gone.

        Raises:
            ModelServerEnded: It ended, or was not ready in time; with its exit and last words.
            OSError: No process could be started.
        """
        process = await self._open()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, process)
                how = await self._live(process)
                nursery.cancel_scope.deadline = trio.current_time() + _LAST_WORDS_SECONDS
        finally:
            with trio.CancelScope(shield=True):
                await _end(process)
        said = self._tail.decode("utf-8", "replace").strip() or "(nothing)"
        name = self._pulled.model.name
        raise ModelServerEnded(f"the server of local:{name} {how}; its last words: {said}")

    async def _open(self) -> trio.Process:
        pulled = self._pulled
        settings = {
            "name": pulled.model.name,
            "engine": str(pulled.engine),
            "weights": str(pulled.weights),
            "template": str(pulled.model.template),
            "context_tokens": pulled.model.context_tokens,
            "slots": pulled.model.slots,
            "embeddings": self._embeddings,
        }
        # -I -S: neither the environment nor site-packages can change what the child is
        command = [sys.executable, "-I", "-S", str(_SCRIPT), json.dumps(settings)]
        pipe = subprocess.PIPE
        return await trio.lowlevel.open_process(
            command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )

    async def _listen(self, process: trio.Process) -> None:
        """Keep the end of what it says; unread, a full pipe would stop the child."""
        assert process.stderr is not None
        async for said in process.stderr:
            self._tail = (self._tail + said)[-_TAIL_BYTES:]

    async def _live(self, process: trio.Process) -> str:
        """Wait until the child has ended; how it did."""
        with trio.move_on_after(self._start_seconds) as patience:
            await self._become_ready(process)
        if patience.cancelled_caught:
            process.kill()
            await process.wait()
            return f"was not ready within {self._start_seconds} s"
        status = await process.wait()
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with exit status {status}"

    async def _become_ready(self, process: trio.Process) -> None:
        """Set `ready`, unless the child ends before that."""
        assert process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            piece = await process.stdout.receive_some()
            if not piece:
                await process.wait()  # its pipe is closed a moment before it is gone
                return
            line += piece
        address = json.loads(line)["address"]
        while not await _is_healthy(address):
            if process.poll() is not None:
                return
            await trio.sleep(_HEALTH_SECONDS)
        self.address = address
        self.pid = process.pid
        self.ready.set()


async def _is_healthy(address: str) -> bool:
    client = open_client(_HEALTH_LIMITS, connections=1)
    try:
        async with client.stream("GET", f"{address}/health") as answer:
            return answer.status == 200  # noqa: PLR2004 - HTTP's OK; 503 while it loads
    except (ProviderError, StreamInterrupted):
        return False  # asked again until the time is up, and that is reported
    finally:
        with trio.CancelScope(shield=True):
            await client.aclose()


async def _end(process: trio.Process) -> None:
    """End the child if it lives, wait until it is gone, close our ends of its pipes."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdin.aclose()
    with trio.move_on_after(_END_SECONDS):
        await process.wait()
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    await process.stdout.aclose()
    await process.stderr.aclose()
