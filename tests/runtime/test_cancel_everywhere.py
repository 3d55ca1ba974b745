"""Where `cancel_everywhere` cancels, and what it says when a scenario does not survive it."""

from __future__ import annotations

import attrs
import pytest
import trio

from runtime import Actor, Ask, open_system
from runtime.testing import _schedule as schedule
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


async def test_each_run_goes_through_the_steps_of_the_one_before_it() -> None:
    runs = list[list[int]]()

    async def take_part(number: int) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
            runs[-1].append(number)

    async def race() -> None:
        runs.append([])
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(take_part, number)

    for seed in (1, 2):
        runs.clear()
        await cancel_everywhere(race, seed=seed)
        assert len(runs[-1]) == 12
        for run in runs:
            assert run == runs[-1][: len(run)]
        assert {len(run) for run in runs} == set(range(13))


async def test_trios_order_is_its_own_again_afterwards() -> None:
    state = schedule._engine._r.getstate()  # noqa: SLF001 - trio's generator
    await cancel_everywhere(trio.lowlevel.checkpoint)

    assert schedule._engine._r.getstate() == state  # noqa: SLF001 - likewise


async def test_a_trio_that_cannot_be_seeded_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "NEEDED", {"": ("what no trio has",)})

    assert await cancel_everywhere(trio.lowlevel.checkpoint) == 2


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


async def test_a_sample_is_drawn_by_the_seed_from_all_steps() -> None:
    reached = list[int]()

    async def scenario() -> None:
        reached.append(0)
        for step in range(1, 51):
            await trio.lowlevel.checkpoint()
            reached[-1] = step

    drawn = list[list[int]]()
    for seed in (1, 1, 2):
        reached.clear()
        assert await cancel_everywhere(scenario, sample=5, seed=seed) == 5
        assert reached[0] == 50  # the run that counts
        drawn.append(reached[1:])

    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 5
    assert drawn[0] == sorted(drawn[0])


async def test_a_sample_as_large_as_the_scenario_is_all_of_it() -> None:
    assert await cancel_everywhere(trio.lowlevel.checkpoint, sample=99) == 2
    with pytest.raises(AssertionError, match="did not end within 1 steps"):
        await cancel_everywhere(trio.lowlevel.checkpoint, sample=99, limit=1)


async def test_sleeps_pass_at_once_on_virtual_time(autojump_clock: trio.testing.MockClock) -> None:
    del autojump_clock

    async def scenario() -> None:
        await trio.sleep(3600)

    assert await cancel_everywhere(scenario) >= 1


async def test_deadlines_of_one_run_do_not_get_in_the_way_of_the_next(
    autojump_clock: trio.testing.MockClock,
) -> None:
    del autojump_clock
    late = trio.current_time() + 3600  # one moment for all runs

    async def scenario() -> None:
        with trio.CancelScope(deadline=late):
            await trio.lowlevel.checkpoint()

    assert await cancel_everywhere(scenario) == 2
