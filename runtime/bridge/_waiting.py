"""How a thread waits for the bridge's thread, and what follows if both have something to raise."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

from runtime import RuntimeFault

from ._call import Promise

if TYPE_CHECKING:
    from ._block import Block
    from ._call import Call
    from ._thread import TrioThread


class ThreadSignal:
    """Wakes one thread that waits for it. A Ctrl-C does as well, in the main thread."""

    def __init__(self) -> None:
        self._queue = queue.SimpleQueue[None]()

    def set(self) -> None:
        self._queue.put(None)

    def wait(self) -> None:
        self._queue.get()

    def wait_for(self, work: Call[Any] | Block[Any], thread: TrioThread) -> None:
        """Wait until some work has set it. If that is interrupted: cancel it, and wait again.

        A second Ctrl-C ends that wait, too; the work ends by itself then, or with the bridge.
        """
        try:
            self.wait()
        except BaseException as error:
            thread.cancel(work, str(error) or type(error).__name__)
            self.wait()
            raise


def leave(block: Block[Any], thread: TrioThread, error: BaseException | None) -> bool:
    """Leave a block and wait for its end; return whether its manager swallowed the error."""
    signal = ThreadSignal()
    left = Promise[bool](signal.set)
    thread.do(block.leave, left, error)
    if thread.is_current:  # the garbage collector throws somebody away here: nothing can be awaited
        return False
    signal.wait_for(block, thread)
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
