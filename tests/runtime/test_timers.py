"""Messages that an actor tells itself later, once or again and again."""

# ruff: noqa: ARG001 - handlers need not use their arguments
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import Do, Heard, Order, Puppet, Work, crash_now, does, nothing, returns, sleeps

from runtime import (
    ActorCrashed,
    ChildOptions,
    Crashed,
    DeadLetter,
    MailboxOptions,
    Overflow,
    Ref,
    System,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from trio.testing import MockClock


class Notes:
    """When which message was handled, on trio's clock."""

    def __init__(self) -> None:
        self.taken = list[tuple[float, str]]()

    def note(self, name: str, seconds: float = 0.0) -> Order:
        """A message that notes when it is begun, and takes so many seconds."""

        async def work(_: Puppet) -> None:
            self.taken.append((trio.current_time(), name))
            if seconds:
                await trio.sleep(seconds)

        return Order(work)

    @property
    def times(self) -> list[float]:
        return [round(time, 6) for time, _ in self.taken]


async def test_after_tells_once_at_its_time(autojump_clock: MockClock) -> None:
    notes = Notes()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(does(lambda p: p.after(2.5, notes.note("late"))))
        await puppet.ask(does(lambda p: p.after(0, notes.note("at once"))))
        await trio.sleep(10)
    assert notes.taken == [(0, "at once"), (2.5, "late")]


async def test_every_tells_again_and_again_and_does_not_drift(autojump_clock: MockClock) -> None:
    notes = Notes()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(does(lambda p: p.every(1, notes.note("tick", 0.25))))
        await trio.sleep(100.5)
    assert notes.times == list(range(1, 101))


async def test_a_slow_handler_leaves_ticks_out_and_keeps_the_beat(
    autojump_clock: MockClock,
) -> None:
    notes = Notes()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(does(lambda p: p.every(1, notes.note("tick", 2.5))))
        await trio.sleep(9.5)
        assert puppet.statistics().queued == 0
    assert notes.times == [1, 4, 7]


async def test_a_timer_message_waits_for_its_turn(autojump_clock: MockClock) -> None:
    notes = Notes()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(does(lambda p: p.after(1, notes.note("timer"))))
        await puppet.tell(notes.note("first", 2))
        await puppet.tell(notes.note("second"))
        await trio.sleep(5)
    assert notes.taken == [(0, "first"), (2, "second"), (2, "timer")]


KEYS = ["text", 3, ("a", 1), frozenset({1}), Puppet, 0, ""]


@pytest.mark.parametrize("key", KEYS)
async def test_a_key_replaces_and_cancels(key: Hashable, autojump_clock: MockClock) -> None:
    notes = Notes()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(does(lambda p: p.after(1, notes.note("old"), key=key)))
        await puppet.ask(does(lambda p: p.every(2, notes.note("new"), key=key)))
        await puppet.ask(does(lambda p: p.every(3, notes.note("other"), key="another")))
        await trio.sleep(5)
        assert await puppet.ask(does(lambda p: p.cancel_timer(key))) is True
        assert await puppet.ask(does(lambda p: p.cancel_timer(key))) is False
        await trio.sleep(2)
    assert notes.taken == [(2, "new"), (3, "other"), (4, "new"), (6, "other")]


@pytest.mark.parametrize("how", ["cancel", "replace"])
@pytest.mark.parametrize("timer", ["after", "every"])
async def test_a_message_that_waits_already_is_taken_back(
    timer: str, how: str, autojump_clock: MockClock
) -> None:
    notes, answers = Notes(), list[object]()
    options = ChildOptions(mailbox=MailboxOptions(1))
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=options)  # it waits in line, or queued

        async def busy(p: Puppet) -> None:
            await trio.sleep(2)
            if how == "cancel":
                answers.append(p.cancel_timer("key"))
            else:
                p.after(1, notes.note("replaced"), key="key")

        await puppet.ask(does(lambda p: getattr(p, timer)(1, notes.note("late"), key="key")))
        await puppet.tell(Order(busy))
        await trio.sleep(5)
        assert puppet.statistics().queued == 0
    if how == "cancel":
        assert (notes.taken, answers) == ([], [True])
    else:
        assert notes.taken == [(3, "replaced")]


