"""The process above a program that knows nothing of us; a script that stands alone.

It runs the command of its arguments and ends with its exit status. When stdin reaches end of
file, which also happens when the parent is killed, it kills the command with all of its group.
On Linux the command also ends when the keeper is killed.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import threading

_ORPHAN_CHECK_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


def main() -> None:
    """Run the command until it ends, or the parent lets go of our stdin, or is gone."""
    parent = os.getppid()
    # Ctrl-C is for the parent to act upon
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # a thread of the parent may have blocked it, and a child inherits that
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    # This thread must be the one that starts it: the signal comes when its parent *thread* ends.
    command = subprocess.Popen(  # noqa: S603 - what the parent asks for
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - there is one thread only
    )
    threading.Thread(target=_leave_with, args=(command,), daemon=True).start()
    # A process that the parent forked without exec holds our stdin open after the parent is
    # gone; then we have a new parent.
    while not _stdin_ended() and os.getppid() == parent:
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)  # and ourselves: nothing is left to say


def _die_with_parent() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # then end of file must do
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _leave_with(command: "subprocess.Popen[bytes]") -> None:
    status = command.wait()
    os._exit(status if status >= 0 else 128 - status)  # as shells have it


def _stdin_ended() -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], _ORPHAN_CHECK_SECONDS)
    return bool(readable)  # nothing is ever written to it


if __name__ == "__main__":
    main()
