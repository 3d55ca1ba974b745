"""Whether a seed decides everything, what can be injected, and what is left behind afterwards."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from puppet import Do, DoBeside, Feed, Order, Puppet, crash, nothing, returns, sleeps

from actors import open_agent
from actors.providers import Model, say, script
from runtime import (
    ActorCrashed,
    Backoff,
    ChildOptions,
    DeadLetter,
    MailboxOptions,
    MessageDropped,
    Ref,
    RestartLimit,
    RuntimeFault,
    Spawned,
    Supervisor,
    System,
    open_system,
)
from runtime.testing import Faults, InjectedCrash, Simulation, simulate, simulate_many
from runtime.testing import _schedule as schedule
from runtime.testing import _simulate as simulations

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROOT = Path(__file__).parents[2]
MANY = RestartLimit(10_000, 1)
TIGHT = ChildOptions(mailbox=MailboxOptions(1))
STORM = Faults(crash=0.1, delay=0.3, drop=0.1)

engine: Any = schedule._engine  # noqa: SLF001 - trio's private part, seen by the same tests


async def attempt(ref: Ref[Puppet], number: int) -> None:
    try:
        if number % 3:
            await ref.ask(Do(sleeps(number % 4)))
        else:
            await ref.tell(Order(sleeps(number % 2)))
    except RuntimeFault:
        pass


async def open_puppets(supervisor: Supervisor) -> list[Ref[Puppet]]:
    return [
        await supervisor.spawn(Puppet, name=f"puppet-{each}", options=TIGHT) for each in range(4)
    ]


async def a_crowd() -> None:
    """Several asks and tells wait at each of several actors; all of them are cancelled at once."""
    async with open_system(limit=MANY) as system:
        group = await system.supervise("group", limit=MANY, backoff=Backoff(0.1))
        puppets = await open_puppets(group)
        for at_most in (0.5, 1.0, 50.0):
            with trio.move_on_after(at_most):
                async with trio.open_nursery() as nursery:
                    for number in range(6):
                        for puppet in puppets:
                            nursery.start_soon(attempt, puppet, number)


def trace_of(scenario: Callable[[], Awaitable[object]], **conditions: Any) -> tuple[str, ...]:
    simulation = simulate(7, **conditions)
    simulation.run(scenario)
    return simulation.trace


def with_litter(function: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """Call it while memory is littered, so that addresses differ from call to call."""
    litter = [bytearray(random.randrange(400)) for _ in range(random.randrange(400))]  # noqa: S311
    del litter[::2]
    return function()


# The same seed, the same run


def test_a_seed_gives_the_same_trace_a_hundred_times_of_a_hundred() -> None:
    traces = {with_litter(lambda: trace_of(a_crowd, faults=STORM)) for _ in range(100)}

    assert len(traces) == 1
    assert len(traces.pop()) > 50


PROGRAM = """
import test_simulate
print(*test_simulate.trace_of(test_simulate.a_crowd, faults=test_simulate.STORM), sep="\\n")
"""


def test_a_seed_gives_the_same_trace_in_other_processes() -> None:
    def trace_elsewhere(hash_seed: str) -> str:
        places = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]
        environment = {"PYTHONPATH": os.pathsep.join(places), "PYTHONHASHSEED": hash_seed}
        return subprocess.run(  # noqa: S603 - our own program, our own interpreter
            [sys.executable, "-c", PROGRAM],
            env=os.environ | environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    here = "\n".join(trace_of(a_crowd, faults=STORM)) + "\n"

    assert {trace_elsewhere(hash_seed) for hash_seed in ("0", "1", "4711")} == {here}


def test_other_seeds_give_other_orders() -> None:
    async def race() -> list[int]:
        order = list[int]()

        async def run(number: int) -> None:
            await trio.lowlevel.checkpoint()
            order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(run, number)
        return order

    assert len({tuple(simulate(seed).run(race)) for seed in range(30)}) > 10


async def a_cancel_of_a_line() -> str:
    """Whether the second in line moves up because the first has gone: the cancel's order says."""
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=TIGHT)
        await puppet.tell(Order(sleeps(1)))
        await trio.testing.wait_all_tasks_blocked()
        handled = list[str]()

        async def note(_: object) -> None:
            handled.append("moved up")

        async def queued() -> None:
            await puppet.ask(Do(nothing))

        async def in_line() -> None:
            await puppet.tell(Order(note))

        with trio.move_on_after(0.5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(queued)
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(in_line)
        await trio.sleep(1)
        return "".join(handled) or "went as well"


def test_the_order_in_which_tasks_hear_of_one_cancel_is_the_seeds() -> None:
    found = set[str]()
    for seed in range(10):
        answers = {simulate(seed).run(a_cancel_of_a_line) for _ in range(10)}
        assert len(answers) == 1
        found |= answers

    assert found == {"moved up", "went as well"}


async def deadlines_at_one_moment() -> list[int]:
    order = list[int]()

    async def wait(number: int) -> None:
        def abort(_: object) -> trio.lowlevel.Abort:
            order.append(number)
            return trio.lowlevel.Abort.SUCCEEDED

        with trio.move_on_at(1):
            await trio.lowlevel.wait_task_rescheduled(abort)

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(wait, number)
    return order


def test_the_order_of_deadlines_at_one_moment_is_the_seeds() -> None:
    found = set[tuple[int, ...]]()
    for seed in range(10):
        orders = {tuple(simulate(seed).run(deadlines_at_one_moment)) for _ in range(10)}
        assert len(orders) == 1
        found |= orders

    assert len(found) > 3


def test_the_jitter_of_restarts_is_the_seeds() -> None:
    async def restart() -> float:
        async with open_system() as system:
            group = await system.supervise("group", backoff=Backoff(1, 1, jitter=1))
            puppet = await group.spawn(Puppet, options=ChildOptions(keep_mailbox=True))
            with pytest.raises(ActorCrashed):
                await puppet.ask(Do(crash))
            await puppet.ask(Do(nothing))
            return trio.current_time()

    assert simulate(1).run(restart) == simulate(1).run(restart) != simulate(2).run(restart)


def test_it_reaches_the_systems_that_other_code_opens() -> None:
    async def converse() -> str:
        model = Model("scripted:any", script=script(say("one two three", pieces=3)))
        async with open_agent(model) as agent:
            return (await agent.run("Count.")).text

    simulation = simulate(3, faults=Faults(delay=1.0))

    assert simulation.run(converse) == "one two three"
    assert any(" /agent/provider delays " in line for line in simulation.trace)
    first = simulation.trace
    simulation.run(converse)
    assert simulation.trace == first


# The run


def test_it_returns_what_main_returns_and_passes_arguments() -> None:
    async def add(one: int, other: int) -> int:
        return one + other

    assert simulate(1).run(add, 2, 3) == 5


def test_time_is_virtual_and_begins_at_zero() -> None:
    async def wait() -> float:
        begun = trio.current_time()
        await trio.sleep(3600)
        return begun

    assert simulate(1).run(wait) == 0.0


def test_the_trace_tells_time_path_and_fact() -> None:
    async def scenario() -> None:
        async with open_system() as system:
            puppet = await system.spawn(Puppet, name="puppet")
            await trio.sleep(0.5)
            with pytest.raises(ActorCrashed):
                await puppet.ask(Do(crash))
            await trio.testing.wait_all_tasks_blocked()
            await puppet.stop()
            await puppet.tell(Order(nothing))

    trace = trace_of(scenario)

    assert (*trace[:-1], re.sub(r"reason=.*", "reason=gone)", trace[-1])) == (
        "0.000000 /puppet Spawned(kind=Puppet)",
        "0.500000 /puppet handles Do",
        "0.500000 /puppet Crashed(error=ValueError)",
        "0.500000 /puppet Restarted(restarts=1)",
        "0.500000 /puppet Stopped(exit=stopped)",
        "0.500000 /puppet DeadLetter(message=Order, reason=gone)",
    )


def test_an_error_names_the_seed_and_the_call() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError) as plain:
        simulate(7).run(fail)
    with pytest.raises(KeyError) as full:
        simulate(8, faults=Faults(drop=0.5), mailbox=1).run(fail)

    assert plain.value.__notes__ == ["simulate: seed 7; run it again with simulate(7)"]
    (note,) = full.value.__notes__
    assert "seed 8; run it again with simulate(8, faults=Faults(crash=0.0, delay=0.0," in note
    assert note.endswith("drop=0.5, below='/'), mailbox=1)")


