"""Thought, action, observation, for models without tool calls, with a line for each as it comes.

`python examples/react_with_progress.py local:smollm2` asks a real model.
"""

import sys

import trio

from actors.agents import ReasonerOptions, open_reasoner
from actors.chat import Complete, Settings, Thought, Token, ToolEnd, ToolStart
from actors.errors import LimitReached
from actors.providers import Model, say, script, usage
from actors.reasoning import Noted, ReAct, ReasoningEvent
from actors.tools import calculator, tool

PROBLEM = "How many seats do 12 buses of the town have?"
SCRIPTED = Model(
    "scripted:example",
    script=[
        script(
            say("Thought: I need to know how many seats a bus has.\n", pieces=6),
            say('Action: look_up\nAction Input: {"what": "seats of a bus"}\n', pieces=6),
            say("Observation: 50 seats, I guess"),  # made up: the call is cut, this is not read
        ),
        script(
            say("Thought: 12 buses with 31 seats each.\n", pieces=5),
            say("Action: calculator(expression='12 * 31')", pieces=4),
            usage(210, 30),
        ),
        script(
            say("Thought: That is all of them.\nFinal Answer: 372 seats", pieces=9), usage(250, 20)
        ),
    ],
)


@tool(isolation="inline")
def look_up(what: str) -> str:
    """Look something up in the facts about the town."""
    return "31 seats" if "seat" in what else f"nothing about {what}"


def show(event: ReasoningEvent) -> None:
    """Each event as it comes."""
    match event:
        case Thought(content) | Token(content):
            print(content, end="", flush=True)
        case ToolStart():
            print(f"  > {event.content}({event.call.arguments})")
        case ToolEnd():
            print(f"  < {event.content}")
        case Complete():
            print(f"\n{event.response.usage.total_tokens} tokens")
        case Noted():
            pass  # the trace has something new
        case _:
            pass


async def main() -> None:
    """Think and act, and show both."""
    model = sys.argv[1] if len(sys.argv) > 1 else SCRIPTED
    brief = ReasonerOptions(settings=Settings(max_tokens=120))  # a small model may never stop
    async with open_reasoner(
        model, strategy=ReAct(), tools=[look_up, calculator], options=brief
    ) as reasoner:
        run = reasoner.stream(PROBLEM)
        try:
            async with run:
                async for event in run:
                    show(event)
        except LimitReached as limit:  # a small model may never come to an end
            print("error:", limit)
        print(f"{len(run.trace.steps)} thoughts, {len(run.tool_results)} results")


if __name__ == "__main__":
    trio.run(main)
