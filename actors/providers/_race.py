"""Several models at once, or soon after each other: the first word wins."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

from runtime import Actor, RuntimeFault, Sink

from ._api import Generate, ProviderApi
from ._opening import Failure, Opening, Tally, concerns_one_model, conclusion, said_nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.chat import StreamChunk

    from ._opening import Candidate


class RaceProvider(Actor, ProviderApi):
    """Lets the model answer that speaks first, and stops the others; for `Race` and `Hedge`.

    The others are cancelled in the step in which the first word comes, and it is handed on
    without waiting for their ends. When the stream has ended, so have they.

    Args:
        candidates: The models, in their order.
        after: Seconds between their starts, while none has failed; 0 starts all at once.
    """

    def __init__(self, candidates: Sequence[Candidate], after: float = 0.0) -> None:
        self._candidates = tuple(candidates)
        self._after = after
        self._tally = Tally()

    def described(self) -> str:
        """Who won how often."""
        return str(self._tally)

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        contest = _Contest(self._candidates, self._after, self._tally)
        await contest.carry_out(message, out)


class _Runner:
    """One model in a contest."""

    def __init__(self, candidate: Candidate, out: Sink[StreamChunk], contest: _Contest) -> None:
        self.candidate = candidate
        self.scope = trio.CancelScope()
        self.opening = Opening(out, candidate.name, partial(contest.claim, self))


class _Contest:
    """One request, and all that run for it."""

    def __init__(self, candidates: Sequence[Candidate], after: float, tally: Tally) -> None:
        self._candidates = candidates
        self._after = after
        self._tally = tally
        self._runners: list[_Runner] = []
        self._winner: _Runner | None = None
        self._broken: RuntimeFault | None = None  # what the winner failed with
        self._failures: list[Failure] = []  # of those that had not said anything
        self._is_pointless = False  # the request is wrong: no further model need try
        self._news = trio.Event()

    async def carry_out(self, message: Generate, out: Sink[StreamChunk]) -> None:
        self._runners = [_Runner(candidate, out, self) for candidate in self._candidates]
        try:
            async with trio.open_nursery() as nursery:
                for runner in self._runners:
                    nursery.start_soon(self._run, runner, message)
                    if not await self._wants_another():
                        break
            if self._broken is not None:
                raise self._broken
            if self._winner is None:
                self._tally.not_answered()
                raise conclusion(self._failures)
        finally:
            self._broken = None  # the errors, which know this frame, and it would keep each other
            self._failures.clear()
            self._runners.clear()

    async def _wants_another(self) -> bool:
        if self._after:
            with trio.move_on_after(self._after):
                await self._news.wait()
            self._news = trio.Event()
        return self._winner is None and not self._is_pointless

    async def _run(self, runner: _Runner, message: Generate) -> None:
        with runner.scope:
            try:
                await runner.candidate.ref.stream_into(message, runner.opening)
            except RuntimeFault as fault:
                self._end(runner, fault)
            else:
                if runner is not self._winner:
                    self._end(runner, said_nothing())

    def _end(self, runner: _Runner, fault: RuntimeFault) -> None:
        if runner is self._winner:
            runner.opening.sign(fault)
            self._broken = fault
            return
        self._failures.append(Failure(runner.candidate.name, fault))
        self._is_pointless = self._is_pointless or not concerns_one_model(fault)
        self._news.set()

    def claim(self, runner: _Runner) -> bool:
        """This one has something to say: whether it is the first."""
        if self._winner is None:
            self._winner = runner
            self._tally.answered(runner.candidate.name)
            for other in self._runners:
                if other is not runner:
                    other.scope.cancel("another model was faster")
            self._news.set()
        return self._winner is runner
