"""What a supervisor has yet to do: whom to stop, and whom to start at what time."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from ._restart import (
    Backoff,
    Child,
    Decision,
    Restart,
    RestartLimit,
    RestartPolicy,
    RestartRules,
    RestartStrategy,
)

if TYPE_CHECKING:
    import random

    from ._lifecycle import Exit
    from ._member import Member

DEFAULT_LIMIT: Final = RestartLimit()


@attrs.frozen
class Plan:
    """How a supervisor treats its children as a group."""

    strategy: RestartStrategy = RestartStrategy.ONE_FOR_ONE
    limit: RestartLimit = DEFAULT_LIMIT
    backoff: Backoff | None = None
    restart: RestartPolicy = RestartPolicy.PERMANENT  # of the supervisor itself

    def __attrs_post_init__(self) -> None:
        for name, kind in (("strategy", RestartStrategy), ("restart", RestartPolicy)):
            if not isinstance(value := getattr(self, name), kind):
                raise TypeError(
                    f"{name} must be a {kind.__name__}, not {value!r}: "
                    f"write for example {next(iter(kind))!s}"
                )


class Agenda:
    """Follows from the ends of `members`, which are in start order; the supervisor acts on it."""

    def __init__(self, plan: Plan, members: dict[str, Member], dice: random.Random) -> None:
        self.is_one_for_one = plan.strategy is RestartStrategy.ONE_FOR_ONE
        self._plan = plan
        self._members = members
        self._dice = dice
        self._rules = RestartRules(plan.strategy, plan.limit)
        self.to_stop: deque[Member] = deque()
        self._due: dict[Member, float] = {}

    def start_all(self) -> None:
        self._due = dict.fromkeys(self._members.values(), -math.inf)

    def child_ended(self, member: Member, exit: Exit, now: float) -> Decision:
        """Decide what follows, and note it down."""
        siblings = [member] if self.is_one_for_one else list(self._members.values())
        decision = self._rules.child_ended(
            [Child(sibling.name, sibling.options.restart) for sibling in siblings],
            siblings.index(member),
            exit,
            now,
        )
        if isinstance(decision, Restart):
            due = now + self._delay(member, now)
            for starting in map(self._members.__getitem__, decision.start):
                self._due[starting] = due
                starting.taken_down = starting is not member
            self.to_stop += map(self._members.__getitem__, decision.stop)
        return decision

    def _delay(self, member: Member, now: float) -> float:
        backoff = self._plan.backoff
        if backoff is None:
            return 0.0
        if now - member.up_since >= backoff.longest:
            member.attempts = 0
        member.attempts += 1
        return backoff.seconds(member.attempts - 1, self._dice.random())

    def is_due(self, member: Member, now: float) -> bool:
        """Whether it is to be started as soon as those before it allow."""
        return self._due.get(member, math.inf) <= now

    def forget(self, member: Member) -> None:
        self._due.pop(member, None)

    # What is to be done: first all stops, in order, then the starts that are due

    def next_to_stop(self) -> Member | None:
        return self.to_stop.popleft() if self.to_stop else None

    @property
    def next_start(self) -> float:
        """When somebody is to be started; infinite if nobody is."""
        return min(self._due.values(), default=math.inf)

    def next_to_start(self, now: float) -> Member | None:
        """The first in start order who is due, if nobody is to be stopped before."""
        if self.to_stop:
            return None
        candidates = self._due if self.is_one_for_one else self._members.values()
        for member in candidates:
            if self.is_due(member, now):
                del self._due[member]
                return member
        return None
