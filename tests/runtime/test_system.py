"""The block that owns everything: which error leaves it, and who may use what is in it."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import Do, DoBeside, Feed, Order, Puppet, crash, crash_now, nothing, returns, sleeps

from runtime import (
    ActorStopped,
    ChildOptions,
    ForeignRun,
    Ref,
    RestartLimit,
    SupervisorGaveUp,
    System,
    SystemFailed,
    open_system,
)
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock


async def run_in_a_system(work: Callable[[System], Awaitable[Any]]) -> None:
    async with assert_no_leaks(), open_system() as system:
        await work(system)


async def interrupt(_: object) -> None:
    raise KeyboardInterrupt


async def interrupt_in_a_nursery(_: object) -> None:
    async def fail() -> None:
        raise ValueError

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        nursery.start_soon(interrupt, None)


async def give_up(system: System) -> None:
    """Crash a child more often than the root allows."""
    child = await system.spawn(Puppet)
    for _ in range(4):
        await child.tell(Order(crash))
        await trio.testing.wait_all_tasks_blocked()


async def test_the_error_of_the_block_leaves_it_bare() -> None:
    error = KeyError("mine")

    async def fail(system: System) -> None:
        await system.spawn(Puppet)
        raise error

    with pytest.raises(KeyError) as caught:
        await run_in_a_system(fail)
    assert caught.value is error


async def test_the_block_is_cancelled_when_the_root_gives_up() -> None:
    async def wait(system: System) -> None:
        await give_up(system)
        await trio.sleep_forever()

    with pytest.raises(SystemFailed, match="the root supervisor gave up") as caught:
        await run_in_a_system(wait)
    assert isinstance(caught.value.__cause__, SupervisorGaveUp)
    assert isinstance(caught.value.__cause__.__cause__, ValueError)


async def test_the_error_of_the_block_wins_and_the_failure_of_the_root_is_its_context() -> None:
    async def fail(system: System) -> None:
        try:
            await give_up(system)
        finally:
            raise KeyError

    with pytest.raises(KeyError) as caught:
        await run_in_a_system(fail)
    contexts = list[type[BaseException]]()
    error: BaseException | None = caught.value
    while error is not None:
        contexts.append(type(error))
        error = error.__context__
    assert contexts == [KeyError, trio.Cancelled, SystemFailed]


async def test_a_failure_of_the_root_while_the_system_stops_is_not_lost() -> None:
    async def crash_in_stopped(*_: object) -> None:
        raise ValueError

    async def finish(system: System) -> None:
        group = await system.supervise("group", limit=RestartLimit(0, 1))
        await group.spawn(Puppet, nothing, crash_in_stopped)
        await give_up(system)

    with pytest.raises(SystemFailed):
        await run_in_a_system(finish)


@pytest.mark.parametrize("work", [interrupt, interrupt_in_a_nursery])
@pytest.mark.parametrize("kind", [Do, DoBeside, Order])
async def test_a_keyboard_interrupt_in_a_handler_ends_the_system_bare(kind: Any, work: Any) -> None:
    starts = 0

    async def on_start(_: object) -> None:
        nonlocal starts
        starts += 1

    async def wait(system: System) -> None:
        puppet = await system.spawn(Puppet, on_start)
        if kind is Order:
            await puppet.tell(kind(work))
        else:
            await puppet.ask(kind(work))
        await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        await run_in_a_system(wait)
    assert starts == 1


@pytest.mark.parametrize("where", ["first start", "restart", "background", "stopped"])
async def test_a_keyboard_interrupt_beside_the_handlers_ends_the_system_bare(where: str) -> None:
    starts = 0

    async def on_start(puppet: Puppet) -> None:
        nonlocal starts
        starts += 1
        if where == "first start" or (where == "restart" and starts == 2):
            raise KeyboardInterrupt
        if where == "background":
            puppet.start_soon(interrupt, None)

    async def on_stop(*_: object) -> None:
        if where == "stopped":
            raise KeyboardInterrupt

    async def wait(system: System) -> None:
        puppet = await system.spawn(Puppet, on_start, on_stop)
        if where != "background":
            await puppet.tell(Order(crash))
        await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        await run_in_a_system(wait)


async def test_a_cancel_around_the_system_ends_it_and_nothing_is_left(
    autojump_clock: MockClock,
) -> None:
    stopped = list[str]()

    async def on_stop(*_: object) -> None:
        stopped.append("stopped")

    with trio.move_on_after(1) as scope:
        async with assert_no_leaks(), open_system() as system:
            puppet = await system.spawn(Puppet, nothing, on_stop)
            await puppet.ask(Do(sleeps(100)))
    assert scope.cancelled_caught
    assert trio.current_time() == 1
    assert stopped == ["stopped"]


def tasks_of_the_run() -> set[trio.lowlevel.Task]:
    """Those that trio itself keeps, and whoever belongs to no block."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return {task for nursery in root.child_nurseries for task in nursery.child_tasks}


async def test_no_task_of_a_system_is_a_system_task(autojump_clock: MockClock) -> None:
    async def have_all_sorts(puppet: Puppet) -> None:
        puppet.start_soon(trio.sleep_forever)
        puppet.after(1, Order(nothing))
        await puppet.spawn(Puppet)

    before = tasks_of_the_run()
    async with open_system() as system, trio.open_nursery() as nursery:
        group = await system.supervise("group")
        ref = await group.spawn(Puppet)
        await ref.ask(Do(have_all_sorts))
        nursery.start_soon(ref.ask, DoBeside(sleeps(1)))
        await crash_now(await group.spawn(Puppet))
        await trio.testing.wait_all_tasks_blocked()

        assert tasks_of_the_run() == before


