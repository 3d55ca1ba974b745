"""Barge in: while an agent speaks, somebody else steers the run, then interrupts it, and goes on.

`python examples/barge_in.py local:smollm2` interrupts a real model.
"""

import sys

import trio

from actors import open_agent
from actors.agents import AgentHandle
from actors.chat import AssistantTurn, Complete, Token, UserTurn
from actors.errors import RunInterrupted
from actors.providers import Model, Script, pause, say, script


def spoken(text: str) -> Script:
    """A word every hundredth of a second."""
    words = text.split()
    return script(*(step for word in words for step in (pause(0.01), say(f"{word} "))))


ANSWERS = (
    spoken("There are three trains in the morning."),
    spoken("And two of them stop at the harbour, " + "and then at another place, " * 50),
    spoken("Good night."),
)


class Voice:
    """What has been said so far, for those who listen."""

    def __init__(self) -> None:
        self._words = 0
        self._spoke = trio.Condition()

    async def say(self, word: str) -> None:
        print(word, end="", flush=True)
        async with self._spoke:
            self._words += 1
            self._spoke.notify_all()

    async def wait_for(self, words: int) -> None:
        async with self._spoke:
            while self._words < words:
                await self._spoke.wait()


async def speak(agent: AgentHandle, voice: Voice, text: str) -> None:
    """Read a run aloud, to its end or until somebody interrupts it."""
    print(f"user:   {text}")
    print("agent:  ", end="")
    try:
        async with agent.stream(text) as run:
            async for event in run:
                if isinstance(event, Token):
                    await voice.say(event.content)
                if isinstance(event, Complete):
                    print()
    except RunInterrupted as interrupted:
        print(f"\n        [interrupted: {interrupted.reason}]")


async def hear(agent: AgentHandle, voice: Voice) -> None:
    """The microphone: what the user says while the agent speaks."""
    await voice.wait_for(3)
    await agent.steer("Only those that stop at the harbour.")  # answered in the same run
    await voice.wait_for(20)
    await agent.interrupt("the user has heard enough")


async def main(model: str | Model) -> None:
    """Listen and speak at the same time."""
    voice = Voice()
    async with open_agent(model) as agent:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear, agent, voice)
            await speak(agent, voice, "When is there a train?")
            nursery.cancel_scope.cancel()  # a real model may say less than the user waits for
        await speak(agent, voice, "Thank you.")
        print("the history, as the next request would send it:")
        for turn in await agent.history():
            if isinstance(turn, UserTurn | AssistantTurn):
                print(f"  {type(turn).__name__:13} {turn.text!r}")


trio.run(main, sys.argv[1] if sys.argv[1:] else Model("scripted:voice", script=ANSWERS))
