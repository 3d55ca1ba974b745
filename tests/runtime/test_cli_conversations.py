"""`runtime chat --journal` and `runtime conversations`: what is kept, and what is said of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: object, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", "from runtime.cli import main; main()", *map(str, arguments)],
        input=text,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def chat(file: Path, conversation: str, text: str) -> str:
    result = run(
        "chat", "scripted:echo", "--journal", file, "--conversation", conversation, text=text
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def printed(*arguments: object) -> str:
    result = run("conversations", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_what_was_said_in_a_chat_is_there_in_the_next_and_can_be_taken_away(
    tmp_path: Path,
) -> None:
    file = tmp_path / "chats.db"
    assert chat(file, "a", "Hello\n") == "Hello\n"
    shown = chat(file, "a", "/history\nAgain\n")
    assert shown == "you: Hello\nmodel: Hello\nAgain\n"

    assert printed("list", file) == "     8  a\n"
    assert printed("fork", file, "a", 4, "b") == "b begins with 4 entries of a\n"
    assert printed("list", file) == "     8  a\n     4  b\n"
    assert printed("show", file, "b") == "## User\n\nHello\n\n## Assistant\n\nHello\n"
    lines = printed("export", file, "b").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == [
        "RunStarted",
        "UserSaid",
        "AssistantSaid",
        "RunEnded",
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("conversations", "show", "FILE", "b"), "there is no conversation 'b'"),
        (("conversations", "fork", "FILE", "a", "9", "b"), "has 4 entries: fork it at 1 to 4"),
        (("conversations", "list", "TEXT"), "it is no journal, and no SQLite database at all"),
        (("conversations", "list", "nowhere.db"), "'nowhere.db' does not exist"),
        (("chat", "scripted:echo", "--journal", "TEXT"), "no SQLite database at all"),
        (("chat", "scripted:echo", "--conversation", "a"), "add --journal FILE"),
        (("chat", "scripted:echo", "--journal", ""), "names, which are not empty"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, arguments: tuple[str, ...], line: str) -> None:
    file, text = tmp_path / "chats.db", tmp_path / "text.db"
    text.write_text("Dear diary, " * 100, encoding="utf-8")
    if "FILE" in arguments:
        chat(file, "a", "Hello\n")
    names = {"FILE": str(file), "TEXT": str(text)}
    result = run(*(names.get(argument, argument) for argument in arguments))

    assert result.returncode == 2, result.stderr
    assert line in result.stderr
    assert result.stderr.count("\n") == 1
