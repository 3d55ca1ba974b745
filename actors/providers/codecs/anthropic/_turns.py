"""Turns of a conversation as the messages that Anthropic's API takes. Pure.

The API refuses a whole conversation for one blank text, one id that it does not like, one call
without its result. What is written here is accepted whatever provider the turns came from.
"""

from __future__ import annotations

import base64
import contextlib
import re
from typing import TYPE_CHECKING, Final, cast

from actors.chat import (
    AssistantTurn,
    File,
    Image,
    Opaque,
    SystemTurn,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolStatus,
    ToolTurn,
    Turn,
    UserPart,
    UserTurn,
)
from actors.errors import ConfigurationError
from actors.providers.codecs._plain_json import arguments_object
from actors.providers.codecs._results import text_and_parts
from actors.providers.codecs._values import mapping

from ._wire import WIRE, Fields, read_json, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.chat import Part

_NOT_IN_AN_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")
_THOUGHTS: Final = ("thinking", "redacted_thinking")
_TEXTS: Final = ("text/", "application/json", "application/xml")


def messages_of(turns: Sequence[Turn]) -> list[Fields]:
    """The messages, user and assistant in turn; system turns stand elsewhere.

    Raises:
        ConfigurationError: A file is of a kind that the API does not take.
    """
    ids = _Ids()
    said = [_message(turn, ids) for turn in turns if not isinstance(turn, SystemTurn)]
    messages: list[Fields] = []
    for message in _without_unanswered(said):
        if not message["content"]:
            continue  # a blank one is refused: an answer that was cut before its first word
        if messages and messages[-1]["role"] == message["role"]:
            messages[-1]["content"] += message["content"]
        else:
            messages.append(message)
    for message in messages:
        if message["role"] == "user":
            message["content"].sort(key=_is_no_result)  # results first, else as they came
    return messages


def _is_no_result(block: Fields) -> bool:
    return text_of(block.get("type")) != "tool_result"


def _message(turn: UserTurn | ToolTurn | AssistantTurn, ids: _Ids) -> Fields:
    match turn:
        case UserTurn(parts):
            blocks = [_shown(part) for part in parts]
        case ToolTurn(results):
            blocks = [_result(result, ids) for result in results]
        case _:
            blocks = [_said(part, ids) for part in turn.seen_by(WIRE).parts]
    role = "assistant" if isinstance(turn, AssistantTurn) else "user"
    content = [block for block in blocks if block is not None]
    while content and text_of(content[-1].get("type")) in _THOUGHTS:
        content.pop()  # a message that ends with thinking is refused
    return {"role": role, "content": content}


def _shown(part: UserPart) -> Fields | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text} if text.strip() else None
        case Image():
            return {"type": "image", "source": _source(part)}
        case File():
            return {"type": "document", "source": _document(part), "title": part.name}


def _source(part: Image | File) -> Fields:
    if part.data is None:
        return {"type": "url", "url": part.url}
    data = base64.b64encode(part.data).decode()
    return {"type": "base64", "media_type": part.media_type, "data": data}


def _document(part: File) -> Fields:
    if part.data is None or part.media_type == "application/pdf":
        return _source(part)
    try:
        if part.media_type.startswith(_TEXTS):
            return {"type": "text", "media_type": "text/plain", "data": part.data.decode()}
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"the file {part.name!r} is not UTF-8: {error}") from error
    raise ConfigurationError(
        f"Anthropic reads PDF and text, not {part.media_type}: show a picture as Image(...)"
    )


def _result(result: ToolResult, ids: _Ids) -> Fields:
    """A result, with what it shows as blocks of its own.

    Source: https://docs.claude.com/en/docs/agents-and-tools/tool-use/implement-tool-use; an
    error's blocks must all be text, as the API says when they are not.
    """
    block: Fields = {"type": "tool_result", "tool_use_id": ids.of_result(result.call_id)}
    text, shown = text_and_parts(result, _shown)
    if text.strip():
        block["content"] = [{"type": "text", "text": text}, *shown] if shown else text
    elif shown:
        block["content"] = shown
    if result.status is not ToolStatus.OK:
        block |= {"content": text or result.status.value, "is_error": True}
    return block


def _said(part: Part, ids: _Ids) -> Fields | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text} if text.strip() else None
        case Thinking(text, signature):
            # Without its signature it is refused; it then was cut, or another model's.
            sealed = {"type": "thinking", "thinking": text, "signature": signature}
            return sealed if signature else None
        case Opaque(wire, data):
            return dict(data) if wire == WIRE else None
        case ToolCall():
            return _call(part, ids)


def _call(call: ToolCall, ids: _Ids) -> Fields:
    block: Fields = {
        "type": "tool_use",
        "id": ids.of_call(call.id),
        "name": call.name,
        "input": arguments_object(call),
    }
    if call.signature:
        with contextlib.suppress(ValueError):  # not of our making, so nothing to send back
            block |= mapping(read_json(call.signature.encode()))
    return block


class _Ids:
    """Ids of calls as the API takes them: of few characters, and each but once.

    Other providers use more, and those that send none get the same one in every answer.
    """

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._used: set[str] = set()

    def of_call(self, id: str) -> str:
        plain = _NOT_IN_AN_ID.sub("_", id) or "call"
        unique, count = plain, 1
        while unique in self._used:
            count += 1
            unique = f"{plain}_{count}"
        self._used.add(unique)
        self._last[id] = unique
        return unique

    def of_result(self, id: str) -> str:
        """That of the latest call with this id."""
        return self._last.get(id) or _NOT_IN_AN_ID.sub("_", id)


def _without_unanswered(messages: list[Fields]) -> list[Fields]:
    """Leave out the provider's own calls whose result never came because the answer was cut.

    Those at the very end stay: the provider goes on where it paused. So do those that wait for
    results of ours.
    """
    blocks = [block for message in messages for block in cast("list[Fields]", message["content"])]
    answered = {text_of(block.get("tool_use_id")) for block in blocks}
    end = len(messages)
    while end and _goes_on(messages[end - 1]):
        end -= 1
    for message in messages[:end]:
        if message["role"] == "assistant":
            content = cast("list[Fields]", message["content"])
            message["content"] = [b for b in content if not _is_unanswered(b, answered)]
    return messages


def _goes_on(message: Fields) -> bool:
    content = cast("list[Fields]", message["content"])
    if message["role"] == "assistant":
        return True
    return not any(map(_is_no_result, content))


def _is_unanswered(block: Fields, answered: set[str]) -> bool:
    called = block.get("type") in ("server_tool_use", "mcp_tool_use")
    return called and text_of(block.get("id")) not in answered
