"""An agent with a tool: python examples/first_agent.py [local:smollm2]."""

import sys

import trio

from actors import open_agent
from actors.chat import Token
from actors.providers import Model, call, say, script

ANSWERS = script(call("multiply", a=12, b=31)), script(say("12 times 31 is 372.", pieces=6))


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


async def main(model: str | Model) -> None:
    """Ask one question and print the answer as it comes."""
    async with open_agent(model, tools=[multiply]) as agent:
        async with agent.stream("What is 12 times 31?") as run:
            async for event in run:
                if isinstance(event, Token):
                    print(event.content, end="", flush=True)
        print(f"\n{run.outcome}: {[f'{r.name} gave {r.content}' for r in run.tool_results]}")


trio.run(main, sys.argv[1] if sys.argv[1:] else Model("scripted:first", script=ANSWERS))
