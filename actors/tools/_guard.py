"""The process between us and a command; a script that stands alone, so that it starts fast.

It is run by its path and imports nothing of this project. It starts the command in a session of its
own and says on its stdin, which is a socket, how that ended. When the command ends, or when the
socket reaches end of file, which also happens when our program is killed, it kills everything that
the command has started, waits until all of that is gone, and ends.

What it knows of processes below a process, `adopt_orphans` and `children_of`, serves others, too.

On Linux the kernel gives it the orphans among the command's descendants, so that one that has left
the group with `setsid` is found as well. Elsewhere it kills the group.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys

_CONTROL = 0  # our stdin
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_STATE_FIELD, _PARENT_FIELD = 0, 1  # of /proc/PID/stat, among those that follow the name
_ORPHAN_CHECK_SECONDS = 1.0
_LOOK = os.WEXITED | os.WNOWAIT  # a process that is not reaped keeps its number, and its group's


def main() -> None:
    """Run the command of the arguments to its end, or to that of the socket."""
    parent = os.getppid()
    adopt_orphans()
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, _wake)
    child = _start(sys.argv[1:])
    if child is None:
        return
    while not _has_ended(child):
        readable, _, _ = select.select([_CONTROL, woken], [], [], _ORPHAN_CHECK_SECONDS)
        # Nothing is ever written to it. A process that our program forked without exec holds it
        # open after our program is gone; then we have a new parent.
        if _CONTROL in readable or os.getppid() != parent:
            break
        if woken in readable:
            os.read(woken, select.PIPE_BUF)
    _say({"status": _kill_all(child)})


def _wake(_number: int, _frame: object) -> None:
    """Do nothing: with a handler the signal wakes `select`."""


def adopt_orphans() -> None:
    """Become the parent of descendants whose own has ended; on Linux."""
    _process_control(_SUBREAPER, 1)


def _process_control(option: int, value: int) -> None:
    with contextlib.suppress(AttributeError, OSError):  # not on Linux
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _start(command: list[str]) -> int | None:
    """Start the command; its first step is ours, so that our program knows of it before.

    Returns:
        Its process id, and its group's; None if there is no such program, which has been said.
    """
    gate, opens = os.pipe()
    complaint, complains = os.pipe()  # closed by a program that starts
    child = os.fork()
    if child == 0:
        try:
            os.close(opens)
            _become(command, gate)
        except OSError as error:
            os.write(complains, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(complains)
    _say({"pid": child})
    os.close(opens)
    failure = os.read(complaint, select.PIPE_BUF)
    if not failure:
        return child
    os.waitpid(child, 0)
    _say({"errno": int(failure)})
    return None


def _become(command: list[str], gate: int) -> None:
    """In the child: turn into the command, once the gate has opened."""
    os.setsid()
    _process_control(_DIE_WITH_PARENT, signal.SIGKILL)  # if it kills us, it goes as well
    os.read(gate, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), _CONTROL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and that is inherited
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execvp(command[0], command)  # noqa: S606 - no shell, and that is meant


def _has_ended(child: int) -> bool:
    """Whether the command itself has; orphans that have are reaped."""
    while (found := os.waitid(os.P_ALL, 0, _LOOK | os.WNOHANG)) is not None:
        if found.si_pid == child:
            return True
        os.waitpid(found.si_pid, 0)
    return False


def _kill_all(child: int) -> int:
    """Kill the command and its descendants, and wait for all of them.

    Returns:
        The exit status of the command; negative for the signal that ended it.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    status = 0
    while True:  # a parent's death makes its children ours: one generation in each round
        for pid in children_of(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            pid, how = os.waitpid(-1, 0)
        except ChildProcessError:
            return status
        if pid == child:
            status = os.waitstatus_to_exitcode(how)


def children_of(parent: int) -> list[int]:
    """The ids of a process's living children; none where there is no /proc."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError), os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit():
                with contextlib.suppress(OSError), open(f"{entry.path}/stat", "rb") as file:  # noqa: PTH123 - starts fast
                    fields = file.read().rpartition(b")")[2].split()
                    if int(fields[_PARENT_FIELD]) == parent and fields[_STATE_FIELD] != b"Z":
                        found.append(int(entry.name))
    return found


def _say(what: dict[str, int | None]) -> None:
    with contextlib.suppress(OSError):  # then nobody is left to listen
        os.write(_CONTROL, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
    os._exit(0)
