"""Runs one command with everything that it starts, and leaves nothing of it behind.

Between us and the command stands `_guard`, a process that kills and collects all of the command's
descendants, when the command ends, when we say so, and when we are killed ourselves.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs
import trio

_GUARD: Final = Path(__file__).with_name("_guard.py")
_END_SECONDS: Final = (
    5.0  # from the end of its socket to the kill of the guard; it takes some 10 ms
)
_LAST_WORDS_SECONDS: Final = 1.0
_READ_BYTES: Final = 65_536
_SAID_BYTES: Final = 4_096


class Kept:
    """The beginning and the end of what is written, in as much memory as was given.

    Args:
        most: Bytes.

    Attributes:
        size: Of all that was written, in bytes.
    """

    def __init__(self, most: int) -> None:
        self._half = max(most // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self.size = 0

    def add(self, piece: bytes | bytearray) -> None:
        self.size += len(piece)
        room = self._half - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        del self._tail[: -self._half]

    @property
    def text(self) -> str:
        """What was kept, and between the two parts how much is missing."""
        missing = self.size - len(self._head) - len(self._tail)
        gap = f"\n[{missing} bytes are left out here]\n".encode() if missing else b""
        return bytes(self._head + gap + self._tail).decode("utf-8", "replace")


@attrs.frozen
class Command:
    """What to run, and how.

    Attributes:
        arguments: The program, found on the PATH of `env`, and what it is given.
        cwd: The directory to run in.
        env: All of the environment.
        seconds: After so many it is killed.
        keep: Bytes of each of its two outputs.
    """

    arguments: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    seconds: float
    keep: int


@attrs.frozen
class Ending:
    """How a command ended, and what it wrote.

    Attributes:
        status: Its exit status; negative for the signal that ended it.
        took_too_long: It was killed after its seconds.
    """

    status: int
    took_too_long: bool
    stdout: str
    stderr: str


async def run_command(command: Command) -> Ending:
    """Run a command to its end. Its stdin is empty.

    Whatever it started is dead when this returns or raises: its group, what has left that, what
    runs in the background. Cancelled: likewise; it takes some 10 ms.

    Raises:
        OSError: It cannot be started.
    """
    return await _Run(command).carry_out()


class _Run:
    def __init__(self, command: Command) -> None:
        self._command = command
        self._stdout = Kept(command.keep)
        self._stderr = Kept(command.keep)
        self._control, self._theirs = socket.socketpair()
        self._said: dict[str, int] = {}

    async def carry_out(self) -> Ending:
        with self._control:
            with self._theirs:
                process = await self._open()
            try:
                took_too_long = await self._wait(process)
            finally:
                with trio.CancelScope(shield=True):
                    await self._end(process)
        if (number := self._said.get("errno")) is not None:
            raise OSError(number, os.strerror(number))
        return Ending(
            self._said.get("status", -signal.SIGKILL),  # nothing said: it has killed its guard
            took_too_long,
            self._stdout.text,
            self._stderr.text,
        )

    async def _open(self) -> trio.Process:
        command = self._command
        return await trio.lowlevel.open_process(
            # -I -S: neither the environment nor site-packages can change what the guard is
            [sys.executable, "-I", "-S", str(_GUARD), *command.arguments],
            stdin=self._theirs.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches it only through us
            cwd=command.cwd,
            env=command.env,
        )

    async def _wait(self, process: trio.Process) -> bool:
        """Read until all has ended; whether it took too long."""
        assert process.stdout is not None
        assert process.stderr is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read, process.stdout, self._stdout)
            nursery.start_soon(_read, process.stderr, self._stderr)
            with trio.move_on_after(self._command.seconds) as patience:
                await process.wait()
            with trio.CancelScope(shield=True):
                await self._end_guard(process)
            nursery.cancel_scope.deadline = trio.current_time() + _LAST_WORDS_SECONDS
        return patience.cancelled_caught

    async def _end(self, process: trio.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        await self._end_guard(process)
        await process.stdout.aclose()
        await process.stderr.aclose()

    async def _end_guard(self, process: trio.Process) -> None:
        """Let the guard kill everything, wait until it is gone, and hear how the command ended."""
        self._control.shutdown(socket.SHUT_WR)
        with trio.move_on_after(_END_SECONDS):
            await process.wait()
        if process.poll() is None:
            process.kill()
            await process.wait()
        self._control.setblocking(False)  # noqa: FBT003 - the name of the method says it
        with contextlib.suppress(BlockingIOError):
            for line in self._control.recv(_SAID_BYTES).splitlines():
                self._said |= json.loads(line)
        if "status" not in self._said and "pid" in self._said:
            with contextlib.suppress(ProcessLookupError):  # the guard was killed before its work
                os.killpg(self._said["pid"], signal.SIGKILL)


async def _read(stream: trio.abc.ReceiveStream, kept: Kept) -> None:
    while piece := await stream.receive_some(_READ_BYTES):
        kept.add(piece)
