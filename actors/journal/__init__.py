"""Journals: what was said and done in a conversation, and the history made from it."""

from ._entries import (
    AssistantSaid,
    Entry,
    RunEnded,
    RunStarted,
    ToolCalled,
    ToolSealed,
    UserSaid,
    read_entry,
    write_entry,
)
from ._journal import (
    Append,
    Journal,
    ListConversations,
    MemoryJournal,
    Read,
    append,
    conversations,
    read,
)
from ._projection import closing, project

__all__ = [
    "Append",
    "AssistantSaid",
    "Entry",
    "Journal",
    "ListConversations",
    "MemoryJournal",
    "Read",
    "RunEnded",
    "RunStarted",
    "ToolCalled",
    "ToolSealed",
    "UserSaid",
    "append",
    "closing",
    "conversations",
    "project",
    "read",
    "read_entry",
    "write_entry",
]
