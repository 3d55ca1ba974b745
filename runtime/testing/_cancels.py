"""`cancel_everywhere`: the same scenario again and again, cancelled one step later each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ._schedule import dice_of, repeatable_steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class _CancelAfter(trio.abc.Instrument):
    """Cancels `scope` once the tasks of the run have taken `steps` steps."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self._scope = scope
        self._left = steps
        self.taken = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        del task  # whose step it was does not matter
        self.taken += 1
        self._left -= 1
        if self._left == 0:
            self._scope.cancel("cancel_everywhere")


async def cancel_everywhere(
    scenario: Callable[[], Awaitable[object]],
    *,
    check: Callable[[], Awaitable[object]] | None = None,
    limit: int = 5_000,
    seed: int = 0,
    sample: int | None = None,
) -> int:
    """Run a scenario once per checkpoint and cancel it there.

    A step is what one task does between two checkpoints. The scenario runs first with a
    cancel that is there before it begins, then with one that comes after the first step, after
    the second, and so on, until it ends before its cancel would come. The steps of *all* tasks
    count, not only the scenario's own: while it waits for an actor, it is cancelled at each
    checkpoint of that actor, too.

    Each run goes through the same steps as the one before it up to the cancel, because trio's
    order of tasks is drawn from `seed` each time anew (for a trio that lacks what `simulate`
    needs, nearly the same steps). Nothing is assumed of the scenario but that it ends soon once
    it is cancelled, and that it does not change what a second run of it does. Put
    `assert_no_leaks()` inside it, and into `check` what has to hold however it ended:

        async def scenario():
            async with assert_no_leaks(), open_system() as system:
                ...

        await cancel_everywhere(scenario)

    Args:
        scenario: What to run and to cancel.
        check: Awaited after each run, without a cancel: what must be true even so.
        limit: How many runs to make at most.
        seed: Another one is another order of tasks, and another sample.
        sample: Cancel at so many steps only, drawn by `seed` from all that a first run without a
            cancel takes: for scenarios that are slow. All steps if None.

    Returns:
        In how many runs the cancel came before the end.

    Raises:
        AssertionError: If the scenario has more steps than `limit`.
        Exception: What the scenario or `check` raised, with a note that says after which step.
    """
    runs = _Runs(scenario, check, seed)
    if sample is not None:
        if await runs.cancel_after(limit):
            raise _too_long(limit)
        places = range(runs.taken + 1)
        chosen = dice_of(seed, "sample").sample(places, min(sample, len(places)))
        return sum([await runs.cancel_after(steps) for steps in sorted(chosen)])
    for steps in range(limit):
        if not await runs.cancel_after(steps):
            return steps
    raise _too_long(limit)


def _too_long(limit: int) -> AssertionError:
    return AssertionError(f"the scenario did not end within {limit} steps: make it shorter")


class _Runs:
    """Runs of one scenario, each with the check behind it.

    Attributes:
        taken: Steps of the last run.
    """

    def __init__(
        self,
        scenario: Callable[[], Awaitable[object]],
        check: Callable[[], Awaitable[object]] | None,
        seed: int,
    ) -> None:
        self._scenario = scenario
        self._check = check
        self._seed = seed
        self.taken = 0

    async def cancel_after(self, steps: int) -> bool:
        """Run it; return whether the cancel came before the end."""
        try:
            with repeatable_steps(self._seed):
                cancelled = await self._run(steps)
            if self._check is not None:
                await self._check()
        except Exception as error:
            when = f"cancelled after step {steps}" if steps <= self.taken else "not cancelled"
            error.add_note(f"cancel_everywhere: the scenario was {when}")
            raise
        return cancelled

    async def _run(self, steps: int) -> bool:
        with trio.CancelScope() as scope:
            if steps == 0:
                scope.cancel("cancel_everywhere")
            instrument = _CancelAfter(scope, steps)
            trio.lowlevel.add_instrument(instrument)
            try:
                await self._scenario()
            finally:
                trio.lowlevel.remove_instrument(instrument)
                self.taken = instrument.taken
        return scope.cancel_called
