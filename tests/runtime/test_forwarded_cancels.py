"""Cancels, deadlines and loops follow a message that was forwarded to where it is."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from puppet import (
    Do,
    DoBeside,
    Feed,
    Order,
    Puppet,
    Work,
    forwards,
    nothing,
    returns,
    sleeps,
)

from runtime import (
    AskCycle,
    AskTimeout,
    Sink,
    carried,
    carry,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock


@pytest.mark.parametrize("is_queued", [False, True])
async def test_a_cancel_of_the_asker_follows_it(
    is_queued: bool,  # noqa: FBT001 - a parameter
    autojump_clock: MockClock,
) -> None:
    seen = list[str | None]()

    async def work(_: Puppet) -> None:
        try:
            await trio.sleep(100)
        except trio.Cancelled as error:
            seen.append(error.reason)
            raise

    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        async with trio.open_nursery() as nursery:
            if is_queued:
                await second.tell(Order(sleeps(10)))
            with trio.CancelScope() as scope:
                nursery.start_soon(cancel_when_quiet, scope)
                await first.ask(Do(forwards(second, Do(work))))
            assert scope.cancelled_caught
            assert (second.statistics().queued, trio.current_time()) == (0, 0)
        await second.ask(Do(nothing))
        assert second.statistics().restarts == 0
    assert seen == ([] if is_queued else ["enough"])


async def cancel_when_quiet(scope: trio.CancelScope) -> None:
    await trio.testing.wait_all_tasks_blocked()
    scope.cancel("enough")


@pytest.mark.parametrize("is_shielded", [False, True])
async def test_a_cancel_while_the_first_still_works_ends_it_there(
    is_shielded: bool,  # noqa: FBT001 - a parameter
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)

        async def work(puppet: Puppet) -> None:
            puppet.forward(second, Do(nothing))
            try:
                await trio.sleep(0 if is_shielded else 100)
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(2)

        for kind in (Do, DoBeside):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(first.ask, kind(work))
                    await trio.sleep(1)
                    scope.cancel()
        assert trio.current_time() == (4 if is_shielded else 6)
        await second.ask(Do(nothing))
        assert second.statistics().handled == 1


async def test_a_timeout_gives_the_message_back_only_if_nobody_has_started_it(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        for seconds in (0, 100):  # queued in the second, then running there
            await second.tell(Order(sleeps(5 if seconds == 0 else 0)))
            with pytest.raises(AskTimeout) as caught:
                await first.ask(Do(forwards(second, Do(sleeps(seconds)))), timeout=1)
            assert (caught.value.message, caught.value.path) == (None, first.path)
            assert second.statistics().queued == 0
            await second.ask(Do(nothing))


async def test_deadline_and_scopes_go_on_with_the_message(autojump_clock: MockClock) -> None:
    async def see(_: Puppet) -> tuple[float, tuple[object, ...]]:
        return trio.current_effective_deadline(), carried()

    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)

        async def work(puppet: Puppet) -> Any:
            with carry("of the first"), trio.move_on_after(1):
                await trio.lowlevel.checkpoint()
                return puppet.forward(second, Do(see))

        with carry("of the asker"):
            assert await first.ask(Do(work), timeout=7) == (7, ("of the asker",))
            assert await first.ask(Do(work)) == (math.inf, ("of the asker",))


async def test_a_chain_of_several_is_followed_to_its_end(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        puppets = [await system.spawn(Puppet) for _ in range(20)]
        work: Work = returns("the end")
        for puppet in puppets:
            work = forwards(puppet, Do(work))
        first = await system.spawn(Puppet)
        assert await first.ask(Do(work)) == "the end"
        assert [puppet.statistics().handled for puppet in puppets] == [1] * 20


async def test_an_actor_may_forward_to_itself_and_stays_cancellable(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)

        async def once_more(puppet: Puppet) -> Any:
            return puppet.forward(puppet.ref, Do(returns("second")))

        async def for_ever(puppet: Puppet) -> Any:
            return puppet.forward(puppet.ref, Do(for_ever))

        assert await puppet.ask(Do(once_more)) == "second"
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(puppet.ask, Do(for_ever))
                while puppet.statistics().handled < 100:
                    await trio.lowlevel.checkpoint()
                scope.cancel()
        assert await puppet.ask(Do(returns("free"))) == "free"


async def test_a_subtask_of_the_handler_may_forward() -> None:
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)

        async def work(puppet: Puppet) -> Any:
            async def subtask() -> None:
                puppet.forward(second, Do(returns("there")))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(subtask)

        assert await first.ask(Do(work)) == "there"


async def test_a_loop_that_a_killed_actor_closes_last_of_all_is_found() -> None:
    async def forward_when_cancelled(puppet: Puppet) -> Any:
        try:
            await trio.sleep_forever()
        finally:
            return puppet.forward(a, Do(nothing))  # noqa: B012 - on purpose

    async def ask_b(_: Puppet) -> None:
        with pytest.raises(AskCycle):
            await b.ask(Do(forward_when_cancelled))

    async with open_system() as system, trio.open_nursery() as nursery:
        a, b = await system.spawn(Puppet), await system.spawn(Puppet)
        nursery.start_soon(a.ask, Do(ask_b))
        await trio.testing.wait_all_tasks_blocked()
        await b.kill()


async def test_a_loop_over_forwards_ends_at_the_asker_and_crashes_nobody() -> None:
    async with open_system() as system:
        first = await system.spawn(Puppet, name="first")
        second = await system.spawn(Puppet)

        async def work(puppet: Puppet) -> Any:
            return await second.ask(Do(forwards(puppet.ref, Do(returns("round")))))

        with trio.fail_after(1), pytest.raises(AskCycle) as caught:
            await first.ask(Do(work))
        assert caught.value.chain == ("/first", "/first")
        assert await first.ask(DoBeside(work)) == "round"  # a turn beside leaves the actor free
        assert [ref.statistics().restarts for ref in (first, second)] == [0, 0]


async def test_cancelled_anywhere_a_forward_leaves_nothing() -> None:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        await out.send_many(range(3))

    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            puppets = [await system.spawn(Puppet) for _ in range(3)]

            async def last(_: Puppet) -> str:
                await trio.lowlevel.checkpoint()
                return "reply"

            async def hand_on(puppet: Puppet, out: Sink[int]) -> None:
                return puppet.forward(puppets[1], Feed(feeding), out)

            work = forwards(puppets[1], DoBeside(forwards(puppets[2], Do(last))))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(puppets[1].ask, Do(nothing))
                assert await puppets[0].ask(Do(work)) == "reply"
            async with puppets[0].stream(Feed(hand_on), buffer=0) as items:
                assert [item async for item in items] == [0, 1, 2]
            for puppet in puppets:
                assert (await puppet.ask(Do(returns(1))), puppet.statistics().queued) == (1, 0)

    await cancel_everywhere(scenario)
