"""Ways into trio for programs that are not written for it: with asyncio, or without any loop.

A bridge is a thread with a trio run of its own. `run_sync` is for one call, `open_bridge` for
code that blocks, `open_asyncio_bridge` for the tasks of asyncio. Agents have the same verbs
ready-made in `actors.blocking` and `actors.asyncio`.
"""

from ._asyncio import AsyncioBridge, AsyncioStream, open_asyncio_bridge
from ._blocking import BlockingStream, Bridge, open_bridge, run_sync

__all__ = [
    "AsyncioBridge",
    "AsyncioStream",
    "BlockingStream",
    "Bridge",
    "open_asyncio_bridge",
    "open_bridge",
    "run_sync",
]
