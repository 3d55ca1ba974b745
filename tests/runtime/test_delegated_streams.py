"""A stream that others answer: `stream_into` in the middle of one, `forward` in place of it."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import (
    Do,
    Feed,
    FeedBeside,
    Feeding,
    Order,
    Puppet,
    Refused,
    crash_now,
    nothing,
    returns,
    sleeps,
)

from runtime import (
    ActorCrashed,
    ActorStopped,
    AskCycle,
    ChildOptions,
    MailboxFull,
    MailboxOptions,
    Overflow,
    Ref,
    Sink,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

KINDS = pytest.mark.parametrize("kind", [Feed, FeedBeside])


def sends(*items: object) -> Feeding:
    async def feeding(_: Puppet, out: Sink[Any]) -> None:
        for item in items:
            await out.send(item)

    return feeding


def delegates(ref: Ref[Puppet], feeding: Feeding, kind: Any = Feed) -> Feeding:
    """Feeding that sends "before", what another actor sends, and "after"."""

    async def work(_: Puppet, out: Sink[Any]) -> None:
        await out.send("before")
        await ref.stream_into(kind(feeding), out)
        await out.send("after")

    return work


def hands_on(ref: Ref[Puppet], feeding: Feeding, kind: Any = Feed) -> Feeding:
    """Feeding that sends "before" and forwards the rest."""

    async def work(puppet: Puppet, out: Sink[Any]) -> None:
        await out.send("before")
        return puppet.forward(ref, kind(feeding), out)

    return work


async def all_of(ref: Ref[Puppet], message: Any, buffer: int = 1) -> list[Any]:
    async with ref.stream(message, buffer=buffer) as items:
        return [item async for item in items]


async def read_all(items: AsyncIterator[Any], into: list[Any]) -> None:
    async for item in items:
        into.append(item)  # noqa: PERF401 - those before an error are kept, too


@KINDS
@pytest.mark.parametrize("buffer", [0, 1, 5])
async def test_items_come_in_the_order_in_which_they_were_sent(kind: Any, buffer: int) -> None:
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        delegating = kind(delegates(second, sends(1, 2, 3), kind))
        assert await all_of(first, delegating, buffer) == ["before", 1, 2, 3, "after"]
        forwarding = kind(hands_on(second, sends(1, 2, 3), kind))
        assert await all_of(first, forwarding, buffer) == ["before", 1, 2, 3]


@pytest.mark.parametrize("buffer", [0, 1])
async def test_depth_costs_no_steps_per_item(buffer: int) -> None:
    async def steps(depth: int, items: int) -> int:
        class Counting(trio.abc.Instrument):
            count = 0

            def after_task_step(self, task: trio.lowlevel.Task) -> None:
                del task  # whose step it was does not matter
                self.count += 1

        async with open_system() as system:
            puppets = [await system.spawn(Puppet) for _ in range(depth)]
            feeding = sends(*range(items))
            for puppet in puppets[1:]:
                feeding = delegates(puppet, feeding)
            counting = Counting()
            trio.lowlevel.add_instrument(counting)
            got = await all_of(puppets[0], Feed(feeding), buffer)
            trio.lowlevel.remove_instrument(counting)
            assert [item for item in got if isinstance(item, int)] == list(range(items))
            assert [puppet.statistics().handled for puppet in puppets] == [1] * depth
            return counting.count

    for depth in (1, 5):
        grown = await steps(depth, 200) - await steps(depth, 100)
        assert grown <= 110  # one switch between sender and reader for each item


@KINDS
async def test_a_slow_reader_holds_the_last_sender_back(
    kind: Any, autojump_clock: MockClock
) -> None:
    sent = list[int]()

    async def feeding(_: Puppet, out: Sink[int]) -> None:
        for number in range(5):
            await out.send(number)
            sent.append(number)

    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        for work in (delegates(second, feeding, kind), hands_on(second, feeding, kind)):
            sent.clear()
            async with first.stream(kind(work), buffer=1) as items:
                assert await anext(aiter(items)) == "before"
                await trio.testing.wait_all_tasks_blocked()
                assert sent == [0]
                assert second.statistics().waiting_for != ()
            assert second.statistics().handling == ()


@KINDS
async def test_a_reader_that_leaves_cancels_leaf_first(
    kind: Any, autojump_clock: MockClock
) -> None:
    ended = list[str]()

    def noting(name: str, feeding: Feeding) -> Feeding:
        async def work(puppet: Puppet, out: Sink[Any]) -> None:
            try:
                await feeding(puppet, out)
            except trio.Cancelled as error:
                ended.append(f"{name}: {error.reason}")
                raise

        return work

    async def feeding(_: Puppet, out: Sink[Any]) -> None:
        try:
            await trio.sleep(100)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)

    async with open_system() as system:
        a, b, c = [await system.spawn(Puppet) for _ in range(3)]
        last = kind(noting("c", feeding))
        onward = delegates(c, last.feeding, kind)
        async with a.stream(kind(noting("a", delegates(b, noting("b", onward), kind)))) as items:
            assert [await anext(aiter(items)) for _ in range(2)] == ["before", "before"]
            await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == 1  # as long as the last one took to end
        assert [ended[0], ended[1], ended[2]] == [
            f"{name}: the reader has left" for name in ("c", "b", "a")
        ]
        assert [await ref.ask(Do(returns(1))) for ref in (a, b, c)] == [1, 1, 1]


async def test_a_reader_that_leaves_takes_a_forwarded_stream_back(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        await second.tell(Order(sleeps(10)))
        async with first.stream(Feed(hands_on(second, sends(1)))) as items:
            assert await anext(aiter(items)) == "before"
            await trio.testing.wait_all_tasks_blocked()
            assert second.statistics().queued == 1
        assert (second.statistics().queued, trio.current_time()) == (0, 0)
        await second.ask(Do(nothing))
        assert second.statistics().handled == 2


@pytest.mark.parametrize("made", [delegates, hands_on])
async def test_what_was_sent_before_a_crash_is_read_before_it_is_raised(made: Any) -> None:
    async def feeding(_: Puppet, out: Sink[int]) -> None:
        await out.send(1)
        raise ValueError("lost")

    got = list[Any]()
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet, name="second")
        async with first.stream(Feed(made(second, feeding)), buffer=9) as items:
            with pytest.raises(ActorCrashed) as caught:
                await read_all(items, got)
        assert got == ["before", 1]
        assert caught.value.path == "/second"
        await trio.testing.wait_all_tasks_blocked()
        assert (first.statistics().restarts, second.statistics().restarts) == (0, 1)


async def test_a_handler_may_go_on_after_the_error_of_a_delegate() -> None:
    async def refuse(_: Puppet, out: Sink[Any]) -> None:
        await out.send("half")
        raise Refused

    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)
        await second.ask(Do(nothing))

        async def work(_: Puppet, out: Sink[Any]) -> None:
            try:
                await second.stream_into(Feed(refuse), out)
            except Refused:
                await second.stream_into(Feed(sends("again")), out)

        assert await all_of(first, Feed(work)) == ["half", "again"]


async def test_a_delegate_that_is_gone_or_full_is_an_error_of_the_call(
    autojump_clock: MockClock,
) -> None:
    options = ChildOptions(mailbox=MailboxOptions(1, Overflow.FAIL))
    async with open_system() as system:
        first, gone = await system.spawn(Puppet), await system.spawn(Puppet)
        full = await system.spawn(Puppet, options=options)
        await gone.stop()
        await full.tell(Order(sleeps(1)))
        await trio.testing.wait_all_tasks_blocked()
        await full.tell(Order(nothing))
        for ref, kind in ((gone, ActorStopped), (full, MailboxFull)):
            for made in (delegates, hands_on):
                with pytest.raises(kind):
                    await all_of(first, Feed(made(ref, sends(1))))
        with pytest.raises(TypeError, match=r"Do is sent with `ref\.ask"):
            await first.stream_into(Do(nothing), object())  # type: ignore[arg-type]


@KINDS
async def test_a_crash_of_the_one_who_delegates_ends_the_delegate(
    kind: Any, autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)

        async def feeding(_: Puppet, out: Sink[Any]) -> None:
            await trio.sleep(100)

        async with first.stream(FeedBeside(delegates(second, feeding, kind))) as items:
            assert await anext(aiter(items)) == "before"
            await trio.testing.wait_all_tasks_blocked()
            await crash_now(first)
            assert (second.statistics().handling, second.statistics().restarts) == ((), 0)
            with pytest.raises(ActorCrashed):
                await anext(aiter(items))
        assert trio.current_time() == 0


async def test_two_delegates_at_once_share_the_stream() -> None:
    async with open_system() as system:
        first, *others = [await system.spawn(Puppet) for _ in range(3)]

        async def work(_: Puppet, out: Sink[Any]) -> None:
            async with trio.open_nursery() as nursery:
                for number, other in enumerate(others):
                    feeding = sends(*range(10 * number, 10 * number + 10))
                    nursery.start_soon(other.stream_into, Feed(feeding), out)

        got = await all_of(first, Feed(work), 0)
        assert sorted(got) == list(range(20))
        for number in range(2):
            assert [item for item in got if item // 10 == number] == sorted(got)[
                10 * number : 10 * number + 10
            ]


async def test_a_delegate_that_would_wait_for_its_own_end_is_refused() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with pytest.raises(AskCycle):
            await all_of(puppet, Feed(delegates(puppet, sends(1))))
        # A handler that is done with its message leaves the actor free for it
        assert await all_of(puppet, Feed(hands_on(puppet, sends(1)))) == ["before", 1]
        assert puppet.statistics().restarts == 0


@pytest.mark.parametrize("reader_waits", [False, True])
async def test_a_stream_that_is_forwarded_to_its_reader_ends_there_with_a_cycle(
    reader_waits: bool,  # noqa: FBT001 - a parameter
) -> None:
    async with open_system() as system:
        first, second = await system.spawn(Puppet), await system.spawn(Puppet)

        async def hand_back(puppet: Puppet, out: Sink[Any]) -> None:
            await out.send("before")
            if reader_waits:
                await trio.testing.wait_all_tasks_blocked()
            return puppet.forward(first, Feed(sends(1)), out)

        async def read_back(_: Puppet) -> list[Any]:
            return await all_of(second, Feed(hand_back))

        with trio.fail_after(1), pytest.raises(AskCycle):
            await first.ask(Do(read_back))
        assert [ref.statistics().restarts for ref in (first, second)] == [0, 0]


async def test_cancelled_anywhere_delegates_leave_nothing() -> None:
    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            a, b, c = [await system.spawn(Puppet) for _ in range(3)]
            for last in (delegates(c, sends(1, 2)), hands_on(c, sends(1, 2), FeedBeside)):
                async with a.stream(Feed(delegates(b, last)), buffer=0) as items:
                    async for item in items:
                        if item == 2:
                            break
            for ref in (a, b, c):
                assert await ref.ask(Do(returns(1))) == 1
                assert ref.statistics().handling == ()

    await cancel_everywhere(scenario)
