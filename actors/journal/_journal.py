"""The journal: whom to ask for what was said, and the one that keeps it in memory.

A conversation is a list of entries that only grows. It has one writer, its agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.errors import ConfigurationError
from runtime import Actor, Ask, Ref

from ._entries import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence


class Journal:
    """The interface of all journals. What is acknowledged is in, and all or nothing is."""


def _named(conversation: str) -> None:
    if not conversation:
        raise ValueError('a conversation has an id: write for example "support-17"')
    try:
        conversation.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f'the id {conversation!r} has half a character: decode it with errors="replace"'
        ) from None


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


@attrs.frozen
class Fork(Ask[Journal, int]):
    """Begin the conversation `into` with the first `at` entries of another; see `fork`."""

    conversation: str
    at: int
    into: str

    def __attrs_post_init__(self) -> None:
        _named(self.conversation)
        _named(self.into)


def check_fork(message: Fork, *, count: int, taken: bool) -> None:
    """Refuse a fork that cannot be.

    Args:
        message: What is asked.
        count: Entries of its conversation; 0 where there is none.
        taken: Whether there is one of the new name.

    Raises:
        ConfigurationError: The text says what to write instead.
    """
    if taken:
        raise ConfigurationError(
            f"there is a conversation {message.into!r} already: name a new one"
        )
    if not count:
        raise ConfigurationError(f"there is no conversation {message.conversation!r}")
    if not 1 <= message.at <= count:
        raise ConfigurationError(
            f"the conversation {message.conversation!r} has {count} entries: fork it at 1 to "
            f"{count}, not at {message.at}"
        )


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


async def fork(journal: Ref[Journal], conversation: str, *, at: int, into: str) -> int:
    """Begin a conversation with the first entries of another, which stays as it is.

    An agent that opens it goes on from there. Where a run was open at that entry, the agent
    closes it as after a crash.

    Args:
        journal: Which has both.
        conversation: The one to fork.
        at: How many of its entries the new one begins with, 1 or more.
        into: The id of the new one.

    Returns:
        How many entries the new one has: `at`.

    Raises:
        ValueError: If one of them has no id.
        ConfigurationError: If there are not as many entries, or the new one is there already.
        RuntimeFault: If the journal cannot be reached, as for any ask.

    Cancellation: it is there as a whole or not at all.
    """
    return await journal.ask(Fork(conversation, at, into))


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

    @Fork.handles
    async def fork(self, message: Fork) -> int:
        entries = self._conversations.get(message.conversation, ())
        check_fork(message, count=len(entries), taken=message.into in self._conversations)
        self._conversations[message.into] = list(entries[: message.at])
        return message.at

    def __repr__(self) -> str:
        count = sum(map(len, self._conversations.values()))
        return f"<MemoryJournal {len(self._conversations)} conversations, {count} entries>"
