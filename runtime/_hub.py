"""What all actors of a system share: its run, its listeners, its context and its dice."""

from __future__ import annotations

import logging
import random
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from trio.lowlevel import current_clock, current_trio_token

from ._carried import SCOPES
from ._conditions import CONDITIONS
from ._errors import ForeignRun
from ._events import Crashed
from ._waits import PARTY
from ._watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import trio

    from ._carried import Propagator
    from ._events import Fact

T = TypeVar("T")

log = logging.getLogger("runtime")


class Hub:
    """What all cells of a system share.

    Attributes:
        propagator: Carries trace contexts, or None.
        listeners: Who is told of facts; they must not raise.
        observers: Who is told of each handler's begin and end; nothing is said while none is.
        token: The trio run that the system belongs to.
        clock: Its clock, also where trio's own functions cannot be called.
        dice: Where jitter comes from.
        conditions: What a test wants of all systems.
        interference: What it lets happen to messages, or None.
        watchdog: Reports what is overdue.
        abort: Ends the system for an error that no supervisor may handle.
        context: The context variables that every task of every actor begins with.
    """

    def __init__(self, propagator: Propagator | None = None) -> None:
        self.propagator = propagator
        self.conditions = CONDITIONS.get()
        self.interference = self.conditions.interference
        listener = self.conditions.listener
        self.listeners: list[Callable[[Fact], None]] = [listener] if listener else []
        self.observers: list[Callable[[Fact], None]] = []
        self.token = current_trio_token()
        self.clock = current_clock()
        self.watchdog = Watchdog()
        self.dice = self.conditions.dice or random.Random()  # noqa: S311 - jitter, not secrets
        self.abort: Callable[[BaseException], None] = _nobody_to_tell
        self.cascade = 0  # how many handlers are being cancelled, each by the one above it
        self.context = copy_context()
        self.context.run(SCOPES.set, ())
        self.context.run(PARTY.set, None)

    def start(
        self, nursery: trio.Nursery, function: Callable[..., Awaitable[Any]], *args: Any, name: str
    ) -> None:
        """Start a task that knows nothing of the context of whoever happens to start it."""
        self.context.run(nursery.start_soon, function, *args, name=name)

    def call(self, function: Callable[[], T]) -> T:
        """Call what is to know, and to change, nothing of the context of whoever calls it."""
        return self.context.copy().run(function)

    def check_run(self, path: str) -> None:
        """Refuse a call from another thread or another run.

        Raises:
            ForeignRun: If it is one.
        """
        try:
            foreign = current_trio_token() is not self.token
        except RuntimeError:
            foreign = True
        if foreign:
            raise ForeignRun(
                f"{path} belongs to another trio run or thread: call it from there with "
                "`trio.from_thread.run`",
                path=path,
            )

    def report_crash(self, path: str, error: BaseException) -> None:
        if log.isEnabledFor(logging.ERROR):
            # Not `log.error`: it would walk up the stack for a place that is always this one,
            # and a restart waits for it.
            said, trace = "%s crashed", (type(error), error, error.__traceback__)
            level = logging.ERROR
            log.handle(log.makeRecord(log.name, level, __file__, 0, said, (path,), trace))
        self.publish(Crashed(path, error))

    def show(self, fact: Fact) -> None:
        """Tell those who want to know of each handler."""
        for observer in self.observers:
            observer(fact)

    def publish(self, fact: Fact) -> None:
        for listener in self.listeners:
            listener(fact)


def _nobody_to_tell(error: BaseException) -> None:
    raise error
