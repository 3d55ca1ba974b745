"""Lines of a file descriptor, read on trio's loop: no thread that could outlive the program.

A terminal collects and edits a line itself (its canonical mode) and becomes readable when the
line is whole. It is opened anew, because only a descriptor of our own may be made non-blocking:
the other one is shared with the shell. There must be one reader.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import select
import stat
from typing import TYPE_CHECKING, Final

import trio

from actors.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator

READ_BYTES: Final = 65_536
LONGEST_LINE: Final = 1_000_000  # characters; more is no message, but a wrong file


class Lines:
    """The lines of `descriptor`, in order. Cancelling `next` loses nothing that was read.

    Attributes:
        hung_up: Whether they ended because the terminal is gone.
    """

    def __init__(self, descriptor: int) -> None:
        self.hung_up = False
        self._descriptor = descriptor
        self._is_terminal = os.isatty(descriptor)
        self._waits = _can_wait(descriptor)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self._ended = False

    async def next(self) -> str | None:
        """The next line without its end; None after the last.

        Raises:
            ConfigurationError: If a line has more than `LONGEST_LINE` characters.
        """
        while "\n" not in self._pending and not self._ended:
            data = await self._read()
            self._ended = not data
            self._pending += self._decoder.decode(data, final=self._ended)
            if len(self._pending) > LONGEST_LINE:
                raise ConfigurationError(f"a line has more than {LONGEST_LINE} characters")
        line, newline, self._pending = self._pending.partition("\n")
        return line if line or newline else None

    @contextlib.contextmanager
    def held_back(self) -> Generator[None]:
        """Keep what has been typed already for later: inside, `next` has only what comes now."""
        earlier = self._pending
        while not self._ended and select.select([self._descriptor], [], [], 0)[0]:
            with contextlib.suppress(BlockingIOError):
                data = self._read_now()
                self._ended = not data
                earlier += self._decoder.decode(data, final=self._ended)
        self._pending = ""
        try:
            yield
        finally:
            self._pending = earlier + self._pending

    async def _read(self) -> bytes:
        while True:
            if self._waits:
                await trio.lowlevel.wait_readable(self._descriptor)
            else:
                await trio.lowlevel.checkpoint()
            # The line can have been withdrawn between the two (Ctrl-C empties the queue).
            with contextlib.suppress(BlockingIOError):
                return self._read_now()

    def _read_now(self) -> bytes:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except OSError as error:
            if error.errno != errno.EIO:  # the terminal is going away
                raise
            data = b""
        # A terminal that is gone answers as Ctrl-D does, and is no terminal any more.
        self.hung_up = not data and self._is_terminal and not os.isatty(self._descriptor)
        return data


@contextlib.contextmanager
def open_lines(descriptor: int) -> Generator[Lines]:
    """The lines of `descriptor`, usually 0."""
    own = _open_terminal(descriptor) if os.isatty(descriptor) else None
    try:
        yield Lines(descriptor if own is None else own)
    finally:
        if own is not None:
            os.close(own)


def _open_terminal(descriptor: int) -> int | None:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(os.ttyname(descriptor), flags)
    except OSError:
        return None  # a terminal without a name here, as in some containers: the shared one works


def _can_wait(descriptor: int) -> bool:
    """Whether the kernel tells when it is readable; files and /dev/null always are."""
    mode = os.fstat(descriptor).st_mode
    return not stat.S_ISREG(mode) and not (stat.S_ISCHR(mode) and not os.isatty(descriptor))
