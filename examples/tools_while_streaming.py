"""A model speaks, calls two tools at once, and goes on: every event of the run, as it happens.

`python examples/tools_while_streaming.py local:smollm2` asks a real model.
"""

import sys
import time

import trio

from actors import open_agent
from actors.chat import Complete, ToolEnd, ToolStart
from actors.providers import Model, call, pause, say, script
from actors.tools import tool

ANSWERS = (
    script(
        say("Let me look both up.", pieces=4),
        call("weather", city="Lisbon"),
        call("population", city="Lisbon"),
    ),
    script(pause(0.05), say("It is sunny for half a million people.", pieces=4)),
)


@tool(timeout=2)
async def weather(city: str) -> str:
    """Say what the weather is like.

    Args:
        city: Its name in English.
    """
    await trio.sleep(0.1)
    return f"sunny in {city}"


@tool
def population(city: str) -> dict[str, int]:
    """Count the people of a city."""
    time.sleep(0.1)  # a sync tool has a thread of its own: nothing else waits for it
    return {city: 545_923}


async def main(model: str | Model) -> None:
    """Ask, and print each event with the milliseconds since the question."""
    async with open_agent(model, tools=[weather, population]) as agent:
        began = trio.current_time()
        async with agent.stream("How is Lisbon?") as run:
            async for event in run:
                text = event.content
                if isinstance(event, ToolStart):
                    text = f"{event.content}({event.call.arguments_text})"
                elif isinstance(event, ToolEnd):
                    text = f"{event.result.name} ended {event.result.status}: {event.content}"
                elif isinstance(event, Complete):
                    text = f"{event.response.finish_reason}"
                milliseconds = (trio.current_time() - began) * 1000
                print(f"{milliseconds:5.0f} ms  {event.type:10}  {text}")
        print(f"{len(await agent.history())} turns are in the history")


trio.run(main, sys.argv[1] if sys.argv[1:] else Model("scripted:guide", script=ANSWERS))
