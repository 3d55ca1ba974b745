"""The runs of an agent that are there at the moment: one goes on, the others wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.errors import LimitReached, RunNotOpen

if TYPE_CHECKING:
    from ._options import RunLimits
    from ._run import RunInProgress


class Runs:
    """Lets runs go on one at a time, in the order in which they came.

    Args:
        limits: How many may wait, and how much may be said to one meanwhile.
    """

    def __init__(self, limits: RunLimits) -> None:
        self._limits = limits
        self._one_at_a_time = trio.Lock()
        self._present: dict[str, RunInProgress] = {}
        self._current: RunInProgress | None = None

    async def carry_out(self, run: RunInProgress) -> None:
        """Wait for the others, then carry it out.

        Raises:
            LimitReached: If too many wait already.
            RunNotOpen: If a run of that id is there.
            RunInterrupted: If somebody did that.
        """
        self._check_room()
        if run.id in self._present:
            raise RunNotOpen(f"a run {run.id!r} goes on, or waits, already")
        self._present[run.id] = run
        try:
            await run.wait_for(self._one_at_a_time)
            self._current = run
            try:
                await run.carry_out()
            finally:
                self._current = None
                self._one_at_a_time.release()
        finally:
            del self._present[run.id]
            run.has_ended.set()

    def _check_room(self) -> None:
        waiting = self._one_at_a_time.statistics().tasks_waiting
        if not self._one_at_a_time.locked() or waiting < self._limits.queued_runs:
            return
        if self._limits.queued_runs == 0:
            text = "a run goes on in this conversation, and `queued_runs=0` lets none wait for it"
        else:
            text = f"{waiting} runs wait for this conversation already; wait for one to end"
        raise LimitReached(text, limit="queued_runs")

    async def interrupt(self, id: str | None, reason: str) -> bool:
        """End a run, and wait for its end; whether that is how it ended."""
        run = self._find(id)
        if run is None or not run.interrupt(reason):
            return False
        await run.has_ended.wait()
        return run.was_cut  # its last answer may have been complete by then

    def steer(self, id: str | None, text: str) -> None:
        """Say something to a run.

        Raises:
            RunNotOpen, LimitReached: See `Steer`.
        """
        run = self.open(id)
        machine = run.machine
        if len(machine.steered) >= self._limits.queued_steers:
            raise LimitReached(
                f"{len(machine.steered)} messages wait for the model already: let it take them, "
                "or interrupt the run",
                limit="queued_steers",
            )
        run.steer(text)

    def open(self, id: str | None) -> RunInProgress:
        """The run of that id, or the one that goes on.

        Raises:
            RunNotOpen: If there is none that has not come to its end.
        """
        run = self._find(id)
        if run is None or not run.machine.is_open:
            which = "no run" if id is None else f"no run {id!r}"
            raise RunNotOpen(f"{which} goes on: begin one with `agent.stream(...)`")
        return run

    def _find(self, id: str | None) -> RunInProgress | None:
        """The run of that id; without one, the run that goes on, or else the next to do so."""
        if id is not None:
            return self._present.get(id)
        return self._current or next(iter(self._present.values()), None)
