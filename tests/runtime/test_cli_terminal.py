"""`runtime chat` from the command to the socket: real agents, real keys, a server of our own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio
from terminal import CTRL_C, CTRL_D, Terminal

from actors.providers import say, stall, truncate
from actors.testing import FakeOpenAI, answer, error, open_fake_openai

RUNTIME = str(Path(sys.executable).with_name("runtime"))
NO_KEYS = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
NOWHERE = "http://127.0.0.1:1/v1"  # nobody may listen there without being root


def chat(*arguments: str) -> Terminal:
    return Terminal([RUNTIME, "chat", *arguments])


def at(server: FakeOpenAI) -> Terminal:
    return chat("fake", "--base-url", server.base_url)


def pipe(text: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [RUNTIME, "chat", *arguments],
        input=text,
        env={**NO_KEYS, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def play(terminal: Terminal, *keys_and_screens: tuple[str, str]) -> str:
    """Press keys and wait for what they bring, one after the other; the last screen."""
    shown = ""
    for keys, screen in keys_and_screens:
        terminal.type(keys)
        shown = terminal.read_until(screen)
    return shown


async def playing(terminal: Terminal, *keys_and_screens: tuple[str, str]) -> str:
    """`play` beside a server in this process."""
    return await trio.to_thread.run_sync(partial(play, terminal, *keys_and_screens))


def test_an_answer_comes_and_the_tree_has_agent_provider_and_journal() -> None:
    with chat("scripted:echo") as terminal:
        play(terminal, ("", "> "), ("hello there\n", "hello there\r\n"), ("", "hello there\r\n"))
        tree = play(terminal, ("", "> "), ("/tree\n", "> "))
        history = play(terminal, ("/history\n", "> "))
        terminal.type("/quit\n")
        assert terminal.wait() == 0

    assert all(f"{name}\x1b" in tree for name in ("agent", "provider", "journal"))
    assert "you: hello there\r\nmodel: hello there\r\n" in history


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D], ids=["ctrl-c", "ctrl-d"])
def test_a_key_at_the_prompt_ends_it_without_a_trace(key: str) -> None:
    with chat("scripted:echo") as terminal:
        play(terminal, ("", "> "))
        terminal.type(key)
        assert terminal.wait() == 0

    assert "Traceback" not in terminal.seen


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads in /proc")
def test_no_thread_reads_the_keys() -> None:
    with chat("scripted:echo") as terminal:
        play(terminal, ("", "> "))
        threads = list(Path(f"/proc/{terminal.pid}/task").iterdir())

    assert len(threads) == 1


async def test_ctrl_c_hangs_up_on_the_server_and_the_next_request_has_what_was_said() -> None:
    async with open_fake_openai(answer(say("half a"), stall()), answer("whole")) as server:
        with at(server) as terminal:
            await playing(terminal, ("", "> "), ("first\n", "half a"), (CTRL_C, "stopped"))
            with trio.fail_after(10):
                await server.requests[0].closed.wait()
            await playing(terminal, ("", "> "), ("second\n", "whole"), ("", "> "))
            terminal.type(CTRL_C)
            assert await trio.to_thread.run_sync(terminal.wait) == 0

    said = [turn["content"] for turn in server.requests[1].body["messages"]]
    assert said[0] == "first"
    assert said[1].startswith("half a")
    assert said[-1] == "second"


async def test_ctrl_c_twice_in_a_row_ends_the_program_and_its_request() -> None:
    async with open_fake_openai(answer(say("half a"), stall())) as server:
        with at(server) as terminal:
            await playing(terminal, ("", "> "), ("first\n", "half a"))
            await playing(terminal, (CTRL_C, "stopped"), ("", "> "), (CTRL_C, "^C"))
            assert await trio.to_thread.run_sync(terminal.wait) == 0
        with trio.fail_after(10):
            await server.requests[0].closed.wait()

    assert "Traceback" not in terminal.seen


async def test_an_answer_that_breaks_off_is_one_line_and_the_conversation_goes_on() -> None:
    async with open_fake_openai(
        answer(say("half a"), truncate()), error(400, "too long"), answer("whole")
    ) as server:
        with at(server) as terminal:
            broken = await playing(terminal, ("", "> "), ("first\n", "> "))
            refused = await playing(terminal, ("second\n", "> "))
            await playing(terminal, ("third\n", "whole"))

    assert "half a\r\n" in broken
    for shown in (broken, refused):
        assert shown.count("runtime: ") == 1
        assert "Traceback" not in shown
    assert "too long" in refused


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense:x"], "there is no model 'nonsense:x'"),
        ([""], "there is no model ''"),
        (["openai:gpt-4o-mini"], "set OPENAI_API_KEY"),
        (["fake", "--base-url", NOWHERE], "127.0.0.1:1"),
        (["fake", "--base-url", "localhost"], "not an http address"),
        (["fake", "--base-url", "http://localhost:port/v1"], "not an http address"),
        (["--base-url", NOWHERE], "an address needs a model"),
        (["local:smollm2"], "runtime pull smollm2"),
    ],
    ids=[
        "unknown model",
        "empty name",
        "missing key",
        "no server",
        "no address",
        "no port",
        "address without model",
        "not pulled",
    ],
)
def test_what_the_user_can_put_right_is_one_line(
    arguments: list[str], says: str, tmp_path: Path
) -> None:
    result = pipe("hello\n", *arguments, TROUPE_CACHE=str(tmp_path))

    assert result.returncode == 2
    assert result.stdout == ""
    assert re.fullmatch(r"runtime: .+\n", result.stderr), result.stderr
    assert says in result.stderr


async def test_instructions_are_what_the_model_is_told_first() -> None:
    async with open_fake_openai(answer("yes")) as server:
        arguments = ("fake", "--base-url", server.base_url, "--instructions", "Be brief.")
        result = await trio.to_thread.run_sync(pipe, "hello\n", *arguments)

    assert result.stdout == "yes\n"
    said = [(turn["role"], turn["content"]) for turn in server.requests[0].body["messages"]]
    assert said == [("system", "Be brief."), ("user", "hello")]


@pytest.mark.model
def test_the_model_on_this_machine_answers() -> None:
    result = pipe("Say hello.\n")

    assert result.returncode == 0
    assert result.stdout.strip() != ""
    assert result.stderr == ""


@pytest.mark.model
def stop_a_story(terminal: Terminal, about: str) -> None:
    """Ask for one and stop it. The model is sampled: a story may end before it is stopped."""
    for _ in range(5):
        play(terminal, (f"Tell me a long story about a {about}.\n", f"{about}."))
        # A blank comes with its second word at the latest.
        if "stopped" in play(terminal, ("", " "), (CTRL_C, "> ")):
            return
    raise AssertionError("five stories had ended before they were stopped")


def test_ctrl_c_stops_an_answer_of_the_model_on_this_machine_and_not_the_model() -> None:
    with chat() as terminal:
        play(terminal, ("", "> "))
        stop_a_story(terminal, "ship")
        stop_a_story(terminal, "train")
        tree = play(terminal, ("/tree\n", "> "))
        terminal.type(CTRL_D)
        assert terminal.wait() == 0

    assert "restarted" not in tree
    assert "runtime: " not in terminal.seen
