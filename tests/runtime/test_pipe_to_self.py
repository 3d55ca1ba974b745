"""Work beside the handlers whose outcome comes back as a message."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import Do, Heard, Order, Puppet, does, nothing, outcome_of, returns, sleeps

from runtime import (
    ActorCrashed,
    ChildOptions,
    Crashed,
    DeadLetter,
    MailboxOptions,
    Overflow,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock


def noting(into: list[Any]) -> Callable[[object], Order]:
    """Makes the message that notes a result."""

    def to(result: object) -> Order:
        async def work(_: Puppet) -> None:
            into.append(result)

        return Order(work)

    return to


async def after(seconds: float, result: object) -> object:
    await trio.sleep(seconds)
    if isinstance(result, BaseException):
        raise result
    return result


async def test_the_result_comes_as_a_message_while_the_actor_stays_free(
    autojump_clock: MockClock,
) -> None:
    seen = list[Any]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        for seconds in (3, 1, 2):
            await puppet.ask(
                does(lambda p, s=seconds: p.pipe_to_self(after, s, s, to=noting(seen)))
            )
        assert await puppet.ask(Do(returns("free"))) == "free"
        await trio.sleep(5)
        assert puppet.statistics().handled == 7
    assert seen == [1, 2, 3]


async def test_an_error_comes_as_the_message_of_on_error(autojump_clock: MockClock) -> None:
    seen, failure = list[Any](), OSError("no")

    async def in_a_nursery() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(after, 1, failure)
            await trio.sleep_forever()

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        to = noting(list[Any]())
        await puppet.ask(
            does(lambda p: p.pipe_to_self(after, 1, failure, to=to, on_error=noting(seen)))
        )
        await trio.sleep(2)
        await puppet.ask(does(lambda p: p.pipe_to_self(in_a_nursery, to=to, on_error=noting(seen))))
        await trio.sleep(2)
        assert puppet.statistics().restarts == 0
    assert seen == [failure, failure]  # bare, also out of a nursery


async def test_without_on_error_an_error_crashes_the_actor(autojump_clock: MockClock) -> None:
    outcomes, seen = list[Any](), list[Any]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        failure = OSError("no")
        await puppet.ask(does(lambda p: p.pipe_to_self(after, 1, failure, to=noting(seen))))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, puppet, Do(sleeps(5)), outcomes)
        [crash] = outcomes
        assert isinstance(crash, ActorCrashed)
        assert crash.__cause__ is failure
        assert (trio.current_time(), seen, puppet.statistics().restarts) == (1, [], 1)


async def test_an_error_of_what_makes_the_message_is_no_error_of_the_work(
    autojump_clock: MockClock,
) -> None:
    def broken(_: object) -> Order:
        raise KeyError("to")

    seen = list[Any]()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(
            does(lambda p: p.pipe_to_self(after, 1, 1, to=broken, on_error=noting(seen)))
        )
        await trio.sleep(2)
        assert (seen, puppet.statistics().restarts) == ([], 1)


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_it_ends_with_the_incarnation(end: str, autojump_clock: MockClock) -> None:
    seen, ended, heard = list[Any](), list[float](), Heard()

    async def work() -> str:
        try:
            return str(await after(5, "late"))
        finally:
            ended.append(trio.current_time())

    async def crash_late(_: Puppet) -> None:
        await trio.sleep(1)
        raise ValueError

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet)
        await puppet.ask(does(lambda p: p.pipe_to_self(work, to=noting(seen))))
        if end == "stop":
            await trio.sleep(1)
            await puppet.stop()
        else:
            await puppet.tell(Order(crash_late))
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert (seen, ended, heard.of(DeadLetter)) == ([], [1], [])


async def test_it_waits_for_room_in_the_mailbox(autojump_clock: MockClock) -> None:
    seen = list[Any]()
    options = ChildOptions(mailbox=MailboxOptions(1))
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=options)
        await puppet.ask(does(lambda p: p.pipe_to_self(after, 1, "result", to=noting(seen))))
        await puppet.tell(Order(sleeps(2)))
        await puppet.tell(Order(sleeps(2)))
        await trio.sleep(1.5)
        assert (puppet.statistics().in_line, puppet.statistics().queued) == (1, 1)
        await trio.sleep(5)
    assert seen == ["result"]


async def test_a_result_that_a_full_mailbox_refuses_is_a_dead_letter(
    autojump_clock: MockClock,
) -> None:
    seen, heard = list[Any](), Heard()
    options = ChildOptions(mailbox=MailboxOptions(1, Overflow.FAIL))
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet, options=options)
        await puppet.ask(does(lambda p: p.pipe_to_self(after, 1, "result", to=noting(seen))))
        await puppet.tell(Order(sleeps(2)))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.tell(Order(nothing))
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    [letter] = heard.of(DeadLetter)
    assert "its policy is to fail" in letter.reason
    assert (seen, heard.of(Crashed)) == ([], [])


async def test_its_task_bears_the_name_of_the_work() -> None:
    names = list[str]()

    async def telling_its_name() -> None:
        names.append(trio.lowlevel.current_task().name)

    async with open_system() as system:
        puppet = await system.spawn(Puppet, name="a")
        await puppet.ask(does(lambda p: p.pipe_to_self(telling_its_name, to=noting([]))))
        await trio.testing.wait_all_tasks_blocked()
    assert names[0].startswith("/a ")
    assert names[0].endswith("telling_its_name")


async def test_cancelled_anywhere_it_leaves_nothing(autojump_clock: MockClock) -> None:
    async def scenario() -> None:
        seen = list[Any]()
        async with assert_no_leaks(), open_system() as system:
            puppet = await system.spawn(Puppet)
            await puppet.ask(does(lambda p: p.pipe_to_self(after, 0.1, 1, to=noting(seen))))
            await trio.sleep(0.2)
            await puppet.ask(Do(nothing))
            assert seen == [1]

    await cancel_everywhere(scenario)
