"""Who watches an actor or listens to a system learns what happened, once (R9, R10)."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from puppet import Heard, Order, Puppet, crash, crash_now

from runtime import (
    ChildOptions,
    Crashed,
    Exit,
    Ref,
    Restarted,
    RestartPolicy,
    Spawned,
    Stopped,
    System,
    open_system,
)

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_facts_tell_the_life_of_an_actor_in_order() -> None:
    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        await trio.testing.wait_all_tasks_blocked()
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet, name="p")
        await crash_now(puppet)
        await puppet.stop()
        await group.stop()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    crashed = heard.facts[2]
    assert isinstance(crashed, Crashed)
    assert heard.facts == [
        Spawned("/group"),
        Spawned("/group/p"),
        crashed,
        Restarted("/group/p", 1),
        Stopped("/group/p", Exit.STOPPED),
        Stopped("/group", Exit.STOPPED),
    ]


async def test_a_watch_reports_the_end_once_and_no_restart(autojump_clock: MockClock) -> None:
    ends = list[Exit]()

    async def wait(puppet: Ref[Puppet]) -> None:
        async with puppet.watch() as watch:
            ends.append(await watch.wait())

    async with open_system() as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet)
        nursery.start_soon(wait, puppet)
        await crash_now(puppet)
        await trio.sleep(1)
        assert ends == []
        await puppet.stop()
        await wait(puppet)  # also for one that is gone
        assert ends == [Exit.STOPPED] * 2


@pytest.mark.parametrize("work", ["finish", "crash"])
async def test_a_watch_tells_how_it_ended(work: str) -> None:
    async def finish(puppet: Puppet) -> None:
        puppet.stop()

    async def watched(system: System) -> tuple[Exit, BaseException | None]:
        once = ChildOptions(restart=RestartPolicy.TEMPORARY)
        puppet = await system.spawn(Puppet, options=once)
        async with puppet.watch() as watch:
            await puppet.tell(Order(finish if work == "finish" else crash))
            return await watch.wait(), watch.error

    async with open_system() as system:
        exit, error = await watched(system)
    if work == "finish":
        assert (exit, error) == (Exit.COMPLETED, None)
    else:
        assert exit is Exit.FAILED
        assert isinstance(error, ValueError)