def test_many_seeds_end_with_the_first_that_fails() -> None:
    ran = list[int]()

    async def fail_the_third_time() -> None:
        ran.append(len(ran))
        assert len(ran) < 3

    with pytest.raises(AssertionError) as caught:
        simulate_many(range(10, 20), fail_the_third_time)

    assert len(ran) == 3
    assert "seed 12;" in caught.value.__notes__[0]


def test_a_standstill_is_an_error_and_not_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulations, "PATIENCE_SECONDS", 0.01)

    async def for_ever(_: object) -> None:
        await trio.sleep_forever()

    async def stand_still() -> None:
        async with open_system() as system:
            puppet = await system.spawn(Puppet, name="puppet")
            await trio.sleep(5)
            await puppet.ask(Do(for_ever))

    with pytest.raises(AssertionError, match=r"stands still at 5\.0+ s.*These do: .*/puppet"):
        simulate(1).run(stand_still)


class _SetsAfterAWhile(trio.abc.Instrument):
    def __init__(self) -> None:
        self.event = threading.Event()
        self._rounds = 0

    def after_io_wait(self, timeout: float) -> None:
        del timeout
        self._rounds += 1
        if self._rounds == 20 * simulations.LOOK_EVERY:
            self.event.set()


def test_waiting_for_a_thread_is_no_standstill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulations, "PATIENCE_SECONDS", 0.0)

    async def wait_for_a_thread() -> bool:
        late = _SetsAfterAWhile()
        trio.lowlevel.add_instrument(late)
        limiter = trio.CapacityLimiter(1)  # it need not be one of trio's own
        was_set = await trio.to_thread.run_sync(late.event.wait, 60, limiter=limiter)
        await trio.lowlevel.checkpoint()  # where a cancel would show
        return was_set

    assert simulate(1).run(wait_for_a_thread)


