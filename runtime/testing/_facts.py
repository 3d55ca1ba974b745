"""`record_facts`: everything that happens in a system, for a test to look at."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import trio

from runtime import Fact

from ._changes import WITHIN_SECONDS, Changes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from runtime import Supervisor

F = TypeVar("F", bound=Fact)


class RecordedFacts:
    """The facts of a system in the order in which they happened; iterate over it for all."""

    def __init__(self) -> None:
        self._facts = list[Fact]()
        self._changes = Changes()

    def __iter__(self) -> Iterator[Fact]:
        return iter(tuple(self._facts))

    def __len__(self) -> int:
        return len(self._facts)

    def __repr__(self) -> str:
        return f"<RecordedFacts {self._facts}>"

    def of(self, kind: type[F]) -> list[F]:
        """Those of one kind: `facts.of(Crashed)`."""
        return [fact for fact in self._facts if isinstance(fact, kind)]

    async def wait_for(self, kind: type[F], *, times: int = 1, within: float = WITHIN_SECONDS) -> F:
        """Wait until there have been `times` facts of a kind since the block began.

        Args:
            kind: Which facts.
            times: How many of them.
            within: How many seconds it may take.

        Returns:
            The last of them.

        Raises:
            AssertionError: If it takes longer; it lists what happened instead.
        """

        def look() -> F | None:
            found = self.of(kind)
            return found[times - 1] if len(found) >= times else None

        fact = await self._changes.wait_until(look, within)
        if fact is None:
            raise AssertionError(
                f"no {kind.__name__} number {times} within {within} s. What happened: "
                + (", ".join(map(repr, self._facts)) or "nothing")
            )
        return fact

    def hear(self, fact: Fact) -> None:
        """Take in a fact; a listener of a system."""
        self._facts.append(fact)
        self._changes.announce()


@asynccontextmanager
async def record_facts(system: Supervisor) -> AsyncGenerator[RecordedFacts]:
    """Record all facts of a system from now on, for `async with ... as facts:`.

    A fact is in it in the very step in which it happens, and none is dropped: unlike
    `system.events()` it has no bound, and is for tests.

    Args:
        system: The system, or a supervisor in it; all of the system is recorded.
    """
    listeners = system._branch.hub.listeners  # noqa: SLF001 - a listener that is not to wait
    facts = RecordedFacts()
    await trio.lowlevel.checkpoint_if_cancelled()
    listeners.append(facts.hear)
    try:
        yield facts
    finally:
        listeners.remove(facts.hear)
