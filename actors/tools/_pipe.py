"""How a tool in a process is heard while it works: a named pipe for each call.

trio-parallel has no channel beside the result. A pipe is bounded by the system: when nobody reads,
a report that does not fit is dropped, and the tool goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import attrs
import trio

from ._progress import Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.chat import ToolResult

    from ._job import Job
    from ._progress import Listener

READ_BYTES: Final = 65_536


class Reader:
    """Reads the reports of one call: `with Reader(listener) as reader`, and `listen` beside it.

    Attributes:
        path: Of the pipe, for the other end; in a folder that only this user can enter.

    Raises:
        OSError: If there is no place for it.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._folder = tempfile.TemporaryDirectory(prefix="troupe-")
        self.path = str(Path(self._folder.name) / "progress")
        os.mkfifo(self.path, 0o600)
        # For writing, too, so that it does not end when the other end does: fifo(7).
        self._pipe = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._pipe)
        self._folder.cleanup()

    async def listen(self) -> None:
        """Tell what is written, until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self._pipe)
            self.tell()

    def tell(self) -> None:
        """Tell what has been written so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                *lines, self._rest = (self._rest + os.read(self._pipe, READ_BYTES)).split(b"\n")
                for line in lines:
                    self._listener(Progress(*json.loads(line)))


async def heard(
    job: Job, listener: Listener | None, run: Callable[[Job], Awaitable[ToolResult]]
) -> ToolResult:
    """Run a job somewhere, and tell a listener what it says of its progress.

    Args:
        job: What to run.
        listener: Called in the trio thread; None if nobody listens.
        run: Runs it, and raises nothing but a cancel.
    """
    try:
        reader = None if listener is None else Reader(listener)
    except OSError:  # no place for a pipe: it runs unheard
        reader = None
    if reader is None:
        return await run(job)
    with reader:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.listen)
            result = await run(attrs.evolve(job, pipe=reader.path))
            nursery.cancel_scope.cancel()
        reader.tell()
    return result