def test_inside_a_trio_run_it_says_where_it_belongs() -> None:
    async def inner() -> None:
        simulate(1).run(nothing)

    with pytest.raises(RuntimeError, match="call it from a plain function"):
        trio.run(inner)


# Faults


async def read(puppet: Ref[Puppet]) -> None:
    async with puppet.stream(Feed(nothing)) as items:
        assert [item async for item in items] == []


async def everything(name: str = "puppet") -> list[type[RuntimeFault]]:
    """A message of each kind, each to an actor that idles; the faults that come back."""
    faults = list[type[RuntimeFault]]()
    async with open_system(limit=MANY) as system:
        puppet = await system.spawn(Puppet, name=name)
        for send in (
            lambda: puppet.tell(Order(nothing)),
            lambda: puppet.ask(Do(nothing)),
            lambda: puppet.ask(DoBeside(nothing)),
            lambda: read(puppet),
        ):
            try:
                await send()
            except RuntimeFault as fault:
                faults.append(type(fault))
            await trio.testing.wait_all_tasks_blocked()
    return faults


def test_an_injected_crash_is_the_cause_of_what_the_asker_gets() -> None:
    async def ask() -> None:
        async with open_system() as system:
            puppet = await system.spawn(Puppet)
            with pytest.raises(ActorCrashed) as caught:
                await puppet.ask(Do(nothing))
            assert isinstance(caught.value.__cause__, InjectedCrash)

    simulate(1, faults=Faults(crash=1.0)).run(ask)


def test_a_crash_is_injected_before_the_handler_begins() -> None:
    simulation = simulate(1, faults=Faults(crash=1.0))

    assert simulation.run(everything) == [ActorCrashed] * 3
    crashes = [line for line in simulation.trace if "Crashed(error=InjectedCrash)" in line]
    assert len(crashes) == 4
    assert not any("handles" in line for line in simulation.trace)


def test_a_lost_tell_is_a_dead_letter_and_a_lost_ask_or_stream_says_so() -> None:
    simulation = simulate(1, faults=Faults(drop=1.0))

    assert simulation.run(everything) == [MessageDropped] * 3
    assert sum("DeadLetter(message=Order" in line for line in simulation.trace) == 1
    assert not any("handles" in line for line in simulation.trace)


def test_a_lost_message_comes_back_on_the_error() -> None:
    async def lose() -> None:
        async with open_system() as system, system.events() as facts:
            puppet = await system.spawn(Puppet)
            message, order = Do(nothing), Order(nothing)
            with pytest.raises(MessageDropped, match="a simulation lost the message") as caught:
                await puppet.ask(message)
            assert caught.value.message is message
            puppet.tell_nowait(order)
            assert await anext(facts) == Spawned(puppet.path)
            assert await anext(facts) == DeadLetter(puppet.path, order, str(caught.value))

    simulate(1, faults=Faults(drop=1.0)).run(lose)


