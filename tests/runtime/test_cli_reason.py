"""`runtime reason` as it is used: the answer in a pipe, thoughts on a terminal, Ctrl-C."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import CTRL_C, Terminal

ROOT = Path(__file__).parents[2]
REASON = [sys.executable, "-c", "from runtime.cli import main; main()", "reason"]
ECHO = ("--model", "scripted:echo")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        [*REASON, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_pipe_gets_the_answer_alone() -> None:
    result = run("Why?", *ECHO)

    assert (result.returncode, result.stdout, result.stderr) == (0, "Problem: Why?\n", "")


def test_the_outline_says_all_that_was_thought() -> None:
    result = run("Why?", *ECHO, "--strategy", "vote", "--outline")

    first, *steps, answer = result.stdout.splitlines()
    assert first == "self-consistency: Why?"
    assert [step.partition(". ")[2] for step in steps] == ["Problem: Why? [score 1]"] * 3
    assert answer == "  answer: Problem: Why?"


@pytest.mark.parametrize("strategy", ["chain", "vote", "tree", "react", "select"])
def test_each_strategy_comes_to_an_answer(strategy: str) -> None:
    result = run("Why?", *ECHO, "--strategy", strategy)

    assert result.returncode == 0, result.stderr
    assert "Why?" in result.stdout


def test_a_terminal_gets_the_thoughts_too() -> None:
    with Terminal([*REASON, "Why?", *ECHO]) as terminal:
        assert terminal.wait() == 0

    assert terminal.seen.count("Why?") == 2
    assert terminal.seen.endswith("\nProblem: Why?\r\n")
    assert "\x1b[2m" in terminal.seen  # dim


def test_ctrl_c_stops_a_model_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with Terminal([*REASON, "Why?", "--model", "m", "--base-url", address]) as terminal:
            silent.settimeout(20)
            connection, _ = silent.accept()
            with connection:
                terminal.type(CTRL_C)
                assert terminal.wait() == 130

    assert "Traceback" not in terminal.seen


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Why?", "--model", "nobody:nothing"), "there is no model"),
        (("Why?", "--base-url", "http://127.0.0.1:1/v1"), "add --model NAME"),
        (("Why?", *ECHO, "--strategy", "guess"), "guess"),
        (("Why?", *ECHO, "--max-tokens", "0"), "max-tokens"),
        ((), "PROBLEM"),
    ],
)
def test_what_the_user_can_put_right_is_said_in_a_line(
    arguments: tuple[str, ...], said: str
) -> None:
    result = run(*arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.startswith("runtime: ")
    assert result.stderr.count("\n") == 1
