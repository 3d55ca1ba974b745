"""A tool that runs commands: given to nobody who was not meant to have it."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ._command import Command, Ending, run_command
from ._tool import AnyTool, tool

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ._options import Approve

TIMEOUT: Final = 60.0
MAX_OUTPUT: Final = 30_000  # bytes of stdout, and of stderr
# What programs need to find their way. No key of a provider is among them.
_PASSED_ON: Final = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")


def shell_tool(
    cwd: str | os.PathLike[str],
    *,
    allowed: Collection[str] | None = None,
    approve: Approve = False,
    timeout: float = TIMEOUT,
    env: Mapping[str, str] | None = None,
    max_output: int = MAX_OUTPUT,
) -> AnyTool:
    """Make the tool `run_command`, which runs one program with a list of arguments.

    No shell reads the command. Its stdin is empty. When the call ends, in whatever way, nothing
    lives of what the command has started, be it in the background or in a session of its own;
    that also holds if this program is killed.

    *Not promised:* this is no sandbox. A program runs as the user who runs this one and may do
    all that the user may, and many a harmless one can be told to run another. Whoever offers it
    to a model that reads what strangers wrote wants a container around it.

    Args:
        cwd: The directory that commands run in.
        allowed: Names of the programs that may be run, as in `["git", "ls"]`; None for any.
        approve: Whether somebody has to approve each command, or which ones; as `tool` says it.
        timeout: Seconds, after which a command is killed, and the model told so.
        env: Environment variables to add. Of this program's own, only a few are handed on (PATH,
            HOME and those of language and time zone), and no key.
        max_output: Bytes that are kept of each of its two outputs: their beginning and end.

    Raises:
        TypeError: If `allowed` is one string.
        ValueError: If there is no such directory, or a number is out of range.
    """
    directory = Path(cwd).resolve()
    _check(directory, allowed, timeout, max_output)
    programs = None if allowed is None else tuple(allowed)
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment.update(env or {})

    async def run_command_(command: list[str]) -> str:
        """Run a program and return its exit status and what it wrote.

        Args:
            command: The program and its arguments, one each, as in ["ls", "-l", "my notes"]. There
                is no shell: no pipes, no wildcards, no quotes.
        """
        _refuse_others(command, programs)
        try:
            ending = await run_command(
                Command(command, str(directory), environment, timeout, max_output)
            )
        except FileNotFoundError as error:
            raise FileNotFoundError(f"there is no program {command[0]!r} here") from error
        except PermissionError as error:
            raise PermissionError(f"{command[0]!r} cannot be run as a program") from error
        if ending.took_too_long:
            raise TimeoutError(
                f"killed after {timeout} s, with all that it had started{_written(ending)}"
            )
        return f"{_how(ending.status)}{_written(ending)}"

    return tool(run_command_, name="run_command", effect=True, approve=approve)


def _check(
    directory: Path, allowed: Collection[str] | None, timeout: float, max_output: int
) -> None:
    if isinstance(allowed, str):
        raise TypeError(f"allowed must be names of programs: write [{allowed!r}]")
    if not directory.is_dir():
        raise ValueError(f"{str(directory)!r} is no directory: create it first")
    if not 0 < timeout < math.inf:  # also refuses NaN
        raise ValueError(f"timeout must be positive seconds, not {timeout}")
    if max_output < 1:
        raise ValueError(f"max_output must be 1 byte or more, not {max_output}")


def _refuse_others(command: list[str], allowed: tuple[str, ...] | None) -> None:
    if not command:
        raise ValueError('the command is empty: write the program and its arguments, ["ls", "-l"]')
    if allowed is not None and command[0] not in allowed:
        offered = ", ".join(allowed) or "none"
        raise PermissionError(f"{command[0]!r} may not be run. The programs are: {offered}")


def _how(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"


def _written(ending: Ending) -> str:
    outputs = (("stdout", ending.stdout), ("stderr", ending.stderr))
    return "".join(f"\n\n{name}:\n{text.rstrip()}" for name, text in outputs if text.strip())
