"""Trio's order of tasks, made to follow from a seed.

All that this project knows of trio's private parts stands here. Trio itself can be told to
shuffle what is ready to run with a seeded generator (its Hypothesis plug-in does so). Two more
orders are by address and differ from run to run: which of several tasks hears first of one
cancel, and which of several deadlines at one moment passes first. The first of them decides,
for example, whether a sender that waits behind a full mailbox moves up, because the one before
it has gone, or goes as well. Both are drawn from the seed as well.
"""

from __future__ import annotations

import heapq
import importlib
import itertools
import random
import threading
from collections.abc import Iterator, MutableSet
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")

SWITCH: Final = "_ALLOW_DETERMINISTIC_SCHEDULING"
NEEDED: Final = {
    "": (SWITCH, "_r", "CancelStatus", "Deadlines", "GLOBAL_RUN_CONTEXT"),
    "CancelStatus": ("__attrs_post_init__", "_children", "_tasks"),
    "Deadlines": ("add", "_heap", "_active"),
}

_engine: Any = importlib.import_module("trio._core._run")
_in_use = threading.RLock()  # trio's generator is one for the whole process
_serial = itertools.count()  # no two entries of a heap are alike, also of blocks with one seed


def missing_parts() -> list[str]:
    """What this trio lacks of all that a seeded schedule needs."""
    return [
        f"{owner}.{name}".strip(".")
        for owner, names in NEEDED.items()
        for name in names
        if not hasattr(getattr(_engine, owner, None) if owner else _engine, name)
    ]


@contextmanager
def seeded_schedule(seed: int) -> Generator[None]:
    """A block in which trio runs go as the seed says, around a run or inside one.

    What was there before is put back at the end, the state of trio's generator included.

    Raises:
        RuntimeError: If this trio cannot do it, or another thread has such a block.
    """
    if missing := missing_parts():
        raise RuntimeError(
            f"trio {trio.__version__} has no {', '.join(missing)} in trio._core._run, and so its "
            "schedule cannot be replayed: take a trio that this was tested with (0.31 to 0.35)"
        )
    if not _in_use.acquire(blocking=False):
        raise RuntimeError(
            "another thread runs a simulation, and trio has one generator for the whole process: "
            "run them one after the other, or in processes"
        )
    before = {name: getattr(_engine, name) for name in (SWITCH, "CancelStatus")}
    state = _engine._r.getstate()  # noqa: SLF001 - see above
    try:
        _engine._r.seed(seed)  # noqa: SLF001 - likewise
        setattr(_engine, SWITCH, True)
        _engine.CancelStatus = _seeded_cancel_status(dice_of(seed, "cancels"))
        yield
    finally:
        for name, value in before.items():
            setattr(_engine, name, value)
        _engine._r.setstate(state)  # noqa: SLF001 - likewise
        _in_use.release()


@contextmanager
def seeded_deadlines(seed: int) -> Generator[None]:
    """A block inside a trio run in which deadlines of one moment pass as the seed says."""
    runner = _engine.GLOBAL_RUN_CONTEXT.runner
    before = runner.deadlines.__class__
    _exchange_deadlines(runner, _seeded_deadlines(dice_of(seed, "deadlines")))
    try:
        yield
    finally:
        _exchange_deadlines(runner, before)


@contextmanager
def repeatable_steps(seed: int) -> Generator[None]:
    """Both of them inside a trio run, as far as this trio can do it."""
    if missing_parts():
        yield
        return
    with seeded_schedule(seed), seeded_deadlines(seed):
        yield


def dice_of(seed: int, purpose: str) -> random.Random:
    """Dice for one purpose, so that what one draws does not change what another draws."""
    return random.Random(f"{seed}/{purpose}")  # noqa: S311 - to be repeated, not to be secret


class _SeededSet(MutableSet[T]):
    """A set that is walked through in an order drawn from dice, and not by address."""

    __slots__ = ("_dice", "_items")

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._items = dict[T, None]()

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        items = list(self._items)
        if len(items) > 1:
            self._dice.shuffle(items)
        return iter(items)

    def add(self, value: T) -> None:
        self._items[value] = None

    def discard(self, value: T) -> None:
        self._items.pop(value, None)


def _seeded_cancel_status(dice: random.Random) -> type[Any]:
    original = _engine.CancelStatus

    def with_seeded_sets(status: Any) -> None:
        status._children = _SeededSet[Any](dice)  # noqa: SLF001 - likewise
        status._tasks = _SeededSet[Any](dice)  # noqa: SLF001 - likewise
        original.__attrs_post_init__(status)

    return type(
        "CancelStatus", (original,), {"__slots__": (), "__attrs_post_init__": with_seeded_sets}
    )


def _seeded_deadlines(dice: random.Random) -> type[Any]:
    def add(deadlines: Any, deadline: float, scope: Any) -> None:
        tie_break = dice.getrandbits(32) << 64 | next(_serial)  # where trio takes `id(scope)`
        heapq.heappush(deadlines._heap, (deadline, tie_break, scope))  # noqa: SLF001 - likewise
        deadlines._active += 1  # noqa: SLF001 - likewise

    return type("Deadlines", (_engine.Deadlines,), {"__slots__": (), "add": add})


def _exchange_deadlines(runner: Any, kind: type[Any]) -> None:
    deadlines = kind()
    deadlines._heap = runner.deadlines._heap  # noqa: SLF001 - likewise
    deadlines._active = runner.deadlines._active  # noqa: SLF001 - likewise
    runner.deadlines = deadlines
