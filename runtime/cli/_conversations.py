"""`runtime conversations`: what a journal's file keeps, to look at and to take away."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click
import trio

from actors.errors import ConfigurationError
from actors.journal import (
    Entry,
    Journal,
    SqliteJournal,
    conversations,
    fork,
    read,
    to_json_lines,
    to_markdown,
)
from runtime import Ref, open_system

from ._screen import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False))
ID = click.argument("conversation", metavar="ID")


@click.group(name="conversations")
def command() -> None:
    """List, show, export and fork the conversations that the journal FILE keeps.

    FILE is one that `runtime chat --journal FILE` or an agent wrote, and that no program has open.
    """


@command.command(name="list")
@FILE
def list_them(file: str) -> None:
    """List the conversations, the oldest first: how many entries, and its id."""

    async def look(journal: Ref[Journal]) -> list[tuple[str, int]]:
        return [(id, len(await read(journal, id))) for id in await conversations(journal)]

    for id, count in _asked(file, look):
        click.echo(f"{count:6}  {visible(id)}")


@command.command(name="show")
@FILE
@ID
def show(file: str, conversation: str) -> None:
    """Show a conversation as Markdown."""
    click.echo(visible(to_markdown(_asked(file, _entries_of(conversation)))), nl=False)


@command.command(name="export")
@FILE
@ID
def export(file: str, conversation: str) -> None:
    """Print all entries of a conversation, each as a line of JSON."""
    click.echo(to_json_lines(_asked(file, _entries_of(conversation))), nl=False)


@command.command(name="fork")
@FILE
@ID
@click.argument("at", type=int)
@click.argument("into", metavar="NEW")
def fork_one(file: str, conversation: str, at: int, into: str) -> None:
    """Begin the conversation NEW with the first AT entries of another."""
    _asked(file, lambda journal: fork(journal, conversation, at=at, into=into))
    click.echo(f"{visible(into)} begins with {at} entries of {visible(conversation)}")


def _entries_of(conversation: str) -> Callable[[Ref[Journal]], Awaitable[tuple[Entry, ...]]]:
    async def look(journal: Ref[Journal]) -> tuple[Entry, ...]:
        entries = await read(journal, conversation)
        if not entries:
            raise ConfigurationError(f"there is no conversation {conversation!r}")
        return entries

    return look


def _asked(file: str, question: Callable[[Ref[Journal]], Awaitable[T]]) -> T:
    """What the journal in the file answers; the file is closed again.

    Raises:
        ConfigurationError: If it cannot be opened, or what is asked cannot be.
        JournalDamaged: If it cannot be read.
    """

    async def ask() -> T:
        async with open_system() as system:
            return await question(await system.spawn(SqliteJournal, file, name="journal"))

    return trio.run(ask)
