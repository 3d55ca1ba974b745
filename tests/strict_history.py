"""The strictest provider there is, made of what each real one refuses.

`refusals` lists what is wrong with a history, by the documented rules of OpenAI Chat
Completions, Anthropic Messages, Gemini and the chat templates of local models.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

from actors.chat import AssistantTurn, Text, Thinking, ToolCall, ToolTurn, Turn, UserTurn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def refusals(turns: Sequence[Turn]) -> list[str]:
    """What is wrong, as sentences; empty for a history that every provider accepts."""
    found = list(_order(turns))
    for turn in turns:
        match turn:
            case UserTurn() if not turn.text.strip():
                found.append("a user turn without text")
            case AssistantTurn():
                found += _answer(turn)
            case _:
                pass
    ids = [call.id for turn in turns if isinstance(turn, AssistantTurn) for call in turn.tool_calls]
    if len(set(ids)) < len(ids):
        found.append("two tool calls with one id")
    return found


def _order(turns: Sequence[Turn]) -> Iterator[str]:
    if turns and not isinstance(turns[0], UserTurn):
        yield "the first turn is not the user's"
    for turn, following in itertools.pairwise((*turns, None)):
        calls = turn.tool_calls if isinstance(turn, AssistantTurn) else ()
        if calls and not isinstance(following, ToolTurn):
            yield "tool calls without results right behind them"
        if calls and isinstance(following, ToolTurn):
            yield from _results(calls, following)
        if isinstance(following, ToolTurn) and not calls:
            yield "results without calls right before them"
        if type(turn) is type(following):
            yield f"two turns of type {type(turn).__name__} in a row"


def _results(calls: Sequence[ToolCall], turn: ToolTurn) -> Iterator[str]:
    if [result.call_id for result in turn.results] != [call.id for call in calls]:
        yield "not exactly one result for each call, in order"
    if [result.name for result in turn.results] != [call.name for call in calls]:
        yield "a result under another name than its call"


def _answer(turn: AssistantTurn) -> Iterator[str]:
    if not turn.parts:
        yield "an assistant turn without parts"
    elif isinstance(turn.parts[-1], Thinking):
        yield "an assistant turn that ends with thinking"
    for part in turn.parts:
        if isinstance(part, Text) and not part.text.strip():
            yield "an assistant's text without text"
        if isinstance(part, ToolCall) and not part.id:
            yield "a tool call without an id"
        if isinstance(part, ToolCall) and not NAME.fullmatch(part.name):
            yield f"a tool call named {part.name!r}"