def test_whoever_repeats_a_lost_ask_gives_others_their_turn() -> None:
    async def repeat(system: System) -> None:
        puppet = await system.spawn(Puppet)
        for _ in range(10_000):
            with pytest.raises(MessageDropped):
                await puppet.ask(Do(nothing))
        raise AssertionError("nobody else had a turn")

    async def scenario() -> None:
        async with open_system() as system, trio.open_nursery() as nursery:
            nursery.start_soon(repeat, system)
            for _ in range(50):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()

    simulate(1, faults=Faults(drop=1.0)).run(scenario)


def test_a_delay_passes_before_the_handler_and_ends_with_a_cancel() -> None:
    async def ask() -> float:
        async with open_system() as system:
            puppet = await system.spawn(Puppet)
            await puppet.ask(Do(nothing))
            begun = trio.current_time()
            with trio.move_on_after(0.01) as scope:
                await puppet.ask(Do(nothing))
            assert scope.cancelled_caught
            assert trio.current_time() == pytest.approx(begun + 0.01)
            assert await puppet.ask(Do(returns("there")), timeout=60) == "there"
            return begun

    waits = [simulate(seed, faults=Faults(delay=1.0, longest_delay=20)).run(ask) for seed in (1, 2)]

    assert 0 < min(waits) < max(waits) <= 20


def test_faults_can_be_kept_to_a_part_of_the_tree() -> None:
    faults = Faults(crash=1.0, below="/puppet")

    assert simulate(1, faults=faults).run(everything, "puppet") == [ActorCrashed] * 3
    assert simulate(1, faults=faults).run(everything, "puppet-2") == []


def test_a_mailbox_of_one_holds_one_whatever_the_options_say() -> None:
    async def fill() -> int:
        async with open_system() as system:
            puppet = await system.spawn(Puppet, options=ChildOptions(mailbox=MailboxOptions(64)))
            puppet.tell_nowait(Order(nothing))
            queued = 1
            while True:
                try:
                    puppet.tell_nowait(Order(nothing))
                except trio.WouldBlock:
                    return queued
                queued += 1

    assert simulate(1).run(fill) == 64
    assert simulate(1, mailbox=1).run(fill) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Faults(crash=1.5),
        lambda: Faults(delay=-0.1),
        lambda: Faults(drop=float("nan")),
        lambda: Faults(longest_delay=-1),
        lambda: simulate(1, mailbox=0),
    ],
)
def test_wrong_conditions_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        wrong()


# What it leaves behind


async def sees_the_hooks() -> None:
    assert getattr(engine, schedule.SWITCH) is True
    assert type(trio.lowlevel.current_task()._cancel_status) is engine.CancelStatus  # noqa: SLF001


async def fails() -> None:
    raise KeyError


@pytest.mark.parametrize("switch", [False, True])
@pytest.mark.parametrize("main", [sees_the_hooks, fails])
def test_what_was_changed_in_trio_is_put_back(
    switch: bool,  # noqa: FBT001 - one of two cases
    main: Callable[[], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, schedule.SWITCH, switch)
    before = (engine._r.getstate(), engine.CancelStatus, engine.Deadlines)  # noqa: SLF001 - as above
    try:
        simulate(1).run(main)
    except KeyError:
        assert main is fails

    assert (engine._r.getstate(), engine.CancelStatus, engine.Deadlines) == before  # noqa: SLF001
    assert getattr(engine, schedule.SWITCH) is switch


def test_a_system_that_is_opened_afterwards_has_no_conditions() -> None:
    simulation = simulate(1, faults=Faults(drop=1.0))
    simulation.run(everything)
    told = len(simulation.trace)

    assert trio.run(everything) == []
    assert len(simulation.trace) == told


@pytest.mark.parametrize("part", ["_r", schedule.SWITCH, "Deadlines.add", "CancelStatus"])
def test_a_trio_that_cannot_be_seeded_is_named(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, _, name = part.rpartition(".")
    monkeypatch.delattr(getattr(engine, owner) if owner else engine, name)

    with pytest.raises(RuntimeError, match=rf"trio [\d.]+ has no {part}"):
        simulate(1).run(nothing)


def test_two_threads_do_not_simulate_at_the_same_time() -> None:
    errors = list[str]()

    async def meanwhile() -> None:
        def other() -> None:
            try:
                simulate(2).run(nothing)
            except RuntimeError as error:
                errors.append(str(error))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    simulate(1).run(meanwhile)
    simulate(1).run(nothing)

    assert len(errors) == 1
    assert "another thread runs a simulation" in errors[0]


def test_a_simulation_can_be_printed() -> None:
    assert repr(Simulation(7)).startswith("Simulation(seed=7, faults=Faults(crash=0.0,")
