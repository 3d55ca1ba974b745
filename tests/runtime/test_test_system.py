"""What `open_test_system` lets pass and what it fails for, and what `record_facts` hears."""

# ruff: noqa: ARG001 - the fixture `autojump_clock` makes time virtual by being there
from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio
from puppet import Do, Order, Puppet, Refused, crash, crash_now, nothing, sleeps

from runtime import (
    Backoff,
    ChildOptions,
    Crashed,
    DeadLetter,
    Exit,
    GaveUp,
    MailboxOptions,
    MessageFailed,
    Overdue,
    Restarted,
    RestartLimit,
    RestartPolicy,
    Spawned,
    Stopped,
    System,
    SystemFailed,
    open_system,
)
from runtime.testing import Faults, open_test_system, record_facts, simulate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from trio.testing import MockClock


async def refuse(_: object) -> None:
    raise Refused("no")


async def shield(_: object) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(100)


async def test_a_system_in_which_nothing_goes_wrong_passes(autojump_clock: MockClock) -> None:
    async with open_test_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(Do(sleeps(3600)))


@pytest.fixture
async def system() -> AsyncGenerator[System]:
    async with open_test_system(mailbox=1) as system:
        yield system


async def test_it_can_be_a_fixture_where_the_test_names_the_clock(
    system: System, autojump_clock: MockClock
) -> None:
    puppet = await system.spawn(Puppet)
    await puppet.ask(Do(sleeps(3600)))


async def test_a_crash_fails_the_test_with_the_error_as_its_cause(
    autojump_clock: MockClock,
) -> None:
    with pytest.raises(AssertionError, match=r"Crashed\(path='/puppet'.*allow=") as caught:
        async with open_test_system() as system:
            await crash_now(await system.spawn(Puppet, name="puppet"))

    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_crash_that_belongs_to_the_test_passes(autojump_clock: MockClock) -> None:
    async with open_test_system(allow=(ValueError,)) as system:
        await crash_now(await system.spawn(Puppet))
    async with open_test_system(allow=(Crashed,)) as system:
        await crash_now(await system.spawn(Puppet))


async def test_another_crash_than_the_allowed_one_does_not_pass(autojump_clock: MockClock) -> None:
    with pytest.raises(AssertionError, match="went wrong"):
        async with open_test_system(allow=(KeyError, DeadLetter)) as system:
            await crash_now(await system.spawn(Puppet))


async def test_a_dead_letter_and_a_tell_that_failed_fail_the_test_unless_allowed(
    autojump_clock: MockClock,
) -> None:
    async def fail_unheard(system: System) -> None:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(refuse))
        await trio.testing.wait_all_tasks_blocked()
        await puppet.stop()
        await puppet.tell(Order(nothing))

    with pytest.raises(AssertionError, match=r"MessageFailed.*Refused.*; DeadLetter"):
        async with open_test_system() as system:
            await fail_unheard(system)
    async with open_test_system(allow=(Refused, DeadLetter)) as system:
        await fail_unheard(system)


async def test_what_waits_when_the_block_is_left_is_no_trouble(autojump_clock: MockClock) -> None:
    async with open_test_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(sleeps(1)))
        await puppet.tell(Order(nothing))


async def test_a_crash_and_an_overdue_end_are_trouble_also_when_the_block_is_left(
    autojump_clock: MockClock,
) -> None:
    async def crash_at_the_end(*_: object) -> None:
        raise ValueError

    async def begin_what_shields_itself(system: System) -> None:
        puppet = await system.spawn(Puppet, options=ChildOptions(grace=1, cleanup=1))
        await puppet.tell(Order(shield))
        await trio.testing.wait_all_tasks_blocked()

    with pytest.raises(AssertionError, match="Crashed"):
        async with open_test_system() as system:
            await system.spawn(Puppet, nothing, crash_at_the_end)
    with pytest.raises(AssertionError, match="Overdue"):
        async with open_test_system() as system:
            await begin_what_shields_itself(system)
    async with open_test_system(allow=(Overdue,)) as system:
        await begin_what_shields_itself(system)


async def test_a_supervisor_that_gives_up_is_allowed_with_the_error_behind_it(
    autojump_clock: MockClock,
) -> None:
    async with open_test_system(allow=(ValueError,)) as system:
        group = await system.supervise(
            "group", limit=RestartLimit(0), restart=RestartPolicy.TEMPORARY
        )
        async with record_facts(system) as facts:
            await crash_now(await group.spawn(Puppet))
        assert len(facts.of(GaveUp)) == 1


async def test_an_error_of_the_test_is_bare_and_told_what_went_wrong_meanwhile(
    autojump_clock: MockClock,
) -> None:
    async def crash_and_fail(system: System) -> None:
        await crash_now(await system.spawn(Puppet, name="puppet"))
        raise KeyError

    with pytest.raises(KeyError) as caught:
        async with open_test_system() as system:
            await crash_and_fail(system)
    assert "meanwhile in the system: Crashed(path='/puppet'" in caught.value.__notes__[0]

    with pytest.raises(KeyError) as caught:
        async with open_test_system():
            raise KeyError
    assert not hasattr(caught.value, "__notes__")


