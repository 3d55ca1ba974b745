"""`ingest`: documents into an open memory, for people in a hurry."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from runtime import ChildOptions, RestartPolicy

from ._files import PATTERNS
from ._ingester import Ingester
from ._messages import Ingest, IngestOptions, IngestStep

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Iterable

    from actors.memory import MemoryHandle
    from runtime import StreamBlock


@asynccontextmanager
async def ingest(
    memory: MemoryHandle,
    *paths: str | os.PathLike[str],
    patterns: str | Iterable[str] = PATTERNS,
    options: IngestOptions | None = None,
) -> AsyncGenerator[StreamBlock[IngestStep]]:
    """Bring files into a memory, and tell each step of it.

    Leaving the block ends it, and its process; what was stored stays, and the same again goes on
    from there. Nothing goes on unless the steps are read.

    Args:
        memory: What `open_memory` gives; it has to stay open.
        paths: Files of text, Markdown and PDF (extra `pdf`), and folders with what is below them.
        patterns: Which files of folders: the end of their path matches one.
        options: How they are cut, metadata, limits.

    Raises:
        ConfigurationError: Something cannot be; the text says what to write.
        RuntimeFault: As `Ingest` says, in the loop.
    """
    message = Ingest(paths, patterns, options or IngestOptions())
    ref = await memory.system.spawn(
        Ingester, memory.ref, options=ChildOptions(restart=RestartPolicy.TEMPORARY)
    )
    try:
        async with ref.stream(message) as steps:
            yield steps
    finally:
        await ref.stop()
