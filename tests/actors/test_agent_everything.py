"""Every feature of an agent at once, and hands that do anything to it, by seeds."""

from __future__ import annotations

import gc
from collections import Counter
from typing import TYPE_CHECKING, cast

import pytest
import trio
from everything_guarded import Guarded
from everything_world import Everything, OverSockets
from trio.testing import MockClock

from actors.agents._run import RunInProgress
from runtime.testing import Faults, assert_no_leaks, simulate

if TYPE_CHECKING:
    from actors.agents import AgentHandle

SLOW = Faults(delay=0.2, longest_delay=0.3)
CRASHING = Faults(crash=0.02, below="/agent/agent")
MODES = {
    "calm": (Faults(), False),
    "slow": (SLOW, False),
    "crashing": (CRASHING, True),
    "killed": (Faults(), True),
    "slow and killed": (SLOW, True),
}
WORLDS = 8


@pytest.mark.parametrize("mode", MODES)
def test_whatever_is_combined_all_agree_and_nothing_is_left(seeds: range, mode: str) -> None:
    """Three journals in ten take longer than the agent waits for, where it is slow and killed."""
    faults, crashes = MODES[mode]
    for seed in seeds[: max(40, len(seeds) // 8)]:
        simulate(seed, faults=faults).run(Everything(seed, crashes=crashes).live)


@pytest.mark.parametrize("mode", MODES)
def test_whatever_is_combined_no_effect_begins_before_what_was_said_has_passed(
    seeds: range, mode: str
) -> None:
    faults, crashes = MODES[mode]
    effects = 0
    for seed in seeds[: max(40, len(seeds) // 8)]:
        world = Guarded(seed, crashes=crashes)
        simulate(seed, faults=faults).run(world.live)
        effects += world.effects
    assert effects


def test_whatever_is_combined_no_socket_is_left(seeds: range) -> None:
    for seed in seeds[:WORLDS]:
        with assert_no_leaks():
            clock = MockClock(autojump_threshold=0.003)
            trio.run(OverSockets(seed, crashes=False).live, clock=clock)


def test_whatever_is_combined_nothing_is_kept_in_memory() -> None:
    """Of a run nothing, when it is over; of an agent nothing that was not there before it."""
    gc.collect()
    gc.freeze()  # what is there already is not looked at again and again
    try:
        for seed in range(WORLDS):
            simulate(seed).run(Counting(seed, crashes=False).live)
        before = ours()  # the caches are full
        for seed in range(WORLDS, 3 * WORLDS):
            simulate(seed).run(Counting(seed, crashes=False).live)
        assert ours() - before == Counter()
    finally:
        gc.unfreeze()


class Counting(Everything):
    """Looks for what is left of runs while their agent is there."""

    async def assert_whole(self, agent: AgentHandle) -> None:
        await super().assert_whole(agent)
        self.run = None  # its fault has a traceback, which has all
        assert ours()[RunInProgress] == 0


def ours() -> Counter[type[object]]:
    """How many objects there are of each class of this project."""
    gc.collect()
    kinds = [cast("type[object]", type(each)) for each in gc.get_objects()]
    return Counter(kind for kind in kinds if kind.__module__.startswith(("actors.", "runtime.")))
