"""Whatever is asked, cancelled, crashed and stopped when: every ask ends, once, as promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from puppet import Do, DoBeside, Feed, FeedBeside, Puppet, Refused, nothing

from runtime import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    AskTimeout,
    Backoff,
    ChildOptions,
    MailboxOptions,
    Ref,
    RestartLimit,
    RestartStrategy,
    Sink,
    open_system,
)
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

ENDINGS = (ActorCrashed, ActorRestarting, ActorStopped, AskTimeout, Refused)


@attrs.frozen
class Step:
    """One ask or stream: when it comes, what its handler does, when its asker leaves."""

    at: float
    kind: type[Any]
    actor: int
    takes: float
    ending: str
    shields: float
    leaves_after: float
    timeout: float | None


SECONDS = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0])
STEPS = st.builds(
    Step,
    at=SECONDS,
    kind=st.sampled_from([Do, DoBeside, Feed, FeedBeside]),
    actor=st.integers(0, 2),
    takes=SECONDS,
    ending=st.sampled_from(["return", "return", "refuse", "crash"]),
    shields=SECONDS,
    leaves_after=st.sampled_from([0.0, 0.5, 1.0, 100.0]),
    timeout=st.sampled_from([None, None, 0.5, 1.0]),
)


class Record:
    """Which handlers run, and how each step ended."""

    def __init__(self) -> None:
        self.running = set[int]()
        self.endings = dict[int, str]()

    def handler(self, number: int, step: Step) -> Callable[..., Any]:
        async def work(puppet: Puppet, out: Sink[int] | None = None) -> None:
            del puppet
            self.running.add(number)
            try:
                await trio.sleep(step.takes)
                if out is not None:
                    await out.send_many(range(3))
                if step.ending == "refuse":
                    raise Refused
                if step.ending == "crash":
                    raise ValueError
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(step.shields)
                self.running.remove(number)

        return work

    async def carry_out(self, number: int, step: Step, ref: Ref[Puppet]) -> None:
        await trio.sleep(step.at)
        ending = "left"
        with trio.move_on_after(step.leaves_after):
            try:
                await self._send(step, ref, step.kind(self.handler(number, step)))
                ending = "replied"
            except ENDINGS as error:
                ending = type(error).__name__
        # No handler runs on when the party that asked for it has control again.
        assert number not in self.running
        assert number not in self.endings
        self.endings[number] = ending

    async def _send(self, step: Step, ref: Ref[Puppet], message: Any) -> None:
        if step.kind in {Do, DoBeside}:
            await ref.ask(message, timeout=step.timeout)
        else:
            async with ref.stream(message) as items:
                assert [item async for item in items] == [0, 1, 2]


@given(
    steps=st.lists(STEPS, max_size=12),
    stops=st.lists(st.tuples(SECONDS, st.integers(0, 2), st.booleans()), max_size=2),
    strategy=st.sampled_from(RestartStrategy),
    keep_mailbox=st.booleans(),
    backoff=st.sampled_from([None, Backoff(0.5, 0.5, jitter=0)]),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)
@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
async def test_every_ask_ends_once_and_no_handler_outlives_it(
    steps: list[Step],
    stops: list[tuple[float, int, bool]],
    strategy: RestartStrategy,
    keep_mailbox: bool,  # noqa: FBT001 - drawn
    backoff: Backoff | None,
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    record = Record()
    options = ChildOptions(mailbox=MailboxOptions(2), grace=1, cleanup=1, keep_mailbox=keep_mailbox)

    async def stop(at: float, ref: Ref[Puppet], drain: bool) -> None:  # noqa: FBT001 - drawn
        await trio.sleep(at)
        await ref.stop(drain=drain)

    async with assert_no_leaks(), open_system() as system:
        group = await system.supervise(
            "group", strategy=strategy, limit=RestartLimit(1_000, 1), backoff=backoff
        )
        refs = [await group.spawn(Puppet, nothing, options=options) for _ in range(3)]
        async with trio.open_nursery() as nursery:
            for number, step in enumerate(steps):
                nursery.start_soon(record.carry_out, number, step, refs[step.actor])
            for at, actor, drain in stops:
                nursery.start_soon(stop, at, refs[actor], drain)
        await trio.sleep(10)
        for ref in refs:
            assert ref.statistics().state in {"running", "ended"}
            assert ref.statistics().handling == ()
            assert (ref.statistics().queued, ref.statistics().in_line) == (0, 0)
    assert set(record.endings) == set(range(len(steps)))
    assert record.running == set()
