"""The signals of a service: SIGTERM lets it drain, SIGUSR1 shows what it is doing.

The handlers are plain ones, which Python runs between two bytecodes. So the tree is printed
also while a handler of an actor hogs the loop. They start no task: what is to happen in the
loop is handed over with `run_sync_soon`, which is made for that.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Final, Self

import trio

from ._tree import node_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ._supervisor import Branch

STDERR: Final = 2


class Signals:
    """Inside the block, the signals of this process are about one system.

    Args:
        root: Its root supervisor, whose tree SIGUSR1 prints.
        terminate: Called in the loop for each SIGTERM.

    Raises:
        RuntimeError: Outside of the main thread, or if another open system has the signals.
    """

    def __init__(self, root: Branch, terminate: Callable[[], None]) -> None:
        self._root = root
        self._terminate = terminate
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "open_system(signals=True) works in the main thread only, where Python handles "
                "signals: call `trio.run` there, or leave `signals` out"
            )
        handlers = {signal.SIGTERM: self._on_terminate, signal.SIGUSR1: self._on_show}
        for number in handlers:
            if isinstance(getattr(signal.getsignal(number), "__self__", None), Signals):
                raise RuntimeError(  # noqa: TRY004 - the type tells whose it is, it is not wrong
                    "another system that is open has signals=True, and a process has its signals "
                    "once: leave it out here, and open this system inside the other one's block, "
                    "which SIGTERM cancels"
                )
        for number, handler in handlers.items():
            self._previous[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            if getattr(signal.getsignal(number), "__self__", None) is self:
                # None stands for a handler that was not installed from Python.
                signal.signal(number, signal.SIG_DFL if previous is None else previous)

    # Run between any two bytecodes of anybody

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        with contextlib.suppress(trio.RunFinishedError):  # then there is nothing left to stop
            self._root.hub.token.run_sync_soon(self._terminate)

    def _on_show(self, number: int, frame: FrameType | None) -> None:
        del number
        place = "" if frame is None else f", now in {_place_of(frame)}"
        _write(f"Actors of process {os.getpid()}{place}:\n{node_of(self._root)}\n")


def _place_of(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})"


def _write(text: str) -> None:
    """Write to standard error, past `sys.stderr`, which whoever was interrupted may be using."""
    rest = text.encode(errors="replace")
    with contextlib.suppress(OSError):  # it is closed or stuck: nobody could be told
        while rest:
            rest = rest[os.write(STDERR, rest) :]
