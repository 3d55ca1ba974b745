"""The real model on this machine, recorded and played."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
import trio
from recordings import lines_of, replay, told

from actors import open_agent
from actors.chat import Settings, user
from actors.local import is_pulled, pull
from actors.providers import Model, Recording, Replay

if TYPE_CHECKING:
    from pathlib import Path

    from recordings import Told

pytestmark = pytest.mark.model

BRIEF = Model("local:smollm2", settings=Settings(temperature=0.0, max_tokens=24))


@pytest.fixture(scope="module", autouse=True)
def pulled() -> None:
    if os.environ.get("TROUPE_PULL") == "1":
        pull("smollm2")
    elif not is_pulled("smollm2"):
        pytest.skip("the model is not here: `runtime pull smollm2`, or TROUPE_PULL=1")


def test_the_real_model_plays_again_without_its_server(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"

    async def ask(model: Model) -> Told:
        return await told(model, [user("Count to five.")])

    recorded = trio.run(ask, Recording(BRIEF, file))
    began = time.perf_counter()
    played = replay(file, use=ask)

    assert recorded.response.is_complete
    assert len(recorded.chunks) > 5
    assert [chunk for _, chunk in played.chunks] == [chunk for _, chunk in recorded.chunks]
    assert 0 < played.chunks[-1][0] < recorded.chunks[-1][0] + 1e-3
    assert time.perf_counter() - began < 2  # a server would take longer to start


def test_a_run_of_the_real_model_plays_to_the_same_events(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"

    async def run(model: Model) -> list[tuple[str, str]]:
        async with open_agent(model) as agent, agent.stream("Say hello.") as events:
            return [(event.type, str(event.content)) async for event in events]

    recorded = trio.run(run, Recording(BRIEF, file))
    played = replay(file, use=run)

    assert played == recorded
    assert len(recorded) > 3
    assert Replay(file).name == "local:smollm2"
    assert lines_of(file)[0]["wire"] == "openai-chat"
