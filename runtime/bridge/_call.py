"""What somebody outside of trio waits for: a promise, and a call that keeps one.

All of it happens in the bridge's thread, but for `result`, which comes after the end.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import trio

from runtime import BridgeClosed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


def check_function(function: object) -> None:
    """Refuse what was called already, or cannot be.

    Raises:
        TypeError: If it is no function.
    """
    if inspect.iscoroutine(function):
        name = function.__name__
        function.close()  # else Python warns that nobody has awaited it
        raise TypeError(f"give the function, then its arguments: {name}, not {name}(...)")
    if not callable(function):
        raise TypeError(f"{function!r} is no function: give an async one, then its arguments")


class Promise(Generic[T]):
    """A value or an error that will be there; settled once.

    Args:
        notify: Called in the bridge's thread when it has been settled; must neither wait nor
            raise.
    """

    __slots__ = ("_error", "_notify", "_value", "awaited", "is_settled")

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self.awaited: set[Promise[Any]] | None = None  # where it is noted until it is settled
        self._value: T | None = None
        self._error: BaseException | None = None
        self.is_settled = False

    def settle(self, value: T) -> None:
        if not self.is_settled:
            self._value = value
            self._settled()

    def fail(self, error: BaseException) -> None:
        if not self.is_settled:
            self._error = error
            self._settled()

    def _settled(self) -> None:
        self.is_settled = True
        if self.awaited is not None:
            self.awaited.discard(self)
        self._notify()

    def result(self) -> T:
        """The value, or raise the error; once it is settled."""
        assert self.is_settled
        if self._error is None:
            return cast("T", self._value)
        error, self._error = self._error, None
        try:
            raise error
        finally:
            del error, self  # no cycle through the traceback

    @property
    def has_value(self) -> bool:
        return self.is_settled and self._error is None


class Call(Promise[T]):
    """An async function that somebody outside waits for, in a cancel scope of its own."""

    __slots__ = ("_function", "_scope", "has_begun", "name")

    def __init__(
        self, function: Callable[[], Awaitable[T]], notify: Callable[[], None], name: object
    ) -> None:
        super().__init__(notify)
        self.name = name
        self.has_begun = False
        self._function = function
        self._scope = trio.CancelScope()

    def cancel(self, reason: str) -> None:
        """Cancel it, also if it is not known whether it was ever begun."""
        self._scope.cancel(reason)
        if not self.has_begun:
            self.abort()

    def abort(self) -> None:
        """Settle it without carrying it out, because nobody will."""
        self.has_begun = True
        self.fail(closed("this bridge has ended"))

    async def carry_out(self) -> None:
        """Settle it, whatever happens; a cancel that comes from further out goes on."""
        try:
            with self._scope:
                self.settle(await self._function())
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            self.fail(without_cancels(error))
            raise_cancels(error)
        else:
            self.fail(closed("this call was cancelled"))


def closed(text: str, cause: BaseException | None = None) -> BridgeClosed:
    error = BridgeClosed(text)
    error.__cause__ = cause
    return error


def without_cancels(error: BaseException) -> BaseException:
    """What of an error concerns somebody who does not know trio."""
    cut_short = closed("this was cut short: its bridge, or the block that it was in, has ended")
    if isinstance(error, trio.Cancelled):
        return cut_short
    if isinstance(error, BaseExceptionGroup):
        _, rest = cast("BaseExceptionGroup[BaseException]", error).split(trio.Cancelled)
        return rest or cut_short
    return error


def raise_cancels(error: BaseException) -> None:
    """Raise again what of an error is a cancel, for the scope that it belongs to."""
    if isinstance(error, trio.Cancelled):
        raise error
    if isinstance(error, BaseExceptionGroup):
        cancels, _ = cast("BaseExceptionGroup[BaseException]", error).split(trio.Cancelled)
        if cancels is not None:
            raise cancels
