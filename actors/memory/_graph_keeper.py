"""The half of the memory actor that keeps facts, and the handle for those who use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._graph import (
    AddAlias,
    AddFacts,
    EntityGraph,
    FindPath,
    ListFacts,
    Neighbours,
    RemoveFacts,
)
from ._graph_tables import (
    add_alias,
    add_facts,
    find_path,
    list_facts,
    neighbours,
    remove_facts,
)
from ._shelf import OnLog

if TYPE_CHECKING:
    from runtime import Ref

    from ._facts import Fact, KnownFact, Neighbour


class GraphKeeper(OnLog, EntityGraph):
    """Answers for facts."""

    @AddFacts.handles(concurrent=True)
    async def add_facts(self, message: AddFacts) -> int:
        return await self._in_thread(add_facts, self._log, message)

    @RemoveFacts.handles(concurrent=True)
    async def remove_facts(self, message: RemoveFacts) -> int:
        return await self._in_thread(remove_facts, self._log, message.facts)

    @AddAlias.handles(concurrent=True)
    async def add_alias(self, message: AddAlias) -> None:
        await self._in_thread(add_alias, self._log, message.name, message.alias)

    @ListFacts.handles(concurrent=True)
    async def list_facts(self, message: ListFacts) -> tuple[KnownFact, ...]:
        return await self._in_thread(list_facts, self._log, message)

    @Neighbours.handles(concurrent=True)
    async def neighbours(self, message: Neighbours) -> tuple[Neighbour, ...]:
        return await self._in_thread(neighbours, self._log, message)

    @FindPath.handles(concurrent=True)
    async def find_path(self, message: FindPath) -> tuple[KnownFact, ...] | None:
        return await self._in_thread(find_path, self._log, message)


class GraphHandle:
    """The graph of a memory that is open: `memory.graph`. Names may be aliases everywhere."""

    def __init__(self, ref: Ref[EntityGraph]) -> None:
        self._ref = ref

    async def add(self, *facts: Fact, source: str | None = None) -> int:
        """Keep facts; how many of them are new. See `AddFacts`."""
        return await self._ref.ask(AddFacts(facts, source))

    async def remove(self, *facts: Fact) -> int:
        """Remove facts; how many of them there were. See `RemoveFacts`."""
        return await self._ref.ask(RemoveFacts(facts))

    async def alias(self, name: str, alias: str) -> None:
        """Have an entity be known by another name, too. See `AddAlias`."""
        await self._ref.ask(AddAlias(name, alias))

    async def facts(
        self, about: str | None = None, *, source: str | None = None, limit: int = 100
    ) -> tuple[KnownFact, ...]:
        """Facts, of an entity or an entry, or all. See `ListFacts`."""
        return await self._ref.ask(ListFacts(about, source, limit))

    async def neighbours(
        self, name: str, *, depth: int = 1, limit: int = 100
    ) -> tuple[Neighbour, ...]:
        """Who is related to an entity, the nearest first. See `Neighbours`."""
        return await self._ref.ask(Neighbours(name, depth, limit))

    async def path(self, start: str, end: str, *, longest: int = 6) -> tuple[KnownFact, ...] | None:
        """The fewest facts that lead from one to the other. See `FindPath`."""
        return await self._ref.ask(FindPath(start, end, longest))
