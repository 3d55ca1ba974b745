"""A call that would wait for itself is refused; one that only waits long is not."""

# ruff: noqa: ARG001 - a clock is asked for, not used
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from puppet import (
    Do,
    DoBeside,
    Feed,
    FeedBeside,
    Order,
    Puppet,
    nothing,
    outcome_of,
    returns,
    sleeps,
)

from runtime import AskCycle, ChildOptions, MailboxOptions, Ref, Sink, Supervisor, open_system
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from trio.testing import MockClock

SMALL = ChildOptions(mailbox=MailboxOptions(1))
Work = "Callable[[Puppet], Coroutine[Any, Any, Any]]"


def asks(ref: Ref[Puppet], message: Do | DoBeside) -> Any:
    async def work(_: Puppet) -> Any:
        return await ref.ask(message)

    return work


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_an_ask_to_oneself_is_refused_and_the_actor_goes_on() -> None:
    async def ask_oneself(puppet: Puppet) -> Any:
        message = Do(nothing)
        with pytest.raises(AskCycle) as caught:
            await puppet.ref.ask(message)
        assert caught.value.chain == ("/me", "/me")
        assert caught.value.message is message
        return "went on"

    async with open_system() as system:
        me = await system.spawn(Puppet, name="me")
        assert await me.ask(Do(ask_oneself)) == "went on"
        assert me.statistics().queued == 0


@pytest.mark.parametrize("length", [2, 3, 10])
async def test_a_chain_that_comes_back_is_refused_with_all_its_paths(length: int) -> None:
    async with open_system() as system:
        refs = [await system.spawn(Puppet, name=f"p{number}") for number in range(length)]
        message = Do(nothing)
        for ref in reversed([*refs[1:], refs[0]]):
            message = Do(asks(ref, message))
        with pytest.raises(AskCycle) as caught:
            await refs[0].ask(message)
        paths = [ref.path for ref in refs]
        assert caught.value.chain == (paths[-1], *paths)
        assert [await ref.ask(Do(returns(1))) for ref in refs] == [1] * length


async def test_the_loop_is_found_through_messages_that_wait_in_a_mailbox(
    autojump_clock: MockClock,
) -> None:
    async def then_ask_a(_: Puppet) -> None:
        await trio.sleep(1)
        with pytest.raises(AskCycle) as caught:
            await a.ask(Do(nothing))
        assert caught.value.chain == ("/b", "/a", "/b")

    async with open_system() as system, trio.open_nursery() as nursery:
        a = await system.spawn(Puppet, name="a")
        b = await system.spawn(Puppet, name="b")
        nursery.start_soon(b.ask, Do(then_ask_a))
        await settle()
        nursery.start_soon(a.ask, Do(asks(b, Do(nothing))))  # waits behind `then_ask_a`


async def test_a_busy_actor_is_no_loop(autojump_clock: MockClock) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        a, b, c = [await system.spawn(Puppet) for _ in range(3)]
        nursery.start_soon(c.ask, Do(sleeps(5)))
        nursery.start_soon(b.ask, Do(asks(c, Do(nothing))))
        await settle()
        assert await a.ask(Do(asks(b, Do(asks(c, Do(returns(3))))))) == 3
        assert trio.current_time() >= 5


async def test_a_concurrent_handler_may_ask_back() -> None:
    async with open_system() as system:
        a, b = [await system.spawn(Puppet) for _ in range(2)]
        assert await a.ask(DoBeside(asks(b, Do(asks(a, Do(returns(3))))))) == 3
        assert await a.ask(DoBeside(asks(b, Do(asks(a, DoBeside(returns(4))))))) == 4


async def test_a_background_task_may_ask_its_own_actor() -> None:
    replies = list[Any]()

    async def ask_later(puppet: Puppet) -> None:
        async def ask() -> None:
            replies.append(await puppet.ref.ask(Do(returns(1))))

        puppet.start_soon(ask)
        await trio.lowlevel.checkpoint()

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(Do(ask_later))
        await settle()
    assert replies == [1]


async def test_a_handler_that_asks_two_at_once_is_refused_only_the_one_that_comes_back() -> None:
    async def ask_both(puppet: Puppet) -> list[Any]:
        found = list[Any]()

        async def ask(message: Do) -> None:
            try:
                found.append(await b.ask(message))
            except AskCycle:
                found.append("refused")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, Do(returns("fine")))
            nursery.start_soon(ask, Do(asks(puppet.ref, Do(nothing))))
        return sorted(found)

    async with open_system() as system:
        a, b = [await system.spawn(Puppet) for _ in range(2)]
        assert await a.ask(Do(ask_both)) == ["fine", "refused"]


