"""The program: which commands there are, and how each of them ends.

A command's module is imported when the command runs, so that `runtime --help` is fast.
Exit codes: 0, whatever a command returns, 2 for what the user can put right (said in one line
on stderr, without a traceback), 130 after Ctrl-C. Everything unforeseen keeps its traceback.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Any, Final

import attrs
import click

USER_CAN_PUT_IT_RIGHT: Final = 2
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it


@attrs.frozen
class LazyCommand:
    """Where a command is, and the line that `runtime --help` has for it."""

    module: str
    help: str


COMMANDS: Final = {
    "demo": LazyCommand("runtime.cli._demo", "See supervised agents stream, crash and recover."),
    "chat": LazyCommand("runtime.cli._chat", "Talk to a model, and interrupt it."),
    "reason": LazyCommand("runtime.cli._reason", "Think about a problem step by step."),
    "conversations": LazyCommand(
        "runtime.cli._conversations", "List, show, export and fork what a journal keeps."
    ),
    "memory": LazyCommand("runtime.cli._memory", "Fill, search and tidy what a memory holds."),
    "pull": LazyCommand("runtime.cli._pull", "Fetch a model that runs on this machine."),
    "bench": LazyCommand("runtime.bench", "Measure; every figure beside its floor."),
}


class LazyGroup(click.Group):
    """Knows its commands by name and line; a command's module has it as `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name].module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, invoke_without_command=True, no_args_is_help=False)
@click.version_option(package_name="troupe-runtime", message="runtime %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """Run LLM agents as supervised actors."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Run the command that `arguments` (else the process's own) name, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # rather "?" than no answer at all
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run a command; returns the exit code.

    Raises:
        Exception: What nobody foresaw, with its traceback.
    """
    if not all(map(_is_text, arguments)):
        return complain("an argument is not UTF-8, and names no file: write it in that encoding")
    try:
        result: Any = program.main(arguments, prog_name="runtime", standalone_mode=False)
    except click.Abort:
        return INTERRUPTED
    except click.UsageError as error:
        where = f"{error.ctx.command_path} --help" if error.ctx else "runtime --help"
        return complain(f"{error.format_message().rstrip('.')} ({where} lists what there is)")
    except click.ClickException as error:
        return complain(error.format_message())
    except Exception as error:
        # Loaded here, because it needs all of `actors`, and `--help` does not.
        line: str | None = importlib.import_module("runtime.cli._complaints").line_for(error)
        if line is None:
            raise
        return complain(line)
    return result if isinstance(result, int) else 0


def _is_text(argument: str) -> bool:
    """Whether it can be sent, printed and stored; the name of a file need not be."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return os.path.lexists(argument)
    return True


def complain(line: str) -> int:
    """Say on stderr, in one line, what the user can put right."""
    click.echo(f"runtime: {' '.join(line.split())}", err=True)
    return USER_CAN_PUT_IT_RIGHT
