"""`system.events(messages=True)`: each handler that begins ends, and both are told."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from puppet import (
    Do,
    DoBeside,
    Feed,
    FeedBeside,
    Heard,
    Order,
    Puppet,
    Refused,
    Work,
    crash,
    forwards,
    nothing,
    returns,
    sleeps,
)

from runtime import (
    ChildOptions,
    MailboxOptions,
    MessageEnded,
    MessageStarted,
    Ref,
    RestartLimit,
    RuntimeFault,
    Sink,
    Spawned,
    System,
    open_system,
)
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trio.testing import MockClock


class Observed:
    """The facts about messages, in their order."""

    def __init__(self) -> None:
        self.facts = list[MessageStarted | MessageEnded]()

    async def listen(self, system: System, *, buffer: int = 10_000) -> None:
        async with system.events(messages=True, buffer=buffer) as facts:
            async for fact in facts:
                if isinstance(fact, (MessageStarted, MessageEnded)):
                    self.facts.append(fact)

    @property
    def ended(self) -> list[MessageEnded]:
        return [fact for fact in self.facts if isinstance(fact, MessageEnded)]


async def refuse(_: object) -> None:
    raise Refused


async def send_three(_: Puppet, out: Sink[int]) -> None:
    await out.send_many(range(3))
    await trio.sleep(2)


async def test_begin_and_end_are_told_with_seconds_and_error(autojump_clock: MockClock) -> None:
    observed = Observed()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(observed.listen, system)
        await trio.testing.wait_all_tasks_blocked()
        puppet = await system.spawn(Puppet, name="p")
        reply, beside, tell, stream = Do(sleeps(1.5)), DoBeside(sleeps(1)), Order(refuse), Feed
        await puppet.ask(reply)
        await puppet.ask(beside)
        await puppet.tell(tell)
        async with puppet.stream(stream(send_three)) as items:
            assert [item async for item in items] == [0, 1, 2]
        with trio.move_on_after(3):
            await puppet.ask(Do(sleeps(100)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert [type(fact) for fact in observed.facts] == [MessageStarted, MessageEnded] * 5
    assert [(fact.path, fact.seconds) for fact in observed.ended] == [
        ("/p", 1.5),
        ("/p", 1),
        ("/p", 0),
        ("/p", 2),
        ("/p", 3),
    ]
    assert [fact.message for fact in observed.ended][:3] == [reply, beside, tell]
    errors = [type(fact.error) for fact in observed.ended]
    assert errors == [type(None), type(None), Refused, type(None), trio.Cancelled]


async def test_a_forwarded_message_is_told_at_both_actors_and_one_put_aside_twice() -> None:
    observed = Observed()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(observed.listen, system)
        await trio.testing.wait_all_tasks_blocked()
        first = await system.spawn(Puppet, name="first")
        second = await system.spawn(Puppet, name="second")
        onward = Do(returns(1))
        await first.ask(Do(forwards(second, onward)))
        attempts = list[int]()

        async def twice(puppet: Puppet) -> None:
            attempts.append(1)
            if len(attempts) == 1:
                puppet.stash()
                puppet.unstash()  # before it is put aside: that comes when this has returned
                puppet.start_soon(unstash, puppet)

        async def unstash(puppet: Puppet) -> None:
            puppet.unstash()

        await second.ask(DoBeside(twice))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    paths = [fact.path for fact in observed.ended]
    assert paths == ["/first", "/second", "/second", "/second"]
    assert observed.ended[1].message is onward
    assert len(observed.facts) == 8


async def test_a_watch_notice_and_a_timer_are_messages_as_well(
    autojump_clock: MockClock,
) -> None:
    observed = Observed()
    tick, gone = Order(nothing), Order(nothing)
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(observed.listen, system)
        await trio.testing.wait_all_tasks_blocked()
        puppet, other = await system.spawn(Puppet), await system.spawn(Puppet)

        async def begin(puppet: Puppet) -> None:
            puppet.after(1, tick)
            puppet.watch(other, lambda _: gone)

        await puppet.ask(Do(begin))
        await trio.sleep(2)
        await other.stop()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert [fact.message for fact in observed.ended][1:] == [tick, gone]


async def test_only_who_asks_for_messages_hears_of_them_and_only_while_it_does() -> None:
    heard, observed = Heard(), Observed()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        scope = trio.CancelScope()
        nursery.start_soon(observe_within, observed, system, scope)
        await trio.testing.wait_all_tasks_blocked()
        puppet = await system.spawn(Puppet)
        await puppet.ask(Do(nothing))
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        await puppet.ask(Do(nothing))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert len(observed.facts) == 2
    assert heard.facts == [Spawned("/puppet-1")]


async def test_no_fact_is_made_while_nobody_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[object]()

    def note(*fact: object) -> None:
        made.append(fact)

    for kind in ("MessageStarted", "MessageEnded"):
        monkeypatch.setattr(f"runtime._envelope.{kind}", note)
    async with open_system() as system, system.events() as facts:
        puppet = await system.spawn(Puppet)
        for message in (Do(nothing), DoBeside(nothing)):
            await puppet.ask(message)
        assert made == []
        async with system.events(messages=True):
            await puppet.ask(Do(nothing))
        assert len(made) == 2
        assert facts.dropped == 0


async def observe_within(observed: Observed, system: System, scope: trio.CancelScope) -> None:
    with scope:
        await observed.listen(system)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["do", "beside", "order", "feed", "feed beside", "forward", "stash"]),
        st.sampled_from(["return", "refuse", "crash", "sleep"]),
        st.sampled_from([0.0, 0.5, 1.0]),  # when
        st.sampled_from([0.5, 100.0]),  # how long the sender stays
    ),
    max_size=10,
)


@given(steps=STEPS, end=st.sampled_from(["stop", "drain", "kill", "none"]))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
async def test_whatever_happens_begins_and_ends_match(
    steps: Any, end: str, autojump_clock: MockClock
) -> None:
    observed = Observed()
    options = ChildOptions(mailbox=MailboxOptions(2), grace=1)
    limit = RestartLimit(100, 1)
    async with assert_no_leaks(), open_system(limit=limit) as system, trio.open_nursery() as facts:
        facts.start_soon(observed.listen, system)
        await trio.testing.wait_all_tasks_blocked()
        a, b = [await system.spawn(Puppet, options=options) for _ in range(2)]
        async with trio.open_nursery() as nursery:
            for step in steps:
                nursery.start_soon(carry_out, step, a, b)
            await trio.sleep(0.75)
            await end_of(a, end)
        await a.kill()
        await b.kill()
        await trio.testing.wait_all_tasks_blocked()
        facts.cancel_scope.cancel()
    open_now = Counter[int]()
    for fact in observed.facts:
        open_now[id(fact.message)] += 1 if isinstance(fact, MessageStarted) else -1
        assert open_now[id(fact.message)] in {0, 1}
    assert set(open_now.values()) <= {0}
    assert paths(observed.facts, MessageStarted) == paths(observed.facts, MessageEnded)


def paths(facts: Iterable[Any], kind: type[Any]) -> Counter[tuple[str, int]]:
    return Counter((fact.path, id(fact.message)) for fact in facts if isinstance(fact, kind))


async def end_of(ref: Ref[Puppet], how: str) -> None:
    match how:
        case "stop" | "drain":
            await ref.stop(drain=how == "drain")
        case "kill":
            await ref.kill()
        case _:
            pass


async def carry_out(step: tuple[str, str, float, float], a: Ref[Puppet], b: Ref[Puppet]) -> None:
    kind, ending, at, stays = step
    await trio.sleep(at)
    with trio.move_on_after(stays), suppress(RuntimeFault, Refused):
        await send(kind, ending, a, b)


async def send(kind: str, ending: str, a: Ref[Puppet], b: Ref[Puppet]) -> None:
    work: Work = {"return": nothing, "refuse": refuse, "crash": crash, "sleep": sleeps(0.5)}[ending]

    async def aside(puppet: Puppet) -> Any:
        return puppet.stash()

    async def feeding(puppet: Puppet, _: Sink[Any]) -> None:
        await work(puppet)

    match kind:
        case "order":
            await a.tell(Order(work))
        case "feed" | "feed beside":
            message = Feed(feeding) if kind == "feed" else FeedBeside(feeding)
            async with a.stream(message) as items:
                assert [item async for item in items] == []
        case "forward":
            await a.ask(Do(forwards(b, Do(work))))
        case "stash":
            await a.ask(Do(aside))
        case _:
            await a.ask(Do(work) if kind == "do" else DoBeside(work))


@pytest.mark.parametrize("buffer", [1, 3])
async def test_a_slow_observer_loses_the_oldest_and_slows_nobody_down(buffer: int) -> None:
    async with open_system() as system:
        async with system.events(messages=True, buffer=buffer) as facts:
            puppet = await system.spawn(Puppet)
            messages = [Do(returns(number)) for number in range(5)]
            for message in messages:
                await puppet.ask(message)
            last = [await anext(aiter(facts)) for _ in range(buffer)]
        assert facts.dropped == 11 - buffer  # one of them that it was spawned
    assert isinstance(last[-1], MessageEnded)
    assert last[-1].message is messages[-1]
