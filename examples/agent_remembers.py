"""An agent that remembers over a restart of its program, each time in a new conversation."""

import tempfile
from pathlib import Path

import trio

from actors import AgentOptions, open_agent
from actors.chat import Recalled
from actors.memory import Semantic, open_memory
from actors.providers import Model, echo, script
from actors.recall import Window

# "minilm" knows meaning, after `runtime pull minilm`; this one knows words, and needs nothing.
EMBEDDER = "lexical"
# A real one is for example "openai:gpt-4o-mini". This one says back what it was sent.
MODEL = Model("scripted:parrot", script=script(echo(), repeat=True))


async def program(folder: Path, *texts: str) -> None:
    """One life of the program: nothing but the folder outlives it."""
    async with open_memory(folder, embedder=EMBEDDER) as memory:
        mine = Semantic(memory, tokens=400, seconds=10, scope={"user": "ada"})
        options = AgentOptions(memory=[Window(turns=20), mine])
        async with open_agent(MODEL, options=options) as agent:
            for text in texts:
                async with agent.stream(text) as run:
                    async for event in run:
                        if isinstance(event, Recalled):
                            print(f"  [{event.content}; {list(event.scores.values())}]")
                print(f"> {text}\n{run.response.text}\n")
        print(f"({(await memory.statistics()).entries} entries are kept)\n")


with tempfile.TemporaryDirectory() as temporary:
    trio.run(program, Path(temporary) / "memory", "My dog is called Bello.", "Thanks!")
    trio.run(program, Path(temporary) / "memory", "How is my dog called?")
