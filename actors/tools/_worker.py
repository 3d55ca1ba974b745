"""The worker process of trio-parallel, ended with everything that it has started.

The library kills the process alone. What the process had started would live on, and what it had
forked would hold its pipes open, which the library waits for, shielded.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import trio

from ._offspring import end_session, end_worker

if TYPE_CHECKING:

    class _Process:
        """What is relied upon of the library's own, which is untyped, and not public."""

        proc: Any  # multiprocessing's

        async def wait(self) -> int | None: ...
else:
    _Process = importlib.import_module("trio_parallel._proc").SpawnProcWorker


class Worker(_Process):
    """One process."""

    _is_doomed = False

    def kill(self) -> None:
        """Kill it; in a trio task `wait`, which follows, does it in a thread, for it must look."""
        if self.proc.pid is None or self.proc.exitcode is not None:
            return
        if trio.lowlevel.in_trio_task():
            self._is_doomed = True
        else:
            end_worker(self.proc.pid)

    async def wait(self) -> int | None:
        """Wait until it has ended; nothing of its session is left then."""
        pid = self.proc.pid
        if pid is not None and self._is_doomed and self.proc.exitcode is None:
            # A limiter of its own: tools that do not stop may have all of trio's threads.
            await trio.to_thread.run_sync(end_worker, pid, limiter=trio.CapacityLimiter(1))
        status = await super().wait()
        if pid is not None:
            end_session(pid)
        return status