async def test_whether_a_cancel_came_in_time_is_told_exactly(autojump_clock: MockClock) -> None:
    """Even before the timer's own task has heard that its message was handled."""
    answers = list[tuple[str, bool]]()

    def asks(when: str, then: Work = nothing) -> Order:
        async def work(p: Puppet) -> None:
            answers.append((when, p.cancel_timer("key")))
            await then(p)

        return Order(work)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        for timer in ("after", "every"):
            await puppet.ask(
                does(lambda p, t=timer: getattr(p, t)(1, asks(f"{t} itself"), key="key"))
            )
            await puppet.tell(Order(sleeps(1)))
            await trio.sleep(3)

            await puppet.ask(does(lambda p, t=timer: getattr(p, t)(1, Order(nothing), key="key")))
            await puppet.tell(Order(sleeps(1.5)))
            await trio.sleep(1.2)
            await puppet.tell(asks(f"{timer} right after it"))  # no task runs between the two
            await trio.sleep(3)
    assert answers == [
        ("after itself", False),
        ("after right after it", False),
        ("every itself", True),
        ("every right after it", True),
    ]


async def test_a_key_is_free_again_for_the_message_right_after_the_timer(
    autojump_clock: MockClock,
) -> None:
    notes = Notes()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)

        async def again(p: Puppet) -> None:
            p.after(5, notes.note("second"), key="key")

        await puppet.ask(does(lambda p: p.after(1, notes.note("first"), key="key")))
        await puppet.tell(Order(sleeps(2)))
        await trio.sleep(1.5)
        await puppet.tell(Order(again))  # handled in the same step as the timer's message
        await trio.sleep(1)
        assert await puppet.ask(does(lambda p: p.cancel_timer("key"))) is True
        await trio.sleep(10)
    assert notes.taken == [(2, "first")]


async def test_a_timer_may_start_itself_anew_in_its_own_handler(
    autojump_clock: MockClock,
) -> None:
    times = list[float]()

    async def again(p: Puppet) -> None:
        times.append(trio.current_time())
        if len(times) < 4:
            p.after(2 ** len(times), Order(again), key="key")

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(does(lambda p: p.after(1, Order(again), key="key")))
        await trio.sleep(100)
    assert times == [1, 3, 7, 15]


async def listened(
    heard: Heard, use: Callable[[System], Awaitable[Ref[Puppet]]], seconds: float
) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        await use(system)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("overflow", [Overflow.FAIL, Overflow.DROP_NEWEST])
async def test_a_tick_that_a_full_mailbox_refuses_is_a_dead_letter(
    overflow: Overflow, autojump_clock: MockClock
) -> None:
    notes, heard = Notes(), Heard()
    tick = notes.note("tick")

    async def use(system: System) -> Ref[Puppet]:
        options = ChildOptions(mailbox=MailboxOptions(1, overflow))
        puppet = await system.spawn(Puppet, options=options)
        await puppet.ask(does(lambda p: p.every(1, tick)))
        await puppet.tell(Order(sleeps(2.5)))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.tell(Order(nothing))
        return puppet

    await listened(heard, use, 3.5)
    assert [fact.message for fact in heard.of(DeadLetter)] == [tick, tick]
    assert notes.times == [3]
    assert heard.of(Crashed) == []


@pytest.mark.parametrize("keep_mailbox", [False, True])
@pytest.mark.parametrize("timer", ["after", "every"])
async def test_timers_end_with_their_incarnation_and_so_does_a_message_that_waits(
    timer: str,
    keep_mailbox: bool,  # noqa: FBT001 - a parameter
    autojump_clock: MockClock,
) -> None:
    notes, heard = Notes(), Heard()

    async def crash_late(_: Puppet) -> None:
        await trio.sleep(2)
        raise ValueError

    async def use(system: System) -> Ref[Puppet]:
        puppet = await system.spawn(Puppet, options=ChildOptions(keep_mailbox=keep_mailbox))
        await puppet.ask(does(lambda p: getattr(p, timer)(1, notes.note("waits"))))
        await puppet.ask(does(lambda p: getattr(p, timer)(9, notes.note("later"))))
        await puppet.tell(Order(crash_late))
        return puppet

    await listened(heard, use, 20)
    assert notes.taken == []
    assert heard.of(DeadLetter) == []


