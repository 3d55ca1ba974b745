"""`runtime memory`: searched and counted from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import trio

from actors.memory import open_memory

ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        [
            sys.executable,
            "-c",
            "from runtime.cli import main; main()",
            "memory",
            *map(str, arguments),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def fill(folder: Path) -> None:
    async with open_memory(folder, embedder="lexical") as memory:
        await memory.store("The cat sleeps\non the sofa", id="cats")
        await memory.store("Stock prices fell", id="stocks")


def test_a_memory_is_searched_and_counted(tmp_path: Path) -> None:
    trio.run(fill, tmp_path / "memory")

    found = run(
        "search", tmp_path / "memory", "where sleeps the cat", "--embedder", "lexical", "--limit", 1
    )
    assert found.returncode == 0, found.stderr
    (line,) = found.stdout.splitlines()
    assert line.endswith("  cats  The cat sleeps on the sofa")

    by_words = run(
        "search", tmp_path / "memory", "price", "--embedder", "lexical", "--by", "keyword"
    )
    (line,) = by_words.stdout.splitlines()
    assert line.endswith("  stocks  Stock prices fell")

    counted = run("stats", tmp_path / "memory", "--embedder", "lexical")
    assert counted.returncode == 0, counted.stderr
    assert "entries    2\nembedder   lexical-256\n" in counted.stdout
    assert counted.stdout.endswith("index      ready\n")


def test_what_the_user_can_put_right_is_one_line(tmp_path: Path) -> None:
    trio.run(fill, tmp_path / "memory")

    nothing = run("stats", tmp_path)
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "there is no memory in" in nothing.stderr

    other = run("stats", tmp_path / "memory", "--embedder", "nobody")
    assert other.returncode == 2
    assert "there is no embedder 'nobody'" in other.stderr
    assert len(other.stderr.splitlines()) == 1
