"""What becomes of an open bridge when its process ends, forks, or has asyncio's loop closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 30  # generous: the machine may be busy

AND = ", and threads stay behind: open a bridge here"
BLOCK = """
import os, sys, threading, trio
from contextlib import ExitStack, asynccontextmanager
from runtime import BridgeClosed
from runtime.bridge import open_bridge

@asynccontextmanager
async def block(seconds=0):
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)
        print("left", flush=True)

"""


def output_of(program: str, *options: str) -> str:
    result = subprocess.run(  # noqa: S603 - our own interpreter, our own program
        [sys.executable, *options, "-c", BLOCK + program],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.stderr == ""
    assert result.returncode == 0
    return result.stdout


def test_an_interpreter_that_ends_gives_an_open_bridge_time_to_end() -> None:
    program = """
stack = ExitStack()
bridge = stack.enter_context(open_bridge())
stack.enter_context(bridge.open(block, 0.05))
keep = stack.pop_all()
import atexit; atexit.register(print, "exit")
os.environ["KEEP"] = "1"
sys.modules["keep"] = keep
print("end", flush=True)
"""
    assert output_of(program, "-W", "error").splitlines() == ["end", "exit", "left"]


def test_an_interpreter_that_ends_waits_for_nobody_who_does_not_end() -> None:
    program = """
import runtime.bridge._thread as thread
thread.EXIT_SECONDS = 0.05
stack = ExitStack()
bridge = stack.enter_context(open_bridge())
stack.enter_context(bridge.open(block, 3600))
sys.modules["keep"] = stack
print("end", flush=True)
"""
    assert output_of(program, "-W", "error").splitlines() == ["end"]


def test_a_fork_is_told_to_open_a_bridge_of_its_own() -> None:
    program = """
with open_bridge() as bridge:
    with bridge.open(block):
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] == 0
        else:
            try:
                bridge.run(trio.sleep, 0)
            except BridgeClosed as error:
                print(error, flush=True)
if not child:
    with open_bridge() as another:
        another.run(trio.sleep, 0)
    print("child", flush=True)
"""
    assert output_of(program, "-W", "ignore").splitlines() == [
        f"this process was forked after the bridge was opened{AND}",
        "child",
        "left",
    ]


def test_a_bridge_that_is_thrown_away_ends() -> None:
    program = """
stack = ExitStack()
bridge = stack.enter_context(open_bridge())
stack.enter_context(bridge.open(block))
del stack, bridge
import gc; gc.collect()
print(threading.active_count(), flush=True)
"""
    assert output_of(program, "-W", "error").splitlines() == ["left", "1"]


CLOSED_LOOP = """
import asyncio, gc
from runtime.bridge import open_asyncio_bridge

async def main():
    async with open_asyncio_bridge() as bridge:
        async with bridge.open(block, 0.05):
            inside.set()
            await wait(bridge)

loop = asyncio.new_event_loop()
inside = asyncio.Event()
task = loop.create_task(main())
task._log_destroy_pending = False
loop.run_until_complete(inside.wait())
loop.close()
del task
gc.collect()
print("threads:", threading.active_count(), flush=True)
"""


def test_a_loop_that_is_closed_ends_the_blocks_of_its_tasks_as_they_are_thrown_away() -> None:
    wait = "wait = lambda bridge: asyncio.sleep(3600)"

    assert output_of(wait + CLOSED_LOOP, "-W", "error").splitlines() == ["left", "threads: 1"]


def test_what_a_task_of_a_closed_loop_waits_for_ends_with_the_process() -> None:
    wait = "wait = lambda bridge: bridge.run(trio.sleep, 3600)"

    assert output_of(wait + CLOSED_LOOP, "-W", "error").splitlines() == ["threads: 2", "left"]
