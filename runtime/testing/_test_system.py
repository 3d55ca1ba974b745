"""`open_test_system`: a system on virtual time that fails its test when something goes wrong."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs
import trio
from trio.testing import MockClock

from runtime import (
    Crashed,
    DeadLetter,
    Fact,
    GaveUp,
    MessageFailed,
    Overdue,
    RestartLimit,
    open_system,
)
from runtime._conditions import CONDITIONS
from runtime._errors import InjectedCrash

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from runtime import Propagator, System

Allowed: TypeAlias = type[Exception] | type[Fact]

DEFAULT_LIMIT: Final = RestartLimit()
TROUBLE: Final = (Crashed, GaveUp, Overdue, MessageFailed, DeadLetter)
TROUBLE_AT_THE_END: Final = (Crashed, GaveUp, Overdue)  # what is cut off by it is no trouble


@asynccontextmanager
async def open_test_system(
    *,
    allow: tuple[Allowed, ...] = (),
    mailbox: int | None = None,
    real_time: bool = False,
    limit: RestartLimit = DEFAULT_LIMIT,
    propagator: Propagator | None = None,
) -> AsyncGenerator[System]:
    """Open a system for a test; what goes wrong unnoticed fails the test when the block is left.

    That is each crash, each supervisor that gave up, each actor or handler that was overdue
    and, as long as the block runs, each dead letter and each tell that failed. It is the same
    for other systems that are opened inside the block.

    Args:
        allow: What belongs to the test: classes of errors, and of facts for those without an
            error or whatever their error: `allow=(ValueError, DeadLetter)`.
        mailbox: What every mailbox holds, whatever its options say; 1 finds who relies on
            room. As the options say if None.
        real_time: That it is meant to run without a `MockClock`.
        limit: As for `open_system`.
        propagator: As for `open_system`.

    Raises:
        RuntimeError: If the run has no `MockClock` and `real_time` is not said.
        AssertionError: If something went wrong that was not allowed; the first error is its
            cause.
        BaseException: What the block raised, bare; a note says what went wrong meanwhile.
    """
    if not real_time and not isinstance(trio.lowlevel.current_clock(), MockClock):
        raise RuntimeError(
            "this test would wait for real: name pytest-trio's fixture `autojump_clock` among the "
            "arguments of the test itself, or run it with "
            "`trio.run(test, clock=MockClock(autojump_threshold=0))`; if it should wait, say "
            "`real_time=True`"
        )
    before = CONDITIONS.get()
    troubles = _Troubles(allow, before.listener)
    conditions = attrs.evolve(before, listener=troubles.hear)
    if mailbox is not None:
        conditions = attrs.evolve(conditions, mailbox_capacity=mailbox)
    token = CONDITIONS.set(conditions)
    try:
        async with open_system(limit=limit, propagator=propagator) as system:
            yield system
            troubles.is_leaving = True
    except BaseException as error:
        if troubles.found:
            error.add_note(f"meanwhile in the system: {troubles}")
        raise
    finally:
        CONDITIONS.reset(token)
    troubles.check()


class _Troubles:
    """What went wrong, and was not allowed to."""

    def __init__(
        self, allowed: tuple[Allowed, ...], also_tell: Callable[[Fact], None] | None
    ) -> None:
        self.found = list[Fact]()
        self.is_leaving = False
        self._allowed = (*allowed, InjectedCrash)
        self._also_tell = also_tell

    def hear(self, fact: Fact) -> None:
        if self._also_tell is not None:
            self._also_tell(fact)
        kinds = TROUBLE_AT_THE_END if self.is_leaving else TROUBLE
        if isinstance(fact, kinds) and not self._is_allowed(fact):
            self.found.append(fact)

    def _is_allowed(self, fact: Fact) -> bool:
        if isinstance(fact, self._allowed):
            return True
        error: BaseException | None = getattr(fact, "error", None)
        while error is not None:
            if isinstance(error, self._allowed):
                return True
            error = error.__cause__
        return False

    def check(self) -> None:
        if self.found:
            raise AssertionError(
                f"it went wrong in the system: {self}. If that belongs to the test, name the "
                "errors or the facts in `open_test_system(allow=(...))`"
            ) from next(filter(None, (getattr(fact, "error", None) for fact in self.found)), None)

    def __str__(self) -> str:
        return "; ".join(map(repr, self.found))
