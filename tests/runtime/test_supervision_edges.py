"""Supervisors in awkward moments: an error or an end where it is least expected."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio
from puppet import Do, DoBeside, Heard, Puppet, Work, crash, nothing, returns

from runtime import (
    ActorCrashed,
    Backoff,
    Crashed,
    Ref,
    Restarted,
    RestartLimit,
    RestartStrategy,
    System,
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


async def kept_cancel() -> trio.Cancelled:
    """A cancel that somebody has kept, as a cache of failures would."""
    kept = list[trio.Cancelled]()
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            kept.append(cancelled)
            raise
    return kept[0]


@pytest.mark.parametrize(
    "where", ["handler", "beside", "background", "stopped", "restart", "factory"]
)
def test_a_cancel_that_was_kept_and_raised_elsewhere_crashes_the_actor(where: str) -> None:
    heard = Heard()

    async def main() -> str:
        async with open_system() as system, trio.open_nursery() as nursery:
            nursery.start_soon(heard.listen, system)
            await raise_kept_cancel(where, system)
            nursery.cancel_scope.cancel()
        return "done"

    assert trio.run(main) == "done"  # pytest's own run would take the cancel for its own
    error = heard.of(Crashed)[-1].error
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, trio.Cancelled)
    assert heard.of(Restarted)


async def raise_kept_cancel(where: str, system: System) -> None:
    cancelled = await kept_cancel()
    lives = 0

    async def raise_it(*_: object) -> None:
        raise cancelled

    async def in_the_background(puppet: Puppet) -> None:
        puppet.start_soon(raise_it)

    async def raise_at_restart(_: object) -> None:
        if where == "restart" and lives == 2:
            raise cancelled

    def factory() -> Puppet:
        nonlocal lives
        lives += 1
        if where == "factory" and lives == 2:
            raise cancelled
        return Puppet(raise_at_restart, raise_it if where == "stopped" and lives == 1 else nothing)

    messages = {"handler": Do(raise_it), "beside": DoBeside(raise_it)}
    messages |= {"background": Do(in_the_background)}
    puppet = await system.spawn(factory)
    await trio.testing.wait_all_tasks_blocked()
    with suppress(ActorCrashed):
        await puppet.ask(messages.get(where, Do(crash)))
    await trio.testing.wait_all_tasks_blocked()
    assert await puppet.ask(Do(returns("back"))) == "back"
