"""Encodes a request as Ollama's chat takes it. Pure."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from actors.chat import (
    AssistantTurn,
    Effort,
    File,
    Image,
    Request,
    Settings,
    SystemTurn,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    ToolTurn,
    Turn,
    UserTurn,
)
from actors.errors import ConfigurationError
from actors.providers.codecs._codec import WireRequest
from actors.providers.codecs._plain_json import arguments_object, extended, is_made_up, write_json
from actors.providers.codecs._results import text_and_parts

from ._wire import WIRE

if TYPE_CHECKING:
    from collections.abc import Mapping

Fields = dict[str, Any]

_WITH_LEVELS: Final = "gpt-oss"  # the one family whose thinking has levels; it cannot be off


def encode_request(request: Request, model: str) -> WireRequest:
    """The request as bytes.

    Raises:
        ConfigurationError: It has no turns, asks for what Ollama cannot do, or holds what JSON
            cannot.
    """
    settings = request.settings
    messages = [message for turn in request.turns for message in _messages(turn)]
    if not messages:
        raise ConfigurationError("a request needs at least one turn, such as user('Hello')")
    body: Fields = {"model": model, "messages": messages, "stream": request.streamed}
    if request.tools and _may_call(settings):
        body["tools"] = [_tool(spec) for spec in request.tools]
    if settings.thinking is not None:
        body["think"] = _think(settings.thinking, model)
    if request.output is not None:
        body["format"] = request.output.schema
    if options := _options(settings):
        body["options"] = options
    return WireRequest("/api/chat", write_json(extended(body, settings.extra)))


def _may_call(settings: Settings) -> bool:
    """Whether tools are on offer; more than that Ollama cannot be told about them."""
    if settings.tool_choice not in (None, "auto", "none"):
        raise ConfigurationError(
            f"Ollama cannot be made to call a tool: tool_choice is 'auto' or 'none', "
            f"not {settings.tool_choice!r}"
        )
    if settings.parallel_tool_calls is False:
        raise ConfigurationError(
            "Ollama cannot be kept to one tool call at a time: leave parallel_tool_calls open"
        )
    return settings.tool_choice != "none"


def _messages(turn: Turn) -> list[Fields]:
    match turn:
        case SystemTurn(text):
            return [{"role": "system", "content": text}]
        case UserTurn():
            return [_user(turn)]
        case ToolTurn(results):
            return [_result(result) for result in results]
        case AssistantTurn():
            return _assistant(turn)


def _user(turn: UserTurn) -> Fields:
    message: Fields = {"role": "user", "content": turn.text}
    images = [_image(part) for part in turn.parts if isinstance(part, Image | File)]
    if images:
        message["images"] = images
    return message


def _image(part: Image | File) -> str:
    if isinstance(part, File):
        raise ConfigurationError(
            "Ollama takes pictures, but no files: give what the file says as text"
        )
    if part.data is None:
        raise ConfigurationError(
            "Ollama does not fetch pictures: give their bytes, Image(path.read_bytes())"
        )
    return base64.b64encode(part.data).decode()


def _result(result: ToolResult) -> Fields:
    """A result, with the pictures that it shows.

    Source: Ollama's server puts a message's `images` into the prompt whatever its role
    (server/prompt.go).
    """
    text, images = text_and_parts(result, _image)
    message: Fields = {"role": "tool", "content": text, "tool_name": result.name}
    if images:
        message["images"] = images
    if not is_made_up(WIRE, result.call_id):
        message["tool_call_id"] = result.call_id
    return message


def _assistant(turn: AssistantTurn) -> list[Fields]:
    text, calls = turn.text, turn.tool_calls
    if not text and not calls:
        return []  # an answer cut before its first word
    message: Fields = {"role": "assistant", "content": text}
    thinking = "".join(part.text for part in turn.parts if isinstance(part, Thinking))
    if thinking and turn.wire == WIRE:
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = [_call(call) for call in calls]
    return [message]


def _call(call: ToolCall) -> Fields:
    said: Fields = {"function": {"name": call.name, "arguments": arguments_object(call)}}
    return said if is_made_up(WIRE, call.id) else {"id": call.id, **said}


def _tool(spec: ToolSpec) -> Fields:
    function = {
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
    }
    return {"type": "function", "function": function}


def _think(effort: Effort, model: str) -> bool | str:
    """Models without levels refuse them, so they only learn whether to think."""
    if effort != "off" and _WITH_LEVELS in model:
        return effort
    return effort != "off"


def _options(settings: Settings) -> Mapping[str, Any]:
    named = {
        "temperature": settings.temperature,
        "num_predict": settings.max_tokens,
        "top_p": settings.top_p,
        "frequency_penalty": settings.frequency_penalty,
        "presence_penalty": settings.presence_penalty,
        "stop": settings.stop or None,
        "seed": settings.seed,
    }
    return {name: value for name, value in named.items() if value is not None}