async def test_a_tell_is_refused_where_only_its_own_sender_would_make_room() -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        a, b = [await system.spawn(Puppet, name=name, options=SMALL) for name in "ab"]

        async def fill_up(_: Puppet) -> None:
            await settle()  # b has asked a, which is busy with this
            await b.tell(Order(nothing))
            late = Order(nothing)
            with pytest.raises(AskCycle) as caught:
                await b.tell(late)
            assert caught.value.chain == ("/a", "/b", "/a")
            assert caught.value.message is late
            assert b.statistics().in_line == 0
            with pytest.raises(trio.WouldBlock):
                b.tell_nowait(late)

        nursery.start_soon(b.ask, Do(asks(a, Do(nothing))))
        await a.tell(Order(fill_up))


async def test_an_ask_is_refused_while_the_asked_one_stands_in_line_at_the_asker() -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        a, b = [await system.spawn(Puppet, name=name, options=SMALL) for name in "ab"]

        async def ask_a(_: Puppet) -> None:
            await settle()  # a stands in line here
            with pytest.raises(AskCycle) as caught:
                await a.ask(Do(nothing))
            assert caught.value.chain == ("/b", "/a", "/b")

        async def tell_twice(_: Puppet) -> None:
            await b.tell(Order(nothing))
            await b.tell(Order(nothing))

        nursery.start_soon(b.ask, Do(ask_a))
        nursery.start_soon(a.ask, Do(tell_twice))


async def test_a_handler_that_would_wait_for_its_own_end_is_refused() -> None:
    async def stop_oneself(puppet: Puppet) -> None:
        with pytest.raises(AskCycle):
            await puppet.ref.stop()
        assert puppet.ref.statistics().state == "running"

    async def stop_all(_: Puppet) -> None:
        with pytest.raises(AskCycle):
            await group.stop()

    async with open_system() as system:
        group = await system.supervise("group")
        puppet = await group.spawn(Puppet)
        await puppet.ask(Do(stop_oneself))
        await puppet.ask(DoBeside(stop_oneself))
        await puppet.ask(Do(stop_all))
        assert await puppet.ask(Do(returns(1))) == 1


async def test_an_actor_that_is_being_stopped_is_refused_an_ask_to_whoever_waits_for_that(
    autojump_clock: MockClock,
) -> None:
    async def ask_later(_: Puppet) -> str:
        await trio.sleep(1)
        with pytest.raises(AskCycle):
            await a.ask(Do(nothing))
        return "refused"

    async def stop_b(_: Puppet) -> float:
        await b.stop()
        return trio.current_time()

    replies = list[Any]()

    async def ask_b() -> None:
        replies.append(await b.ask(Do(ask_later)))

    async with open_system() as system, trio.open_nursery() as nursery:
        a, b = [await system.spawn(Puppet, name=name) for name in "ab"]
        nursery.start_soon(ask_b)
        await settle()
        assert await a.ask(Do(stop_b)) < 2  # not only after its grace
    assert replies == ["refused"]


async def test_a_child_that_asks_its_parent_while_it_starts_is_refused() -> None:
    async def spawn_child(puppet: Puppet) -> None:
        async def ask_parent(_: Puppet) -> None:
            await puppet.ref.ask(Do(nothing))

        with pytest.raises(AskCycle) as caught:
            await puppet.spawn(Puppet, ask_parent, name="child")
        assert caught.value.chain[0] == "/parent/child (started)"

    async with open_system() as system:
        parent = await system.spawn(Puppet, name="parent")
        await parent.ask(Do(spawn_child))


async def test_asks_of_two_actors_that_start_each_other_are_refused() -> None:
    async with open_system() as system:
        first = await system.spawn(Puppet, name="first")

        async def ask_first(puppet: Puppet) -> Any:
            return await first.ask(Do(asks(puppet.ref, Do(nothing))))

        with pytest.raises(AskCycle):
            await system.spawn(Puppet, ask_first, name="second")


# Streams


async def three(_: Puppet, out: Sink[int]) -> None:
    for number in range(3):
        await out.send(number)


@pytest.mark.parametrize("items_before", [0, 1])
async def test_a_reader_that_asks_the_actor_that_streams_to_it_is_told(items_before: int) -> None:
    """The stream occupies the actor, waits for the reader, and the reader would wait for it."""
    async with open_system() as system:
        puppet = await system.spawn(Puppet, name="puppet")
        async with puppet.stream(Feed(three)) as items:
            for _ in range(items_before):
                await anext(items)
            await settle()
            with pytest.raises(AskCycle):
                await puppet.ask(Do(nothing))
        assert await puppet.ask(Do(returns(1))) == 1


