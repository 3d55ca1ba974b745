"""Journals: what was said and done in a conversation, and the history made from it."""

from typing import TYPE_CHECKING

from actors._late import late

from ._entries import (
    ApprovalAsked,
    AssistantSaid,
    CallApproved,
    CallDenied,
    Entry,
    GuardStopped,
    HandedOver,
    Pinned,
    Remembered,
    RunEnded,
    RunPaused,
    RunResumed,
    RunStarted,
    SubRunEnded,
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
from ._transcript import from_json_lines, replay, to_json_lines, to_markdown

if TYPE_CHECKING:
    from ._sqlite import SqliteJournal
else:
    __getattr__ = late(__name__, {"_sqlite": ("SqliteJournal",)})

__all__ = [
    "Append",
    "ApprovalAsked",
    "AssistantSaid",
    "CallApproved",
    "CallDenied",
    "Entry",
    "Fork",
    "GuardStopped",
    "HandedOver",
    "Journal",
    "ListConversations",
    "MemoryJournal",
    "Pinned",
    "Read",
    "Remembered",
    "RunEnded",
    "RunPaused",
    "RunResumed",
    "RunStarted",
    "SqliteJournal",
    "SubRunEnded",
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