async def test_leaving_the_block_lets_handlers_finish_within_their_grace(
    autojump_clock: MockClock,
) -> None:
    done = list[str]()

    def work(name: str, seconds: float) -> Any:
        async def sleep(_: object) -> None:
            await trio.sleep(seconds)
            done.append(name)

        return sleep

    async with open_system() as system:
        for name, seconds in (("short", 2), ("long", 100)):
            puppet = await system.spawn(Puppet, options=ChildOptions(grace=3))
            await puppet.tell(Order(work(name, seconds)))
        await trio.testing.wait_all_tasks_blocked()
    assert done == ["short"]
    assert trio.current_time() == 3


async def test_a_ref_is_refused_after_its_system_has_ended() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
    with pytest.raises(ActorStopped):
        await puppet.ask(Do(nothing))
    with pytest.raises(ActorStopped):
        await system.spawn(Puppet)
    await puppet.stop()
    await system.stop()
    assert puppet.statistics().state == "ended"


async def use_everything(system: System, puppet: Ref[Puppet]) -> None:
    """Every call with a ref or a system; each must be refused."""
    refused: list[Callable[[], Awaitable[object]]] = [
        lambda: puppet.ask(Do(nothing)),
        lambda: puppet.tell(Order(nothing)),
        puppet.stop,
        lambda: puppet.stream(Feed(nothing)).__aenter__(),
        lambda: puppet.watch().__aenter__(),
        lambda: system.spawn(Puppet),
        lambda: system.supervise("group"),
        system.stop,
        lambda: system.events().__aenter__(),
    ]
    for call in refused:
        with pytest.raises(ForeignRun, match=r"trio.from_thread.run"):
            await call()
    with pytest.raises(ForeignRun):
        puppet.tell_nowait(Order(nothing))


async def test_another_run_in_another_thread_is_refused() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await trio.to_thread.run_sync(trio.run, use_everything, system, puppet)
        assert puppet.statistics().handled == 0


async def test_a_thread_without_a_run_is_refused_and_told_the_way() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)

        def wrong() -> None:
            with pytest.raises(ForeignRun, match=r"call it from there with `trio.from_thread.run`"):
                puppet.tell_nowait(Order(nothing))

        await trio.to_thread.run_sync(wrong)
        assert await trio.to_thread.run_sync(right, puppet) == 1


def right(puppet: Ref[Puppet]) -> object:
    return trio.from_thread.run(puppet.ask, Do(returns(1)))


def test_a_later_run_is_refused() -> None:
    async def make() -> tuple[System, Ref[Puppet]]:
        async with open_system() as system:
            return system, await system.spawn(Puppet)

    trio.run(use_everything, *trio.run(make))


async def test_the_tree_shows_who_does_what(autojump_clock: MockClock) -> None:
    async def bear(puppet: Puppet) -> None:
        await puppet.spawn(Puppet, name="child")

    async with open_system() as system, trio.open_nursery() as nursery:
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet, bear, name="p")
        await trio.sleep(1)
        nursery.start_soon(puppet.ask, DoBeside(sleeps(5)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(puppet.ask, Do(sleeps(5)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(puppet.ask, Do(nothing))
        await trio.testing.wait_all_tasks_blocked()
        [shown] = system.tree().children
        assert (shown.path, shown.kind, shown.statistics) == ("/group", "one_for_one", None)
        [node] = shown.children
        assert (node.path, node.kind) == ("/group/p", "Puppet")
        statistics = node.statistics
        assert statistics is not None
        assert (statistics.handling, statistics.queued) == (("Do", "DoBeside"), 1)
        assert (statistics.since, statistics.handled) == (1, 2)
        assert [child.path for child in node.children] == ["/group/p/child"]


async def test_whereis_finds_an_actor_by_its_path_also_between_two_lives(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet, name="p")
        assert system.whereis("/group/p", Puppet) == puppet
        assert system.whereis("/group/q", Puppet) is None
        assert system.whereis("/", Puppet) is None
        with pytest.raises(TypeError, match="is a Puppet, not a str"):
            system.whereis("/group/p", str)
        await crash_now(puppet)
        assert system.whereis("/group/p", Puppet) == puppet


async def test_a_slow_reader_of_facts_loses_the_oldest_and_is_told_how_many() -> None:
    async with open_system() as system, system.events(buffer=2) as facts:
        for name in "abcd":
            await system.spawn(Puppet, name=name)
        assert facts.dropped == 2
        assert [(await anext(facts)).path for _ in "cd"] == ["/c", "/d"]


async def test_two_systems_in_one_run_do_not_know_each_other() -> None:
    async with open_system() as one, open_system() as other:
        a = await one.spawn(Puppet, name="a")
        b = await other.spawn(Puppet, name="a")
        assert a != b
        assert await a.ask(Do(lambda _: b.ask(Do(returns(1))))) == 1


def test_a_system_outside_of_trio_says_how_to_start_the_program() -> None:
    async def main() -> None:
        async with open_system():
            raise AssertionError

    with pytest.raises(RuntimeError, match=r"write `trio.run\(main\)` in place of `asyncio.run"):
        main().send(None)  # as any other loop would begin it


async def test_options_that_are_none_are_refused_before_anything_is_spawned() -> None:
    wrong: Any = {"keep_mailbox": True}
    async with open_system() as system:
        with pytest.raises(TypeError, match=r"must be ChildOptions, not \{.*: write for example"):
            await system.spawn(Puppet, name="p", options=wrong)
        assert system.tree().children == ()
