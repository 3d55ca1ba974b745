"""What a test can see of processes: which ones live, and when one is gone."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable


def children_running(word: str, parent: int | None = None) -> list[int]:
    """Process ids of the living children of `parent` (else of this process) that run `word`.

    Others are none of a test's business: a worker that an earlier test left to be used again.
    """
    parent = os.getpid() if parent is None else parent
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="],  # noqa: S607 - where it is differs
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split(maxsplit=3) for line in listing.splitlines()]
    return [
        int(pid)
        for pid, above, state, command in rows
        if int(above) == parent and not state.startswith("Z") and word in command
    ]


def servers(parent: int | None = None) -> list[int]:
    """Process ids of the model servers of `parent`, or of this process."""
    return children_running("_serve.py", parent)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended but was not collected yet does not."""
    state = subprocess.run(  # noqa: S603 - a number is all that goes in
        ["ps", "-o", "stat=", "-p", str(pid)],  # noqa: S607 - likewise
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return state != "" and not state.startswith("Z")


async def until(condition: Callable[[], object]) -> None:
    """Wait for what nobody tells us; fails after ten seconds."""
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - nobody tells us
            await trio.sleep(0.01)


async def seconds_until_gone(pid: int) -> float:
    """Wait until the process has ended; how long that took."""
    started = time.perf_counter()
    await until(lambda: not is_alive(pid))
    return time.perf_counter() - started
