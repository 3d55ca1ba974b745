"""`runtime demo`: the story as a stranger sees it, with its programs that are killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from terminal import CTRL_C, Terminal

from actors.local import is_pulled

ROOT = Path(__file__).parents[2]
RUNTIME = str(Path(sys.executable).with_name("runtime"))
LIFE = [sys.executable, "-m", "runtime.cli._demo_life"]
OF_PROCESS = re.compile(r"process (\d+), ready in .* ms; entries in memory: (\d)")


def run(command: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own programs
        command,
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def live(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    return run([*LIFE, str(folder), text, *options])


def commands_with(word: str) -> list[str]:
    """The command lines of living processes that have a word in them."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "stat=,args="],  # noqa: S607 - where it is differs
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [line for line in listing.splitlines() if word in line and not line.startswith("Z")]


def test_the_story_is_told_and_the_second_program_knows_what_the_first_was_told() -> None:
    result = run([RUNTIME, "demo", "--offline"])

    assert (result.returncode, result.stderr) == (0, "")
    assert re.findall(r"^(\d)\. ", result.stdout, re.MULTILINE) == list("1234567")
    (first, nothing), (second, something) = OF_PROCESS.findall(result.stdout)
    assert first != second
    assert (nothing, something) == ("0", "1")
    killed, known = result.stdout.split("it was killed by SIGKILL")
    assert "> My boat is called Kittiwake" in killed
    assert re.search(r'recalled, similarity 0\.\d\d: "My boat is called Kittiwake', known)
    assert "Kittiwake" in known.split('Harwich."\n')[1]  # what the model was sent, it says back
    assert f"their conversations: process-{first}, process-{second}\n" in known
    assert result.stdout.endswith("actors left in the system: 0.\n")


def test_the_program_that_is_told_something_ends_by_sigkill(tmp_path: Path) -> None:
    told = live(tmp_path, "My boat is called Kittiwake.", "--kill", "--offline")
    asked = live(tmp_path, "How is my boat called?", "--offline")

    assert (told.returncode, told.stderr) == (-signal.SIGKILL, "")
    assert "recalled" not in told.stdout
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "recalled, similarity" in asked.stdout


def test_without_chroma_the_chapter_says_what_to_install_and_the_story_goes_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['chromadb'] = None\n")

    result = run([RUNTIME, "demo", "--offline"], PYTHONPATH=str(tmp_path))

    assert (result.returncode, result.stderr) == (0, "")
    assert "a memory needs chromadb: pip install 'troupe-runtime[memory]'" in result.stdout
    assert "SIGKILL" not in result.stdout
    assert "\n7. What the runtime cost" in result.stdout


def test_ctrl_c_in_the_chapter_ends_its_programs_and_leaves_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    with Terminal([RUNTIME, "demo", "--offline"], {"TMPDIR": str(folder)}) as terminal:
        terminal.read_until("> My boat")
        assert len(commands_with(str(folder))) > 1  # the program, and Chroma below it
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
        deadline = time.monotonic() + 10
        while commands_with(str(folder)) and time.monotonic() < deadline:
            time.sleep(0.01)

    assert commands_with(str(folder)) == []
    assert list(folder.iterdir()) == []
    assert "Traceback" not in terminal.seen


@pytest.mark.model
def test_the_model_on_this_machine_is_asked_with_what_minilm_recalled(tmp_path: Path) -> None:
    if not (is_pulled("smollm2") and is_pulled("minilm")):
        pytest.skip("the models are not here: `runtime pull smollm2`, `runtime pull minilm`")
    told = live(tmp_path, "My boat is called Kittiwake, and she lies in Harwich.", "--kill")
    asked = live(tmp_path, "What is the name of my boat?")

    assert (told.returncode, asked.returncode) == (-signal.SIGKILL, 0), told.stdout + asked.stdout
    similar = re.search(r"recalled, similarity (0\.\d\d): .*\n +\S", asked.stdout)
    assert similar is not None
    assert float(similar[1]) > 0.3
