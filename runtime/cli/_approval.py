"""Calls of tools that wait for the user's word: shown whole, asked about one after the other.

Only what is typed after the question counts as its answer. Nothing runs before all are decided.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.chat import ToolCall

    from ._lines import Lines
    from ._screen import Screen

ANSWER: Final = re.compile(r"\s*(?:(y(?:es)?)|no?\b[\s,:]*(.*?))\s*", re.IGNORECASE)
QUESTION: Final = "run it? y, n, or n and why: "
NO: Final = "the user said no"
NOBODY: Final = "there is nobody who could be asked"


@attrs.frozen
class Decision:
    """What the user said of calls: which may run, and which may not, and why."""

    approve: tuple[str, ...] = ()
    deny: dict[str, str] = attrs.field(factory=dict[str, str])


def reason_in(line: str) -> str | None:
    """Why not, from an answer to the question; "" for yes, and None for neither yes nor no."""
    match = ANSWER.fullmatch(line)
    if match is None:
        return None
    return "" if match[1] else match[2] or NO


async def decide(calls: Iterable[ToolCall], screen: Screen, lines: Lines) -> Decision | None:
    """Ask about each; None if there will be no answer any more.

    Cancelled: none of them has run, and the screen says so.
    """
    approve: list[str] = []
    deny: dict[str, str] = {}
    try:
        for call in calls:
            reason = await _asked(call, screen, lines)
            if reason is None:
                screen.remark("not run")
                return None
            if reason:
                deny[call.id] = reason
            else:
                approve.append(call.id)
    except trio.Cancelled:
        screen.remark("not run")
        raise
    return Decision(tuple(approve), deny)


def denied(calls: Iterable[ToolCall], screen: Screen) -> Decision:
    """The decision where nobody can be asked."""
    screen.complain(f"tools did not run: {NOBODY}; --yes runs them without")
    return Decision(deny={call.id: NOBODY for call in calls})


async def _asked(call: ToolCall, screen: Screen, lines: Lines) -> str | None:
    """Why not, "" if it may, None if the lines have ended."""
    screen.show_call(call)
    while True:
        with lines.held_back():
            screen.question(QUESTION)
            line = await lines.next()
        if line is None:
            return None
        reason = reason_in(line)
        if reason is not None:
            return reason
