"""A tool with which a model looks into a memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from actors.tools import AnyTool, tool

from ._memory import Search

if TYPE_CHECKING:
    from ._entries import Found, Hit
    from ._filters import Filter

HITS: Final = 5


class Searched(Protocol):
    """What can be searched: a `MemoryHandle`, or what a test puts in its place."""

    async def search(
        self, text: str, *, limit: int, threshold: float | None, where: Filter | None
    ) -> Found: ...


def search_tool(
    memory: Searched,
    *,
    limit: int = HITS,
    threshold: float | None = None,
    where: Filter | None = None,
) -> AnyTool:
    """Make the tool `search_memory`, which finds what is like a text in meaning.

    It reads and never writes. What a search may find is up to you, not to the model: a filter keeps
    one user's entries from another's agent.

    Args:
        memory: What `open_memory` gives; it has to stay open while the tool is used.
        limit: At most how many entries.
        threshold: The least similarity, as `Search` means it; None for whatever is nearest.
        where: Only entries like this: `{"user": "ann"}`.

    Raises:
        ConfigurationError: If the memory could not be asked so; the text says why.
    """
    Search("anything", limit, threshold, where)  # a mistake is found here, not by the model

    async def search_memory(query: str) -> str:
        """Search the memory for what is like a text in meaning or has its words, the best first.

        Args:
            query: What to look for, in words like those that it may have been kept in.
        """
        return in_words(await memory.search(query, limit=limit, threshold=threshold, where=where))

    return tool(search_memory)


def in_words(found: Found) -> str:
    """What a model is told of a search."""
    lines = [_told(number, hit) for number, hit in enumerate(found, 1)]
    if found.pending:
        lines.append(f"[{found.pending} more are kept and cannot be searched yet]")
    return "\n".join(lines) or "(nothing found)"


def _told(number: int, hit: Hit) -> str:
    """For example: 1. (0.83; topic: travel) Lisbon was sunny."""
    known = "".join(f"; {name}: {value}" for name, value in hit.entry.metadata.items())
    return f"{number}. ({hit.similarity:.2f}{known}) {hit.entry.text}"
