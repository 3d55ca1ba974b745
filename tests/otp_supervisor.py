"""OTP's `supervisor`, as its documentation describes it: the measure for our supervisors.

Written from https://www.erlang.org/doc/apps/stdlib/supervisor.html, in its terms: a child's
specification stays after its process has terminated, until it is deleted. It starts and
terminates nothing itself: a `Host` does. There are no processes and no time: whoever reports an
exit says when that was.

Where we differ from it, the tests translate, one named step each, and docs/supervision.md has
a row. The model itself takes no sides.
"""

from __future__ import annotations

import enum
from typing import Protocol

import attrs


class Restart(enum.Enum):
    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Strategy(enum.Enum):
    ONE_FOR_ONE = "one_for_one"
    REST_FOR_ONE = "rest_for_one"
    ONE_FOR_ALL = "one_for_all"


class Reason(enum.Enum):
    NORMAL = "normal"
    SHUTDOWN = "shutdown"
    ERROR = "an error"


class Host(Protocol):
    """Carries out what the supervisor decides."""

    def start(self, name: str) -> bool:
        """Start a child's process; False if that failed."""
        ...

    def terminate(self, name: str) -> None:
        """Terminate a child's process, and wait for it."""
        ...


@attrs.define
class Child:
    """A child's specification, and whether its process is there."""

    name: str
    restart: Restart
    is_alive: bool = True


class OtpSupervisor:
    """One supervisor.

    Args:
        strategy: Which siblings are affected by a restart.
        intensity: How many restarts it takes ...
        period: ... within so many seconds; one more and it shuts down.
        host: Starts and terminates processes.
    """

    def __init__(self, strategy: Strategy, intensity: int, period: float, host: Host) -> None:
        self.strategy = strategy
        self.intensity = intensity
        self.period = period
        self.host = host
        self.children: list[Child] = []  # in start order
        self.has_shut_down = False
        self._restarts = list[float]()
        self._try_again = list[Child]()

    @property
    def alive(self) -> list[str]:
        return [child.name for child in self.children if child.is_alive]

    def child(self, name: str) -> Child:
        return next(child for child in self.children if child.name == name)

    # What programs call

    def start_child(self, name: str, restart: Restart) -> bool:
        """Add a child at the end; one that does not start is not kept."""
        if not self.host.start(name):
            return False
        self.children.append(Child(name, restart))
        return True

    def terminate_child(self, name: str) -> None:
        """Its process goes, its specification stays, unless it is temporary."""
        child = self.child(name)
        if child.is_alive:
            self.host.terminate(name)
        self._gone(child)

    def delete_child(self, name: str) -> None:
        """Delete the specification of a child that is not alive."""
        self.children = [c for c in self.children if c.name != name or c.is_alive]

    def init(self, specifications: list[Child], now: float) -> bool:
        """Start all children in order; False, and none is left, if one does not start."""
        del now
        self.children = [Child(c.name, c.restart, is_alive=False) for c in specifications]
        for child in self.children:
            child.is_alive = self.host.start(child.name)
            if not child.is_alive:
                self.shut_down()
                return False
        return True

    def shut_down(self) -> None:
        """Terminate all children in reverse start order."""
        self.has_shut_down = True
        for child in reversed(self.children):
            self._terminate(child)

    # What happens to it

    def child_exited(self, name: str, reason: Reason, now: float) -> None:
        """The process of a child has terminated of its own accord."""
        child = self.child(name)
        child.is_alive = False
        is_abnormal = reason is Reason.ERROR
        if child.restart is Restart.PERMANENT or (
            child.restart is Restart.TRANSIENT and is_abnormal
        ):
            self._restart(child, now)
            self._catch_up(now)
        else:
            self._gone(child)

    def _catch_up(self, now: float) -> None:
        """Try again what did not start, once all else has been done."""
        while self._try_again and not self.has_shut_down:
            child = self._try_again.pop(0)
            if child in self.children and not child.is_alive:
                self._restart(child, now)

    def _restart(self, child: Child, now: float) -> None:
        if self._may_restart(now):
            self._carry_out(child)
        else:
            self.shut_down()

    def _may_restart(self, now: float) -> bool:
        """Add a restart, and tell whether that is not one too many."""
        self._restarts = [then for then in self._restarts if then >= now - self.period] + [now]
        return len(self._restarts) <= self.intensity

    def _carry_out(self, child: Child) -> None:
        place = self.children.index(child)
        match self.strategy:
            case Strategy.ONE_FOR_ONE:
                affected = [child]
            case Strategy.REST_FOR_ONE:
                affected = self.children[place:]
            case Strategy.ONE_FOR_ALL:
                affected = self.children[:]
        for sibling in reversed(affected):
            self._terminate(sibling)
        self._start_all([c for c in affected if c in self.children])

    def _start_all(self, children: list[Child]) -> None:
        for child in children:
            child.is_alive = self.host.start(child.name)
            if not child.is_alive:
                self._try_again.append(child)
                if self.strategy is not Strategy.ONE_FOR_ONE:
                    return

    def _terminate(self, child: Child) -> None:
        if child.is_alive:
            self.host.terminate(child.name)
            self._gone(child)

    def _gone(self, child: Child) -> None:
        child.is_alive = False
        if child.restart is Restart.TEMPORARY:
            self.children.remove(child)
