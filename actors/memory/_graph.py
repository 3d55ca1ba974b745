"""The graph of a memory: who and what is related to whom. An interface, its messages."""

from __future__ import annotations

from typing import Any, Final

import attrs

from actors.errors import ConfigurationError
from runtime import Ask

from ._entries import checked_text
from ._facts import Fact, KnownFact, Neighbour

DEEPEST: Final = 10  # facts between two entities: in six, everything is related to everything
WIDEST: Final = 10_000  # entities that a search looks at


class EntityGraph:
    """The interface of memories that keep facts. What is acknowledged is kept."""


def _checked_facts(facts: Any) -> tuple[Fact, ...]:
    given = [facts] if isinstance(facts, Fact) else facts
    if isinstance(given, str) or not all(isinstance(each, Fact) for each in given):
        raise ConfigurationError('facts are a list of Fact("Ada", "works at", "Acme")')
    return tuple(given)


def _checked_entity(name: object) -> str:
    return checked_text(name, "the name of an entity")


def _within(most: int) -> Any:
    def check(message: object, field: attrs.Attribute[Any], value: Any) -> None:
        del message
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise ConfigurationError(
                f"{field.name} is {value!r}, and must be a whole number from 1 to {most}"
            )

    return check


@attrs.frozen
class AddFacts(Ask[EntityGraph, int]):
    """Keep facts, all of them or none; how many of them are new. They are on the disk then.

    Attributes:
        facts: Names are compared without case and outer punctuation, and by their aliases.
        source: The id of the entry where they were said. When that is forgotten, or gets another
            text, those of its facts go that nobody else said. None for facts by hand.

    Raises:
        ConfigurationError: There is no such entry.
        MemoryNotWritten: The disk did not take them.
    """

    facts: tuple[Fact, ...] = attrs.field(converter=_checked_facts)
    source: str | None = None


@attrs.frozen
class RemoveFacts(Ask[EntityGraph, int]):
    """Remove facts, whoever said them; how many of them there were.

    Raises:
        MemoryNotWritten: The disk did not take it; all of them are still there.
    """

    facts: tuple[Fact, ...] = attrs.field(converter=_checked_facts)


@attrs.frozen
class AddAlias(Ask[EntityGraph, None]):
    """Have an entity be known by another name, too; two that are known become one, for good.

    Raises:
        ConfigurationError: Nobody is called so.
        MemoryNotWritten: The disk did not take it.
    """

    name: str = attrs.field(converter=_checked_entity)
    alias: str = attrs.field(converter=_checked_entity)


@attrs.frozen
class ListFacts(Ask[EntityGraph, tuple[KnownFact, ...]]):
    """Ask for facts, in the order in which they came.

    Attributes:
        about: Those of this entity; None for all.
        source: Those that this entry says; None for all.
        limit: At most how many.
    """

    about: str | None = None
    source: str | None = None
    limit: int = attrs.field(default=100, validator=_within(WIDEST))


@attrs.frozen
class Neighbours(Ask[EntityGraph, tuple[Neighbour, ...]]):
    """Ask who is related to an entity, in either direction, the nearest first; none if unknown.

    Attributes:
        name: Of the entity.
        depth: At most how many facts away.
        limit: At most how many of them.
    """

    name: str = attrs.field(converter=_checked_entity)
    depth: int = attrs.field(default=1, validator=_within(DEEPEST))
    limit: int = attrs.field(default=100, validator=_within(WIDEST))


@attrs.frozen
class FindPath(Ask[EntityGraph, tuple[KnownFact, ...] | None]):
    """Ask for the fewest facts that lead from one entity to another, in either direction.

    The answer is empty where both are the same one. It is None where one is unknown, or nothing
    leads there within `longest` facts and the nearest 10 000 entities.

    Attributes:
        start, end: Names of the entities.
        longest: At most how many facts.
    """

    start: str = attrs.field(converter=_checked_entity)
    end: str = attrs.field(converter=_checked_entity)
    longest: int = attrs.field(default=6, validator=_within(DEEPEST))