async def test_the_stream_is_refused_where_its_send_is_the_last_to_wait() -> None:
    async def later(_: Puppet, out: Sink[int]) -> None:
        await settle()  # the reader has asked
        await three(_, out)

    async with open_system() as system:
        puppet = await system.spawn(Puppet, name="puppet")
        async with puppet.stream(Feed(later)) as items:
            assert await puppet.ask(Do(returns(1))) == 1
            assert await anext(items) == 0
            with pytest.raises(AskCycle) as caught:
                [item async for item in items]
            assert caught.value.chain[0] == "/puppet"


async def test_a_concurrent_stream_is_no_loop() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        async with puppet.stream(FeedBeside(three)) as items:
            await settle()
            assert await puppet.ask(Do(returns(1))) == 1
            assert [item async for item in items] == [0, 1, 2]


async def test_a_handler_that_asks_the_actor_that_reads_its_stream_is_refused() -> None:
    async with open_system() as system:
        reader = await system.spawn(Puppet, name="reader")
        writer = await system.spawn(Puppet, name="writer")

        async def ask_reader(_: Puppet, out: Sink[int]) -> None:
            await out.send(1)
            await settle()  # the reader waits for the next item
            await reader.ask(Do(nothing))

        async def read(_: Puppet) -> None:
            async with writer.stream(Feed(ask_reader)) as items:
                async for _item in items:
                    pass

        with pytest.raises(AskCycle) as caught:
            await reader.ask(Do(read))
        assert caught.value.chain == ("/writer", "/reader", "/writer")


@pytest.mark.parametrize("is_in_handler", [True, False])
async def test_a_reader_in_a_task_of_its_own_leaves_the_others_free_to_ask(
    autojump_clock: MockClock,
    is_in_handler: bool,  # noqa: FBT001 - a case
) -> None:
    async def read_and_ask(_: Puppet | None = None) -> tuple[list[int], int]:
        taken = list[int]()

        async def read(items: Any) -> None:
            async for item in items:
                await trio.sleep(1)
                taken.append(item)

        async with writer.stream(Feed(three)) as items, trio.open_nursery() as nursery:
            nursery.start_soon(read, items)
            reply = await writer.ask(Do(returns(5)))
        return taken, reply

    async with open_system() as system:
        reader, writer = [await system.spawn(Puppet) for _ in range(2)]
        got = await (reader.ask(Do(read_and_ask)) if is_in_handler else read_and_ask())
        assert got == ([0, 1, 2], 5)


async def test_a_reader_may_read_the_first_item_and_leave_the_others_to_a_task() -> None:
    taken = list[int]()

    async def read_on(items: Any) -> None:
        taken.extend([item async for item in items])

    async with open_system() as system:
        writer = await system.spawn(Puppet)
        async with writer.stream(Feed(three)) as items:
            taken.append(await anext(items))
            await settle()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read_on, items)
                assert await writer.ask(Do(returns(5))) == 5
    assert taken == [0, 1, 2]


