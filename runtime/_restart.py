"""What a supervisor does when one of its children ends.

Pure: no tasks, no clock, no dice. The supervisor reports every exit with the current time and
carries out the decision it gets back. Four questions, one type each:

    Does this child deserve a restart?   `RestartPolicy`
    Which siblings go with it?           `RestartStrategy`
    When is it time to give up?          `RestartLimit`
    How long to wait before it?          `Backoff`

Policies, strategies and the limit carry the names Erlang's `supervisor` gave them.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from ._lifecycle import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence


class RestartPolicy(enum.Enum):
    PERMANENT = "permanent"  # a service: it should always be there
    TRANSIENT = "transient"  # a job: again until it completes
    TEMPORARY = "temporary"  # an attempt: once

    __hash__ = object.__hash__  # that of `Enum` is Python code


RESTARTS: Final = {
    RestartPolicy.PERMANENT: {Exit.COMPLETED, Exit.FAILED},
    RestartPolicy.TRANSIENT: {Exit.FAILED},
    RestartPolicy.TEMPORARY: set[Exit](),
}


class RestartStrategy(enum.Enum):
    ONE_FOR_ONE = "one_for_one"  # the children do not depend on each other
    REST_FOR_ONE = "rest_for_one"  # each child depends on those started before it
    ONE_FOR_ALL = "one_for_all"  # every child depends on every other


@attrs.frozen
class RestartLimit:
    """At most `restarts` restarts within any `seconds` seconds.

    Raises:
        ValueError: If `restarts` is negative or `seconds` is not positive.
    """

    restarts: int = 3
    seconds: float = 5.0

    def __attrs_post_init__(self) -> None:
        if self.restarts < 0:
            raise ValueError(f"restarts must be 0 or more, not {self.restarts}")
        if not self.seconds > 0:  # also refuses NaN
            raise ValueError(f"seconds must be positive, not {self.seconds}")


@attrs.frozen
class Backoff:
    """How long to wait before a restart: `first` seconds, times `factor` for each further one.

    The wait never exceeds `longest` seconds; a share of it, up to `jitter`, is taken off at
    random, so that what crashed together does not come back together. A child that has been
    up for `longest` seconds starts again from `first`.

    Raises:
        ValueError: If a time is negative, `factor` is below 1 or `jitter` is not within 0 to 1.
    """

    first: float = 0.1
    longest: float = 10.0
    factor: float = 2.0
    jitter: float = 0.25

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.first <= self.longest:
            raise ValueError(f"first must be within 0 and longest, not {self.first}")
        if not self.factor >= 1:
            raise ValueError(f"factor must be 1 or more, not {self.factor}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter must be within 0 and 1, not {self.jitter}")

    def seconds(self, restarts: int, dice: float) -> float:
        """The wait before the restart after `restarts` others; `dice` is within 0 and 1."""
        try:
            wait = min(self.first * self.factor**restarts, self.longest)
        except OverflowError:
            wait = self.longest if self.first else 0.0
        return wait * (1 - self.jitter * dice)


@attrs.frozen
class Child:
    name: str
    policy: RestartPolicy = RestartPolicy.PERMANENT


@attrs.frozen
class Restart:
    """Stop `stop` in the given order, then start `start` in the given order."""

    stop: tuple[str, ...]
    start: tuple[str, ...]


@attrs.frozen
class Forget:
    """The child is gone for good; nobody else is touched."""

    name: str


@attrs.frozen
class GiveUp:
    """Stop all children and fail, so that the next supervisor up decides."""

    name: str
    restarts: int


Decision = Restart | Forget | GiveUp


class RestartRules:
    """Decides, and remembers past restarts just long enough to enforce the limit."""

    def __init__(self, strategy: RestartStrategy, limit: RestartLimit) -> None:
        self._strategy = strategy
        self._limit = limit
        self._times: deque[float] = deque()

    def child_ended(
        self, children: Sequence[Child], index: int, exit: Exit, now: float
    ) -> Decision:
        """Decide what follows from the end of `children[index]`.

        Args:
            children: In start order, the one that ended included.
            index: Which one ended.
            exit: How it ended.
            now: Seconds on a clock that never goes back.
        """
        ended = children[index]
        if exit not in RESTARTS[ended.policy]:
            return Forget(ended.name)
        if not self._admit(now):
            return GiveUp(ended.name, self._limit.restarts)

        if self._strategy is RestartStrategy.ONE_FOR_ONE:
            return Restart(stop=(), start=(ended.name,))
        is_rest = self._strategy is RestartStrategy.REST_FOR_ONE
        affected = children[index:] if is_rest else children
        return Restart(
            stop=tuple(c.name for c in reversed(affected) if c is not ended),
            # Dragged down by a sibling or not: a temporary child runs once.
            start=tuple(c.name for c in affected if c.policy is not RestartPolicy.TEMPORARY),
        )

    def _admit(self, now: float) -> bool:
        while self._times and now - self._times[0] >= self._limit.seconds:
            self._times.popleft()
        if len(self._times) >= self._limit.restarts:
            return False
        self._times.append(now)
        return True
