"""Ends the one process that Python's multiprocessing leaves behind, where nobody else needs it.

With the first worker, multiprocessing starts its resource tracker, which lives as long as the
program. It guards named semaphores and shared memory; tools use neither, so that it can go with
the last worker. It stays if it was there before, or if anything in this program may use it.
"""

from __future__ import annotations

import sys
import threading
from typing import Any, Final

# Whoever has something that is tracked has imported one of these.
USES_IT: Final = ("multiprocessing.synchronize", "multiprocessing.shared_memory")


class _Use:
    """How many hold workers, over all threads of the program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._started_here = False

    def begin(self) -> None:
        """Workers may be started from now on."""
        with self._lock:
            if self._holders == 0:
                self._started_here = not _is_running()
            self._holders += 1

    def end(self) -> None:
        """Those that began have ended. Blocks for the tracker's end: some milliseconds."""
        with self._lock:
            self._holders -= 1
            if self._holders == 0 and self._started_here and not _is_needed():
                _stop()


def _tracker() -> Any:
    module = sys.modules.get("multiprocessing.resource_tracker")
    return getattr(module, "_resource_tracker", None)  # private: looked for, not relied on


def _is_running() -> bool:
    return getattr(_tracker(), "_fd", None) is not None


def _is_needed() -> bool:
    import multiprocessing  # noqa: PLC0415 - where it is wanted

    return bool(multiprocessing.active_children()) or any(each in sys.modules for each in USES_IT)


def _stop() -> None:
    stop = getattr(_tracker(), "_stop", None)
    if stop is not None and _is_running():
        stop()


tracker_use: Final = _Use()
