"""Barge in: leave a run while the model speaks, keep what was heard, and ask the next thing."""

import trio

from actors import open_agent
from actors.agents import AgentHandle
from actors.chat import AssistantTurn, Token, UserTurn
from actors.providers import Model, pause, say, script

STORY = "Once a ship left its harbour under a clear sky. Then the wind turned."
ANSWERS = (
    script(*(step for word in STORY.split() for step in (pause(0.01), say(f"{word} ")))),
    script(say("Of course: it came home.", pieces=5)),
)


async def listen(agent: AgentHandle, question: str, *, words: int | None = None) -> None:
    """Print an answer, and leave it after so many words."""
    print(f"you:    {question}")
    print("model:  ", end="")
    heard = 0
    async with agent.stream(question) as run:
        async for event in run:
            if isinstance(event, Token):
                print(event.content, end="", flush=True)
                heard += 1
            if heard == words:
                break  # leaving the block stops the model and returns when all is quiet
    print(f"\n        [{run.outcome}; the run's text is {run.response.text!r}]")


async def main() -> None:
    """Ask for a story, interrupt it, and ask for the end."""
    async with open_agent(Model("scripted:teller", script=ANSWERS)) as agent:
        await listen(agent, "Tell me a long story.", words=6)
        await listen(agent, "Just tell me how it ends.")
        print("the history, as the next request would send it:")
        for turn in await agent.history():
            if isinstance(turn, UserTurn | AssistantTurn):
                print(f"  {type(turn).__name__:13} {turn.text!r}")


trio.run(main)
