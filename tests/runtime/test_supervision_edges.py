"""Supervisors in awkward moments: an error or an end where it is least expected."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from puppet import Do, Puppet, Work, crash

from runtime import (
    ActorCrashed,
    Backoff,
    Ref,
    RestartLimit,
    RestartStrategy,
    open_system,
)

if TYPE_CHECKING:
    from trio.testing import MockClock

NEVER = RestartLimit(10**9)


async def crashed(puppet: Ref[Puppet]) -> None:
    with pytest.raises(ActorCrashed):
        await puppet.ask(Do(crash))


async def test_nobody_is_started_before_those_in_front_who_wait_longer(
    autojump_clock: MockClock,
) -> None:
    starts = list[tuple[str, float]]()

    def noting(name: str) -> Work:
        async def on_start(_: Puppet) -> None:
            starts.append((name, trio.current_time()))

        return on_start

    async with open_system() as system:
        group = await system.supervise(
            "group", strategy=RestartStrategy.REST_FOR_ONE, limit=NEVER, backoff=Backoff(1, 8, 2, 0)
        )
        first = await group.spawn(Puppet, noting("first"))
        for _ in range(2):
            await crashed(first)
            await trio.sleep(3)
        await crashed(first)  # at 6 s: the next wait is 4 s
        later = await group.spawn(Puppet, noting("later"))
        await crashed(later)  # its own first wait would be 1 s
        await trio.sleep(10)
    assert starts[-3:] == [("later", 6), ("first", 10), ("later", 10)]
