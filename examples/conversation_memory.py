"""What of a long conversation is sent: a window, a summary, what fits the question, pins."""

from __future__ import annotations

import trio

from actors import AgentOptions, open_agent
from actors.chat import Recalled
from actors.providers import Model, script
from actors.recall import Recall, Selective, Summary, Window

# A script, so that this runs without a network: an answer each, and one of them is a summary.
FINE = Model("scripted:friend", script=script("Fine.", repeat=True))
SAID = ("My dog is called Bello.", "I live in Ulm.", "Two and two?", "It rains.")


async def ask(memory: Recall, model: Model = FINE) -> None:
    """Hold a conversation, and show what of it went with the last question."""
    async with open_agent(model, options=AgentOptions(memory=memory)) as agent:
        for text in SAID:
            await agent.run(text)
        await trio.sleep(0.1)  # a summary is made while nobody waits
        async with agent.stream("Where is my dog?") as run:
            async for event in run:
                if isinstance(event, Recalled):
                    print(f"{type(memory).__name__}: {event.content}")
                    for note in event.notes:
                        print("  ", note)


async def export() -> None:
    """Keep a turn in mind, and take the conversation away."""
    async with open_agent(FINE, options=AgentOptions(memory=Window(turns=1))) as agent:
        async with agent.stream(SAID[0]) as run:
            async for _ in run:
                pass
        await agent.pin(run.id)
        await agent.run(SAID[1])
        print(await agent.to_markdown())


async def main() -> None:
    """One memory after the other."""
    await ask(Window(turns=2))
    await ask(Selective(turns=2))
    summing_up = Model(
        "scripted:friend",
        script=(
            *[script("Fine.")] * len(SAID),
            script("They have a dog, Bello, and live in Ulm."),
            script("Fine."),
        ),
    )
    await ask(Summary(turns=2, every=2), summing_up)
    await export()


trio.run(main)