@pytest.mark.parametrize("drain", [False, True])
async def test_a_stop_ends_timers_and_a_drain_handles_what_waits(
    drain: bool,  # noqa: FBT001 - a parameter
    autojump_clock: MockClock,
) -> None:
    notes = Notes()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(does(lambda p: p.every(1, notes.note("tick"))))
        await puppet.tell(Order(sleeps(2)))
        await trio.sleep(1.5)
        await puppet.stop(drain=drain)
        assert trio.current_time() == 2
        await trio.sleep(5)
    assert notes.times == ([2] if drain else [])


async def test_started_may_set_timers_and_each_incarnation_has_its_own(
    autojump_clock: MockClock,
) -> None:
    notes = Notes()

    async def on_start(p: Puppet) -> None:
        p.every(2, notes.note("tick"), key="key")

    async with open_system() as system:
        puppet = await system.spawn(Puppet, on_start)
        await trio.sleep(3)
        await crash_now(puppet)
        await trio.sleep(5)
    assert notes.times == [2, 5, 7]


async def test_an_instance_that_lives_twice_has_timers_in_both_lives(
    autojump_clock: MockClock,
) -> None:
    notes, puppet = Notes(), Puppet()
    async with open_system() as system:
        ref = await system.spawn(lambda: puppet)
        await ref.ask(does(lambda p: p.after(1, notes.note("old"), key="key")))
        await crash_now(ref)
        await ref.ask(does(lambda p: p.after(2, notes.note("new"), key="key")))
        await trio.sleep(5)
    assert notes.times == [2]


SECONDS = [-1, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize(("timer", "seconds"), [("after", s) for s in SECONDS] + [("every", 0.0)])
async def test_seconds_that_never_come_are_refused(timer: str, seconds: float) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)

        def call(p: Puppet) -> str:
            with pytest.raises(ValueError, match="a timer takes") as caught:
                getattr(p, timer)(seconds, Order(nothing))
            return str(caught.value)

        assert str(seconds) in await puppet.ask(does(call))


@pytest.mark.parametrize("seconds", [5e-324, 1e-300, 1e-9])
async def test_a_beat_too_fast_to_keep_still_lets_others_in(
    seconds: float, autojump_clock: MockClock
) -> None:
    notes = Notes()
    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(does(lambda p: p.every(seconds, notes.note("tick", 0.5), key="key")))
        await trio.sleep(2)
        assert await puppet.ask(does(lambda p: p.cancel_timer("key"))) is True
        assert await puppet.ask(Do(returns(1))) == 1
        assert puppet.statistics().restarts == 0
    assert 3 <= len(notes.taken) <= 5


async def test_misuse_is_refused_at_the_call() -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet)

        def call(p: Puppet) -> list[str]:
            errors = list[str]()
            calls: list[tuple[Any, Any]] = [
                (Do(nothing), None),
                ("text", None),
                (Order(nothing), []),
            ]
            for message, key in calls:
                with pytest.raises(TypeError) as caught:
                    p.after(1, message, key=key)
                errors.append(str(caught.value))
            return errors

        kind, stranger, key = await puppet.ask(does(call))
        assert "Do is sent with `ref.ask(...)`" in kind
        assert "no handler for" in stranger
        assert "unhashable" in key
        with pytest.raises(RuntimeError, match="is not running"):
            Puppet().after(1, Order(nothing))


async def test_a_timer_that_crashes_its_handler_crashes_the_actor_once(
    autojump_clock: MockClock,
) -> None:
    async def fail(_: Puppet) -> None:
        raise ValueError

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(does(lambda p: p.every(1, Order(fail))))
        await trio.sleep(5)
        assert puppet.statistics().restarts == 1
        with pytest.raises(ActorCrashed):
            await puppet.ask(Do(fail))


async def test_cancelled_anywhere_timers_leave_nothing(autojump_clock: MockClock) -> None:
    async def scenario() -> None:
        notes = Notes()
        async with assert_no_leaks(), open_system() as system:
            puppet = await system.spawn(Puppet)
            await puppet.ask(does(lambda p: p.every(0.1, notes.note("tick", 0.15), key="key")))
            await puppet.ask(does(lambda p: p.after(0.1, notes.note("once"))))
            await trio.sleep(0.45)
            await puppet.ask(does(lambda p: p.cancel_timer("key")))

    await cancel_everywhere(scenario)
