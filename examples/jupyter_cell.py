"""Cells of a notebook: a kernel runs asyncio, so they use `actors.asyncio` with a bare `await`.

Each function is a cell; in a notebook, paste its body. The agent lives across cells in an
`AsyncExitStack`, for it may be opened in one cell, used in others, and closed in the last.
`python examples/jupyter_cell.py local:smollm2` asks a real model.
"""

import asyncio
import sys
from contextlib import AsyncExitStack

from actors import AgentOptions
from actors.asyncio import AsyncioAgent, open_agent
from actors.chat import Settings, Token
from actors.providers import Model, pause, say, script

STORY = "Once a ship left its harbour under a clear sky. Then the wind turned."
SCRIPTED = Model(
    "scripted:teller",
    script=(
        script(*(step for word in STORY.split() for step in (pause(0.01), say(f"{word} ")))),
        script(say("It came home.")),
    ),
)
MODEL = sys.argv[1] if sys.argv[1:] else SCRIPTED

WORDS = 5  # then the user has heard enough

stack = AsyncExitStack()


async def first_cell() -> AsyncioAgent:
    """Open an agent, and keep it."""
    brief = AgentOptions(settings=Settings(max_tokens=60))  # a small model may never stop
    return await stack.enter_async_context(open_agent(MODEL, options=brief))


async def second_cell(agent: AsyncioAgent) -> None:
    """Stream; the stop button of the notebook would interrupt the run just as `break` does."""
    async with agent.stream("Tell me a story") as run:
        async for event in run:
            if isinstance(event, Token):
                print(event.content, end="", flush=True)
            if run.response.chunk_count == WORDS:
                break
    print(f"\n[{run.outcome}]")


async def third_cell(agent: AsyncioAgent) -> None:
    """Ask again: the agent knows what was heard."""
    answer = await agent.run("How does it end?")
    print(answer.text)
    print(f"[{len(await agent.history())} turns]")


async def last_cell() -> None:
    """Close it. A kernel that is restarted without this ends it, too."""
    await stack.aclose()


async def notebook() -> None:
    """What a kernel does: each cell in a task of its own."""
    agent = await asyncio.create_task(first_cell())
    await asyncio.create_task(second_cell(agent))
    await asyncio.create_task(third_cell(agent))
    await asyncio.create_task(last_cell())


asyncio.run(notebook())
