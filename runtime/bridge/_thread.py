"""A thread with a trio run of its own, and the way into it from other threads."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import threading
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVarTuple

import trio

from runtime import BridgeClosed
from runtime._carried import SCOPES
from runtime._conditions import AS_USUAL, CONDITIONS
from runtime._waits import PARTY

from ._call import Call, closed

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from ._block import Block
    from ._call import Promise

Ts = TypeVarTuple("Ts")
NUMBERS: Final = itertools.count(1)
EXIT_SECONDS: Final = 5.0  # at most, for what is left open to end
OPEN: Final[set[TrioThread]] = set()


class TrioThread:
    """The thread; it ends when it is told to, after all that it runs.

    It is a daemon, so that a bridge that was forgotten does not keep a program from ending.
    Methods can be called in any thread, unless they say otherwise.

    Args:
        begun: Called in it when it can be used.
        ended: Called in it when its trio run is over.
    """

    def __init__(self, begun: Callable[[], None], ended: Callable[[], None]) -> None:
        self._begun = begun
        self._ended = ended
        self._process = os.getpid()
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._is_closing = False
        self._awaited: set[Promise[Any]] = set()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"trio bridge {next(NUMBERS)}", daemon=True
        )
        OPEN.add(self)
        self._thread.start()

    @property
    def is_elsewhere(self) -> bool:
        """Whether this process is a fork, without the thread."""
        return os.getpid() != self._process

    @property
    def is_current(self) -> bool:
        """Whether this code runs in it."""
        return threading.current_thread() is self._thread

    def start(self, work: Call[Any] | Block[Any]) -> None:
        """Begin some work in the context of whoever calls.

        Raises:
            BridgeClosed: If it has ended, or is not in this process.
        """
        promise = work if isinstance(work, Call) else work.entered
        self.do(promise, self._begin, work, _context())

    def do(self, promise: Promise[Any] | None, function: Callable[[*Ts], None], *args: *Ts) -> None:
        """Call something in the thread, without waiting for it.

        Args:
            promise: What it will settle; the thread does so if it dies before.
            function: Must neither wait nor raise.
            args: For the function.

        Raises:
            BridgeClosed: If it has ended, or is not in this process.
        """
        if self.is_elsewhere:
            raise BridgeClosed(
                "this process was forked after the bridge was opened, and threads stay behind: "
                "open a bridge here"
            )
        assert self._token is not None
        if promise is not None:
            promise.awaited = self._awaited
            self._awaited.add(promise)
            if promise.is_settled:  # meanwhile, or before: this is asked for once more
                self._awaited.discard(promise)
        try:
            self._token.run_sync_soon(function, *args)
        except trio.RunFinishedError:
            if promise is not None:
                self._awaited.discard(promise)
            self.join(EXIT_SECONDS)  # trio takes nothing a moment before it says why
            raise BridgeClosed(
                "this bridge has ended: use it inside the block that opened it"
            ) from self._failure

    def cancel(self, work: Call[Any] | Block[Any], reason: str) -> None:
        """Cancel some work, which settles it also if it was never begun.

        Raises:
            BridgeClosed: As above; then nobody settles it any longer.
        """
        self.do(None, work.cancel, reason)

    def request_end(self) -> None:
        """Cancel all that runs, and take nothing new. It may have ended, or be elsewhere."""
        self._is_closing = True
        if not self.is_elsewhere and self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._close)

    def join(self, seconds: float | None = None) -> None:
        """Wait for its end, unless this is the thread itself, or a fork."""
        if not self.is_elsewhere and not self.is_current:
            self._thread.join(seconds)

    # In the thread

    def _run(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as error:  # noqa: BLE001 - only if trio itself fails; all calls get it
            self._failure = error
        finally:
            self._is_closing = True
            for promise in list(self._awaited):
                promise.fail(closed("this bridge has ended", self._failure))
            OPEN.discard(self)
            self._begun()
            self._ended()

    async def _serve(self) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._token = trio.lowlevel.current_trio_token()
            if self._is_closing:  # asked for before there was a token to ask with
                return
            self._begun()
            await trio.sleep_forever()

    def _close(self) -> None:
        assert self._nursery is not None
        self._nursery.cancel_scope.cancel("the bridge was closed")

    def _begin(self, work: Call[Any] | Block[Any], context: Context) -> None:
        assert self._nursery is not None
        if work.has_begun:  # and was given up before
            return
        if self._is_closing:
            work.abort()
            return
        work.has_begun = True
        context.run(self._start_task, self._nursery, work)

    def _start_task(self, nursery: trio.Nursery, work: Call[Any] | Block[Any]) -> None:
        """Its context is a copy of the one that this is called in."""
        nursery.start_soon(work.carry_out, name=work.name)

    def __repr__(self) -> str:
        state = "ended" if self._is_closing else f"open, {len(self._awaited)} waiting"
        return f"<{self._thread.name}: {state}>"


@atexit.register
def end_all() -> None:
    """Give what is still open a moment to end, and no more: the interpreter ends as well."""
    threads = list(OPEN)
    for thread in threads:
        thread.request_end()
    deadline = time.monotonic() + EXIT_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _context() -> Context:
    """The context of whoever calls, without what only its own trio run can make sense of."""
    context = copy_context()
    context.run(SCOPES.set, ())
    context.run(PARTY.set, None)
    context.run(CONDITIONS.set, AS_USUAL)
    return context
