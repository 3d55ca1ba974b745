"""An async context manager that is entered, used and left for somebody outside of trio.

One trio task does all three, as cancel scopes and nurseries demand. The manager may end the
block by itself: a system does that when its root supervisor gives up.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import trio

from ._call import Promise, closed, raise_cancels, without_cancels

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from ._call import Call

T = TypeVar("T")
ENDED: Final = "the block that this belongs to has ended"


class Block(Generic[T]):
    """The block; everything but the constructor happens in the bridge's thread.

    Args:
        make: Makes the context manager.
        entered: Settled with what the manager gives, or with what it raises instead.
        cut_short: Called when the block has ended although nobody asked it to.
    """

    def __init__(
        self,
        make: Callable[[], AbstractAsyncContextManager[T, Any]],
        entered: Promise[T],
        cut_short: Callable[[], None],
    ) -> None:
        self.entered = entered
        self.name: object = make
        self.has_begun = False
        self._make = make
        self._cut_short = cut_short
        self._scope = trio.CancelScope()
        self._outlet, self._inlet = trio.open_memory_channel["Call[Any]"](math.inf)
        self._current: Call[Any] | None = None
        self._left: Promise[bool] | None = None
        self._leaving_with: Exception | None = None
        self._has_ended = False
        self._failure: BaseException | None = None
        self._swallowed = False

    def cancel(self, reason: str) -> None:
        """Cancel it, also if it is not known whether it was ever begun."""
        self._scope.cancel(reason)
        if not self.has_begun:
            self.abort()

    def abort(self) -> None:
        """End it without carrying it out, because nobody will."""
        self.has_begun = True
        self._end(closed("this bridge has ended"))

    def submit(self, call: Call[Any]) -> None:
        """Have the block's own task carry out a call, after those before it."""
        call.has_begun = True
        if self._has_ended or self._left is not None:
            call.fail(self._failure or closed(ENDED))
        else:
            self._outlet.send_nowait(call)

    def leave(self, left: Promise[bool], error: BaseException | None) -> None:
        """Leave the block with an error of its body, or without.

        An `Exception` is raised in it. Whatever else ends a body, an interrupt or the cancel
        of an asyncio task, cancels it.

        Args:
            left: Settled with whether the manager swallowed the error, or with what it raised.
            error: What the body raised.
        """
        self._left = left
        if not self.has_begun:
            self.abort()
            return
        if self._has_ended:
            self._settle_left()
            return
        if self._current is not None:
            self._current.cancel("its block was left")
        if error is None or isinstance(error, Exception):
            self._leaving_with = error
        else:
            self._scope.cancel(str(error) or type(error).__name__)
        self._outlet.close()

    async def carry_out(self) -> None:
        """The block's task."""
        try:
            with self._scope:
                async with self._make() as value:
                    self.entered.settle(value)
                    await self._work()
        except BaseException as error:  # noqa: BLE001 - whoever leaves the block gets it
            self._end(without_cancels(error))
            raise_cancels(error)
        else:
            self._end(None)

    async def _work(self) -> None:
        async for call in self._inlet:
            if self._left is not None:  # meanwhile
                call.fail(closed(ENDED))
                continue
            self._current = call
            await call.carry_out()
            self._current = None
        if self._leaving_with is not None:
            raise self._leaving_with

    def _end(self, failure: BaseException | None) -> None:
        self._has_ended = True
        self._current = None
        self._swallowed = failure is None and self._leaving_with is not None
        if self.entered.is_settled and failure is not self._leaving_with:
            self._failure = failure
        self._leaving_with = None  # no cycle through its traceback
        self.entered.fail(failure or closed(ENDED))
        self._outlet.close()
        while True:
            try:
                self._inlet.receive_nowait().fail(self._failure or closed(ENDED))
            except (trio.EndOfChannel, trio.WouldBlock):
                break
        if self._left is not None:
            self._settle_left()
        elif self.entered.has_value:
            self._cut_short()

    def _settle_left(self) -> None:
        assert self._left is not None
        failure, self._failure = self._failure, None
        if failure is None:
            self._left.settle(self._swallowed)
        else:
            self._left.fail(failure)
