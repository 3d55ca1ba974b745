"""One model after the other, until one begins to answer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runtime import Actor, RuntimeFault, Sink

from ._api import Generate, ProviderApi
from ._opening import Failure, Opening, Tally, concerns_one_model, conclusion, said_nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.chat import StreamChunk

    from ._opening import Candidate


class FallbackProvider(Actor, ProviderApi):
    """Lets the first model answer that can; `Fallback` and `RoundRobin` say which is first.

    The items of the one that answers go straight to the reader.

    Args:
        candidates: The models, in their order.
        in_turn: Whether each request begins one further on.
    """

    def __init__(self, candidates: Sequence[Candidate], in_turn: bool = False) -> None:  # noqa: FBT001, FBT002 - `spawn` takes positional arguments
        self._candidates = tuple(candidates)
        self._in_turn = in_turn
        self._first = 0
        self._tally = Tally()

    def described(self) -> str:
        """Who answered how often."""
        return str(self._tally)

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        failures: list[Failure] = []
        for candidate in self._order():
            failure = await self._ask(candidate, message, out)
            if failure is None:
                return
            failures.append(failure)
        self._tally.not_answered()
        raise conclusion(failures)

    async def _ask(
        self, candidate: Candidate, message: Generate, out: Sink[StreamChunk]
    ) -> Failure | None:
        """Let it answer; return what it failed with if another may do better."""
        opening = Opening(out, candidate.name, partial(self._claim, candidate))
        try:
            await candidate.ref.stream_into(message, opening)
        except RuntimeFault as fault:
            opening.sign(fault)
            if opening.has_begun or not concerns_one_model(fault):
                raise
            return Failure(candidate.name, fault)
        return None if opening.has_begun else Failure(candidate.name, said_nothing())

    def _claim(self, candidate: Candidate) -> bool:
        self._tally.answered(candidate.name)
        return True

    def _order(self) -> tuple[Candidate, ...]:
        first = self._first
        if self._in_turn:
            self._first = (first + 1) % len(self._candidates)
        return self._candidates[first:] + self._candidates[:first]
