"""The real model on this machine: the flow of each strategy, not its wisdom."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from actors.agents import ReasonerOptions, open_reasoner
from actors.chat import Outcome, Settings
from actors.errors import LimitReached
from actors.local import is_pulled, pull
from actors.providers import Model
from actors.reasoning import (
    CallStatus,
    ChainOfThought,
    ReAct,
    Select,
    SelfConsistency,
    Strategy,
    TreeOfThoughts,
)
from actors.tools import calculator
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from actors.agents import ReasoningRun

pytestmark = pytest.mark.model

SMALL = Model("local:smollm2")
OPTIONS = ReasonerOptions(settings=Settings(max_tokens=60, seed=1))
PROBLEM = "Tom has 3 apples and buys 4 more. How many apples has Tom?"


@pytest.fixture(scope="module", autouse=True)
def pulled() -> None:
    if os.environ.get("TROUPE_PULL") == "1":
        pull("smollm2")
    elif not is_pulled("smollm2"):
        pytest.skip("the model is not here: `runtime pull smollm2`, or TROUPE_PULL=1")


@pytest.mark.parametrize(
    "strategy",
    [
        ChainOfThought(),
        SelfConsistency(2),
        TreeOfThoughts(breadth=2, depth=1, beam=1),
        ReAct(max_steps=2),
        Select(),
    ],
    ids=lambda each: each.name,
)
async def test_a_small_model_is_led_through_a_strategy(strategy: Strategy) -> None:
    with assert_no_leaks():
        async with open_reasoner(
            SMALL, strategy=strategy, tools=[calculator], options=OPTIONS
        ) as reasoner:
            run = await thought_about(reasoner.stream(PROBLEM))

    trace = run.trace
    assert run.outcome in {Outcome.DONE, Outcome.LIMIT}
    assert (run.outcome is Outcome.DONE) == (trace.answer is not None)
    assert trace.usage.total_tokens > 0
    assert {call.status for call in trace.calls} <= {CallStatus.DONE, CallStatus.CANCELLED}
    assert run.response.thinking or run.response.text


async def thought_about(run: ReasoningRun) -> ReasoningRun:
    async with run:
        try:
            async for _ in run:
                pass
        except LimitReached:
            pass
    return run
