"""Tools for a model that cannot call any: it writes thoughts and actions, read as they stream."""

from __future__ import annotations

import trio

from actors import AgentOptions, open_agent
from actors.chat import Thought, Token, ToolEnd, ToolStart
from actors.providers import Capabilities, Model, say, script


def population(city: str) -> int:
    """How many people live in a city."""
    return {"Ulm": 129_000, "Bonn": 337_000}.get(city, 0)


# A script, so that this runs without a network. The second line of what it writes is made up.
MODEL = Model(
    "scripted:writer",
    script=(
        script(
            say(
                "Thought: I have to look it up.\n"
                'Action: population\nAction Input: {"city": "Ulm"}\n'
                "Observation: 12\nFinal Answer: 12",
                pieces=40,
            )
        ),
        script(say("Thought: Now I know.\nFinal Answer: 129 000 people live in Ulm.", pieces=30)),
    ),
    capabilities=Capabilities(tools=False),
)


async def main() -> None:
    """Ask, and show each kind of event as it comes."""
    options = AgentOptions(style="react")
    async with (
        open_agent(MODEL, tools=[population], options=options) as agent,
        agent.stream("How many people live in Ulm?") as run,
    ):
        last = ""
        async for event in run:
            if event.type in ("answer", "complete"):
                continue
            if event.type != last:
                print(f"\n[{event.type}] ", end="")
                last = event.type
            match event:
                case Thought(text) | Token(text):
                    print(text, end="", flush=True)
                case ToolStart(name, call):
                    print(f"{name}({call.arguments_text})", end="")
                case ToolEnd(content):
                    print(content, end="")
                case _:
                    pass
    print()


trio.run(main)
