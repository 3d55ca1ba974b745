"""`assert_no_leaks`: a block after which nothing of it is alive.

Compares what the process and the trio run hold before and after: tasks, threads, file
descriptors and child processes. Left means left: no time is allowed to pass, but for a worker
thread of trio, which takes a moment to say that its work is done.
"""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

DESCRIPTORS: Final = Path("/dev/fd")
PROCESSES: Final = Path("/proc")
# Trio keeps worker threads for ten seconds; while one works it bears the name of its work.
THREAD: Final = "the thread "
LOOKS: Final = 100  # at threads that may be about to name themselves idle
PAUSE_SECONDS: Final = 0.002
START_TIME: Final = 19  # of a process, among the fields that follow its name
IDLE_WORKER: Final = re.compile(r"Trio thread \d+")


class assert_no_leaks:  # noqa: N801 - reads as the assertion that it is
    """A block, `with` or `async with`, that fails if anything is left of what it began.

    Tasks are compared when it is used inside a trio run, and include the ones of any system
    opened in the block. A worker thread of trio counts while it works, not while it idles; a
    child process counts until it has been waited for. Child processes are seen where there is
    a `/proc`. It checks after an error or a cancel as well, so it can stand around a scenario
    that is meant to fail.

    Raises:
        AssertionError: Naming all that is left; an error of the block is its `__context__`.
    """

    def __init__(self) -> None:
        self._before = dict[object, str]()

    def __enter__(self) -> Self:
        self._before = dict(_alive())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        left = self._left()
        for _ in range(LOOKS):
            if not left or not all(name.startswith(THREAD) for name in left):
                break
            time.sleep(PAUSE_SECONDS)
            left = self._left()
        self._before = {}
        if left:
            raise AssertionError("left over after the block: " + ", ".join(sorted(left)))

    def _left(self) -> list[str]:
        return [name for key, name in _alive() if key not in self._before]

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


def _alive() -> Iterator[tuple[object, str]]:
    """What is alive now: an identity, and what to call it."""
    yield from _tasks()
    yield from _threads()
    yield from _descriptors()
    yield from _children()


def _tasks() -> Iterator[tuple[object, str]]:
    if not trio.lowlevel.in_trio_run():
        return
    unvisited = [trio.lowlevel.current_root_task()]
    while unvisited:
        task = unvisited.pop()
        if task is not None:
            yield task, f"the task {task.name}"
            unvisited += [
                child for nursery in task.child_nurseries for child in nursery.child_tasks
            ]


def _threads() -> Iterator[tuple[object, str]]:
    for thread in threading.enumerate():
        if not IDLE_WORKER.fullmatch(thread.name):
            yield thread, f"{THREAD}{thread.name}"


def _descriptors() -> Iterator[tuple[object, str]]:
    for entry in list(DESCRIPTORS.iterdir()):
        try:
            status = os.fstat(int(entry.name))
        except OSError:  # the one that the listing itself was read through
            continue
        yield (entry.name, status.st_dev, status.st_ino), f"the file descriptor {_target(entry)}"


def _target(entry: Path) -> str:
    try:
        return f"{entry.name} of {entry.readlink()}"
    except OSError:  # not every system can say
        return entry.name


def _children() -> Iterator[tuple[object, str]]:
    for status in PROCESSES.glob("[0-9]*/stat"):
        try:
            text = status.read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        # "pid (name) state parent ...", and the name may hold anything (proc_pid_stat(5)); it
        # changes when the process executes something, what identifies it does not
        head, _, rest = text.rpartition(") ")
        fields = rest.split()
        if int(fields[1]) == os.getpid():
            key = ("process", status.parent.name, fields[START_TIME])
            yield key, f"the child process {head})"
