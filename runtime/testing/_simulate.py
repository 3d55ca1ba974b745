"""`simulate`: a trio run that follows from a seed, with crashes, delays and losses injected.

The order of tasks, the faults and all jitter are drawn from the seed, and time is virtual. So
a failure that depends on who comes first is found by trying seeds, and comes back with its
seed.
"""

from __future__ import annotations

import math
import re
import time
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple, cast

import attrs
import trio
import trio.testing
from trio.testing import MockClock

from runtime._conditions import CONDITIONS, Conditions
from runtime._errors import InjectedCrash

from ._schedule import dice_of, seeded_deadlines, seeded_schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from runtime import Fact

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

PATIENCE_SECONDS: Final = 1.0  # real ones, for a socket or a process that may still wake a task
LOOK_EVERY: Final = 64  # rounds of the event loop
MOST_NAMES: Final = 12
ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]+")


@attrs.frozen
class Faults:
    """What goes wrong by chance; each chance is within 0 and 1, for each message anew.

    Attributes:
        crash: That the handler crashes before it begins, with `InjectedCrash`.
        delay: That the handler begins late.
        longest_delay: By how many seconds at most.
        drop: That the message gets lost before it is queued. A tell is then a dead letter, an
            ask or a stream ends with `MessageDropped`.
        below: Only at the actor with this path and at those below it.

    Raises:
        ValueError: If a chance is not within 0 and 1, or a time is negative.
    """

    crash: float = 0.0
    delay: float = 0.0
    longest_delay: float = 1.0
    drop: float = 0.0
    below: str = "/"

    def __attrs_post_init__(self) -> None:
        for name in ("crash", "delay", "drop"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be within 0 and 1, not {getattr(self, name)}")
        if not self.longest_delay >= 0:
            raise ValueError(f"longest_delay must be 0 or more, not {self.longest_delay}")


NO_FAULTS: Final = Faults()


class _Trace:
    """Writes down what happens, and lets happen what the dice say."""

    def __init__(self, lines: list[str], faults: Faults, seed: int) -> None:
        self._lines = lines
        self._faults = faults
        self._below = faults.below.rstrip("/") + "/"
        self._dice = dice_of(seed, "faults")

    def note(self, path: str, what: str) -> None:
        self._lines.append(f"{trio.current_time():.6f} {path} {ADDRESS.sub('0x', what)}")

    def hear(self, fact: Fact) -> None:
        values = attrs.asdict(fact, recurse=False)
        path = values.pop("path")
        told = ", ".join(f"{name}={_plain(value)}" for name, value in values.items())
        self.note(path, f"{type(fact).__name__}({told})")

    def loses(self, path: str, message: object) -> str | None:
        if not self._happens(self._faults.drop, path):
            return None
        self.note(path, f"loses {type(message).__name__}")
        return f"a simulation lost the message on its way to {path}"

    async def before_turn(self, path: str, message: object) -> None:
        name = type(message).__name__
        if self._happens(self._faults.delay, path):
            seconds = self._dice.uniform(0, self._faults.longest_delay)
            self.note(path, f"delays {name} by {seconds:.6f} s")
            await trio.sleep(seconds)
        if self._happens(self._faults.crash, path):
            self.note(path, f"crashes before {name}")
            raise InjectedCrash(f"a simulation crashed {path} before it handled {name}")
        self.note(path, f"handles {name}")

    def _happens(self, chance: float, path: str) -> bool:
        """Whether it does; what cannot happen does not use the dice."""
        return chance > 0 and f"{path}/".startswith(self._below) and self._dice.random() < chance


def _plain(value: object) -> str:
    """A value as it is in every run: text and numbers, else the name of its class."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_plain, cast('tuple[object, ...]', value)))})"
    return type(value).__name__


@attrs.frozen(eq=False)
class Simulation:
    """Runs that follow from `seed`; made by `simulate`."""

    seed: int
    faults: Faults = NO_FAULTS
    mailbox: int | None = None
    _lines: list[str] = attrs.field(factory=list[str], init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.mailbox is not None and self.mailbox < 1:
            raise ValueError(f"mailbox must be 1 message or more, not {self.mailbox}")

    @property
    def trace(self) -> tuple[str, ...]:
        """What happened in the last run, in order: virtual time, path, fact.

        All facts of all systems that were opened in it, each start of a handler, and each
        injected fault. The same seed gives the same trace, as far as the scenario itself does
        not depend on threads, sockets, processes, real time, addresses or the order of sets.
        """
        return tuple(self._lines)

    def run(self, main: Callable[[*Ts], Awaitable[R]], *args: *Ts) -> R:
        """Run `main` in a trio run of its own, on virtual time that begins at 0.

        Returns:
            What `main` returns.

        Raises:
            AssertionError: If every task waits, and no time that passes can wake one.
            RuntimeError: If it is called inside a trio run, or this trio cannot be seeded.
            BaseException: What `main` raises, with a note that says the seed.
        """
        if trio.lowlevel.in_trio_run():
            raise RuntimeError(
                "a simulation is a trio run of its own: call it from a plain function, "
                "`def test_it() -> None: simulate(7).run(main)`"
            )
        self._lines.clear()
        trace = _Trace(self._lines, self.faults, self.seed)
        conditions = Conditions(dice_of(self.seed, "jitter"), self.mailbox, trace, trace.hear)
        token = CONDITIONS.set(conditions)
        try:
            with seeded_schedule(self.seed):
                return trio.run(self._run, main, args, clock=MockClock(autojump_threshold=0))
        except BaseException as error:
            error.add_note(f"simulate: seed {self.seed}; run it again with {self._call()}")
            raise
        finally:
            CONDITIONS.reset(token)

    async def _run(self, main: Callable[..., Awaitable[R]], args: tuple[Any, ...]) -> R:
        guard = _StandstillGuard()
        with guard.scope, seeded_deadlines(self.seed):
            trio.lowlevel.add_instrument(guard)
            try:
                return await main(*args)
            finally:
                trio.lowlevel.remove_instrument(guard)
        raise AssertionError(
            f"it stands still at {trio.current_time():.6f} s: every task waits, and no deadline "
            f"is to come. These do: {', '.join(guard.waiting)}"
        )

    def _call(self) -> str:
        faults = "" if self.faults == NO_FAULTS else f", faults={self.faults}"
        mailbox = "" if self.mailbox is None else f", mailbox={self.mailbox}"
        return f"simulate({self.seed}{faults}{mailbox})"


class _StandstillGuard(trio.abc.Instrument):
    """Cancels its `scope` when every task waits for another: virtual time waits for ever then."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.waiting: list[str] = []
        self._task = trio.lowlevel.current_task()
        self._rounds = 0
        self._since: float | None = None  # when it stood still, in real seconds

    def after_io_wait(self, timeout: float) -> None:
        del timeout  # always 0: the clock jumps
        self._rounds += 1
        if self._rounds % LOOK_EVERY:
            return
        if _something_is_to_come():
            self._since = None
        elif self._since is None:
            self._since = time.monotonic()
        elif time.monotonic() - self._since > PATIENCE_SECONDS and not self.waiting:
            self.waiting = _names_below(self._task)
            self.scope.cancel("the simulation stands still")


def _something_is_to_come() -> bool:
    now = trio.lowlevel.current_statistics()
    return (
        now.tasks_runnable > 0
        or now.seconds_to_next_deadline < math.inf
        or trio.testing.active_thread_count() > 0
    )


def _names_below(task: trio.lowlevel.Task) -> list[str]:
    names: list[str] = []
    unvisited = [task]
    for each in unvisited:
        names.append(each.name)
        for nursery in each.child_nurseries:
            unvisited += sorted(nursery.child_tasks, key=lambda child: child.name)
    return names if len(names) <= MOST_NAMES else [*names[:MOST_NAMES], "..."]


def simulate(seed: int, *, faults: Faults = NO_FAULTS, mailbox: int | None = None) -> Simulation:
    """A simulation: `simulate(7, faults=Faults(crash=0.02)).run(main)`.

    Trio's order of tasks, the faults and the jitter of restarts follow from the seed. It
    reaches every system that is opened in the run, whoever opens it. One at a time: trio has
    one generator for all runs of a process.

    Args:
        seed: Which of all the possible runs.
        faults: What goes wrong in it.
        mailbox: What every mailbox holds, whatever its options say; 1 finds who relies on
            room. As the options say if None.

    Raises:
        ValueError: If `mailbox` is below 1.
    """
    return Simulation(seed, faults, mailbox)


def simulate_many(
    seeds: Iterable[int],
    main: Callable[[], Awaitable[object]],
    *,
    faults: Faults = NO_FAULTS,
    mailbox: int | None = None,
) -> None:
    """Run `main` once for each seed, as `simulate` does: `simulate_many(range(100), main)`.

    Raises:
        BaseException: What the first run that failed has raised; a note says its seed.
    """
    for seed in seeds:
        simulate(seed, faults=faults, mailbox=mailbox).run(main)
