"""An actor that crashes when another one has failed for good or was stopped."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import Do, Heard, Order, Puppet, crash, crash_now, does, outcome_of, returns, sleeps

from runtime import (
    ActorCrashed,
    ActorStopped,
    ChildOptions,
    Crashed,
    Exit,
    LinkBroken,
    Ref,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
    Supervisor,
    SupervisorGaveUp,
    open_system,
)

if TYPE_CHECKING:
    from trio.testing import MockClock

ONCE = ChildOptions(restart=RestartPolicy.TEMPORARY)


async def finish(puppet: Puppet) -> None:
    puppet.stop()


async def linked_to(
    other: Ref[Puppet], above: Supervisor, options: ChildOptions | None = None
) -> Ref[Puppet]:
    puppet = await above.spawn(Puppet, options=options)
    await puppet.ask(does(lambda p: p.link(other)))
    return puppet


async def error_of(ref: Ref[Puppet]) -> BaseException | None:
    async with ref.watch() as watch:
        assert await watch.wait() is Exit.FAILED
        return watch.error


async def test_a_failure_for_good_crashes_the_linked_actor_with_its_cause(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        other = await system.spawn(Puppet, name="other", options=ONCE)
        linked = await linked_to(other, system, ONCE)
        await other.tell(Order(crash))
        error = await error_of(linked)
        assert isinstance(error, LinkBroken)
        assert (error.path, str(error.__cause__)) == ("/other", "crash")
        assert isinstance(error.__cause__, ValueError)
        assert "/other has failed" in str(error)


async def test_a_stop_breaks_the_link_an_own_decision_does_not(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        for end in ("stop", "kill", "complete"):
            other = await system.spawn(Puppet, name="other", options=ONCE)
            linked = await linked_to(other, system, ONCE)
            if end == "complete":
                await other.tell(Order(finish))
                await trio.sleep(1)
                assert await linked.ask(Do(returns("alive"))) == "alive"
            else:
                await getattr(other, end)()
                error = await error_of(linked)
                assert isinstance(error, LinkBroken)
                assert "/other was stopped, and" in str(error)
                assert error.__cause__ is None


async def test_a_restart_breaks_no_link(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        other = await system.spawn(Puppet)
        linked = await linked_to(other, system)
        await crash_now(other)
        await trio.sleep(1)
        assert linked.statistics().restarts == 0


async def test_whoever_asks_the_linked_actor_hears_of_the_crash(
    autojump_clock: MockClock,
) -> None:
    outcomes = list[Any]()
    async with open_system() as system:
        other = await system.spawn(Puppet)
        linked = await linked_to(other, system)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, linked, Do(sleeps(100)), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            await other.stop()
        [crashed] = outcomes
        assert isinstance(crashed, ActorCrashed)
        assert isinstance(crashed.__cause__, LinkBroken)


async def test_a_link_does_not_outlive_its_incarnation(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        other = await system.spawn(Puppet)
        linked = await linked_to(other, system)
        await other.stop()
        await trio.sleep(1)
        assert linked.statistics().restarts == 1  # the next one has linked itself to nobody
        assert await linked.ask(Do(returns(1))) == 1


async def test_an_actor_that_links_itself_in_started_to_one_that_is_gone_gives_up(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        other = await system.spawn(Puppet)

        async def on_start(puppet: Puppet) -> None:
            puppet.link(other)

        group = await system.supervise(
            "group", limit=RestartLimit(2, 60), restart=RestartPolicy.TEMPORARY
        )
        linked = await group.spawn(Puppet, on_start)
        await other.stop()
        with trio.fail_after(5):
            error = await error_of(linked)
        assert isinstance(error, SupervisorGaveUp)
        assert isinstance(error.__cause__, LinkBroken)
        assert linked.statistics().restarts == 2


async def test_a_link_to_one_that_is_gone_breaks_at_once() -> None:
    async with open_system() as system:
        other = await system.spawn(Puppet)
        await other.stop()
        linked = await linked_to(other, system, ONCE)
        assert isinstance(await error_of(linked), LinkBroken)


async def test_a_chain_of_links_breaks_to_its_end(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        last = previous = await system.spawn(Puppet, options=ONCE, name="0")
        for _ in range(5):
            previous = await linked_to(previous, system, ONCE)
        await last.tell(Order(crash))
        error = await error_of(previous)
        causes = list[type[BaseException]]()
        while error is not None:
            causes.append(type(error))
            error = error.__cause__
        assert causes == [LinkBroken] * 5 + [ValueError]


async def test_two_that_are_linked_to_each_other_end_together(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        a, b = await system.spawn(Puppet, options=ONCE), await system.spawn(Puppet, options=ONCE)
        await a.ask(does(lambda p: p.link(b)))
        await b.ask(does(lambda p: p.link(a)))
        await a.stop()
        assert isinstance(await error_of(b), LinkBroken)


@pytest.mark.parametrize("strategy", RestartStrategy)
@pytest.mark.parametrize("is_later", [False, True])
@pytest.mark.parametrize("ends", ["system", "group", "now", "error"])
async def test_a_shutdown_breaks_no_link(
    strategy: RestartStrategy,
    is_later: bool,  # noqa: FBT001 - a parameter
    ends: str,
    autojump_clock: MockClock,
) -> None:
    """Whoever is linked to one that was started later, and so is stopped earlier."""
    heard = Heard()
    async with trio.open_nursery() as nursery:
        with pytest.raises(KeyError) if ends == "error" else trio.CancelScope():
            async with open_system() as system:
                nursery.start_soon(heard.listen, system)
                group = await system.supervise("group", strategy=strategy)
                linked = await group.spawn(Puppet)
                other = await group.spawn(Puppet)
                first, second = (linked, other) if is_later else (other, linked)
                await first.ask(does(lambda p: p.link(second)))
                inner = await linked.ask(Do(lambda p: p.spawn(Puppet)))
                await inner.ask(does(lambda p: p.link(other)))
                if ends in {"group", "now"}:
                    await group.stop(now=ends == "now")
                if ends == "error":
                    raise KeyError
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert heard.of(Crashed) == []


async def test_a_link_from_an_actor_that_ends_is_refused() -> None:
    refusals = list[str]()
    async with open_system() as system:
        other = await system.spawn(Puppet)

        async def on_stop(puppet: Puppet, _: Exit) -> None:
            with pytest.raises(ActorStopped) as caught:
                puppet.link(other)
            refusals.append(str(caught.value))

        async def nothing_yet(_: Puppet) -> None: ...

        linked = await system.spawn(Puppet, nothing_yet, on_stop)
        await linked.stop()
    assert "is ending" in refusals[0]
