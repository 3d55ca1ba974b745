"""A chat in a terminal: answers stream word by word, and Ctrl-C stops an answer, not the chat.

`python examples/streaming_chat.py local:smollm2` talks to a real model; Ctrl-D leaves.
"""

import signal
import sys
from collections.abc import AsyncIterable

import trio

from actors import open_agent
from actors.agents import AgentHandle
from actors.chat import Token
from actors.errors import RunInterrupted
from actors.providers import Model, pause, say, script

STORY = "Once a ship left its harbour under a clear sky. Then the wind turned."
SAID = ("Tell me a story.", "Thank you.")  # what a user would write
ANSWERS = (
    script(*(step for word in STORY.split() for step in (pause(0.01), say(f"{word} ")))),
    script(say("You are welcome.", pieces=3)),
)


async def answer(agent: AgentHandle, text: str) -> None:
    """Print an answer as it comes; what was shown stays in the conversation, whatever happens."""
    try:
        async with agent.stream(text) as run:
            async for event in run:
                if isinstance(event, Token):
                    print(event.content, end="", flush=True)
    except RunInterrupted:
        print(" ...", end="")
    print()


async def stop_answers_on_ctrl_c(agent: AgentHandle, task_status: trio.TaskStatus[None]) -> None:
    """Interrupt whatever goes on; while nobody answers, Ctrl-C does nothing."""
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            await agent.interrupt("Ctrl-C")


async def hold(agent: AgentHandle, lines: AsyncIterable[str] | None) -> None:
    """Answer line by line, or what stands above."""
    if lines is None:
        for text in SAID:
            print(f"> {text}")
            await answer(agent, text)
        return
    async for line in lines:
        await answer(agent, line)


async def main(model: str | None) -> None:
    """Talk, with an eye on Ctrl-C."""
    lines = trio.wrap_file(sys.stdin) if model else None
    chosen = model or Model("scripted:teller", script=ANSWERS)
    async with (
        open_agent(chosen, instructions="Be brief.") as agent,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(stop_answers_on_ctrl_c, agent)
        await hold(agent, lines)
        nursery.cancel_scope.cancel()


trio.run(main, sys.argv[1] if sys.argv[1:] else None)
