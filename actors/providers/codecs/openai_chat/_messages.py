"""Turns as the messages of OpenAI Chat Completions. Pure."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs

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
    ToolTurn,
    Turn,
    UserTurn,
)
from actors.errors import ConfigurationError
from actors.providers.codecs._results import text_and_parts
from actors.providers.codecs._values import data_url

from ._wire import WIRE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.providers.codecs._dialects import Dialect

Message = dict[str, Any]

SHOWN_BELOW: Final = "(shown below)"
BRIDGE: Final = "I have the results."
_LETTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def messages_of(turns: Sequence[Turn], dialect: Dialect) -> list[Message]:
    """What `turns` say, as the messages that the server takes.

    Raises:
        ConfigurationError: A file is given in a way that the server does not take.
    """
    if dialect.echo_with_calls and not any(
        isinstance(turn, AssistantTurn) and turn.tool_calls for turn in turns
    ):
        dialect = attrs.evolve(dialect, echo_reasoning=None)
    return _bridged([message for turn in turns for message in _messages(turn, dialect)], dialect)


def message_of(role: str, content: object) -> Message:
    """One message."""
    return {"role": role, "content": content}


def _messages(turn: Turn, dialect: Dialect) -> list[Message]:
    match turn:
        case SystemTurn(text):
            return [message_of("system", text)]
        case UserTurn():
            return [message_of("user", _content(turn, dialect))]
        case ToolTurn(results):
            return _results(results, dialect)
        case AssistantTurn():
            return _assistant(turn.seen_by(WIRE), dialect)


def _results(results: Sequence[ToolResult], dialect: Dialect) -> list[Message]:
    """The results of a round, and behind all of them a message with what they show.

    A tool's message takes text only (the API reference, "Tool message"), so that it is shown as
    a user would show it.
    """
    messages: list[Message] = []
    shown: list[Message] = []
    for result in results:
        text, parts = text_and_parts(result, partial(_part, dialect=dialect))
        message = message_of("tool", text or (SHOWN_BELOW if parts else ""))
        messages.append(message | {"tool_call_id": _call_id(result.call_id, dialect)})
        if parts:
            shown += [_part(Text(f"Shown by {result.name}:"), dialect), *parts]
    return [*messages, message_of("user", shown)] if shown else messages


def _bridged(messages: list[Message], dialect: Dialect) -> list[Message]:
    """With an answer between results and what the user says next, where the server insists."""
    if not dialect.answers_results:
        return messages
    bridged: list[Message] = []
    for message in messages:
        if message["role"] == "user" and bridged and bridged[-1]["role"] == "tool":
            bridged.append(message_of("assistant", BRIDGE))
        bridged.append(message)
    return bridged


def _content(turn: UserTurn, dialect: Dialect) -> str | list[Message]:
    if all(isinstance(part, Text) for part in turn.parts):
        return turn.text  # servers without pictures know no parts
    return [_part(part, dialect) for part in turn.parts]


def _part(part: Text | Image | File, dialect: Dialect) -> Message:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    address = part.url or data_url(part)
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": address}}
    if dialect.documents == "document_url":
        return {"type": "document_url", "document_url": address, "document_name": part.name}
    if part.url is not None and dialect.documents == "file":
        raise ConfigurationError(
            "chat completions take a file by its bytes, not by its address: "
            "File(path.read_bytes(), name=...), or use openai-responses:"
        )
    return {"type": "file", "file": {"filename": part.name, "file_data": address}}


def _assistant(turn: AssistantTurn, dialect: Dialect) -> list[Message]:
    text, calls = turn.text, turn.tool_calls
    sealed: Message = {}
    for part in turn.parts:
        if isinstance(part, Opaque):
            sealed |= {name: part.data[name] for name in dialect.sealed if name in part.data}
    if not (text or calls or "audio" in sealed):
        return []  # an answer cut before its first word: servers refuse an empty message
    message = message_of("assistant", text or None)
    if calls:
        message["tool_calls"] = [_call(call, dialect) for call in calls]
    thinking = "".join(part.text for part in turn.parts if isinstance(part, Thinking))
    if dialect.echo_reasoning is not None and (thinking or dialect.echo_with_calls):
        message[dialect.echo_reasoning] = thinking
    return [message | sealed]


def _call(call: ToolCall, dialect: Dialect) -> Message:
    # Arguments that were cut are not JSON, and one such call makes a server refuse the whole
    # conversation: the call stays, its result says what was wrong.
    usable = call.arguments_error is None and call.arguments_text.strip()
    arguments = call.arguments_text if usable else "{}"
    return {
        "id": _call_id(call.id, dialect),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _call_id(id: str, dialect: Dialect) -> str:
    """The id, or where the server would refuse it, the same other one each time."""
    length = dialect.call_id_length
    if length is None or (len(id) == length and id.isascii() and id.isalnum()):
        return id
    digest = hashlib.sha256(id.encode("utf-8", "replace")).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:length])
