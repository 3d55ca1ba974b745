"""`runtime memory`: searched and counted from the command line."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from terminal import CTRL_C, Terminal

from actors.memory import open_memory

ROOT = Path(__file__).parents[2]


def run(*arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        [
            sys.executable,
            "-c",
            "from runtime.cli import main; main()",
            "memory",
            *map(str, arguments),
        ],
        cwd=ROOT,
        env={**os.environ, **env},
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


async def store(folder: Path, *texts: str) -> None:
    async with open_memory(folder, embedder="lexical") as memory:
        await memory.store_many(texts)


def entries_of(folder: Path) -> int:
    said = run("stats", folder, "--embedder", "lexical").stdout
    return int(said.splitlines()[0].removeprefix("entries"))


def undone(said: str) -> subprocess.CompletedProcess[str]:
    """Follow the line that says how to put back what was merged."""
    words = shlex.split(said[said.index("runtime memory ") :].splitlines()[0])
    return run(*words[2:])


def test_near_duplicates_are_merged_and_put_back_by_the_line_that_says_how(tmp_path: Path) -> None:
    folder = tmp_path / "my memory"
    trio.run(store, folder, "Ada has a cat", "Ada has a cat!", "The rent is due")
    command = ("consolidate", folder, "--embedder", "lexical")

    done = run(*command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("3 entries before, 2 after\n1 group merged; put back with: ")
    again = run(*command)
    assert again.stdout == "2 entries before, 2 after\n"
    back = undone(done.stdout)
    assert (back.returncode, back.stdout, back.stderr) == (0, "2 entries restored\n", "")
    assert entries_of(folder) == 3
    strict = run(*command, "--threshold", 1, "--keep", "newest")
    assert strict.returncode == 0, strict.stderr
    twice = undone(done.stdout)
    assert twice.returncode == 2
    assert "there is nothing of a consolidation" in twice.stderr


def test_a_merged_entry_that_was_merged_further_is_left_by_an_undo(tmp_path: Path) -> None:
    command = ("consolidate", tmp_path, "--embedder", "lexical")
    trio.run(store, tmp_path, "Ada has a cat", "Ada has a cat!")
    first = run(*command)
    trio.run(store, tmp_path, "Ada has a cat?")
    assert run(*command).returncode == 0

    back = undone(first.stdout)
    assert (back.returncode, back.stdout) == (1, "0 entries restored\n")
    assert re.fullmatch(r"left: \w+, merged further, forgotten or replaced since\n", back.stderr)


def test_a_model_can_write_what_is_kept(tmp_path: Path) -> None:
    trio.run(store, tmp_path, "Ada has a cat", "Ada has a cat!")
    command = ("consolidate", tmp_path, "--embedder", "lexical", "--keep")

    away = {"OPENAI_COMPATIBLE_BASE_URL": "http://127.0.0.1:1/v1"}
    failed = run(*command, "openai-compatible:nobody", **away)
    assert (failed.returncode, failed.stdout) == (1, "2 entries before, 2 after\n")
    assert failed.stderr.splitlines()[-1].startswith("1 group stays as it is: ")
    written = run(*command, "scripted:echo")
    assert "1 group merged" in written.stdout
    found = run("search", tmp_path, "cat", "--embedder", "lexical")
    assert "Note: Ada has a cat  Note: Ada has a cat!" in found.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--threshold", "2"], "threshold is 2.0, and must be a cosine above 0, up to 1"),
        (["--threshold", "nan"], "threshold is nan, and must be a cosine above 0, up to 1"),
        (["--keep", "nonsense"], "there is no model 'nonsense'"),
        (["--undo", "nonsense"], "there is nothing of a consolidation nonsense"),
        (["--undo", "x", "--keep", "newest"], "leave --keep out"),
    ],
)
def test_a_consolidation_that_cannot_be_is_one_line(
    options: list[str], says: str, tmp_path: Path
) -> None:
    trio.run(store, tmp_path, "Ada has a cat")

    wrong = run("consolidate", tmp_path, "--embedder", "lexical", *options)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert says in wrong.stderr
    assert len(wrong.stderr.splitlines()) == 1


def test_ctrl_c_stops_a_consolidation_between_two_commits(tmp_path: Path) -> None:
    texts = [
        f"Note {n * 7919 % 10_007} of {n * 104_729 % 20_011}" for n in range(500)
    ]  # all different
    trio.run(store, tmp_path, *(twice for text in texts for twice in (text, f"{text}!")))
    runtime = str(Path(sys.executable).with_name("runtime"))
    with Terminal(
        [runtime, "memory", "consolidate", str(tmp_path), "--embedder", "lexical"]
    ) as terminal:
        terminal.read_until("0 merged")
        terminal.read_until("merged")
        terminal.type(CTRL_C)
        assert terminal.wait() == 130

    told = re.search(r"stopped; (\d+) groups merged; (.+)", terminal.seen)
    assert told is not None, terminal.seen
    merged = int(told[1])
    assert 0 < merged < 500
    assert entries_of(tmp_path) == 1_000 - merged
    assert undone(told[2]).stdout == f"{2 * merged} entries restored\n"
