"""Record a run with its bytes and times, then play it without a server, a key or any waiting."""

import tempfile
import time
from pathlib import Path

import trio
from trio.testing import MockClock

from actors import open_agent
from actors.chat import Token, ToolEnd
from actors.errors import ReplayMismatch
from actors.providers import Model, Recording, Replay, call, pause, say
from actors.testing import answer, open_fake_openai

KEY = "sk-this-stays-out-of-the-file"


async def stock(item: str) -> int:
    """Count what is in the warehouse."""
    await trio.sleep(0.1)
    return {"lamp": 4}.get(item, 0)


async def ask(model: Model, question: str) -> None:
    """One run; what it shows, and when."""
    async with open_agent(model, tools=[stock]) as agent, agent.stream(question) as run:
        began = trio.current_time()
        async for event in run:
            if isinstance(event, Token | ToolEnd):
                print(f"  {trio.current_time() - began:4.1f} s  {event.type}: {event.content}")


async def record(file: Path) -> None:
    """Any model will do; this one is a fake server on a real socket."""
    answers = (
        answer(call("stock", item="lamp")),
        answer(pause(0.3), say("There are four lamps.", pieces=2)),
    )
    async with open_fake_openai(*answers) as server:
        model = Model("openai-compatible:shop", base_url=server.base_url, api_key=KEY)
        await ask(Recording(model, file), "How many lamps are there?")


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "lamps.jsonl"
    print("recorded:")
    trio.run(record, path)
    print(
        "lines in the file:",
        len(path.read_text().splitlines()),
        "- the key:",
        KEY in path.read_text(),
    )

    print("played:")
    started = time.perf_counter()
    trio.run(ask, Replay(path), "How many lamps are there?", clock=MockClock(autojump_threshold=0))
    print("in less than a second:", time.perf_counter() - started < 1)

    try:
        trio.run(ask, Replay(path), "How many chairs are there?")
    except ReplayMismatch as mismatch:
        print("another question:", str(mismatch).partition("; ")[2])
