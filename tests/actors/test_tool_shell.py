"""The tool that runs commands, with real processes: nothing of them outlives the call."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from processes import is_alive, until

from actors.chat import ToolCall, ToolResult, ToolStatus
from actors.tools import AnyTool, Toolbox, execute, shell_tool
from actors.tools import _command as command_module
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import Mapping

# A family: one in the group that ignores SIGTERM, one in a session of its own, one below that.
FAMILY = """
echo $$ >> pids
(trap '' TERM HUP INT; echo $BASHPID >> pids; while true; do sleep 100; done) &
setsid bash -c 'echo $$ >> pids; sleep 100 & echo $! >> pids; wait' &
while [ "$(wc -l < pids)" -lt 4 ]; do sleep 0.01; done
touch started
"""


async def call(shell: AnyTool, *command: str) -> ToolResult:
    call = ToolCall("1", "run_command", {"command": list(command)})
    async with assert_no_leaks():
        return await execute(Toolbox([shell]), call)


async def done(shell: AnyTool, *command: str) -> str:
    result = await call(shell, *command)
    assert result.status is ToolStatus.OK, result.content
    return result.content


async def refused(shell: AnyTool, *command: str) -> str:
    result = await call(shell, *command)
    assert result.status is ToolStatus.ERROR, result.content
    return result.content


def family(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def nobody_lives(folder: Path) -> bool:
    return not any(Path("/proc", str(pid)).exists() for pid in family(folder))


@pytest.fixture
def shell(tmp_path: Path) -> AnyTool:
    return shell_tool(tmp_path)


# ---- what it does


async def test_the_exit_status_and_both_outputs_are_told(shell: AnyTool, tmp_path: Path) -> None:
    assert await done(shell, "pwd") == f"exit status 0\n\nstdout:\n{tmp_path}"
    assert (
        await done(shell, "sh", "-c", "echo to you; echo oh >&2; exit 3")
        == "exit status 3\n\nstdout:\nto you\n\nstderr:\noh"
    )
    assert await done(shell, "true") == "exit status 0"
    assert await done(shell, "sh", "-c", "kill -SEGV $$") == "killed by SIGSEGV"


async def test_no_shell_reads_the_arguments(shell: AnyTool) -> None:
    told = await done(shell, "printf", "%s|", "$HOME", "*", "; ls", "a b", "", "--")

    assert told == "exit status 0\n\nstdout:\n$HOME|*|; ls|a b||--|"


async def test_stdin_is_empty(shell: AnyTool) -> None:
    with trio.fail_after(10):
        assert await done(shell, "cat") == "exit status 0"


async def test_a_program_gets_the_usual_signals(shell: AnyTool) -> None:
    """Python ignores SIGPIPE; a child that inherited that would never end here."""
    with trio.fail_after(10):
        told = await done(shell, "bash", "-c", "yes | head -n 1; echo ${PIPESTATUS[0]}")

    assert told == "exit status 0\n\nstdout:\ny\n141"


async def test_what_cannot_be_run_is_an_error_with_its_name(shell: AnyTool, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("no program")

    assert "there is no program 'frobnicate' here" in await refused(shell, "frobnicate", "x")
    assert "'./plain' cannot be run as a program" in await refused(shell, "./plain")
    assert "the command is empty" in await refused(shell)
    assert "null byte" in await refused(shell, "echo", "a\0b")


async def test_only_the_programs_that_are_allowed_are_run(tmp_path: Path) -> None:
    shell = shell_tool(tmp_path, allowed=["echo", "ls"])

    assert await done(shell, "echo", "hi") == "exit status 0\n\nstdout:\nhi"
    for name in ("touch", "/bin/echo", "./echo", "ECHO", "echo hi"):
        assert f"{name!r} may not be run. The programs are: echo, ls" in await refused(
            shell, name, "new"
        )
    assert not (tmp_path / "new").exists()


async def test_no_key_is_in_the_environment_of_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    shell = shell_tool(tmp_path, env={"GREETING": "hello"})
    told = await done(shell, "env")
    of_the_guard = await done(shell, "sh", "-c", "tr '\\0' '\\n' < /proc/$PPID/environ")

    assert "GREETING=hello" in told
    assert "secret" not in told + of_the_guard
    known = {"PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "GREETING"}
    assert {line.partition("=")[0] for line in told.splitlines()[3:]} <= known


def test_a_command_is_an_effect_and_may_need_approval(tmp_path: Path) -> None:
    def approve(arguments: Mapping[str, Any]) -> bool:
        return bool(arguments["command"][0] != "ls")

    shell = shell_tool(tmp_path, approve=approve)

    assert (shell.effect, shell.approve) == (True, approve)
    assert shell_tool(tmp_path).approve is False


def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="create it first"):
        shell_tool(tmp_path / "nowhere")
    with pytest.raises(TypeError, match=r"write \['git'\]"):
        shell_tool(tmp_path, allowed="git")
    with pytest.raises(ValueError, match="timeout must be positive"):
        shell_tool(tmp_path, timeout=0)
    with pytest.raises(ValueError, match="max_output must be 1"):
        shell_tool(tmp_path, max_output=0)


# ---- bounds


async def test_of_a_flood_the_beginning_and_the_end_are_kept_in_flat_memory(
    tmp_path: Path,
) -> None:
    shell = shell_tool(tmp_path, max_output=1_000)
    await done(shell, "true")  # what is made once
    tracemalloc.start()
    try:
        told = await done(shell, "sh", "-c", "echo first; yes | head -c 50000000; echo last")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert told.startswith("exit status 0\n\nstdout:\nfirst\ny\n")
    assert told.endswith("y\nlast")
    assert "[49999011 bytes are left out here]" in told
    assert len(told) < 1_200
    assert peak < 2_000_000


async def test_after_its_time_a_command_is_killed_and_what_it_wrote_is_told(
    tmp_path: Path,
) -> None:
    shell = shell_tool(tmp_path, timeout=0.5)
    told = await refused(shell, "sh", "-c", "echo begun; trap '' TERM; sleep 100")

    assert told == (
        "TimeoutError: killed after 0.5 s, with all that it had started\n\nstdout:\nbegun"
    )


# ---- nothing is left


async def test_what_a_command_leaves_in_the_background_ends_with_it(
    shell: AnyTool, tmp_path: Path
) -> None:
    with trio.fail_after(20):
        assert await done(shell, "bash", "-c", FAMILY) == "exit status 0"

    assert len(family(tmp_path)) == 4
    assert nobody_lives(tmp_path)


async def test_a_timeout_ends_the_whole_family(tmp_path: Path) -> None:
    shell = shell_tool(tmp_path, timeout=3)
    await refused(shell, "bash", "-c", f"{FAMILY}wait")

    assert len(family(tmp_path)) == 4
    assert nobody_lives(tmp_path)


async def test_after_a_cancel_nothing_of_the_group_lives_nor_of_what_has_left_it(
    shell: AnyTool, tmp_path: Path
) -> None:
    async with assert_no_leaks(), trio.open_nursery() as nursery:
        nursery.start_soon(call, shell, "bash", "-c", f"{FAMILY}wait")
        await until((tmp_path / "started").exists)
        assert not nobody_lives(tmp_path)
        nursery.cancel_scope.cancel()

    assert len(family(tmp_path)) == 4
    assert nobody_lives(tmp_path)


async def test_a_cancel_at_any_step_leaves_nothing(shell: AnyTool, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with assert_no_leaks():
            await shell(["sh", "-c", "echo $$ >> pids; sleep 0.01"])

    async def check() -> None:
        assert not (tmp_path / "pids").exists() or nobody_lives(tmp_path)

    assert await cancel_everywhere(scenario, check=check) > 5
    assert (tmp_path / "pids").exists()


async def test_a_command_that_kills_its_guard_does_not_live_on(
    shell: AnyTool, tmp_path: Path
) -> None:
    script = "echo $$ >> pids; kill -KILL $PPID; sleep 100"
    assert await done(shell, "sh", "-c", script) == "killed by SIGKILL"

    await until(lambda: not any(map(is_alive, family(tmp_path))))


async def test_a_guard_that_does_not_end_is_killed(
    shell: AnyTool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_module, "_END_SECONDS", 0.05)
    script = "kill -STOP $PPID; echo $$ >> pids; sleep 100"
    async with assert_no_leaks(), trio.open_nursery() as nursery:
        nursery.start_soon(shell, ["sh", "-c", script])
        await until(lambda: (tmp_path / "pids").exists() and family(tmp_path))
        nursery.cancel_scope.cancel()

    await until(lambda: not any(map(is_alive, family(tmp_path))))


PROGRAM = """
import os, sys, time, trio
from actors.tools import shell_tool

async def main(folder, script, forks):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shell_tool(folder).function, ["bash", "-c", script])
        while not os.path.exists(folder + "/started"):
            await trio.sleep(0.01)
        if forks and os.fork() == 0:  # without exec: it has our end of the guard's socket
            time.sleep(100)
            os._exit(0)
        with open(folder + "/ready", "w"):
            pass

trio.run(main, sys.argv[1], sys.argv[2], sys.argv[3:])
"""


@pytest.mark.parametrize("forks", [(), ("forks",)])
async def test_if_our_program_is_killed_the_family_ends_too(
    tmp_path: Path, forks: tuple[str, ...]
) -> None:
    program = subprocess.Popen(  # noqa: ASYNC220, S603 - our own interpreter, our own program
        [sys.executable, "-c", PROGRAM, str(tmp_path), f"{FAMILY}wait", *forks],
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    try:
        await until((tmp_path / "ready").exists)
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
        assert len(family(tmp_path)) == 4
        await until(lambda: not any(map(is_alive, family(tmp_path))))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)  # and what it has forked
        program.wait()
