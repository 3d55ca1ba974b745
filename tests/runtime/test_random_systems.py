"""Every promise at once, in systems that dice have drawn.

A few hundred by default; `pytest tests/runtime/test_random_systems.py --seeds 10000` is the
proof at full size. A failure says its seed: `--seeds 7:8` runs that one again.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from random_plans import draw
from random_systems import World

from runtime.testing import Faults, simulate

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = 50  # so that a failure stops few of the seeds


@pytest.fixture(autouse=True)
def crashes_unwritten() -> Iterator[None]:
    """Thousands of crashes are on purpose."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def run_one(seed: int) -> Counter[str]:
    dice = random.Random(seed)  # noqa: S311 - no secret
    world = World(draw(dice))
    faults = Faults(
        crash=dice.choice([0, 0.02]), delay=dice.choice([0, 0.1]), drop=dice.choice([0, 0.05])
    )
    simulate(seed, faults=faults).run(world.run)
    return world.done


@pytest.mark.parametrize("part", range(PARTS))
def test_no_promise_is_broken_in_any_system(part: int, seeds: range) -> None:
    for seed in seeds[part::PARTS]:
        run_one(seed)


def test_the_systems_do_all_there_is_to_do() -> None:
    done = Counter[str]()
    for seed in range(60):
        done += run_one(seed)

    assert done.keys() >= {
        *("ask", "ask beside", "tell", "tell now", "feed", "feed beside", "forward", "into"),
        *(
            "crash",
            "refuse",
            "finish",
            "stop",
            "drain",
            "kill",
            "spawn",
            "watch",
            "later",
            "pipe",
            "beside",
        ),
        *("ActorCrashed", "ActorRestarting", "ActorStopped", "AskCycle", "AskTimeout"),
        *("MailboxFull", "MessageDropped"),
    }