async def test_a_system_that_fails_says_so(autojump_clock: MockClock) -> None:
    with pytest.raises(SystemFailed):
        async with open_test_system(limit=RestartLimit(0)) as system:
            await crash_now(await system.spawn(Puppet))


async def test_other_systems_that_the_test_opens_inside_are_watched_and_none_afterwards(
    autojump_clock: MockClock,
) -> None:
    async def open_another() -> int:
        async with open_system() as system:
            puppet = await system.spawn(Puppet)
            await crash_now(puppet)
            for _ in range(3):
                with suppress(trio.WouldBlock):
                    puppet.tell_nowait(Order(nothing))
            return puppet.statistics().queued

    with pytest.raises(AssertionError, match="went wrong"):
        async with open_test_system(mailbox=1):
            assert await open_another() == 1
    assert await open_another() == 3


async def test_every_mailbox_can_be_made_to_hold_one(autojump_clock: MockClock) -> None:
    async with open_test_system(mailbox=1) as system:
        puppet = await system.spawn(Puppet, options=ChildOptions(mailbox=MailboxOptions(9)))
        puppet.tell_nowait(Order(nothing))
        with pytest.raises(trio.WouldBlock):
            puppet.tell_nowait(Order(nothing))
    with pytest.raises(ValueError, match="mailbox must be 1 message or more, not 0"):
        async with open_test_system(mailbox=0):
            pass


def test_without_virtual_time_it_says_what_to_do() -> None:
    async def on_real_time() -> None:
        async with open_test_system(real_time=True) as system:
            await (await system.spawn(Puppet)).ask(Do(nothing))

    async def by_mistake() -> None:
        async with open_test_system():
            pass

    trio.run(on_real_time)
    with pytest.raises(RuntimeError, match=r"autojump_clock.*real_time=True"):
        trio.run(by_mistake)


def test_in_a_simulation_injected_crashes_pass_and_bugs_do_not() -> None:
    async def scenario(bug: bool) -> None:  # noqa: FBT001 - one of two
        async with open_test_system(limit=RestartLimit(100), mailbox=1) as system:
            puppet = await system.spawn(Puppet, options=ChildOptions(keep_mailbox=True))
            for _ in range(10):
                await puppet.tell(Order(nothing))
            if bug:
                await puppet.tell(Order(crash))
            await trio.testing.wait_all_tasks_blocked()

    simulation = simulate(1, faults=Faults(crash=0.3))
    simulation.run(scenario, False)  # noqa: FBT003 - likewise
    assert "InjectedCrash" in " ".join(simulation.trace)
    with pytest.raises(AssertionError, match="ValueError"):
        simulate(1).run(scenario, True)  # noqa: FBT003 - likewise


# Facts


async def test_facts_are_recorded_in_the_step_in_which_they_happen(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        await system.spawn(Puppet, name="before")
        async with record_facts(system) as facts:
            puppet = await system.spawn(Puppet, name="puppet")
            await puppet.stop()
            await puppet.tell(Order(nothing))
            assert list(facts)[:2] == [Spawned("/puppet"), Stopped("/puppet", Exit.STOPPED)]
            assert [letter.path for letter in facts.of(DeadLetter)] == ["/puppet"]
            assert len(facts) == 3
        await system.spawn(Puppet, name="after")
        assert len(facts) == 3


async def test_a_fact_can_be_waited_for(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        group = await system.supervise("group", backoff=Backoff(2, 2, jitter=0))
        async with record_facts(group) as facts:
            for times in (1, 2):
                await crash_now(await group.spawn(Puppet))
                begun = trio.current_time()
                assert (await facts.wait_for(Restarted, times=times)).restarts == 1
                assert trio.current_time() == begun + 2
            assert isinstance((await facts.wait_for(Crashed)).error, ValueError)


async def test_a_fact_that_does_not_happen_is_not_waited_for_for_ever(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system, record_facts(system) as facts:
        with pytest.raises(AssertionError, match=r"no Crashed number 1 within 3 s.*: nothing"):
            await facts.wait_for(Crashed, within=3)
        await system.spawn(Puppet, name="puppet")
        with pytest.raises(
            AssertionError, match=r"no Spawned number 2.*Spawned\(path='/puppet', kind='Puppet'\)"
        ):
            await facts.wait_for(Spawned, times=2)


async def test_a_message_that_fails_unheard_is_recorded(autojump_clock: MockClock) -> None:
    async with open_system() as system, record_facts(system) as facts:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(refuse))

        assert isinstance((await facts.wait_for(MessageFailed)).error, Refused)
