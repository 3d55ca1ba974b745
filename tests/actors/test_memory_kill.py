"""SIGKILL of our process or of Chroma's at any moment: nothing acknowledged is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio
from memory_writer import id_of, is_forgotten, text_of
from processes import children_running, is_alive

from actors.memory import open_memory

ROOT = Path(__file__).parents[2]
WRITER = Path(__file__).parent / "memory_writer.py"
SEEDS_A_KILL = 100  # so 4 kills by default, and 100 with `--seeds 10000`
ASKED = 20  # entries that are searched for after each


class Acknowledged:
    """What the writer was told is in, and what is out."""

    def __init__(self) -> None:
        self.kept: set[int] = set()
        self.forgotten: set[int] = set()
        self.next = 0
        self.in_doubt: set[int] = set()  # its forgetting may have been killed on its way to us

    def note(self, line: str) -> None:
        assert line.endswith("\n")
        match line.split():
            case ["+", first, end]:
                self.kept |= set(range(int(first), int(end)))
                self.next = int(end)
                self.in_doubt = {int(first)} if is_forgotten(int(first)) else set()
            case ["-", number]:
                self.kept.remove(int(number))
                self.forgotten.add(int(number))
                self.in_doubt = set()
            case _:
                assert line == "ready\n"


def chroma_of(writer: int) -> int | None:
    """The process id of the server itself, below its keeper."""
    for keeper in children_running("_keeper.py", writer):
        for server in children_running("chroma", keeper):
            return server
    return None


def write_until_killed(folder: Path, chance: random.Random, found: Acknowledged) -> int:
    """Let the writer run for a moment; how often its Chroma was killed before it was itself."""
    killed = 0
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, WRITER, folder, str(found.next)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}:{ROOT / 'tests' / 'actors'}"},
    ) as writer:
        assert writer.stdout is not None
        found.note(writer.stdout.readline())
        kills_chroma = chance.random() < 0.5
        for number in range(chance.randrange(1, 120)):
            found.note(writer.stdout.readline())
            server = chroma_of(writer.pid) if kills_chroma and number == 40 else None
            if server is not None:
                os.kill(server, signal.SIGKILL)
                killed += 1
        time.sleep(chance.uniform(0, 0.02))  # the moment of the kill is the point
        last = chroma_of(writer.pid)
        writer.kill()
        for line in writer.stdout:
            found.note(line)
    assert writer.returncode == -9
    deadline = time.monotonic() + 10
    while last is not None and is_alive(last):
        assert time.monotonic() < deadline, "the server outlived the program that was killed"
        time.sleep(0.01)
    return killed


async def check(folder: Path, acknowledged: Acknowledged, chance: random.Random) -> int:
    """See that all is there and found; how often the index had to be made anew."""
    async with open_memory(folder, embedder="lexical") as memory:
        entries = {entry.id: entry for entry in await memory.entries(limit=1_000_000)}
        acknowledged.kept -= {n for n in acknowledged.in_doubt if id_of(n) not in entries}
        assert {id_of(number) for number in acknowledged.kept} - entries.keys() == set()
        assert {id_of(number) for number in acknowledged.forgotten} & entries.keys() == set()
        for number in chance.sample(sorted(acknowledged.kept), min(ASKED, len(acknowledged.kept))):
            assert entries[id_of(number)].text == text_of(number)
        with trio.fail_after(120):
            await memory.settled()
        for number in chance.sample(sorted(acknowledged.kept), min(ASKED, len(acknowledged.kept))):
            found = await memory.search(text_of(number), limit=3)
            assert found.pending == 0
            assert found[0].similarity == pytest.approx(1, abs=1e-4)
            assert id_of(number) in {hit.entry.id for hit in found}
        return (await memory.statistics()).rebuilds


def test_a_memory_outlives_sigkill_at_random_with_all_that_it_acknowledged(
    tmp_path: Path, seeds: range
) -> None:
    acknowledged = Acknowledged()
    kills = max(4, len(seeds) // SEEDS_A_KILL)
    of_chroma = rebuilds = 0
    for seed in range(seeds.start, seeds.start + kills):
        chance = random.Random(seed)  # noqa: S311 - no secret
        of_chroma += write_until_killed(tmp_path / "memory", chance, acknowledged)
        rebuilds += trio.run(check, tmp_path / "memory", acknowledged, chance)
    assert len(acknowledged.kept) > 10 * kills
    print(f"{kills} kills, {of_chroma} of Chroma, {rebuilds} rebuilds")  # noqa: T201 - shown with -s
