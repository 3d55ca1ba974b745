"""The demo's chapter on memory: one program is told something and killed, the next one knows it.

`remember` starts both, one after the other, each a process of its own (this module, run). They
share a folder with a memory and a journal, and nothing else.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import click
import trio

from actors import AgentOptions, open_agent
from actors.agents import Settle
from actors.chat import Recalled, Settings
from actors.journal import SqliteJournal, conversations
from actors.memory import MemoryHandle, Semantic, open_memory
from actors.providers import Model, echo, script
from actors.recall import Window
from runtime import RuntimeFault, System

from ._complaints import line_for_fault
from ._demo_page import Page, ms
from ._interrupts import Interrupts

TOLD: Final = "My boat is called Kittiwake, and she lies in the harbour of Harwich."
ASKED: Final = "What is the name of my boat?"
SAMPLING: Final = Settings(temperature=0.0, max_tokens=40, seed=1)
PATIENCE: Final = 20.0  # seconds for the recall: a story may wait where a service would go on
KILLED: Final = -signal.SIGKILL
ONLINE: Final = "minilm"
OFFLINE: Final = "lexical"
MODEL: Final = "local:smollm2"
PARROT: Final = Model("scripted:parrot", script=script(echo(), repeat=True))
JOURNAL: Final = "journal.db"


# The program that tells of it


async def remember(page: Page, system: System, *, offline: bool) -> None:
    """Run both lives, and say what the journal has of them."""
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        if await _lived(folder, TOLD, kill=True, offline=offline) != KILLED:
            return  # it has said why
        page.remark("it was killed by SIGKILL; another program begins")
        if await _lived(folder, ASKED, kill=False, offline=offline) != 0:
            return
        journal = await system.spawn(SqliteJournal, Path(folder) / JOURNAL, name="demo-journal")
        kept = ", ".join(await conversations(journal))
        await journal.stop()
        page.remark(f"the journal on the disk has their conversations: {kept}")


async def _lived(folder: str, text: str, *, kill: bool, offline: bool) -> int:
    """How a program ended that was started in the folder, and told the text."""
    flags = {"--kill": kill, "--offline": offline}
    command = [sys.executable, "-m", __name__, folder, text]
    command += [flag for flag, is_set in flags.items() if is_set]
    return (await trio.run_process(command, check=False)).returncode


# The program that it tells of


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("text")
@click.option("--kill", is_flag=True)
@click.option("--offline", is_flag=True)
def main(folder: Path, text: str, *, kill: bool, offline: bool) -> None:
    """Say TEXT to an agent with a memory in FOLDER."""
    page = Page()
    try:
        sys.exit(trio.run(functools.partial(_live, page, folder, text, kill=kill, offline=offline)))
    except RuntimeFault as fault:
        page.remark(line_for_fault(fault))
        sys.exit(1)


async def _live(page: Page, folder: Path, text: str, *, kill: bool, offline: bool) -> int:
    began = time.perf_counter()
    interrupts = Interrupts(spare_conversation=False)
    embedder = OFFLINE if offline else ONLINE
    async with (
        interrupts.conversation(),
        open_memory(folder / "memory", embedder=embedder) as memory,
    ):
        await memory.settled()
        options = AgentOptions(
            journal=folder / JOURNAL,
            conversation=f"process-{os.getpid()}",
            memory=[Window(turns=20), Semantic(memory, seconds=PATIENCE)],
            settings=SAMPLING,
        )
        async with open_agent(PARROT if offline else MODEL, options=options) as agent:
            entries = (await memory.statistics()).entries
            ready = ms(time.perf_counter() - began)
            page.remark(f"process {os.getpid()}, ready in {ready}; entries in memory: {entries}")
            async with agent.stream(page.ask(text)) as run:
                await page.print_run(run, recalled=functools.partial(_show, page, memory))
            await agent.ref.ask(Settle())
            if kill:
                os.kill(os.getpid(), signal.SIGKILL)  # nothing gets a chance to be closed
    return interrupts.exit_code


async def _show(page: Page, memory: MemoryHandle, recalled: Recalled) -> None:
    for id, similarity in recalled.scores.items():
        entry = await memory.get(id)
        if entry is not None:
            first = entry.text.splitlines()[0]
            page.remark(f'recalled, similarity {similarity:.2f}: "{first}"')


if __name__ == "__main__":
    main()
