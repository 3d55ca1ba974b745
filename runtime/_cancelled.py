"""What was cancelled: why, and how its end is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from trio.lowlevel import Abort, RaiseCancelT, enable_ki_protection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@enable_ki_protection
async def outwait(
    wait: Callable[[], Awaitable[None]], seconds: float, report: Callable[[], None]
) -> None:
    """Wait, shielded, for the end of something that was cancelled; report it if it takes long.

    Args:
        wait: Returns when it has ended; may be cancelled and called again.
        seconds: How long it may take.
        report: Called once if it takes longer.
    """
    with trio.CancelScope(shield=True):
        with trio.move_on_after(seconds):
            await wait()
            return
        report()
        await wait()


def reason_of(error: BaseException) -> str | None:
    """Why a task does not wait any longer, so that the reason travels with the cancel."""
    if not isinstance(error, trio.Cancelled):
        return type(error).__name__
    return error.reason or ("the deadline passed" if error.source == "deadline" else None)


def wait_on(_: RaiseCancelT) -> Abort:
    """For a wait that no cancel ends: it comes at the task's next checkpoint."""
    return Abort.FAILED
