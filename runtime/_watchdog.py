"""Reports what was told to end and has not ended in time: one timer for a whole system.

A scope with a deadline for each wait would cost more than most of these waits last.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio
from trio.lowlevel import enable_ki_protection

if TYPE_CHECKING:
    from collections.abc import Callable


class Watchdog:
    """Knows what is to end, and by when.

    `run` is a task beside the root supervisor, until `close`.

    Attributes:
        is_closed: Whether all of the system has ended.
    """

    def __init__(self) -> None:
        self._expected: dict[int, tuple[float, Callable[[], None]]] = {}
        self._serial = 0
        self._scope = trio.CancelScope(shield=True)  # its deadline is that of the first of them
        self.is_closed = False

    def expect(self, seconds: float, report: Callable[[], None]) -> int:
        """Something ends from now on: call `report`, once, if it takes longer.

        Returns:
            What to call `ended` with; 0 if it may take for ever.
        """
        if seconds == math.inf:
            return 0  # else a deadline that is past stays, and a clock jumps to it
        self._serial += 1
        deadline = trio.current_time() + seconds
        self._expected[self._serial] = deadline, report
        if deadline < self._scope.deadline:  # noqa: PLR1730 - to set it costs, also to the same
            self._scope.deadline = deadline
        return self._serial

    def ended(self, number: int) -> None:
        """It has ended. Good in any step, and more than once."""
        self._expected.pop(number, None)
        if not self._expected and self._scope.deadline != math.inf:
            self._scope.deadline = math.inf  # a clock that jumps has nothing to jump to

    @enable_ki_protection
    async def run(self) -> None:
        while not self.is_closed:
            with self._scope:
                await trio.sleep_forever()
            self._scope = trio.CancelScope(shield=True)
            self._report(trio.current_time())

    def _report(self, now: float) -> None:
        for number, (deadline, report) in list(self._expected.items()):
            if deadline <= now:
                del self._expected[number]
                report()
        deadlines = (deadline for deadline, _ in self._expected.values())
        self._scope.deadline = min(deadlines, default=math.inf)

    def close(self) -> None:
        self.is_closed = True
        self._scope.cancel()
