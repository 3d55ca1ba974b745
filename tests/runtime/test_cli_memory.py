"""`runtime memory`: searched and counted from the command line."""

from __future__ import annotations

import signal
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


def test_files_are_ingested_refused_and_ingested_again(tmp_path: Path) -> None:
    folder, documents = tmp_path / "memory", tmp_path / "documents"
    documents.mkdir()
    (documents / "cats.md").write_text("# Cats\n\nThe cat sleeps.\n")
    (documents / "picture.txt").write_bytes(b"\x00")
    command = ("ingest", folder, documents, "--embedder", "lexical")

    first = run(*command)
    assert first.returncode == 1, first.stderr  # a file was refused
    assert f"ingested  {documents / 'cats.md'} (1 chunks)" in first.stdout
    assert f"refused   {documents / 'picture.txt'}: it is binary" in first.stdout
    second = run(*command, "--pattern", "*.md")
    assert second.returncode == 0, second.stderr
    assert second.stdout.endswith(
        "0 ingested, 1 unchanged, 0 refused; 0 chunks stored, 0 there already, 0 forgotten\n"
    )
    wrong = run(*command, "--size", 3)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("runtime: the size of a chunk is 3")


def test_an_ingest_that_is_interrupted_says_that_it_can_go_on(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    for number in range(300):
        (documents / f"{number:03}.txt").write_text(f"Text number {number}")
    words = ["memory", "ingest", str(tmp_path / "memory"), str(documents), "--embedder", "lexical"]
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", "from runtime.cli import main; main()", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "stopped; the same command goes on from here\n"
    assert run(*words[1:]).stdout.splitlines()[-1].endswith("0 forgotten")
