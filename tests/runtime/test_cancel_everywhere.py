"""Where `cancel_everywhere` cancels, and what it says when a scenario does not survive it."""

from __future__ import annotations

import attrs
import pytest
import trio

from runtime import Actor, Ask, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere


class Doubler: ...


@attrs.frozen
class Double(Ask[Doubler, int]):
    number: int


class SlowDoubler(Actor, Doubler):
    def __init__(self, passed: set[str]) -> None:
        self.passed = passed

    @Double.handles
    async def double(self, message: Double) -> int:
        for step in range(3):
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled:
                self.passed.add(f"handler {step}")
                raise
        return 2 * message.number


async def test_a_scenario_is_cancelled_at_each_of_its_checkpoints_in_turn() -> None:
    reached = list[int]()

    async def scenario() -> None:
        reached.append(0)
        for step in range(1, 4):
            await trio.lowlevel.checkpoint()
            reached[-1] = step

    # A cancel beforehand and one after the first step both show at the first checkpoint.
    assert await cancel_everywhere(scenario) == 4
    assert reached == [0, 0, 1, 2, 3]


async def test_a_scenario_that_waits_for_an_actor_is_cancelled_at_each_step_of_the_actor() -> None:
    passed = set[str]()

    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            doubler = await system.spawn(SlowDoubler, passed)
            assert await doubler.ask(Double(4)) == 8

    assert await cancel_everywhere(scenario) > 10
    assert passed >= {"handler 0", "handler 1", "handler 2"}


async def test_an_error_says_after_which_step_the_scenario_was_cancelled() -> None:
    async def scenario() -> None:
        await trio.lowlevel.checkpoint()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            raise KeyError("not ready for this") from None

    with pytest.raises(KeyError) as caught:
        await cancel_everywhere(scenario)

    assert caught.value.__notes__ == ["cancel_everywhere: the scenario was cancelled after step 2"]


async def test_the_check_runs_after_each_run_and_is_not_cancelled() -> None:
    runs = list[str]()

    async def scenario() -> None:
        runs.append("begun")
        await trio.lowlevel.checkpoint()
        runs[-1] = "ended"

    async def check() -> None:
        await trio.lowlevel.checkpoint()
        runs.append("checked")

    await cancel_everywhere(scenario, check=check)

    assert runs[1::2] == ["checked"] * (len(runs) // 2)
    assert runs[0] == "begun"
    assert runs[-2] == "ended"


async def test_a_check_that_fails_ends_it() -> None:
    async def check() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await cancel_everywhere(trio.lowlevel.checkpoint, check=check)


async def test_a_scenario_without_a_checkpoint_is_run_and_left_alone() -> None:
    async def scenario() -> None: ...

    assert await cancel_everywhere(scenario) == 1


async def test_a_scenario_with_too_many_steps_is_refused() -> None:
    async def scenario() -> None:
        for _ in range(10):
            await trio.lowlevel.checkpoint()

    with pytest.raises(AssertionError, match="did not end within 5 steps"):
        await cancel_everywhere(scenario, limit=5)


async def test_sleeps_pass_at_once_on_virtual_time(autojump_clock: trio.testing.MockClock) -> None:
    del autojump_clock

    async def scenario() -> None:
        await trio.sleep(3600)

    assert await cancel_everywhere(scenario) >= 1
