"""The embedder on this machine: a real model in a child process, which ends with its actor."""

from __future__ import annotations

import math
import operator
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from processes import children_running, seconds_until_gone, until

from actors.errors import EmbedderEnded, ModelNotPulled
from actors.local import is_pulled, pull
from actors.memory import LocalEmbedder, open_memory
from actors.providers import Embed
from runtime import ActorCrashed, ActorRestarting, open_system

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
needs_model = pytest.mark.usefixtures("pulled")


@pytest.fixture(scope="module")
def pulled() -> None:
    if os.environ.get("TROUPE_PULL") == "1":
        pull("minilm")
    elif not is_pulled("minilm"):
        pytest.skip("the model is not here: `runtime pull minilm`, or TROUPE_PULL=1")


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(operator.mul, one, other))


@needs_model
async def test_texts_that_mean_the_same_are_alike_and_others_are_not() -> None:
    async with open_system() as system:
        embedder = await system.spawn(LocalEmbedder)
        found = await embedder.ask(
            Embed(("The cat naps on the couch.", "A kitten sleeps on the sofa.", "Shares fell."))
        )
        cat, kitten, shares = found.vectors
        assert found.model == "minilm"
        assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-5) for vector in found.vectors)
        assert len(cat) == 384
        assert cosine(cat, kitten) > 0.5
        assert cosine(cat, shares) < 0.2


@needs_model
async def test_many_texts_at_once_are_as_each_alone_and_a_cancel_spoils_nothing() -> None:
    texts = tuple(f"Text number {number} " + "and so on " * (number % 7) for number in range(40))
    async with open_system() as system:
        embedder = await system.spawn(LocalEmbedder)
        together = (await embedder.ask(Embed(texts))).vectors
        with trio.move_on_after(0.01):
            await embedder.ask(Embed(texts))
        for number in (0, 17, 39):
            (alone,) = (await embedder.ask(Embed((texts[number],)))).vectors
            # 8-bit weights: what stands beside a text in its batch moves it a little
            assert cosine(alone, together[number]) > 0.98


@needs_model
async def test_a_memory_finds_by_meaning_where_no_word_is_the_same(tmp_path: Path) -> None:
    async with open_memory(tmp_path / "memory") as memory:
        await memory.store_many(
            ["My sister is allergic to peanuts.", "We flew to Lisbon in May.", "The rent is due."]
        )
        with trio.fail_after(60):
            (hit,) = await memory.search("Which food must she avoid?", limit=1)
        assert hit.entry.text == "My sister is allergic to peanuts."


@needs_model
async def test_a_killed_embedder_is_replaced() -> None:
    async with open_system() as system:
        embedder = await system.spawn(LocalEmbedder)
        (process,) = children_running("_minilm_serve.py")
        os.kill(process, signal.SIGKILL)
        await until(lambda: process not in children_running("_minilm_serve.py"))
        with trio.fail_after(30):
            while True:
                try:
                    assert len((await embedder.ask(Embed(("hello",)))).vectors) == 1
                    break
                except (ActorCrashed, ActorRestarting, EmbedderEnded):
                    await trio.sleep(0.05)


PROGRAM = """
import trio
from actors.memory import LocalEmbedder
from runtime import open_system

async def main():
    async with open_system() as system:
        await system.spawn(LocalEmbedder)
        print("ready", flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


@needs_model
async def test_no_embedder_outlives_a_program_that_is_killed() -> None:
    program = await trio.lowlevel.open_process(
        [sys.executable, "-c", PROGRAM], stdout=-1, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert program.stdout is not None
    await program.stdout.receive_some()
    (process,) = children_running("_minilm_serve.py", program.pid)
    program.kill()
    await program.wait()
    assert await seconds_until_gone(process) < 3
    await program.stdout.aclose()


async def test_a_model_that_is_not_pulled_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TROUPE_CACHE", str(tmp_path))
    with pytest.raises(ModelNotPulled, match="run `runtime pull minilm`"):
        async with open_memory():
            pass
