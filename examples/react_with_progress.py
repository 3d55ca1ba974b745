"""ReAct: tools for a model that cannot call any, each thought and action shown as it comes.

Twice the same question: to an agent, which has a conversation and a journal, and to a reasoner,
which has neither and gives a trace. `python examples/react_with_progress.py local:smollm2` asks a
real model.
"""

import sys

import trio

from actors import AgentOptions, open_agent
from actors.agents import ReasonerOptions, RunLimits, open_reasoner
from actors.chat import Complete, Event, Settings, Thought, Token, ToolEnd, ToolStart
from actors.errors import LimitReached
from actors.providers import Model, say, script, usage
from actors.reasoning import ReAct
from actors.tools import calculator, tool

PROBLEM = "How many seats do 12 buses of the town have?"
SCRIPTED = Model(
    "scripted:writer",
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
BRIEF = Settings(max_tokens=120)  # a small model may never stop


@tool(isolation="inline")
def look_up(what: str) -> str:
    """Look something up in the facts about the town."""
    return "31 seats" if "seat" in what else f"nothing about {what}"


TOOLS = (look_up, calculator)


class Progress:
    """Shows each event as it comes."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, event: Event) -> None:
        """A line for each thought, action, observation and answer."""
        if event.type != self._last and isinstance(event, Thought | Token):
            print(f"[{event.type}] ", end="")
        self._last = event.type
        match event:
            case Thought(content) | Token(content):
                print(content.replace("\n", " "), end="", flush=True)
            case ToolStart():
                print(f"\n  > {event.content}({event.call.arguments_text})")
            case ToolEnd():
                print(f"  < {event.content}")
            case Complete():
                print(f"\n{event.response.usage.total_tokens} tokens")
            case _:
                pass


async def ask_an_agent(model: str | Model) -> None:
    """All else of an agent is as ever: what it says and does is in its history."""
    options = AgentOptions(style="react", settings=BRIEF, limits=RunLimits(model_calls=8))
    async with open_agent(model, tools=TOOLS, options=options) as agent:
        progress = Progress()
        try:
            async with agent.stream(PROBLEM) as run:
                async for event in run:
                    progress.show(event)
        except LimitReached as limit:
            print("error:", limit)
        print(f"{len(await agent.history())} turns are in the history")


async def ask_a_reasoner(model: str | Model) -> None:
    """The same events, and a trace of the steps."""
    brief = ReasonerOptions(settings=BRIEF)
    async with open_reasoner(model, strategy=ReAct(), tools=TOOLS, options=brief) as reasoner:
        progress = Progress()
        run = reasoner.stream(PROBLEM)
        try:
            async with run:
                async for event in run:
                    if isinstance(event, Event):
                        progress.show(event)
        except LimitReached as limit:
            print("error:", limit)
        print(run.trace.outline())


async def main(model: str | Model) -> None:
    """Think and act, and show both."""
    print("an agent:")
    await ask_an_agent(model)
    print("\na reasoner:")
    await ask_a_reasoner(model)


trio.run(main, sys.argv[1] if sys.argv[1:] else SCRIPTED)
