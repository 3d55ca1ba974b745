"""Forwards, stashes, timers, watches, links, kills in any mixture: all waits come to an end."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from puppet import (
    Do,
    DoBeside,
    Feed,
    FeedBeside,
    Order,
    Puppet,
    Refused,
    does,
    nothing,
    returns,
    sleeps,
)

from runtime import (
    AskCycle,
    ChildOptions,
    Exit,
    MailboxOptions,
    Overflow,
    Ref,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
    RuntimeFault,
    Sink,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

ACTORS = 3


def fails_with(error: type[Exception]) -> Any:
    def fail(_: Puppet, other: Ref[Puppet]) -> None:
        raise error

    return fail


# What a handler does with its actor and another one; an awaitable is awaited.
ACTS: dict[str, Callable[[Puppet, Ref[Puppet]], Any]] = {
    "reply": lambda _, __: "reply",
    "refuse": fails_with(Refused),
    "crash": fails_with(ValueError),
    "sleep": lambda p, _: sleeps(0.5)(p),
    "stash": lambda p, _: p.stash(),
    "unstash": lambda p, _: p.unstash(),
    "after": lambda p, _: p.after(0.25, Order(nothing), key="key"),
    "every": lambda p, _: p.every(0.25, Order(nothing), key="key"),
    "cancel timer": lambda p, _: p.cancel_timer("key"),
    "watch": lambda p, other: p.watch(other, lambda _: Order(nothing)),
    "link": lambda p, other: p.link(other),
    "pipe": lambda p, _: p.pipe_to_self(trio.sleep, 0.25, to=lambda _: Order(nothing)),
    "become": lambda p, _: p.become(Do.handled_by(p.do)),
    "stop": lambda p, _: p.stop(),
    "stop other": lambda _, other: other.stop(),
    "kill other": lambda _, other: other.kill(),
}


@attrs.frozen
class Act:
    """What one handler does: these in turn, the last one with its reply."""

    names: tuple[str, ...]
    others: tuple[int, ...]


@attrs.frozen
class Step:
    at: float
    kind: str
    actor: int
    act: Act
    onward: Act
    stays: float


# A message that is put aside by a handler that also brings it back would be handled for ever;
# so would one whose handler ends the actor, itself or through another of its group, where the
# mailbox is kept.
NAMES = st.lists(
    st.sampled_from([*ACTS, *3 * ("forward", "ask", "stash")]), min_size=1, max_size=3
).filter(lambda names: "stash" not in names or not {"unstash", "stop", "link"} & {*names})
ACT = st.builds(
    Act, names=NAMES.map(tuple), others=st.tuples(*[st.integers(0, ACTORS - 1)] * ACTORS)
)
STEP = st.builds(
    Step,
    at=st.sampled_from([0.0, 0.0, 0.5, 1.0]),
    kind=st.sampled_from(["ask", "ask beside", "tell", "stream", "stream beside"]),
    actor=st.integers(0, ACTORS - 1),
    act=ACT,
    onward=ACT,
    stays=st.sampled_from([0.5, 1.0, 100.0, 100.0]),
).filter(lambda step: "stash" not in step.act.names or not {"stop", "link"} & {*step.onward.names})


class Troupe:
    """Some actors, and what is done in them."""

    def __init__(self, refs: list[Ref[Puppet]]) -> None:
        self.refs = refs

    def work(self, act: Act, onward: Act | None) -> Any:
        async def work(puppet: Puppet) -> Any:
            reply: Any = None
            for name, other in zip(act.names, act.others, strict=False):
                reply = await self.perform(puppet, name, self.refs[other], onward)
            return reply

        return work

    def feeding(self, act: Act, onward: Act | None) -> Any:
        async def feeding(puppet: Puppet, out: Sink[Any]) -> None:
            await out.send("begin")
            for name, other in zip(act.names, act.others, strict=False):
                message = Feed(self.feeding(onward, None) if onward else nothing)
                if name == "forward":
                    puppet.forward(self.refs[other], message, out)
                elif name == "ask":
                    await self.refs[other].stream_into(message, out)
                else:
                    await self.perform(puppet, name, self.refs[other], onward)

        return feeding

    async def perform(
        self, puppet: Puppet, name: str, other: Ref[Puppet], onward: Act | None
    ) -> Any:
        message = Do(self.work(onward, None) if onward else nothing)
        if name == "forward":
            return puppet.forward(other, message)
        if name == "ask":
            return await other.ask(message)
        result: Any = ACTS[name](puppet, other)
        if inspect.isawaitable(result):
            result = await result
        return result

    async def carry_out(self, step: Step) -> None:
        await trio.sleep(step.at)
        ref = self.refs[step.actor]
        with trio.move_on_after(step.stays), suppress(RuntimeFault, Refused):
            work, feeding = self.work(step.act, step.onward), self.feeding(step.act, step.onward)
            match step.kind:
                case "tell":
                    await ref.tell(Order(work))
                case "stream" | "stream beside":
                    kind = Feed if step.kind == "stream" else FeedBeside
                    async with ref.stream(kind(feeding), buffer=0) as items:
                        async for _ in items:
                            pass
                case _:
                    await ref.ask(Do(work) if step.kind == "ask" else DoBeside(work))


@given(
    steps=st.lists(STEP, max_size=10),
    strategy=st.sampled_from(RestartStrategy),
    keep_mailbox=st.booleans(),
    overflow=st.sampled_from(Overflow),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100
)
@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
async def test_whatever_actors_do_to_each_other_all_comes_to_an_end(
    steps: list[Step],
    strategy: RestartStrategy,
    keep_mailbox: bool,  # noqa: FBT001 - drawn
    overflow: Overflow,
    autojump_clock: MockClock,
) -> None:
    options = ChildOptions(
        mailbox=MailboxOptions(2, overflow), grace=1, cleanup=1, keep_mailbox=keep_mailbox
    )
    limit = RestartLimit(1_000, 1)
    async with assert_no_leaks(), open_system() as system:
        group = await system.supervise("group", strategy=strategy, limit=limit)
        troupe = Troupe([await group.spawn(Puppet, options=options) for _ in range(ACTORS)])
        with trio.fail_after(50):  # sooner than the askers would leave
            async with trio.open_nursery() as nursery:
                for step in steps:
                    nursery.start_soon(troupe.carry_out, step)
                await trio.sleep(5)
                for ref in troupe.refs:
                    await ref.kill()
        for ref in troupe.refs:
            statistics = ref.statistics()
            assert (statistics.state, statistics.handling) == ("ended", ())
            assert (statistics.queued, statistics.in_line, statistics.put_aside) == (0, 0, 0)


async def test_cancelled_anywhere_a_busy_actor_leaves_nothing(autojump_clock: MockClock) -> None:
    once = ChildOptions(restart=RestartPolicy.TEMPORARY)

    async def scenario() -> None:
        seen = list[Any]()
        async with assert_no_leaks(), open_system() as system:
            first, second = [await system.spawn(Puppet) for _ in range(2)]
            gone = await system.spawn(Puppet, options=once)

            async def note(_: Puppet) -> None:
                seen.append("told")

            async def later(puppet: Puppet) -> Any:
                if "told" not in seen:
                    return puppet.stash()
                return puppet.forward(second, Do(returns("answer")))

            async def feeding(puppet: Puppet, out: Sink[str]) -> None:
                await second.stream_into(Feed(nothing), out)
                return puppet.forward(second, FeedBeside(nothing), out)

            async def notice(puppet: Puppet) -> None:
                await note(puppet)
                puppet.unstash()

            await first.ask(does(lambda p: p.watch(gone, lambda _: Order(notice))))
            await second.ask(does(lambda p: p.every(0.01, Order(nothing))))
            await second.ask(does(lambda p: p.pipe_to_self(gone.kill, to=lambda _: Order(note))))
            assert await first.ask(Do(later)) == "answer"
            async with first.stream(Feed(feeding)) as items:
                assert [item async for item in items] == []

    await cancel_everywhere(scenario)


async def test_an_end_in_a_watched_ring_is_told_all_round() -> None:
    """Each of the ring is linked to the next; a cycle of links is no cycle of waits."""
    once = ChildOptions(restart=RestartPolicy.TEMPORARY)
    async with open_system() as system:
        ring = [await system.spawn(Puppet, options=once) for _ in range(5)]
        for ref, following in zip(ring, [*ring[1:], ring[0]], strict=True):
            await ref.ask(does(lambda p, other=following: p.link(other)))
        with pytest.raises(AskCycle):
            await ring[0].ask(Do(lambda p: p.ref.stop()))
        await ring[0].stop()
        exits = list[Exit]()
        for ref in ring:
            async with ref.watch() as watch:
                exits.append(await watch.wait())
        assert exits == [Exit.STOPPED, *[Exit.FAILED] * 4]
