"""The live tree, taken and drawn."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from puppet import Do, DoBeside, Order, Puppet, crash_now, sleeps

from runtime import (
    ChildOptions,
    MailboxOptions,
    Node,
    RestartStrategy,
    Statistics,
    System,
    open_system,
)

if TYPE_CHECKING:
    from trio.testing import MockClock


async def busy_tree(system: System, nursery: trio.Nursery) -> None:
    group = await system.supervise("group", strategy=RestartStrategy.REST_FOR_ONE)
    busy = await group.spawn(
        Puppet, name="b", options=ChildOptions(mailbox=MailboxOptions(capacity=1))
    )
    idle = await group.spawn(Puppet, name="idle")
    await crash_now(idle)
    nursery.start_soon(busy.ask, DoBeside(sleeps(100)))
    await trio.testing.wait_all_tasks_blocked()
    for _ in range(3):
        nursery.start_soon(busy.ask, Do(sleeps(100)))
    await trio.testing.wait_all_tasks_blocked()

    async def bear(puppet: Puppet) -> None:
        await puppet.spawn(Puppet, name="child")

    await system.spawn(Puppet, bear, name="parent")


async def test_the_tree_is_drawn_with_what_there_is_to_say(autojump_clock: MockClock) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        await busy_tree(system, nursery)
        await trio.sleep(2.5)
        assert str(system.tree()).splitlines() == [
            "/ one_for_one",
            "  /group rest_for_one",
            "    /group/b Puppet: running, handling Do + DoBeside for 2.5 s, 1 queued, 1 in line",
            "    /group/idle Puppet: running, restarted 1 x",
            "  /parent Puppet: running",
            "    /parent/child Puppet: running",
        ]
        nursery.cancel_scope.cancel()


async def test_a_snapshot_says_what_was_true_when_it_was_taken(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet, name="p")
        await puppet.tell(Order(sleeps(10)))
        await trio.sleep(1)
        tree = system.tree()
        await trio.sleep(5)
        assert (tree.at, tree.children[0].at) == (1.0, 1.0)
        assert str(tree.children[0]) == "/p Puppet: running, handling Order for 1.0 s"


def test_who_waits_for_whom_is_drawn_too() -> None:
    waiting = Statistics(
        state="running",
        handled=7,
        restarts=0,
        queued=0,
        in_line=0,
        handling=("Do",),
        since=2.0,
        waiting_for=("/b", "/group/c"),
    )

    assert str(Node("/a", "Puppet", waiting, at=3.0)) == (
        "/a Puppet: running, handling Do for 1.0 s, waits for /b, /group/c"
    )


class Counter(Puppet):
    def described(self) -> str:
        return "counted 7"


class Broken(Puppet):
    def described(self) -> str:
        raise LookupError("no words")


async def test_an_actor_says_a_few_words_of_its_own() -> None:
    async with open_system() as system:
        await system.spawn(Counter, name="c")
        (counter,) = system.tree().children

        assert counter.details == "counted 7"
        assert str(counter) == "/c Counter: running, counted 7"


async def test_an_actor_that_cannot_describe_itself_spoils_no_tree() -> None:
    async with open_system() as system:
        await system.spawn(Broken, name="b")
        await system.spawn(Counter, name="c")

        assert str(system.tree()).splitlines() == [
            "/ one_for_one",
            "  /b Broken: running, cannot describe itself: LookupError('no words')",
            "  /c Counter: running, counted 7",
        ]


async def test_an_actor_that_does_not_run_is_not_asked() -> None:
    asked: list[str] = []

    class Waiting(Puppet):
        def described(self) -> str:
            asked.append("too early")
            return ""

        async def started(self) -> None:
            await trio.sleep_forever()

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(system.spawn, Waiting)
        await trio.testing.wait_all_tasks_blocked()
        assert "starting" in str(system.tree())
        nursery.cancel_scope.cancel()

    assert asked == []
