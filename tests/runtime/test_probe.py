"""A probe in place of an actor: what it shows, what it answers, and what it says when it cannot."""

# ruff: noqa: ARG001 - the fixture `autojump_clock` makes time virtual by being there

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
import pytest
import trio
from puppet import Do, Puppet

from runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Ask,
    Crashed,
    Ref,
    Stream,
    System,
    Tell,
    open_system,
)
from runtime.testing import Probe, record_facts, simulate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from trio.testing import MockClock

T = TypeVar("T")


class Account: ...


class Overdrawn(Exception):
    """A declared error."""


@attrs.frozen
class Deposit(Ask[Account, int]):
    raises = (Overdrawn,)
    amount: int


@attrs.frozen
class Balance(Ask[Account, int]): ...


@attrs.frozen
class Note(Tell[Account]):
    text: str


@attrs.frozen
class History(Stream[Account, str]):
    last: int


class Other: ...


@attrs.frozen
class Unrelated(Ask[Other, int]): ...


@pytest.fixture
async def system() -> AsyncGenerator[System]:
    async with open_system() as system:
        yield system


@pytest.fixture
async def account(system: System) -> Probe[Account]:
    return await Probe.spawn(system, Account, name="account")


# What it shows


async def test_it_stands_where_the_actor_would(
    system: System, account: Probe[Account], autojump_clock: MockClock
) -> None:
    assert account.ref.path == "/account"
    assert system.whereis("/account", Account) == account.ref
    assert (await Probe.spawn(system, Account)).ref.path == "/probe-1"


