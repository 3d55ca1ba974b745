"""`runtime chat` with tools that ask before they run, with a memory, and with ReAct."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from terminal import CTRL_C, CTRL_D, Terminal

from actors.providers import call, say
from actors.testing import FakeOpenAI, answer, open_fake_openai
from runtime.cli._approval import NO, reason_in

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNTIME = str(Path(sys.executable).with_name("runtime"))
QUESTION = "run it? y, n, or n and why: "
TOUCH = call("run_command", command=["touch", "made"])


def at(server: FakeOpenAI, *options: object) -> list[str]:
    return [RUNTIME, "chat", "fake", "--base-url", server.base_url, *map(str, options)]


def pipe(command: Sequence[str], text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        command, input=text, capture_output=True, text=True, timeout=60, check=False
    )


async def playing(
    command: list[str], *keys_and_screens: tuple[str, str], code: int | None = None
) -> list[str]:
    """Press keys and wait for what they bring, one after the other; the screens, then all of it."""

    def play() -> list[str]:
        with Terminal(command) as terminal:
            shown: list[str] = []
            for keys, screen in keys_and_screens:
                terminal.type(keys)
                shown.append(terminal.read_until(screen))
            if code is not None:
                assert terminal.wait() == code
            return [*shown, terminal.seen]

    return await trio.to_thread.run_sync(play)


def told(server: FakeOpenAI, request: int) -> list[Any]:
    """What the model is told by tools in a request."""
    messages = server.requests[request].body["messages"]
    return [turn["content"] for turn in messages if turn["role"] == "tool"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("y", ""),
        (" YES ", ""),
        ("n", NO),
        ("No", NO),
        ("n not here", "not here"),
        ("no, it is late", "it is late"),
        ("N: late", "late"),
        ("", None),
        ("yesterday", None),
        ("y please", None),
        ("not now", None),
        ("nay", None),
    ],
)
def test_only_a_clear_yes_is_one_and_what_follows_a_no_is_the_reason(
    line: str, reason: str | None
) -> None:
    assert reason_in(line) == reason


async def test_a_tool_that_changes_something_runs_after_a_yes(tmp_path: Path) -> None:
    async with open_fake_openai(answer(TOUCH), answer("done")) as server:
        (_, asked, _, done, _) = await playing(
            at(server, "--tool", f"shell={tmp_path}"),
            ("", "> "),
            ("make it\n", QUESTION),
            ("maybe\n", QUESTION),
            ("y\n", "done"),
        )

    assert "The model wants to call run_command:" in asked
    assert "\r\n  command = ['touch', 'made']\r\n" in asked
    assert "run_command: ok: exit status 0" in done
    assert (tmp_path / "made").exists()


async def test_a_no_keeps_it_from_running_and_the_model_is_told_why(tmp_path: Path) -> None:
    async with open_fake_openai(answer(TOUCH), answer("as you wish")) as server:
        await playing(
            at(server, "--tool", f"shell={tmp_path}"),
            ("", "> "),
            ("make it\n", QUESTION),
            ("n, not today\n", "as you wish"),
        )

    assert not (tmp_path / "made").exists()
    assert told(server, 1) == ["the call was denied: not today"]


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D], ids=["ctrl-c", "ctrl-d"])
async def test_a_key_in_place_of_an_answer_means_not_run(tmp_path: Path, key: str) -> None:
    async with open_fake_openai(answer(TOUCH, TOUCH), answer("I see")) as server:
        command = at(server, "--tool", f"shell={tmp_path}")
        asked = [("", "> "), ("make it\n", QUESTION), ("y\n", QUESTION), (key, "not run")]
        if key == CTRL_C:  # the conversation goes on, and the history can be sent
            asked += [("", "stopped"), ("", "> "), ("why?\n", "I see"), ("", "> "), (CTRL_D, "\n")]
        seen = (await playing(command, *asked, code=0))[-1]

    assert not (tmp_path / "made").exists()
    assert "Traceback" not in seen
    assert len(server.requests) == (2 if key == CTRL_C else 1)


async def test_what_was_typed_before_the_question_is_no_answer_to_it(tmp_path: Path) -> None:
    async with open_fake_openai(answer(TOUCH), answer("no then"), answer("yes what?")) as server:
        await playing(
            at(server, "--tool", f"shell={tmp_path}"),
            ("", "> "),
            ("make it\ny\nyes\n", QUESTION),
            ("n\n", "no then"),
            ("", "yes what?"),
        )

    assert not (tmp_path / "made").exists()
    assert server.requests[2].body["messages"][-1]["content"] == "y"


async def test_a_call_is_shown_whole_and_cannot_steer_the_terminal(tmp_path: Path) -> None:
    text = "a" * 2_000 + "\x1b[2J\u202e"
    writing = call("write_file", path="made", text=text)
    async with open_fake_openai(answer(writing), answer("done")) as server:
        (_, asked, _) = await playing(
            at(server, "--tool", f"files={tmp_path}"), ("", "> "), ("make it\n", QUESTION)
        )

    assert "a" * 2_000 in asked.replace("\r\n", "").replace("\x1b[0m", "")
    assert "\x1b[2J" not in asked
    assert "\u202e" not in asked


async def test_in_a_pipe_it_does_not_run_but_with_yes_it_does(tmp_path: Path) -> None:
    async with open_fake_openai(
        answer(TOUCH), answer("never mind"), answer(TOUCH), answer("done")
    ) as server:
        command = at(server, "--tool", f"shell={tmp_path}")
        without = await trio.to_thread.run_sync(pipe, command, "make it\n")
        assert not (tmp_path / "made").exists()
        having = await trio.to_thread.run_sync(pipe, [*command, "--yes"], "make it\n")

    assert (without.returncode, without.stdout) == (0, "never mind\n")
    assert "tools did not run: there is nobody who could be asked; --yes" in without.stderr
    assert (having.returncode, having.stdout) == (0, "done\n")
    assert (tmp_path / "made").exists()


async def test_a_tool_that_changes_nothing_is_not_asked_about() -> None:
    sum_ = call("calculator", expression="2 + 3")
    async with open_fake_openai(answer(sum_), answer("five")) as server:
        result = await trio.to_thread.run_sync(
            pipe, at(server, "--tool", "calculator", "--tool", "clock=Europe/Berlin"), "2 + 3?\n"
        )

    assert (result.returncode, result.stdout) == (0, "five\n")
    assert told(server, 1) == ["5"]
    assert "calculator: ok: 5" in result.stderr
    names = [tool["function"]["name"] for tool in server.requests[0].body["tools"]]
    assert names == ["calculator", "current_time", "shift_time", "time_between"]


async def test_a_model_that_cannot_call_tools_writes_what_it_wants() -> None:
    action = "Thought: easy.\nAction: calculator\nAction Input: 2 + 3"
    async with open_fake_openai(answer(say(action)), answer("Final Answer: five")) as server:
        command = at(server, "--tool", "calculator", "--style", "react")
        result = await trio.to_thread.run_sync(pipe, command, "2 + 3?\n")

    assert (result.returncode, result.stdout) == (0, "five\n")
    assert "tools" not in server.requests[0].body


def test_what_was_said_is_recalled_in_another_conversation(tmp_path: Path) -> None:
    command = [RUNTIME, "chat", "scripted:echo", "--memory", str(tmp_path), "--embedder", "lexical"]
    first = pipe(command, "My boat is called Kittiwake.\n")
    second = pipe(command, "How is my boat called?\n")

    assert (first.returncode, first.stderr) == (0, "")
    assert second.returncode == 0
    assert "My boat is called Kittiwake." in second.stdout
    assert "1 entry of the memory; similarity 0." in second.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--tool", "nonsense"], "there is no tool 'nonsense'; there are calculator, clock"),
        (["--tool", "files"], "write --tool files=FOLDER, not files"),
        (["--tool", "shell="], "write --tool shell[=FOLDER], not shell="),
        (["--tool", "calculator=x"], "write --tool calculator, not calculator=x"),
        (["--tool", "files=/nowhere"], "--tool files: "),
        (["--tool", "fetch=https://docs.python.org/3/"], "is an address: write its host"),
        (["--tool", "clock=Atlantis"], "--tool clock: "),
        (["--tool", "clock", "--tool", "clock=UTC"], "--tool clock is given twice"),
        (["--embedder", "lexical"], "add --memory FOLDER"),
        (["--memory", ""], "whose name is not empty"),
        (["--memory", "/proc/nowhere", "--embedder", "lexical"], "cannot be used"),
        (["--style", "nonsense"], "'nonsense' is not one of 'tools', 'react'"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(options: list[str], says: str) -> None:
    result = pipe([RUNTIME, "chat", "scripted:echo", *options], "hello\n")

    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
