"""SIGKILL at any moment: what was acknowledged is there, nothing is torn, and it goes on."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio
from agents_scripted import assert_sendable
from journal_writer import TOGETHER, numbered
from strict_history import refusals

from actors import AgentOptions, open_agent
from actors.journal import Entry, RunEnded, RunStarted, SqliteJournal, conversations, read
from actors.providers import Model, say, script
from runtime import open_system

ROOT = Path(__file__).parents[2]
WRITER = Path(__file__).parent / "journal_writer.py"
SEEDS_A_KILL = 100  # so 4 kills by default, and 100 with `--seeds 10000`
KILLS_A_FILE = 10


def acknowledged_until_killed(path: Path, chance: random.Random) -> dict[str, int]:
    """Let the writer run for a moment; how many entries it acknowledged to whom."""
    counts: dict[str, int] = {}
    lines, more = chance.randrange(0, 120), chance.uniform(0, 0.02)
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, WRITER, path],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    ) as writer:
        assert writer.stdout is not None
        for _ in range(lines):
            note(counts, writer.stdout.readline())
        time.sleep(more)  # the moment of the kill is the point
        writer.kill()
        for line in writer.stdout:
            note(counts, line)
    assert writer.returncode == -9
    return counts


def note(counts: dict[str, int], line: str) -> None:
    assert line.endswith("\n")
    name, count = line.split()
    counts[name] = int(count)


async def everything_in(path: Path) -> dict[str, tuple[Entry, ...]]:
    async with open_system() as system:
        journal = await system.spawn(SqliteJournal, path)
        return {name: await read(journal, name) for name in await conversations(journal)}


async def go_on(path: Path, name: str) -> None:
    """Ask one more question; a strict provider takes all that was said before."""
    options = AgentOptions(conversation=name, journal=path, journal_patience=60)
    async with open_agent(
        Model("scripted:x", script=script(say("Well."))), options=options
    ) as agent:
        assert_sendable(await agent.history())
        assert (await agent.run("Where were we?")).text == "Well."
        assert refusals(await agent.history()) == []


def test_a_journal_outlives_sigkill_at_random_with_all_that_it_acknowledged(
    tmp_path: Path, seeds: range
) -> None:
    """Ten times each file, so that each opening has to clear up after the kill before it."""
    acknowledged: dict[str, int] = {}
    kills = max(4, len(seeds) // SEEDS_A_KILL)
    for number, seed in enumerate(range(seeds.start, seeds.start + kills)):
        path = tmp_path / f"chats-{number // KILLS_A_FILE}.db"
        if number % KILLS_A_FILE == 0:
            acknowledged = {}
        chance = random.Random(seed)  # noqa: S311 - no secret
        acknowledged |= acknowledged_until_killed(path, chance)

        found = trio.run(everything_in, path)
        for name, count in acknowledged.items():
            assert len(found[name]) >= count, (seed, name)
        for name in found.keys() & {"tasks-1", "tasks-2"}:
            expected = [numbered(name, number) for number in range(1, len(found[name]) + 1)]
            assert list(found[name]) == expected, (seed, name)
            assert len(expected) % TOGETHER == 0, seed  # an append is in as a whole or not at all

        for name in found.keys() & {"talk-1", "talk-2"}:
            trio.run(go_on, path, name)
            after = trio.run(everything_in, path)[name]
            assert after[: len(found[name])] == found[name], (seed, name)
            begun = [entry.run for entry in after if isinstance(entry, RunStarted)]
            ended = [entry.run for entry in after if isinstance(entry, RunEnded)]
            assert begun == ended, (seed, name)
        if number % KILLS_A_FILE == min(kills, KILLS_A_FILE) - 1:
            assert len(acknowledged) == 4, seed
            assert min(acknowledged.values()) > 3, seed


DIES_AT = """
import os, signal, sys
from pathlib import Path
from actors.journal import Append, UserSaid
from actors.journal._file import JournalFile

file = JournalFile(Path(sys.argv[1]))
seen = []

def count(statement):
    seen.extend([statement] * statement.startswith(sys.argv[2]))
    if len(seen) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

file.write([Append("a", (UserSaid("r", "kept"),))])
file._connection.set_trace_callback(count)
file.write([Append("a", (UserSaid("r", "x"),) * 3), Append("b", (UserSaid("r", "y"),))])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("statement", "number", "counts"),
    [
        ("INSERT INTO entries", 3, {"a": 1}),  # with two of the three on their way
        ("COMMIT", 1, {"a": 1}),
        ("never", 1, {"a": 4, "b": 1}),
    ],
)
def test_a_commit_that_is_killed_at_any_statement_leaves_all_of_it_or_nothing(
    tmp_path: Path, statement: str, number: int, counts: dict[str, int]
) -> None:
    path = tmp_path / "chats.db"
    program = [sys.executable, "-c", DIES_AT, path, statement, str(number)]
    environment = {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(program, env=environment, check=False)  # noqa: S603 - our own program

    assert killed.returncode == -9
    found = trio.run(everything_in, path)
    assert {name: len(entries) for name, entries in found.items()} == counts
