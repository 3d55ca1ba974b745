"""An actor that changes which methods handle its messages."""

# ruff: noqa: ARG001, ARG002 - handlers need not use their arguments
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from puppet import Do, DoBeside, Feed, Order, Puppet, crash_now, returns

from runtime import Actor, Ask, Behaviour, ChildOptions, Sink, Stream, Tell, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock


class Gate: ...


@attrs.frozen
class Knock(Ask[Gate, str]): ...


@attrs.frozen
class KnockBeside(Ask[Gate, str]): ...


@attrs.frozen
class Watch(Stream[Gate, str]): ...


@attrs.frozen
class Turn(Tell[Gate]):
    to: str


class Guard(Actor, Gate):
    """Answers with its state; turned to "stash", it puts aside until it is turned again."""

    @Knock.handles
    async def knock(self, message: Knock) -> str:
        return "closed"

    @KnockBeside.handles(concurrent=True)
    async def knock_beside(self, message: KnockBeside) -> str:
        await trio.sleep(1)
        return "closed"

    @Watch.handles
    async def watch_gate(self, message: Watch, out: Sink[str]) -> None:
        await out.send("closed")

    async def knock_open(self, message: Knock) -> str:
        return "open"

    async def knock_beside_open(self, message: KnockBeside) -> str:
        await trio.sleep(1)
        return "open"

    async def watch_open(self, message: Watch, out: Sink[str]) -> None:
        await out.send("open")

    async def put_aside(self, message: Knock) -> str:
        return self.stash(message)

    @Turn.handles
    async def turn(self, message: Turn) -> None:
        match message.to:
            case "open":
                self.become(
                    Knock.handled_by(self.knock_open),
                    KnockBeside.handled_by(self.knock_beside_open),
                    Watch.handled_by(self.watch_open),
                )
                self.unstash()
            case "stash":
                self.become(Knock.handled_by(self.put_aside))
            case "crash":
                raise ValueError
            case _:
                self.become()


async def test_behaviours_hold_from_the_next_message_on_until_they_are_replaced() -> None:
    async with open_system() as system:
        guard = await system.spawn(Guard)
        assert await guard.ask(Knock()) == "closed"
        await guard.tell(Turn("open"))
        assert [await guard.ask(Knock()) for _ in range(2)] == ["open"] * 2
        await guard.tell(Turn("closed"))
        assert await guard.ask(Knock()) == "closed"


async def test_whatever_is_not_named_anew_goes_back_to_the_method_of_the_class() -> None:
    async with open_system() as system:
        guard = await system.spawn(Guard)
        await guard.tell(Turn("open"))
        await guard.tell(Turn("stash"))  # names only Knock
        async with guard.stream(Watch()) as items:
            assert [item async for item in items] == ["closed"]


async def test_a_stream_and_a_concurrent_handler_change_and_stay_what_they_are(
    autojump_clock: MockClock,
) -> None:
    replies = list[str]()
    async with open_system() as system:
        guard = await system.spawn(Guard)

        async def knock() -> None:
            replies.append(await guard.ask(KnockBeside()))

        await guard.tell(Turn("open"))
        async with guard.stream(Watch()) as items:
            assert [item async for item in items] == ["open"]
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(knock)
        assert (replies, trio.current_time()) == (["open"] * 3, 1)


async def test_what_is_handled_already_goes_on_as_it_began(autojump_clock: MockClock) -> None:
    replies = list[str]()
    async with open_system() as system:
        guard = await system.spawn(Guard)

        async def knock() -> None:
            replies.append(await guard.ask(KnockBeside()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(knock)
            await trio.testing.wait_all_tasks_blocked()
            await guard.tell(Turn("open"))
    assert replies == ["closed"]


async def test_stash_and_become_make_a_state_that_waits() -> None:
    replies = list[str]()
    async with open_system() as system:
        guard = await system.spawn(Guard)

        async def knock() -> None:
            replies.append(await guard.ask(Knock()))

        await guard.tell(Turn("stash"))
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(knock)
            await trio.testing.wait_all_tasks_blocked()
            assert replies == []
            await guard.tell(Turn("open"))
    assert replies == ["open"] * 3


@pytest.mark.parametrize("keep_mailbox", [False, True])
async def test_a_new_incarnation_begins_with_the_methods_of_the_class(
    keep_mailbox: bool,  # noqa: FBT001 - a parameter
) -> None:
    async with open_system() as system:
        guard = await system.spawn(Guard, options=ChildOptions(keep_mailbox=keep_mailbox))
        await guard.tell(Turn("open"))
        await guard.tell(Turn("crash"))
        await trio.testing.wait_all_tasks_blocked()
        assert guard.statistics().restarts == 1
        assert await guard.ask(Knock()) == "closed"


async def test_started_may_choose_a_behaviour() -> None:
    class Open(Guard):
        async def started(self) -> None:
            self.become(Knock.handled_by(self.knock_open))

    async with open_system() as system:
        guard = await system.spawn(Open)
        await guard.tell(Turn("stash"))
        await guard.tell(Turn("crash"))
        await trio.testing.wait_all_tasks_blocked()
        assert await guard.ask(Knock()) == "open"


async def test_what_a_behaviour_raises_is_judged_as_for_any_handler() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)

        async def fail(message: Do) -> Any:
            raise ValueError

        async def change(puppet: Puppet) -> None:
            puppet.become(Do.handled_by(fail))

        await puppet.ask(Do(change))
        await crash_now(puppet)
        assert puppet.statistics().restarts == 1
        assert await puppet.ask(Do(returns(1))) == 1


# Misuse


async def no_parameter() -> None: ...


async def two_parameters(message: Any, out: Any) -> None: ...


def no_coroutine(message: Any) -> None: ...


async def items_by_yield(message: Any, out: Any) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("kind", "method", "complaint"),
    [
        (Do, no_parameter, r"must take \(message\)"),
        (Do, two_parameters, r"must take \(message\)"),
        (Do, Puppet.do, r"must take \(message\)"),
        (DoBeside, no_coroutine, "write `async def`"),
        (Order, two_parameters, r"must take \(message\)"),
        (Feed, no_parameter, r"must take \(message, out\)"),
        (Feed, items_by_yield, "instead of `yield`"),
        (Do, 3, "the handler 3 must be a coroutine function"),
    ],
)
def test_what_cannot_be_a_handler_is_refused(kind: Any, method: Any, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        kind.handled_by(method)


async def test_only_messages_that_the_actor_handles_get_another_method_each_once() -> None:
    async def knock(message: Any) -> str:
        return ""

    def refusal(*behaviours: Any) -> Callable[[Puppet], Any]:
        async def work(puppet: Puppet) -> str:
            with pytest.raises(TypeError) as caught:
                puppet.become(*behaviours)
            return str(caught.value)

        return work

    change = Do.handled_by(knock)
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        assert "no handler for Knock" in await puppet.ask(Do(refusal(Knock.handled_by(knock))))
        assert "Do twice" in await puppet.ask(Do(refusal(change, change)))
        assert "handled_by" in await puppet.ask(Do(refusal(knock)))
        assert await puppet.ask(Do(returns(1))) == 1  # nothing has changed
    assert change == Behaviour(Do, knock)


async def test_cancelled_anywhere_a_change_leaves_nothing() -> None:
    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            guard = await system.spawn(Guard)
            await guard.tell(Turn("stash"))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(guard.ask, Knock())
                await trio.lowlevel.checkpoint()
                await guard.tell(Turn("open"))
            assert await guard.ask(Knock()) == "open"

    await cancel_everywhere(scenario)
