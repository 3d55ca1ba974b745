"""Journals: what was said and done in a conversation, and the history made from it."""

from ._entries import (
    AssistantSaid,
    Entry,
    Pinned,
    RunEnded,
    RunStarted,
    SummedUp,
    ToolCalled,
    ToolSealed,
    UserSaid,
    read_entry,
    write_entry,
)
from ._journal import (
    Append,
    Fork,
    Journal,
    ListConversations,
    MemoryJournal,
    Read,
    append,
    conversations,
    fork,
    read,
)
from ._projection import closing, project
from ._sqlite import SqliteJournal
from ._transcript import from_json_lines, replay, to_json_lines, to_markdown

__all__ = [
    "Append",
    "AssistantSaid",
    "Entry",
    "Fork",
    "Journal",
    "ListConversations",
    "MemoryJournal",
    "Pinned",
    "Read",
    "RunEnded",
    "RunStarted",
    "SqliteJournal",
    "SummedUp",
    "ToolCalled",
    "ToolSealed",
    "UserSaid",
    "append",
    "closing",
    "conversations",
    "fork",
    "from_json_lines",
    "project",
    "read",
    "read_entry",
    "replay",
    "to_json_lines",
    "to_markdown",
    "write_entry",
]
