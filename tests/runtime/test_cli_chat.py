"""`runtime chat` as it is used: keys pressed in a real terminal, and lines in a pipe."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import CTRL_C, CTRL_D, Terminal

ROOT = Path(__file__).parents[2]
CHAT = [sys.executable, "-m", "fake_talker"]
ENV = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}


def chat() -> Terminal:
    return Terminal(CHAT, ENV)


def pipe(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        CHAT, input=text, env=ENV, capture_output=True, text=True, timeout=20, check=False
    )


def test_ctrl_c_stops_the_answer_and_keeps_the_conversation() -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type("wait\n")
        terminal.read_until("half")
        terminal.type(CTRL_C)
        terminal.read_until("stopped")
        terminal.read_until("> ")
        terminal.type("hello\n")
        terminal.read_until("you said hello")
        terminal.read_until("> ")
        terminal.type("/quit\n")
        assert terminal.wait() == 0


def test_what_was_said_before_ctrl_c_is_in_the_history() -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type("wait\n")
        terminal.read_until("half")
        terminal.type(CTRL_C)
        terminal.read_until("> ")
        terminal.type("/history\n")
        shown = terminal.read_until("> ")

    assert "you: wait\r\n" in shown
    assert "model: half\r\n" in shown


def test_ctrl_c_twice_in_a_row_ends_the_conversation_cleanly() -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type("wait\n")
        terminal.read_until("half")
        terminal.type(CTRL_C)
        terminal.read_until("> ")
        terminal.type(CTRL_C)
        assert terminal.wait() == 0

    assert "[talker closed]" in terminal.seen
    assert "Traceback" not in terminal.seen


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D, "/quit\n"], ids=["ctrl-c", "ctrl-d", "quit"])
def test_leaving_at_the_prompt_closes_the_agent_and_is_no_failure(key: str) -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type(key)
        assert terminal.wait() == 0

    assert terminal.seen.rstrip().endswith("[talker closed]")


def test_ctrl_c_while_the_agent_starts_ends_the_program() -> None:
    with Terminal([*CHAT, "never"], ENV) as terminal:
        terminal.read_until("[talker opens]")
        terminal.type(CTRL_C)
        assert terminal.wait() == 0

    assert "Traceback" not in terminal.seen


@pytest.mark.parametrize("message", ["wait\n", ""], ids=["answering", "at the prompt"])
def test_sigterm_closes_the_agent_and_ends(message: str) -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type(message)
        if message:
            terminal.read_until("half")
        terminal.send(signal.SIGTERM)
        assert terminal.wait() == 128 + signal.SIGTERM

    assert "[talker closed]" in terminal.seen


@pytest.mark.parametrize("message", ["wait\n", ""], ids=["answering", "at the prompt"])
def test_closing_the_window_ends_the_program(message: str) -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type(message)
        if message:
            terminal.read_until("half")
        terminal.hang_up()
        assert terminal.wait() == 128 + signal.SIGHUP


def test_what_is_typed_during_an_answer_is_the_next_message() -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type("one\ntwo\n")
        terminal.read_until("you said one")
        terminal.read_until("you said two")


def test_ctrl_d_in_a_line_sends_it_and_a_letter_may_arrive_in_pieces() -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type("caf" + CTRL_D)
        terminal.type("é\n")
        terminal.read_until("you said café")


def test_a_fault_is_one_line_and_the_conversation_goes_on() -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type("fault\n")
        shown = terminal.read_until("> ")
        terminal.type("hello\n")
        terminal.read_until("you said hello")

    assert "half\r\n" in shown
    assert "runtime: the connection ended before the answer did" in shown


def test_thinking_is_dim_and_tools_take_a_line_each() -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type("think\n")
        assert "\x1b[2mhmm, a greeting\x1b[0m" in terminal.read_until("> ")
        terminal.type("tool\n")
        shown = terminal.read_until("> ")

    assert "let me see\r\n\x1b[2mmultiply(a=12, b=31) ...\x1b[0m\r\n" in shown
    assert "\x1b[2mmultiply: ok: 372\x1b[0m\r\n372\r\n" in shown


def test_what_a_model_says_cannot_steer_the_terminal() -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type("escape\n")
        shown = terminal.read_until("wiped")

    assert "\x1b[2J" not in shown


def test_tree_shows_the_actors_and_the_conversation_goes_on() -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type("/tree\n")
        shown = terminal.read_until("> ")
        terminal.type("hello\n")
        terminal.read_until("you said hello")

    assert "memory" in shown
    assert "Memory: running" in shown


def test_the_tree_in_a_pipe_is_plain() -> None:
    result = pipe("/tree\n")

    assert result.stdout.splitlines()[:2] == [
        "/ one_for_one",
        "└── memory Memory: running",
    ]


def test_help_and_an_unknown_command_are_answered_without_the_model() -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type("/help\n")
        assert "/history" in terminal.read_until("> ")
        terminal.type("/nonsense\n")
        terminal.read_until("there is no command /nonsense; /help lists them")
        terminal.read_until("> ")
        terminal.type("/history\n")
        assert "nonsense" not in terminal.read_until("> ").removeprefix("/history")


def test_a_pipe_gets_answers_only_and_no_control_codes() -> None:
    result = pipe("think\ntool\n\nlast line without an end")

    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        "hello",
        "let me see",
        "372",
        "you said last line without an end",
        "[talker closed]",
    ]
    assert "multiply(a=12, b=31)" in result.stderr
    assert "\x1b" not in result.stdout + result.stderr


def test_a_fault_in_a_pipe_is_one_line_and_an_exit_code() -> None:
    result = pipe("fault\nhello\n")

    assert result.returncode == 2
    assert result.stdout.splitlines()[:2] == ["half", "you said hello"]
    assert result.stderr == "runtime: the connection ended before the answer did\n"


def test_who_is_asked_may_say_yes_and_in_a_pipe_nobody_is_asked() -> None:
    with chat() as terminal:
        terminal.read_until("> ")
        terminal.type("approve\n")
        terminal.read_until("why: ")
        terminal.type("y\n")
        terminal.read_until("you said run: ['1'] may, {} may not")
    result = pipe("approve\n")

    assert "[] may, {'1': 'there is nobody who could be asked'} may not" in result.stdout
    assert result.stderr.startswith("runtime: tools did not run")


def test_a_file_can_be_the_conversation(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("hello\n/quit\nnever said\n")
    with script.open() as stdin:
        result = subprocess.run(  # noqa: S603 - our own program
            CHAT, stdin=stdin, env=ENV, capture_output=True, text=True, timeout=20, check=False
        )

    assert result.returncode == 0
    assert result.stdout == "you said hello\n[talker closed]\n"


def test_nothing_on_stdin_is_a_conversation_too() -> None:
    result = subprocess.run(  # noqa: S603 - our own program
        CHAT,
        stdin=subprocess.DEVNULL,
        env=ENV,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert (result.returncode, result.stderr) == (0, "")


def test_a_bug_of_ours_keeps_its_traceback() -> None:
    result = pipe("crash\n")

    assert result.returncode == 1
    assert "ZeroDivisionError: a bug of ours" in result.stderr
    assert "ExceptionGroup" not in result.stderr


def test_ctrl_c_ends_a_conversation_that_nobody_types() -> None:
    with subprocess.Popen(  # noqa: S603 - our own program
        CHAT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENV, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("wait\n")
        process.stdin.flush()
        assert process.stdout.read(4) == "half"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
