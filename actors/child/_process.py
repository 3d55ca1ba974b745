"""A child process, and the promise that it ends with its block.

The child holds the other end of a pipe that only this process has open: it is to end when we
close that, and also when we are killed. It is its own process group, so Ctrl-C reaches it only
through us. A program that knows nothing of this promise is run below a keeper, see `kept`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Never

    from runtime import RuntimeFault

_KEEPER: Final = Path(__file__).with_name("_keeper.py")
_END_SECONDS: Final = 2.0  # from the end of its stdin to the kill; it takes some 20 ms
_LAST_WORDS_SECONDS: Final = 1.0
_TAIL_BYTES: Final = 4096


def kept(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` below a keeper, a process of some 8 MB.

    The keeper ends the command, and all of its process group, when its stdin reaches end of
    file or this process is gone. What the command writes to stdout and stderr comes through.
    """
    # -I -S: neither the environment nor site-packages can change what the keeper is
    return [sys.executable, "-I", "-S", str(_KEEPER), *command]


class ChildProcess(ABC):
    """A process that is alive inside `run` and never outside.

    Subclasses say in `become_ready` when it can be used.

    Args:
        command: What to run; it ends when its stdin does.
        name: What it is, for the error that reports its end.
        ended: The error of that.
        start_seconds: How long it may take until it is ready.
        environment: All of its environment variables; ours if None.

    Attributes:
        ready: Set when it can be used.
        pid: Its process id, once it is ready; that of the keeper where there is one.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str,
        ended: type[RuntimeFault],
        start_seconds: float,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.ready = trio.Event()
        self.pid = 0
        self._command = list(command)
        self._name = name
        self._ended = ended
        self._start_seconds = start_seconds
        self._environment = environment
        self._tail = b""

    @abstractmethod
    async def become_ready(self, process: trio.Process) -> bool:
        """Wait until it can be used; False if it ended before that."""

    def last_words(self, said: str) -> str:
        """What the error has of what it said last on stderr."""
        return said

    async def run(self) -> Never:
        """Start the child and stay until it ends.

        Cancelled, also while it starts: the child has ended and is gone.

        Raises:
            RuntimeFault: Of the class `ended`: it ended, or was not ready in time; with its exit
                and last words.
            OSError: No process could be started.
        """
        pipe = subprocess.PIPE
        process = await trio.lowlevel.open_process(
            self._command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
            env=self._environment,
        )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, process)
                how = await self._live(process)
                nursery.cancel_scope.deadline = trio.current_time() + _LAST_WORDS_SECONDS
        finally:
            with trio.CancelScope(shield=True):
                await _end(process)
        said = self.last_words(self._tail.decode("utf-8", "replace").strip()) or "(nothing)"
        raise self._ended(f"{self._name} {how}; its last words: {said}")

    async def _listen(self, process: trio.Process) -> None:
        """Keep the end of what it says; unread, a full pipe would stop the child."""
        assert process.stderr is not None
        async for said in process.stderr:
            self._tail = (self._tail + said)[-_TAIL_BYTES:]

    async def _live(self, process: trio.Process) -> str:
        """Wait until the child has ended; how it did."""
        with trio.move_on_after(self._start_seconds) as patience:
            if await self.become_ready(process):
                self.pid = process.pid
                self.ready.set()
        if patience.cancelled_caught:
            process.kill()
            await process.wait()
            return f"was not ready within {self._start_seconds} s"
        status = await process.wait()
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with exit status {status}"


async def _end(process: trio.Process) -> None:
    """End the child if it lives, wait until it is gone, close our ends of its pipes."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdin.aclose()
    with trio.move_on_after(_END_SECONDS):
        await process.wait()
    # also where it has ended by itself: of a killed keeper's group the rest may be alive
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    await process.stdout.aclose()
    await process.stderr.aclose()
