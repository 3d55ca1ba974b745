"""How a system ended: which of several errors leaves its block, and what becomes of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ._errors import SystemFailed
from ._hub import log

if TYPE_CHECKING:
    from ._supervision import Supervision


class Outcome:
    """Which error leaves `open_system`: an abort, then the body's, then the root's failure."""

    def __init__(self) -> None:
        self.body = trio.CancelScope()
        self.stop = trio.CancelScope()  # with grace, after the body
        self.body_error: BaseException | None = None
        self.is_terminated = False
        self._abort: BaseException | None = None
        self._failure: BaseException | None = None

    @property
    def has_failed(self) -> bool:
        return self._failure is not None or self._abort is not None

    def root_failed(self, error: BaseException) -> None:
        self._failure = error
        self.body.cancel("the root supervisor gave up")

    def abort(self, error: BaseException) -> None:
        self._abort = self._abort or error
        for scope in (self.body, self.stop):
            scope.cancel(f"{type(error).__name__} in an actor")

    async def outlast(self, life: Supervision) -> None:
        """Cancel what still runs, and wait until it has ended, whatever comes."""
        life.kill("the system's block was left")
        while not life.is_down:
            try:
                with trio.CancelScope(shield=True):
                    await life.wait_down()
            except KeyboardInterrupt as interrupt:  # trio raises it here, in its main task
                self.abort(interrupt)

    def terminate(self, life: Supervision, drain_seconds: float) -> None:
        """A SIGTERM has come."""
        if self.is_terminated:
            life.kill("a second SIGTERM")
            return
        log.info("SIGTERM: the system drains within %s s", drain_seconds)
        self.is_terminated = True
        life.kill_at(trio.current_time() + drain_seconds)
        self.body.cancel("SIGTERM")

    def raise_error(self) -> None:
        failed: BaseException | None = self._abort
        if failed is None and self._failure is not None:
            failed = SystemFailed(f"the root supervisor gave up: {self._failure}", path="/")
            failed.__cause__ = self._failure
        error, self.body_error = self.body_error, None
        if self._abort is not None and isinstance(error, Exception | trio.Cancelled):
            error, failed = failed, error  # Ctrl-C is not to be lost to what it brought about
        self._abort = self._failure = None
        if error is not None and failed is not None:
            _origin_of(error).__context__ = failed
        error = error or failed
        try:
            if error is not None:
                raise error
        finally:
            del error, failed  # no cycle through the traceback


def _origin_of(error: BaseException) -> BaseException:
    """The first error of those that led to this one."""
    seen = {error}
    while error.__context__ is not None and error.__context__ not in seen:
        error = error.__context__
        seen.add(error)
    return error
