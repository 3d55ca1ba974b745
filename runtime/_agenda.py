"""What a supervisor has yet to do: whom to stop, and whom to start at what time."""

from __future__ import annotations

import math
from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

import attrs

from ._restart import (
    RESTARTS,
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


class Starts:
    """Whom to start at what time: the earliest first, and of equals who was put in first.

    A heap, so that thousands who wait for the end of a backoff are no trouble. Who is dropped
    leaves the key there until its time has come, or until most keys are such.
    """

    def __init__(self) -> None:
        self._keys: dict[Member, tuple[float, int]] = {}
        self._members: dict[tuple[float, int], Member] = {}
        self._heap: list[tuple[float, int]] = []
        self._serial = 0

    def put(self, member: Member, due: float) -> None:
        """Start it then, and not when was said before."""
        if member in self._keys:
            self.drop(member)
        self._serial += 1
        key = (due, self._serial)
        self._keys[member] = key
        self._members[key] = member
        heappush(self._heap, key)

    def drop(self, member: Member) -> None:
        key = self._keys.pop(member, None)
        if key is not None:
            del self._members[key]
            if len(self._heap) > 2 * len(self._keys) + 16:
                self._heap = sorted(self._members)

    def due(self, member: Member) -> float:
        """When it is to be started; infinite if it is not."""
        return self._keys.get(member, (math.inf,))[0]

    def first(self) -> tuple[float, Member | None]:
        while self._heap and self._heap[0] not in self._members:
            heappop(self._heap)
        if not self._heap:
            return math.inf, None
        return self._heap[0][0], self._members[self._heap[0]]

    def last(self) -> float:
        """When the last of all is to be started; minus infinity if nobody is."""
        return max((due for due, _ in self._members), default=-math.inf)


class Agenda:
    """Follows from the ends of `members`, which are in start order; the supervisor acts on it."""

    def __init__(self, plan: Plan, members: dict[str, Member], dice: random.Random) -> None:
        self.is_one_for_one = plan.strategy is RestartStrategy.ONE_FOR_ONE
        self._plan = plan
        self._members = members
        self._dice = dice
        self._rules = RestartRules(plan.strategy, plan.limit)
        self.to_stop: deque[Member] = deque()
        self._starts = Starts()

    def start_all(self) -> None:
        for member in self._members.values():
            self._starts.put(member, -math.inf)

    def child_ended(self, member: Member, exit: Exit, now: float) -> Decision:
        """Decide what follows, and note it down."""
        # A group is looked at only for a restart, for it may be large.
        is_alone = self.is_one_for_one or exit not in RESTARTS[member.options.restart]
        siblings = [member] if is_alone else list(self._members.values())
        decision = self._rules.child_ended(
            [Child(sibling.name, sibling.options.restart) for sibling in siblings],
            siblings.index(member),
            exit,
            now,
        )
        if isinstance(decision, Restart):
            due = now + self._delay(member, now)
            if self.is_one_for_one:
                self._starts.put(member, due)
            else:
                self._note(decision, member, due)
        return decision

    def _note(self, decision: Restart, member: Member, due: float) -> None:
        starting = [self._members[name] for name in decision.start]
        for each in starting:
            self._starts.drop(each)
        due = max(due, self._starts.last())  # those in front come first, whatever they wait for
        for each in starting:
            self._starts.put(each, due)
            each.taken_down = each is not member
        self.to_stop += map(self._members.__getitem__, decision.stop)

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
        return self._starts.due(member) <= now

    def forget(self, member: Member) -> None:
        self._starts.drop(member)

    # What is to be done: first all stops, in order, then the starts that are due

    def next_to_stop(self) -> Member | None:
        return self.to_stop.popleft() if self.to_stop else None

    @property
    def next_start(self) -> float:
        """When somebody is to be started; infinite if nobody is."""
        return self._starts.first()[0]

    def next_to_start(self, now: float) -> Member | None:
        """The first in start order who is due, if nobody is to be stopped before."""
        due, member = self._starts.first()
        if self.to_stop or member is None or due > now:
            return None
        self._starts.drop(member)
        return member
