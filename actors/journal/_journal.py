"""The journal: whom to ask for what was said, and the one that keeps it in memory.

A conversation is a list of entries that only grows. It has one writer, its agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from runtime import Actor, Ask, Ref

from ._entries import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence


class Journal:
    """The interface of all journals. What is acknowledged is in, and all or nothing is."""


def _named(conversation: str) -> None:
    if not conversation:
        raise ValueError('a conversation has an id: write for example "support-17"')


@attrs.frozen
class Append(Ask[Journal, int]):
    """Add entries to a conversation, which begins with its first one."""

    conversation: str
    entries: tuple[Entry, ...]

    def __attrs_post_init__(self) -> None:
        _named(self.conversation)


@attrs.frozen
class Read(Ask[Journal, tuple[Entry, ...]]):
    """Read a conversation from its first entry."""

    conversation: str

    def __attrs_post_init__(self) -> None:
        _named(self.conversation)


@attrs.frozen
class ListConversations(Ask[Journal, tuple[str, ...]]):
    """List the ids of all conversations, the oldest first."""


async def append(journal: Ref[Journal], conversation: str, entries: Sequence[Entry]) -> int:
    """Add entries to a conversation, all of them or none.

    Returns:
        How many entries the conversation has now. They are in.

    Raises:
        ValueError: If the conversation has no id.
        RuntimeFault: If the journal cannot be reached, as for any ask.

    Cancellation: they are in or not, together; `read` tells which.
    """
    return await journal.ask(Append(conversation, tuple(entries)))


async def read(journal: Ref[Journal], conversation: str) -> tuple[Entry, ...]:
    """Read a conversation from its first entry; one that is not there is empty.

    Raises:
        ValueError: If the conversation has no id.
        RuntimeFault: If the journal cannot be reached, as for any ask.
    """
    return await journal.ask(Read(conversation))


async def conversations(journal: Ref[Journal]) -> tuple[str, ...]:
    """List the ids of all conversations, the oldest first."""
    return await journal.ask(ListConversations())


class MemoryJournal(Actor, Journal):
    """Keeps conversations for as long as it lives: not over its restart, nor the program's end."""

    def __init__(self) -> None:
        self._conversations: dict[str, list[Entry]] = {}

    @Append.handles
    async def append(self, message: Append) -> int:
        if not message.entries:  # nothing begins with nothing
            return len(self._conversations.get(message.conversation, ()))
        entries = self._conversations.setdefault(message.conversation, [])
        entries.extend(message.entries)
        return len(entries)

    @Read.handles
    async def read(self, message: Read) -> tuple[Entry, ...]:
        return tuple(self._conversations.get(message.conversation, ()))

    @ListConversations.handles
    async def conversations(self, message: ListConversations) -> tuple[str, ...]:  # noqa: ARG002
        return tuple(self._conversations)

    def __repr__(self) -> str:
        count = sum(map(len, self._conversations.values()))
        return f"<MemoryJournal {len(self._conversations)} conversations, {count} entries>"