async def test_a_reader_is_told_of_a_loop_although_it_has_others_beside_it(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        writer = await system.spawn(Puppet)
        async with writer.stream(Feed(three)) as items, trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await anext(items)  # so it is not the other one that reads
            await settle()
            with pytest.raises(AskCycle):
                await writer.ask(Do(nothing))
            nursery.cancel_scope.cancel()


async def test_leaving_a_stream_whose_handler_asks_back_while_it_cleans_up_ends(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        reader, writer = [await system.spawn(Puppet) for _ in range(2)]

        async def ask_at_the_end(_: Puppet, out: Sink[int]) -> None:
            try:
                await out.send(1)
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await reader.ask(Do(nothing))

        async def leave(_: Puppet) -> str:
            async with writer.stream(Feed(ask_at_the_end)) as items:
                await anext(items)
            return "left"

        assert await reader.ask(Do(leave)) == "left"
        assert trio.current_time() == 0


async def test_leaving_a_stream_whose_shielded_handler_has_asked_back_ends(
    autojump_clock: MockClock,
) -> None:
    refused = list[AskCycle]()

    async with open_system() as system:
        reader, writer = [await system.spawn(Puppet) for _ in range(2)]

        async def ask_shielded(_: Puppet, out: Sink[int]) -> None:
            await out.send(1)
            with trio.CancelScope(shield=True):
                try:
                    await reader.ask(Do(nothing))
                except AskCycle as cycle:
                    refused.append(cycle)

        async def leave(_: Puppet) -> str:
            async with writer.stream(Feed(ask_shielded)) as items:
                await anext(items)
                await trio.sleep(1)
                assert reader.statistics().queued == 1
            return "left"

        assert await reader.ask(Do(leave)) == "left"
        assert trio.current_time() == 1
    assert len(refused) == 1


# Tasks of others


@pytest.mark.parametrize("is_asked_through", [True, False])
async def test_a_task_that_a_handler_began_elsewhere_is_not_waited_for_by_it(
    autojump_clock: MockClock,
    is_asked_through: bool,  # noqa: FBT001 - a case
) -> None:
    replies = list[Any]()

    async def ask_alone() -> None:
        message = Do(returns(1))
        message = Do(asks(a, message)) if is_asked_through else message
        replies.append(await (b if is_asked_through else a).ask(message))

    async def begin(_: Puppet) -> None:
        nursery.start_soon(ask_alone)
        await trio.sleep(1)

    async with open_system() as system, trio.open_nursery() as nursery:
        a, b = await spawn_two(system)
        await a.ask(Do(begin))
    assert replies == [1]


@pytest.mark.parametrize("abandon", [True, False])
async def test_a_thread_that_a_handler_waits_for_asks_for_the_handler(
    abandon: bool,  # noqa: FBT001 - a case
) -> None:
    async def ask_from_thread(puppet: Puppet) -> Any:
        def ask() -> None:
            trio.from_thread.run(puppet.ref.ask, Do(nothing))

        with pytest.raises(AskCycle):
            await trio.to_thread.run_sync(ask, abandon_on_cancel=abandon)

    async with open_system() as system:
        await (await system.spawn(Puppet)).ask(Do(ask_from_thread))


async def test_a_task_that_a_handler_began_elsewhere_may_read_a_stream_of_it() -> None:
    taken = list[int]()

    async def read() -> None:
        async with a.stream(Feed(three)) as items:
            taken.extend([item async for item in items])

    async def begin(_: Puppet) -> None:
        nursery.start_soon(read)
        await settle()

    async with open_system() as system, trio.open_nursery() as nursery:
        a, _ = await spawn_two(system)
        await a.ask(Do(begin))
    assert taken == [0, 1, 2]


# What is left after


async def test_a_wait_that_was_given_up_closes_no_loop(autojump_clock: MockClock) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        a, b = [await system.spawn(Puppet, name=name) for name in "ab"]

        async def give_up_and_sleep(_: Puppet) -> None:
            with trio.move_on_after(1):
                await b.ask(Do(nothing))
            await trio.sleep(5)

        async def sleep_and_ask(_: Puppet) -> Any:
            await trio.sleep(3)
            return await a.ask(Do(returns(trio.current_time())))

        nursery.start_soon(a.ask, Do(give_up_and_sleep))
        assert await b.ask(Do(sleep_and_ask)) == 3


async def test_the_tree_says_who_waits_for_whom(autojump_clock: MockClock) -> None:
    async with assert_no_leaks(), open_system() as system, trio.open_nursery() as nursery:
        a, b, c = [await system.spawn(Puppet, name=name, options=SMALL) for name in "abc"]
        nursery.start_soon(a.ask, Do(asks(b, Do(asks(c, Do(sleeps(3)))))))
        nursery.start_soon(a.ask, DoBeside(asks(c, Do(nothing))))
        await settle()
        assert a.statistics().waiting_for == ("/b",)  # the other waits for its turn
        assert b.statistics().waiting_for == ("/c",)
        assert c.statistics().waiting_for == ()
        await trio.sleep(4)
        assert {ref.statistics().waiting_for for ref in (a, b, c)} == {()}


async def spawn_two(above: Supervisor) -> tuple[Ref[Puppet], Ref[Puppet]]:
    return await above.spawn(Puppet, name="a"), await above.spawn(Puppet, name="b")


async def test_a_forwarded_ask_that_would_close_a_loop_ends_with_that_error(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        a, b = await spawn_two(system)

        async def forward_back(puppet: Puppet) -> Any:
            return puppet.forward(a, Do(nothing))

        with pytest.raises(AskCycle) as caught:
            await a.ask(Do(asks(b, Do(forward_back))))
        assert caught.value.chain == ("/a", "/a")


async def test_a_sender_that_has_got_room_waits_for_nobody(autojump_clock: MockClock) -> None:
    async def ask_a(_: Puppet) -> Any:
        return await a.ask(Do(returns("a")))

    async def tell_b(_: Puppet) -> None:
        await b.tell(Order(nothing))

    replies = list[Any]()
    async with open_system() as system, trio.open_nursery() as nursery:
        a = await system.spawn(Puppet)
        b = await system.spawn(Puppet, options=ChildOptions(mailbox=MailboxOptions(1)))
        await b.tell(Order(sleeps(1)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(outcome_of, b, Do(ask_a), replies)
        await trio.testing.wait_all_tasks_blocked()
        await a.ask(Do(tell_b))  # in line until the other begins to ask
    assert replies == ["a"]
