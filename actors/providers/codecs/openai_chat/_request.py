"""Encodes a request as OpenAI Chat Completions takes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from actors.chat import (
    AssistantTurn,
    Request,
    Settings,
    SystemTurn,
    Thinking,
    ToolCall,
    ToolSpec,
    ToolTurn,
    Turn,
    UserTurn,
)
from actors.errors import ConfigurationError
from actors.providers.codecs._codec import WireRequest

if TYPE_CHECKING:
    from ._wire import Dialect

Message = dict[str, Any]


def encode_request(request: Request, model: str, dialect: Dialect) -> WireRequest:
    """The request as bytes.

    Raises:
        ConfigurationError: It has no turns, or holds what JSON cannot.
    """
    messages = [message for turn in request.turns for message in _messages(turn, dialect)]
    if not messages:
        raise ConfigurationError("a request needs at least one turn, such as user('Hello')")
    body: Message = {"model": model, "messages": messages, "stream": request.streamed}
    if dialect.stream_options and request.streamed:
        body["stream_options"] = {"include_usage": True}
    body |= _settings(request.settings, dialect) | dict(dialect.request_fields)
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
    try:
        return WireRequest("/chat/completions", msgspec.json.encode(body, enc_hook=_plain))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the request cannot be written as JSON: {error}") from error


def _messages(turn: Turn, dialect: Dialect) -> list[Message]:
    match turn:
        case SystemTurn(text):
            return [{"role": "system", "content": text}]
        case UserTurn():
            return [{"role": "user", "content": turn.text}]
        case ToolTurn(results):
            return [
                {"role": "tool", "tool_call_id": result.call_id, "content": result.content}
                for result in results
            ]
        case AssistantTurn():
            return _assistant(turn, dialect)


def _assistant(turn: AssistantTurn, dialect: Dialect) -> list[Message]:
    text, calls = turn.text, turn.tool_calls
    if not text and not calls:
        return []  # an answer cut before its first word: servers refuse an empty message
    message: Message = {"role": "assistant", "content": text or None}
    if calls:
        message["tool_calls"] = [_call(call) for call in calls]
    thinking = "".join(part.text for part in turn.parts if isinstance(part, Thinking))
    if dialect.echo_reasoning is not None and thinking:
        message[dialect.echo_reasoning] = thinking
    return [message]


def _call(call: ToolCall) -> Message:
    # Arguments that were cut are not JSON, and one such call makes a server refuse the whole
    # conversation: the call stays, its result says what was wrong.
    usable = call.arguments_error is None and call.arguments_text.strip()
    arguments = call.arguments_text if usable else "{}"
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _tool(spec: ToolSpec) -> Message:
    function = {
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
    }
    return {"type": "function", "function": function}


def _settings(settings: Settings, dialect: Dialect) -> Message:
    named = {
        "temperature": settings.temperature,
        dialect.max_tokens: settings.max_tokens,
        "top_p": settings.top_p,
        "frequency_penalty": settings.frequency_penalty,
        "presence_penalty": settings.presence_penalty,
        "stop": settings.stop or None,
        "seed": settings.seed,
    }
    return {name: value for name, value in named.items() if value is not None}


def _plain(value: object) -> object:
    """Mappings that are not dicts, such as the read-only views of a frozen schema."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise TypeError(f"{type(value).__name__} is not a JSON type")
