"""Keep a conversation in a file, go on in a later program, and fork it to try another way."""

import tempfile
from pathlib import Path

import trio

from actors import AgentOptions, open_agent
from actors.journal import SqliteJournal, conversations, fork, read, to_markdown
from actors.providers import Model, say, script
from runtime import open_system


def model(answer: str) -> Model:
    """A model that says one thing; with a real one, write "local:smollm2"."""
    return Model("scripted:friend", script=script(say(answer, pieces=4)))


async def ask(file: Path, conversation: str, question: str, answer: str) -> None:
    """One program's life: open the conversation, ask, and end."""
    options = AgentOptions(journal=file, conversation=conversation)
    async with open_agent(model(answer), options=options) as agent:
        print(f"[{conversation}, {len(await agent.history())} turns so far]")
        print(f"  {question} -> {(await agent.run(question)).text}")


async def main(file: Path) -> None:
    """Three programs, one after the other, on one file."""
    await ask(file, "holiday", "The sea or the hills?", "The sea, in May.")
    async with open_system() as system:
        journal = await system.spawn(SqliteJournal, file)
        await fork(journal, "holiday", at=4, into="holiday, cheaper")
    await ask(file, "holiday", "And where to sleep?", "In the old hotel.")
    await ask(file, "holiday, cheaper", "And where to sleep?", "In a tent.")

    async with open_system() as system:
        journal = await system.spawn(SqliteJournal, file)
        for name in await conversations(journal):
            print(f"\n# {name}\n\n{to_markdown(await read(journal, name))}", end="")


with tempfile.TemporaryDirectory() as folder:
    trio.run(main, Path(folder) / "chats.db")
