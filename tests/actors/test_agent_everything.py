"""Every feature of an agent at once, and hands that do anything to it, by seeds."""

from __future__ import annotations

import pytest
from everything_world import Everything

from runtime.testing import Faults, simulate

SLOW = Faults(delay=0.2, longest_delay=0.3)


@pytest.mark.parametrize("faults", [Faults(), SLOW], ids=["none", "slow"])
def test_whatever_is_combined_all_agree_and_nothing_is_left(seeds: range, faults: Faults) -> None:
    for seed in seeds[: max(60, len(seeds) // 4)]:
        simulate(seed, faults=faults).run(Everything(seed, crashes=False).live)
