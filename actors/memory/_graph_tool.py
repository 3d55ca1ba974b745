"""A tool with which a model asks a memory's graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from actors.tools import AnyTool, tool

from ._graph import FindPath, ListFacts

if TYPE_CHECKING:
    from ._facts import KnownFact

FACTS: Final = 20
LONGEST: Final = 6


class Related(Protocol):
    """What can be asked: the `graph` of a `MemoryHandle`, or what a test puts in its place."""

    async def facts(self, about: str, *, limit: int) -> tuple[KnownFact, ...]: ...

    async def path(self, start: str, end: str, *, longest: int) -> tuple[KnownFact, ...] | None: ...


def graph_tool(graph: Related, *, limit: int = FACTS, longest: int = LONGEST) -> AnyTool:
    """Make the tool `related`: what is known of one, or how two are related, in sentences.

    `open_agent(..., tools=[graph_tool(memory.graph)])`. It reads and never writes. A graph has no
    scope: what it knows is told to whoever may use the tool.

    Args:
        graph: It has to stay open while the tool is used.
        limit: At most how many facts about one.
        longest: At most how many facts from one to the other.

    Raises:
        ConfigurationError: If the graph could not be asked so; the text says why.
    """
    ListFacts("anything", limit=limit)  # a mistake is found here, not by the model
    FindPath("anything", "anything", longest)

    async def related(name: str, other: str = "") -> str:
        """Look up what is known of somebody or something, or how two of them are related.

        Args:
            name: Of whom or what; as short as it can be and still be clear.
            other: Of the second one. Leave it out to learn all that is known of the first.
        """
        if not other.strip():
            return _told(await graph.facts(name, limit=limit))
        found = await graph.path(name, other, longest=longest)
        return "(the two are the same)" if found == () else _told(found or ())

    return tool(related)


def _told(facts: tuple[KnownFact, ...]) -> str:
    return "\n".join(f"{each.fact}." for each in facts) or "(nothing known)"
