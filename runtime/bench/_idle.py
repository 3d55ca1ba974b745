"""A process that weighs idle actors, or idle tasks: `python -m runtime.bench._idle actor 5000`.

Prints kilobytes of resident memory (1 KB = 1 000 bytes) for each of them.
"""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

import trio
import trio.testing

from runtime import Actor, System, open_system


class IdleActor(Actor):
    """An actor that has started and waits for its first message."""


async def weigh(kind: str, count: int) -> float:
    """Start `count` of one kind and return what each adds, in kilobytes."""
    async with open_system() as system, trio.open_nursery() as nursery:
        await _start(kind, count // 10, system, nursery)  # room that the allocator keeps ready
        before = _resident()
        await _start(kind, count, system, nursery)
        weight = (_resident() - before) / count / 1e3
        nursery.cancel_scope.cancel()
    return weight


async def _start(kind: str, count: int, system: System, nursery: trio.Nursery) -> None:
    for _ in range(count):
        if kind == "actor":
            await system.spawn(IdleActor)
        else:
            nursery.start_soon(trio.sleep_forever)
    await trio.testing.wait_all_tasks_blocked()


def _resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    print(trio.run(weigh, sys.argv[1], int(sys.argv[2])))  # noqa: T201 - its caller reads it
