"""Tools for worker processes; a process imports them, so they are in a module of their own."""

from __future__ import annotations

import asyncio  # noqa: TID251 - somebody's tool may use it
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import attrs

from actors.tools import progress, tool


@attrs.frozen
class Point:
    x: int
    y: int = 0


@tool(isolation="process")
def pid() -> int:
    """Say which process this is."""
    return os.getpid()


@tool(isolation="process")
def moved(point: Point, by: int) -> Point:
    """Move a point."""
    return Point(point.x + by, point.y + by)


@tool(isolation="process")
def hang(note: str) -> None:
    """Write one's process id into a file, and never end."""
    Path(note).write_text(str(os.getpid()), encoding="utf-8")
    while True:
        time.sleep(60)


FAMILY = """
: > pids
setsid sh -c 'echo $$ >> pids; sleep 100 & echo $! >> pids; wait' &
while [ "$(wc -l < pids)" -lt 2 ]; do sleep 0.01; done
"""


@tool(isolation="process")
def has_family(folder: str, then: str) -> str:
    """Start programs: in one's own session, and in another, where the parent has ended."""
    forked = os.fork()
    if forked == 0:
        time.sleep(100)
        os._exit(0)
    subprocess.run(["sh", "-c", FAMILY], cwd=folder, check=True)  # noqa: S603, S607 - our own
    started = Path(folder, "started")
    text = f"{os.getpid()} {forked} {Path(folder, 'pids').read_text(encoding='utf-8')}"
    started.with_suffix(".new").write_text(text, encoding="utf-8")
    started.with_suffix(".new").rename(started)
    if then == "hold the interpreter":
        re.match(r"(a+)+$", "a" * 64 + "b")
    if then == "die":
        os._exit(7)
    if then == "wait":
        time.sleep(100)
    return "done"


@tool(isolation="process", timeout=0.05)
def too_slow() -> None:
    """Never end."""
    time.sleep(600)


@tool(isolation="process")
def reports(number: int) -> str:
    """Say how far it is."""
    for step in range(number):
        progress(f"step {step} \N{SNOWMAN}", fraction=step / number)
    progress("\0" * 1000)
    return "there"


@tool(isolation="process")
def says_and_waits(note: str) -> None:
    """Say something, and wait until a file is there."""
    progress("at work")
    while not Path(note).exists():
        time.sleep(0.01)


@tool(isolation="process")
def fails() -> None:
    """Fail."""
    raise ValueError("no such thing")


@tool(isolation="process")
def leaves(how: str) -> None:
    """End the process."""
    if how == "exit":
        os._exit(7)
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "cancelled":
        raise asyncio.CancelledError("inside")
    sys.exit("done here")


@tool(isolation="process")
def gives(what: str) -> Any:
    """Give something odd."""
    return {"lock": threading.Lock, "long": lambda: "a" * 10_000_000, "deep": _deep}[what]()


def _deep() -> object:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    return value


@tool(isolation="process", concurrency=1)
def one_at_a_time(seconds: float) -> tuple[float, float]:
    """Say from when to when it ran."""
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()


def plain(number: int) -> int:
    """Count, in whatever a test makes of it."""
    return number + 1


@tool(name="renamed", isolation="process")
def hidden(number: int) -> int:
    """Count."""
    return number + 1


covered = hidden
hidden = plain  # type: ignore[assignment] # on purpose
