"""Facts from a model and by hand: who is related to whom, and where it was said."""

import tempfile

import trio

from actors.memory import Fact, learn_facts, open_memory
from actors.providers import Model, open_provider, say, script

# A model that gives this answer; name "openai:gpt-4o-mini" to ask a real one.
ANSWER = '{"facts": [{"subject": "Ada", "relation": "works at", "object": "Acme"}]}'
MODEL = Model("scripted:example", script=(script(say(ANSWER)),))


async def main(folder: str) -> None:
    """One fact is learned, one is told; together they are a path."""
    async with open_memory(folder, embedder="lexical") as memory, open_provider(MODEL) as provider:
        entry = await memory.store("Since May, Ada works at Acme.")
        for learned in await learn_facts(memory, provider, [entry]):
            print("learned:", *learned.facts)
        await memory.graph.add(Fact("Acme", "is in", "Lisbon"))
        for fact in await memory.graph.path("Ada", "Lisbon") or ():
            said = [each.text for each in [await memory.get(id) for id in fact.sources] if each]
            print(fact.fact, "-", *(said or ["by hand"]))


with tempfile.TemporaryDirectory() as temporary:
    trio.run(main, temporary)
