"""A real terminal for tests: a program behind a pseudo-terminal, with its keys and its screen."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence

CTRL_C: Final = "\x03"
CTRL_D: Final = "\x04"
SECONDS: Final = 20  # generous: the machine may be busy

# The program gets the terminal for its own, so that Ctrl-C becomes SIGINT.
WITH_TERMINAL: Final = (
    "import fcntl, os, sys, termios; "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """`command`, run in a terminal of its own; killed when the block is left."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.seen = ""  # everything that was on the screen
        self._taken = 0  # how much of it `read_until` has passed
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(  # noqa: S603 - the tests' own commands
            [sys.executable, "-c", WITH_TERMINAL, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", **(env or {})},
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self.hang_up()

    @property
    def pid(self) -> int:
        return self._process.pid

    def type(self, text: str) -> None:
        r"""Press keys; "\\n" is Enter."""
        os.write(self._master, text.encode())

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def hang_up(self) -> None:
        """Close the window: the program's terminal is gone."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def read_until(self, text: str) -> str:
        """What appears up to and with `text`, after what was read before."""
        deadline = time.monotonic() + SECONDS
        while text not in self.seen[self._taken :]:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} never appeared, but {self.seen[self._taken :]!r}")
        end = self.seen.index(text, self._taken) + len(text)
        begin, self._taken = self._taken, end
        return self.seen[begin:end]

    def wait(self) -> int:
        """The program's exit code; `seen` has all it wrote."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        return self._process.wait(max(1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        """Read more of the screen; False when there will be no more, or not in time."""
        left = deadline - time.monotonic()
        if self._master < 0 or left <= 0 or not select.select([self._master], [], [], left)[0]:
            return False
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # EIO is how a terminal says that its last program has gone
            return False
        self.seen += data.decode()
        return bool(data)