async def test_an_expected_message_is_given_out_once(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    await account.ref.tell(Note("one"))
    await account.ref.tell(Note("two"))

    assert await account.expect(Note) == Note("one")
    assert await account.expect(Note) == Note("two")
    with pytest.raises(AssertionError, match=r"the probe /account got no Note within 5.0 s, but n"):
        await account.expect(Note)


async def test_it_waits_for_a_message_and_lets_others_wait(
    account: Probe[Account], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def send() -> None:
        await account.ref.tell(Note("hello"))
        await trio.sleep(3)
        await account.ref.ask(Deposit(5))

    nursery.start_soon(send)

    assert await account.expect(Deposit) == Deposit(5)
    assert trio.current_time() == 3
    assert await account.expect(Note) == Note("hello")
    account.reply(5)


async def test_it_does_not_wait_for_ever_and_says_what_came_instead(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    await account.ref.tell(Note("hello"))
    begun = trio.current_time()

    with pytest.raises(AssertionError, match=r"no Deposit within 2 s, but Note\(text='hello'\)"):
        await account.expect(Deposit, within=2)
    assert trio.current_time() == begun + 2


async def test_messages_keep_their_order_of_arrival(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(20):
            await account.ref.tell(Note(str(number)))
            nursery.start_soon(account.ref.ask, Deposit(number))
            await trio.testing.wait_all_tasks_blocked()
        expected: list[object] = []
        for number in range(20):
            expected += [Note(str(number)), Deposit(number)]
        assert list(account.received) == expected
        nursery.cancel_scope.cancel()


async def test_expecting_nothing_waits_and_fails_if_something_comes_or_is_left(
    account: Probe[Account], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def send_later() -> None:
        await trio.sleep(2)
        await account.ref.tell(Note("late"))

    begun = trio.current_time()
    await account.expect_nothing(1)
    assert trio.current_time() == begun + 1
    nursery.start_soon(send_later)
    for _ in range(2):
        with pytest.raises(AssertionError, match=r"got Note\(text='late'\) and expected nothing"):
            await account.expect_nothing(10)
    await account.expect(Note)
    await account.expect_nothing(1)


async def test_two_tests_tasks_that_expect_share_what_comes(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    got = list[str]()

    async def expect() -> None:
        got.append((await account.expect(Note)).text)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect)
        nursery.start_soon(expect)
        await trio.testing.wait_all_tasks_blocked()
        await account.ref.tell(Note("one"))
        await account.ref.tell(Note("two"))

    assert sorted(got) == ["one", "two"]


# Answers by hand


async def ask_for(account: Probe[Account], message: Ask[Account, int], into: list[object]) -> None:
    try:
        into.append(await account.ref.ask(message))
    except (Overdrawn, ActorCrashed, ActorStopped) as error:
        into.append(error)


async def test_a_reply_answers_the_message_that_was_expected_last(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    replies = list[object]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_for, account, Deposit(5), replies)
        await account.expect(Deposit)
        account.reply(6)

    assert replies == [6]


async def test_several_asks_wait_and_each_can_be_answered(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    first, second = list[object](), list[object]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_for, account, Deposit(5), first)
        earlier = await account.expect(Deposit)
        nursery.start_soon(ask_for, account, Deposit(5), second)
        later = await account.expect(Deposit)
        account.reply("early", to=earlier)
        account.reply("late", to=later)

    assert (first, second) == (["early"], ["late"])


async def test_a_reply_goes_to_the_latest_ask_that_waits_whatever_came_since(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    first, second = list[object](), list[object]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_for, account, Deposit(1), first)
        await account.expect(Deposit)
        nursery.start_soon(ask_for, account, Deposit(2), second)
        await account.expect(Deposit)
        await account.ref.tell(Note("a"))
        await account.expect(Note)
        account.reply("to the second")
        account.reply("to the first")

    assert (first, second) == (["to the first"], ["to the second"])


async def test_a_declared_error_reaches_the_asker(
    system: System, account: Probe[Account], autojump_clock: MockClock
) -> None:
    replies = list[object]()
    async with record_facts(system) as facts, trio.open_nursery() as nursery:
        nursery.start_soon(ask_for, account, Deposit(5), replies)
        await account.expect(Deposit)
        account.fail(Overdrawn("no"))

    assert [str(reply) for reply in replies] == ["no"]
    assert isinstance(replies[0], Overdrawn)
    assert facts.of(Crashed) == []


async def test_another_error_crashes_it_and_it_goes_on(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    replies = list[object]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_for, account, Deposit(5), replies)
        await account.expect(Deposit)
        account.fail(ValueError("bug"))
    (crash,) = replies
    assert isinstance(crash, ActorCrashed)
    assert isinstance(crash.__cause__, ValueError)

    await trio.testing.wait_all_tasks_blocked()
    await account.ref.tell(Note("still there"))
    await account.expect(Note)
    assert account.received == (Deposit(5), Note("still there"))


async def test_a_stream_is_sent_item_by_item_and_ended(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    lines = list[str]()

    async def read() -> None:
        async with account.ref.stream(History(2)) as items:
            async for item in items:
                lines.append(item)
        lines.append("end")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        assert await account.expect(History) == History(2)
        await account.send("one")
        await account.send("two")
        await trio.testing.wait_all_tasks_blocked()
        assert lines == ["one", "two"]
        account.end()

    assert lines == ["one", "two", "end"]


async def test_a_stream_can_fail_in_the_middle(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    async def serve() -> None:
        await account.expect(History)
        await account.send("one")
        account.fail(ActorStopped("gone", path="/elsewhere"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with account.ref.stream(History(2)) as items:
            assert await anext(items.__aiter__()) == "one"
            with pytest.raises(ActorStopped, match="gone"):
                await anext(items.__aiter__())


async def test_whoever_has_left_needs_no_answer(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    with trio.move_on_after(1):
        await account.ref.ask(Deposit(5))
    async with account.ref.stream(History(1)):
        await trio.testing.wait_all_tasks_blocked()

    await account.expect(Deposit)
    with pytest.raises(RuntimeError, match="nobody waits at Deposit"):
        account.reply(5)
    await account.expect(History)
    with pytest.raises(RuntimeError, match="nobody waits at History"):
        await account.send("line")


async def test_an_answer_that_fits_nothing_is_refused(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    with pytest.raises(RuntimeError, match=r"expected no message: `await probe.expect.*`reply`"):
        account.reply(5)
    await account.ref.tell(Note("a"))
    note = await account.expect(Note)
    with pytest.raises(TypeError, match="Note was sent with `tell`, which takes no `reply`"):
        account.reply(5)
    with pytest.raises(RuntimeError, match=r"expected Deposit\(amount=1\) not"):
        account.reply(5, to=Deposit(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_for, account, Deposit(5), list[object]())
        await account.expect(Deposit)
        with pytest.raises(TypeError, match="Deposit was sent with `ask`, which takes no `end`"):
            account.end()
        account.reply(5)
        with pytest.raises(RuntimeError, match="nobody waits at Deposit"):
            account.reply(5)
    assert note == Note("a")


async def test_an_ask_without_an_answer_ends_with_the_probe(autojump_clock: MockClock) -> None:
    replies = list[object]()
    async with trio.open_nursery() as nursery:
        async with open_system() as system:
            account = await Probe.spawn(system, Account, name="account")
            nursery.start_soon(ask_for, account, Deposit(5), replies)
            await account.expect(Deposit)
            begun = trio.current_time()
        assert trio.current_time() == begun

    (stopped,) = replies
    assert isinstance(stopped, ActorStopped)
    assert (stopped.started, stopped.path) == (True, "/account")


# Answers laid down before


async def test_asks_can_be_answered_by_themselves(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    async def later(message: Deposit) -> int:
        await trio.sleep(1)
        return message.amount * 100

    account.answers(Balance, 5)
    assert await account.ref.ask(Balance()) == 5
    account.answers(Deposit, lambda message: message.amount * 10)
    assert await account.ref.ask(Deposit(3)) == 30
    account.answers(Deposit, later)
    assert await account.ref.ask(Deposit(4)) == 400

    assert account.received == (Balance(), Deposit(3), Deposit(4))
    await account.expect_nothing(1)


async def test_an_answer_by_itself_may_be_an_error(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    def refuse(message: Deposit) -> int:
        raise Overdrawn(str(message.amount))

    account.answers(Deposit, refuse)
    with pytest.raises(Overdrawn, match="7"):
        await account.ref.ask(Deposit(7))


async def test_what_waits_already_is_answered_too(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    replies = list[object]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_for, account, Balance(), replies)
        await trio.testing.wait_all_tasks_blocked()
        account.answers(Balance, 5)

    assert replies == [5]
    await account.expect_nothing(1)


async def test_streams_can_be_answered_by_themselves(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    account.streams(History, (str(number) for number in range(3)))
    for _ in range(2):
        async with account.ref.stream(History(1)) as lines:
            assert [line async for line in lines] == ["0", "1", "2"]
    account.streams(History, lambda message: ["x"] * message.last)
    async with account.ref.stream(History(2)) as lines:
        assert [line async for line in lines] == ["x", "x"]


async def test_a_message_of_somebody_else_is_refused(
    account: Probe[Account], autojump_clock: MockClock
) -> None:
    with pytest.raises(TypeError, match="Unrelated is no message of Account"):
        await account.expect(Unrelated)
    with pytest.raises(TypeError, match="Unrelated is no message of Account"):
        account.answers(Unrelated, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="History is sent with `stream` and not with `ask`"):
        account.answers(History, 1)  # type: ignore[arg-type]


# In place of whom


class Store(Generic[T]): ...


@attrs.frozen
class Get(Ask[Store[T], T]):
    key: str


async def test_it_stands_in_for_a_generic_interface(
    system: System, autojump_clock: MockClock
) -> None:
    store = await Probe.spawn(system, Store[str])
    store.answers(Get[str], lambda message: message.key * 2)

    assert await store.ref.ask(Get[str]("a")) == "aa"


async def test_it_stands_in_for_an_actor_class_and_runs_none_of_it(
    system: System, autojump_clock: MockClock
) -> None:
    async def not_called(_: object) -> None:
        raise AssertionError

    puppet = await Probe.spawn(system, Puppet)
    puppet.answers(Do, "done")

    assert await puppet.ref.ask(Do(not_called)) == "done"
    assert isinstance(system.whereis(puppet.ref.path, Puppet), Ref)


class Teller(Actor, Other):
    def __init__(self, account: Ref[Account]) -> None:
        self.account = account

    @Unrelated.handles
    async def handle(self, message: Unrelated) -> int:
        del message
        return await self.account.ask(Balance()) + 1


def test_a_test_with_a_probe_can_be_simulated() -> None:
    async def scenario() -> None:
        async with open_system() as system, trio.open_nursery() as nursery:
            account = await Probe.spawn(system, Account)
            teller = await system.spawn(Teller, account.ref)
            replies = list[int]()

            async def ask() -> None:
                replies.append(await teller.ask(Unrelated()))

            nursery.start_soon(ask)
            await account.expect(Balance)
            account.reply(41)
            await trio.testing.wait_all_tasks_blocked()
            assert replies == [42]

    for seed in range(20):
        simulate(seed).run(scenario)
