"""What becomes of messages around a crash: overtaken by it, or in time for the next incarnation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest
import trio
from puppet import Do, Order, Puppet, nothing, returns

from runtime import (
    Actor,
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    Ask,
    Backoff,
    ChildOptions,
    Exit,
    MailboxOptions,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
    Sink,
    Stream,
    System,
    Tell,
    open_system,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from runtime import Ref


class Counting: ...


@attrs.frozen
class Add(Ask[Counting, int]): ...


@attrs.frozen
class Fail(Ask[Counting, None]):
    after: float = 0.0


@attrs.frozen
class Note(Tell[Counting]): ...


class Counter(Actor, Counting):
    cleanup_seconds = 0.0

    def __init__(self) -> None:
        self.count = 0

    async def stopped(self, exit: Exit) -> None:  # noqa: ARG002
        await trio.sleep(self.cleanup_seconds)

    @Add.handles
    async def add(self, _: Add) -> int:
        self.count += 1
        return self.count

    @Fail.handles
    async def fail(self, message: Fail) -> None:
        await trio.sleep(message.after)
        raise ValueError

    @Note.handles
    async def note(self, _: Note) -> None:
        self.count += 10


class SlowlyCleaned(Counter):
    cleanup_seconds = 1.0


async def crash(counter: Ref[Counter]) -> None:
    with pytest.raises(ActorCrashed):
        await counter.ask(Fail())


@pytest.mark.parametrize("factory", [Counter, SlowlyCleaned])
async def test_an_ask_right_after_a_crash_waits_for_the_next_incarnation(
    factory: type[Counter],
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with open_system() as system:
        counter = await system.spawn(factory)
        for _ in range(3):
            await crash(counter)

            assert await counter.ask(Add()) == 1


async def test_a_tell_right_after_a_crash_is_handled_by_the_next_incarnation() -> None:
    async with open_system() as system:
        counter = await system.spawn(Counter)
        await crash(counter)

        await counter.tell(Note())

        assert await counter.ask(Add()) == 11


async def test_what_was_queued_at_the_crash_is_not_started_by_the_next_incarnation(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        counter = await system.spawn(SlowlyCleaned)
        nursery.start_soon(swallow_crash, counter)
        await trio.testing.wait_all_tasks_blocked()

        with pytest.raises(ActorRestarting) as caught:
            await counter.ask(Add())

        assert caught.value.message == Add()


async def test_what_was_queued_at_a_crash_does_not_wait_for_the_backoff_to_pass(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        group = await system.supervise("group", backoff=Backoff(first=2, jitter=0))
        counter = await group.spawn(Counter)
        before = trio.current_time()
        nursery.start_soon(swallow_crash, counter)
        await trio.testing.wait_all_tasks_blocked()

        with pytest.raises(ActorRestarting) as caught:
            await counter.ask(Add())

        assert caught.value.message == Add()
        assert trio.current_time() == before + 1


async def swallow_crash(counter: Ref[Counter]) -> None:
    with pytest.raises(ActorCrashed):
        await counter.ask(Fail(after=1))


async def test_an_ask_during_a_backoff_fails_at_once(autojump_clock: MockClock) -> None:  # noqa: ARG001
    async with open_system() as system:
        group = await system.supervise("group", backoff=Backoff(first=2, jitter=0))
        counter = await group.spawn(Counter)
        await crash(counter)
        before = trio.current_time()

        with pytest.raises(ActorRestarting):
            await counter.ask(Add())

        assert trio.current_time() == before
        await trio.sleep(3)
        assert await counter.ask(Add()) == 1


async def test_concurrent_turns_begin_in_the_order_of_arrival() -> None:
    for _ in range(10):
        async with open_system() as system:
            assert await beginnings(system) == list(range(20))


class Beginning: ...


@attrs.frozen
class Begin(Ask[Beginning, None]):
    number: int


class Beginner(Actor, Beginning):
    def __init__(self, begun: list[int]) -> None:
        self.begun = begun

    @Begin.handles(concurrent=True)
    async def begin(self, message: Begin) -> None:
        self.begun.append(message.number)


async def beginnings(system: System) -> list[int]:
    begun: list[int] = []
    beginner = await system.spawn(Beginner, begun)
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(beginner.ask, Begin(number))
            await trio.lowlevel.checkpoint()
    return begun


async def test_an_actor_with_a_kept_mailbox_is_gone_when_its_supervisor_has_given_up() -> None:
    keeping = ChildOptions(keep_mailbox=True)
    async with open_system() as system:
        group = await system.supervise(
            "group",
            strategy=RestartStrategy.ONE_FOR_ALL,
            limit=RestartLimit(restarts=0),
            restart=RestartPolicy.TEMPORARY,
        )
        broken = await group.spawn(Counter)
        sibling = await group.spawn(Counter, options=keeping)
        await crash(broken)
        async with sibling.watch() as watch:
            await watch.wait()

        with pytest.raises(ActorStopped):
            await sibling.ask(Add())


async def test_a_sibling_that_is_taken_down_keeps_its_messages_where_there_is_no_backoff() -> None:
    async with open_system() as system:
        group = await system.supervise("group", strategy=RestartStrategy.REST_FOR_ONE)
        first = await group.spawn(Counter)
        second = await group.spawn(Counter)
        for _ in range(3):
            await crash(first)

            assert await second.ask(Add()) in {1, 2, 3}


async def test_a_sibling_that_is_being_taken_down_takes_in_messages_for_its_next_life(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with open_system() as system:
        group = await system.supervise("group", strategy=RestartStrategy.REST_FOR_ONE)
        first = await group.spawn(Counter)
        second = await group.spawn(SlowlyCleaned)
        await crash(first)
        await trio.sleep(0.5)
        assert second.statistics().state == "stopping"

        assert await second.ask(Add()) == 1


async def test_asking_again_and_again_lets_the_actor_come_back() -> None:
    async with open_system() as system:
        group = await system.supervise("group", backoff=Backoff(first=0.01, jitter=0))
        counter = await group.spawn(Counter)
        await crash(counter)

        with trio.fail_after(5):
            assert await ask_until_it_answers(counter) == 1


async def ask_until_it_answers(counter: Ref[Counter]) -> int:
    while True:
        try:
            return await counter.ask(Add())
        except ActorRestarting:
            continue


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: ChildOptions(restart=cast("Any", "temporary")), "RestartPolicy.TEMPORARY"),
        (lambda: MailboxOptions(overflow=cast("Any", "fail")), "Overflow.FAIL"),
    ],
)
def test_a_word_in_place_of_an_option_is_refused(make: Callable[[], object], hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        make()


async def test_a_word_in_place_of_a_strategy_is_refused() -> None:
    async with open_system() as system:
        with pytest.raises(TypeError, match="must be a RestartStrategy"):
            await system.supervise("group", strategy=cast("Any", "rest_for_one"))


class Interrupting: ...


@attrs.frozen
class Interrupt(Stream[Interrupting, int]): ...


class Interrupter(Actor, Interrupting):
    @Interrupt.handles
    async def interrupt(self, _: Interrupt, out: Sink[int]) -> None:
        await out.send(1)
        raise KeyboardInterrupt


async def read_to_the_interrupt() -> None:
    async with open_system() as system:
        interrupter = await system.spawn(Interrupter)
        async with interrupter.stream(Interrupt()) as numbers:
            async for _ in numbers:
                pass


async def test_an_interrupt_in_a_stream_is_not_lost_to_the_crash_that_its_reader_sees() -> None:
    for _ in range(10):
        with pytest.raises(KeyboardInterrupt):
            await read_to_the_interrupt()


async def test_a_sender_in_line_goes_on_when_a_crash_has_made_room(
    autojump_clock: MockClock,
) -> None:
    del autojump_clock

    async def stopped_slowly(*_: object) -> None:
        await trio.sleep(1)

    async def crash_late(_: Puppet) -> None:
        await trio.sleep(1)
        raise ValueError

    async with open_system() as system:
        options = ChildOptions(mailbox=MailboxOptions(1))
        puppet = await system.spawn(Puppet, nothing, stopped_slowly, options=options)
        await puppet.tell(Order(crash_late))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.tell(Order(nothing))  # shares the fate of the crash
        await trio.sleep(1.5)
        with trio.fail_after(5):
            await puppet.tell(Order(nothing))  # comes after it, and finds no room
        assert await puppet.ask(Do(returns(1))) == 1
