"""How a thread waits for the bridge's thread, and what follows if both have something to raise."""

from __future__ import annotations

import contextlib
import queue
from typing import TYPE_CHECKING, Any, Final

from runtime import BridgeClosed, RuntimeFault

from ._call import Promise

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._block import Block
    from ._thread import TrioThread


# A signal that comes right before a wait begins in C is not seen until the wait is over.
LOOK_SECONDS: Final = 0.25


class ThreadSignal:
    """Wakes one thread that waits for it. A Ctrl-C does as well, in the main thread."""

    def __init__(self) -> None:
        self._queue = queue.SimpleQueue[None]()
        self._is_set = False  # stays, also where an interrupt comes right behind the wait

    def set(self) -> None:
        self._is_set = True
        self._queue.put(None)

    def wait(self) -> None:
        while not self._is_set:
            with contextlib.suppress(queue.Empty):
                self._queue.get(timeout=LOOK_SECONDS)

    def carry_out(self, begin: Callable[[], None], give_up: Callable[[str], None]) -> None:
        """Begin something, and wait until it has set this.

        If that is interrupted: give it up, and wait again. A second Ctrl-C ends that wait, too;
        the work ends by itself then, or with the bridge.

        Args:
            begin: Must be done by the time that it returns; an interrupt may come within.
            give_up: Makes sure that this will be set, whether it was begun or not; gets the
                reason. Raises `BridgeClosed` if it will not.
        """
        try:
            begin()
            self.wait()
        except BaseException as error:
            with contextlib.suppress(BridgeClosed):
                give_up(str(error) or type(error).__name__)
                self.wait()
            raise


def leave(block: Block[Any], thread: TrioThread, error: BaseException | None) -> bool:
    """Leave a block and wait for its end; return whether its manager swallowed the error."""
    signal = ThreadSignal()
    left = Promise[bool](signal.set)

    def begin() -> None:
        thread.do(left, block.leave, left, error)

    def give_up(reason: str) -> None:
        thread.cancel(block, reason)
        begin()

    if thread.is_current:  # the garbage collector throws somebody away: nothing can be awaited
        begin()
        return False
    signal.carry_out(begin, give_up)
    return left.result()


def comes_first(failure: BaseException, error: BaseException) -> bool:
    """Whether what leaving a block raised shall hide the error of the block's body.

    An interrupt does, and what hides a fault is mostly its cause: an actor is gone because its
    system gave up.
    """
    return not isinstance(failure, Exception) or isinstance(error, RuntimeFault)


def note(error: BaseException, failure: BaseException) -> None:
    """Note on a body's error what leaving the block raised as well."""
    error.add_note(f"leaving the block failed, too: {type(failure).__name__}: {failure}")
