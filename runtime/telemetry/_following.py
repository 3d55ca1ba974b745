"""Hears the facts of a subscription as they come, up to the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import Fact, Subscription


async def follow(
    facts: Subscription, hear: Callable[[list[Fact]], None], is_listening: trio.Event
) -> None:
    """Call `hear` with all that has come, as soon as something has, until cancelled.

    What has come by the time of the cancel is heard all the same.

    Args:
        facts: What to read.
        hear: Must not wait.
        is_listening: Set once nothing is missed any longer.
    """
    async with facts:
        is_listening.set()
        try:
            async for fact in facts:
                hear([fact, *facts.take_nowait()])
        except trio.Cancelled:
            hear(facts.take_nowait())
            raise
