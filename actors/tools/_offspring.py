"""What a worker process has started, and how that ends with it. Blocks; no trio.

A tool in a process may start programs, fork, or leave something in the background. The worker is
the head of a session of its own, and on Linux the parent of all orphans below it, so that whoever
ends it finds them.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Final

from ._guard import adopt_orphans, children_of

_SET_SIGNAL: Final = 10  # F_SETSIG of fcntl(2), which only Linux has
_STANDARD: Final = 2  # the last descriptor that everybody has
_END_SECONDS: Final = 1.0  # for what does not end at once when it is killed
_LOOK_SECONDS: Final = 0.001


def begin() -> None:
    """In a worker, before its first job: see to it that nothing outlives it, nor it our program."""
    os.setsid()
    adopt_orphans()
    _keep_pipes()
    _die_with_program()
    atexit.register(_end_children)


def _keep_pipes() -> None:
    """Let no process that a tool starts hold the pipes by which our program sees the worker end."""
    with contextlib.suppress(OSError):  # no /dev/fd
        opened = [int(each.name) for each in Path("/dev/fd").iterdir()]
        pipes = [each for each in opened if _is_our_pipe(each)]
        for pipe in pipes:
            os.set_inheritable(pipe, False)  # noqa: FBT003 - the name of the function says it
        os.register_at_fork(after_in_child=lambda: _close(pipes))


def _is_our_pipe(descriptor: int) -> bool:
    with contextlib.suppress(OSError):  # that by which the list was read
        return descriptor > _STANDARD and stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    return False


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _die_with_program() -> None:
    """Have the session killed when our program is, also while a tool holds the interpreter."""
    from multiprocessing import connection, parent_process  # noqa: PLC0415 - slow, and for workers

    program = parent_process()
    assert program is not None
    if sys.platform == "linux":
        import fcntl  # noqa: PLC0415 - not everywhere

        # The kernel sends a signal when the last one that could write into this pipe is gone.
        pipe = program.sentinel
        fcntl.fcntl(pipe, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(pipe, _SET_SIGNAL, signal.SIGKILL)
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
        if connection.wait([pipe], 0):  # it was killed before that
            os.killpg(0, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(program.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    from multiprocessing import connection  # noqa: PLC0415 - as above

    connection.wait([sentinel])
    os.killpg(0, signal.SIGKILL)


def _end_children() -> None:
    """At the end of a worker that leaves by itself."""
    while children := children_of(os.getpid()):  # a parent's death makes its children ours
        for child in children:
            _signal(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def end_worker(pid: int) -> None:
    """Kill a worker that lives, or has not been collected yet, with everything below it."""
    _signal(pid, signal.SIGSTOP)  # it starts nothing more, and is the parent of all orphans
    patience = time.monotonic() + _END_SECONDS
    while (children := children_of(pid)) and time.monotonic() < patience:
        for child in children:
            _signal(child, signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)
    end_session(pid)
    _signal(pid, signal.SIGKILL)


def end_session(head: int) -> None:
    """Kill what is left of the session of a worker that has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(head, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
