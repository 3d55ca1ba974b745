"""Encodes a request as OpenAI Chat Completions takes it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.errors import ConfigurationError
from actors.providers.codecs._codec import WireRequest
from actors.providers.codecs._plain_json import extended, write_json

from ._messages import message_of, messages_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.chat import OutputSchema, Request, Settings, ToolSpec
    from actors.providers.codecs._dialects import Dialect

Fields = dict[str, Any]

_CHOICES: Final = ("auto", "none", "required")


def encode_request(request: Request, model: str, dialect: Dialect) -> WireRequest:
    """The request as bytes.

    Raises:
        ConfigurationError: It has no turns, asks for what the server cannot do, or holds what
            JSON cannot.
    """
    messages = messages_of(request.turns, dialect)
    if not messages:
        raise ConfigurationError("a request needs at least one turn, such as user('Hello')")
    body: Fields = {"model": model, "messages": messages, "stream": request.streamed}
    if dialect.stream_options and request.streamed:
        body["stream_options"] = {"include_usage": True}
    body |= dict(dialect.request_fields) | _settings(request.settings, dialect)
    body |= _thinking(request.settings, model, dialect)
    if request.tools:
        body |= _tools(request, dialect)
    if request.output is not None:
        body |= _output(request.output, messages, dialect)
    body = extended(body, request.settings.extra)
    return WireRequest(dialect.path.replace("{model}", model), write_json(body))


def _settings(settings: Settings, dialect: Dialect) -> Fields:
    named = {
        "temperature": settings.temperature,
        dialect.max_tokens: settings.max_tokens,
        "top_p": settings.top_p,
        "frequency_penalty": settings.frequency_penalty,
        "presence_penalty": settings.presence_penalty,
        "stop": list(settings.stop) or None,
        dialect.seed: settings.seed,
    }
    return {name: value for name, value in named.items() if value is not None}


def _thinking(settings: Settings, model: str, dialect: Dialect) -> Mapping[str, Any]:
    if settings.thinking is None:
        return {}
    if settings.thinking != "off":
        return dialect.thinking[settings.thinking]
    name = model.rpartition("/")[2].removeprefix("ft:")
    return next(fields for start, fields in dialect.thinking_off if name.startswith(start))


def _tools(request: Request, dialect: Dialect) -> Fields:
    settings, specs = request.settings, request.tools
    fields: Fields = {}
    choice = settings.tool_choice
    if choice is not None and choice not in _CHOICES:
        if dialect.named_choice:
            fields["tool_choice"] = {"type": "function", "function": {"name": choice}}
        else:  # it cannot call another where there is none
            specs = tuple(spec for spec in specs if spec.name == choice)
            if not specs:
                names = ", ".join(repr(spec.name) for spec in request.tools)
                raise ConfigurationError(f"tool_choice is {choice!r}: write one of {names}")
            fields["tool_choice"] = "required"
    elif choice is not None:
        fields["tool_choice"] = choice
    if settings.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = settings.parallel_tool_calls
    return {"tools": [_tool(spec) for spec in specs], **fields}


def _tool(spec: ToolSpec) -> Fields:
    function = {
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
    }
    return {"type": "function", "function": function}


def _output(output: OutputSchema, messages: list[Fields], dialect: Dialect) -> Fields:
    if dialect.schema == "json_object":  # the server sees that it is JSON, the model which
        schema = write_json(output.schema).decode()
        wanted = f"Answer with JSON alone, and with such that follows this JSON schema: {schema}"
        messages.insert(0, message_of("system", wanted))
        return {"response_format": {"type": "json_object"}}
    schema_fields: Fields = {"name": output.name, "schema": output.schema}
    if dialect.strict:
        schema_fields["strict"] = output.strict
    return {"response_format": {"type": "json_schema", "json_schema": schema_fields}}
