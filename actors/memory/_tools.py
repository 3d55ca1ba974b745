"""Tools with which a model writes into a memory, and looks into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from actors.tools import AnyTool, tool

from ._entries import Item
from ._memory import Search
from ._search_tool import HITS, Searched, in_words

if TYPE_CHECKING:
    from ._entries import Metadata


class Kept(Searched, Protocol):
    """What can be written, too: a `MemoryHandle`, or what a test puts in its place."""

    async def store(self, text: str, metadata: Metadata | None) -> str: ...


def memory_tools(
    memory: Kept,
    *,
    scope: Metadata | None = None,
    limit: int = HITS,
    threshold: float | None = None,
) -> tuple[AnyTool, AnyTool]:
    """Make the tools `remember`, which keeps a text, and `recall`, which finds what is like one.

    `open_agent(..., tools=memory_tools(memory))`. `remember` changes something (`effect=True`): a
    call of it waits for the guards of an agent's input.

    Args:
        memory: What `open_memory` gives; it has to stay open while the tools are used.
        scope: Metadata that all that is kept gets, and all that is found must have: it keeps one
            user's entries from another's agent. The model cannot change it.
        limit: At most how many entries `recall` finds.
        threshold: The least similarity, as `Search` means it; None for whatever is nearest.

    Raises:
        ConfigurationError: If the memory could not be asked so; the text says why.
    """
    Search("anything", limit, threshold, scope)  # a mistake is found here, not by the model
    if scope is not None:
        Item("anything", scope)

    async def remember(text: str) -> str:
        """Keep something for later conversations.

        Args:
            text: One fact, as a whole sentence that is understood alone.
        """
        await memory.store(text, scope)
        return "Kept."

    async def recall(query: str) -> str:
        """Look into what was kept in earlier conversations, the most similar first.

        Args:
            query: What to look for, in words like those that it may have been kept in.
        """
        return in_words(await memory.search(query, limit=limit, threshold=threshold, where=scope))

    return tool(effect=True)(remember), tool(recall)
