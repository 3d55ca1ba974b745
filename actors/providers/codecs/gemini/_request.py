"""Encodes a request as Gemini's generateContent takes it. Pure."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from actors.chat import (
    AssistantTurn,
    Effort,
    File,
    Image,
    Opaque,
    OutputSchema,
    Part,
    Request,
    Settings,
    SystemTurn,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    ToolStatus,
    ToolTurn,
    Turn,
    UserPart,
    UserTurn,
)
from actors.errors import ConfigurationError
from actors.providers.codecs._codec import WireRequest
from actors.providers.codecs._plain_json import arguments_object, extended, is_made_up, write_json
from actors.providers.codecs._results import text_and_parts

from ._wire import WIRE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Fields = dict[str, Any]

_RESOURCES: Final = ("models/", "tunedModels/")
# Families whose thinking is set in tokens, and that take calls without a signature.
_BEFORE_GEMINI_3: Final = ("gemini-1", "gemini-2", "gemma", "learnlm")
# Google's own figures for "low", "medium" and "high": https://ai.google.dev/gemini-api/docs/openai
_BUDGETS: Final[Mapping[Effort, int]] = {"off": 0, "low": 1024, "medium": 8192, "high": 24576}
_LEVELS: Final[Mapping[Effort, str]] = {
    "off": "MINIMAL",  # Gemini 3 cannot be kept from thinking altogether
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
}
_IN_RESULTS: Final = ("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain")
_MODES: Final[Mapping[str, str]] = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
# "skip_thought_signature_validator" in base64: what Google asks for where a call was made by
# another model, so that it has no signature: https://ai.google.dev/gemini-api/docs/thought-signatures
NOT_SIGNED: Final = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def encode_request(request: Request, model: str) -> WireRequest:
    """The request as bytes.

    Raises:
        ConfigurationError: It has no turns, asks for what Gemini cannot do, or holds what JSON
            cannot.
    """
    old = model.rpartition("/")[2].startswith(_BEFORE_GEMINI_3)
    body: Fields = {"contents": _contents(request.turns, signed=not old)}
    if not body["contents"]:
        raise ConfigurationError("a request needs at least one turn, such as user('Hello')")
    told = [{"text": turn.text} for turn in request.turns if isinstance(turn, SystemTurn)]
    if told:
        body["systemInstruction"] = {"parts": told}
    if request.tools:
        body |= _tools(request.tools, request.settings)
    if config := _config(request.settings, request.output, budgets=old):
        body["generationConfig"] = config
    payload = write_json(extended(body, request.settings.extra))
    return WireRequest(_path(model, streamed=request.streamed), payload)


def _path(model: str, *, streamed: bool) -> str:
    name = model if model.startswith(_RESOURCES) else f"models/{model}"
    method = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    return f"/v1beta/{quote(name)}:{method}"


def _contents(turns: Sequence[Turn], *, signed: bool) -> list[Fields]:
    """What was said, turn by turn; answers that follow each other are one.

    Gemini refuses a call in an answer that stands behind another one.
    """
    contents: list[Fields] = []
    for content in (_content(turn, signed=signed) for turn in turns):
        if contents and content.get("role") == "model" == contents[-1]["role"]:
            contents[-1]["parts"] += content["parts"]
        elif content["parts"]:
            contents.append(content)
    return contents


def _content(turn: Turn, *, signed: bool) -> Fields:
    match turn:
        case UserTurn(parts):
            return {"role": "user", "parts": [_user_part(part) for part in parts]}
        case ToolTurn(results):
            return {"role": "user", "parts": _results(results, inside=signed)}
        case AssistantTurn():
            return {"role": "model", "parts": _model_parts(turn, signed=signed)}
        case SystemTurn():
            return {"parts": []}  # it stands in a field of its own


def _user_part(part: UserPart) -> Fields:
    match part:
        case Text(text):
            return {"text": text}
        case Image(data, media_type=kind, url=url) | File(data, media_type=kind, url=url):
            if data is None:
                return {"fileData": {"fileUri": url, "mimeType": kind}}
            encoded = base64.b64encode(data).decode()
            return {"inlineData": {"mimeType": kind, "data": encoded}}


def _results(results: Sequence[ToolResult], *, inside: bool) -> list[Fields]:
    """The results of a round; what they show stands in them, or behind all of them.

    Source: https://ai.google.dev/gemini-api/docs/function-calling#multimodal (since Gemini 3, by
    their bytes, of the types in `_IN_RESULTS`).

    Args:
        results: One for each call.
        inside: Whether the model takes what they show inside them.
    """
    written: list[Fields] = []
    behind: list[Fields] = []
    for result in results:
        text, parts = text_and_parts(result, _user_part)
        fits = [inside and _fits_inside(part) for part in parts]
        beside = [part for part, fit in zip(parts, fits, strict=True) if not fit]
        within = [part for part, fit in zip(parts, fits, strict=True) if fit]
        written.append(_result(result, text, within))
        if beside:
            behind += [{"text": f"Shown by {result.name}:"}, *beside]
    return [*written, *behind]


def _fits_inside(part: Fields) -> bool:
    return part.get("inlineData", {}).get("mimeType") in _IN_RESULTS


def _result(result: ToolResult, text: str, parts: list[Fields]) -> Fields:
    key = "output" if result.status is ToolStatus.OK else "error"
    response: Fields = {"name": result.name, "response": {key: text}}
    if parts:
        response["parts"] = parts
    if not is_made_up(WIRE, result.call_id):
        response["id"] = result.call_id
    return {"functionResponse": response}


def _model_parts(turn: AssistantTurn, *, signed: bool) -> list[Fields]:
    """The parts of an answer; none where there are but thoughts, cut before their first word."""
    own = turn.wire == WIRE
    parts = turn.seen_by(WIRE).parts
    if all(isinstance(part, Thinking) for part in parts):
        return []
    written = [said for part in parts if (said := _model_part(part, own=own)) is not None]
    if signed:
        # The first call of a turn must have a signature, the others need none.
        first = next((said for said in written if "functionCall" in said), None)
        if first is not None:
            first.setdefault("thoughtSignature", NOT_SIGNED)
    return written


def _model_part(part: Part, *, own: bool) -> Fields | None:
    match part:
        case Text(text, signature):
            return _signed({"text": text}, signature) if text or signature else None
        case Thinking(text, signature):
            return _signed({"text": text, "thought": True}, signature) if own else None
        case ToolCall(signature=signature):
            return _signed({"functionCall": _call(part)}, signature)
        case Opaque(wire, data):
            return dict(data) if wire == WIRE else None


def _signed(said: Fields, signature: str | None) -> Fields:
    return said if signature is None else {**said, "thoughtSignature": signature}


def _call(call: ToolCall) -> Fields:
    said: Fields = {"name": call.name, "args": arguments_object(call)}
    if not is_made_up(WIRE, call.id):
        said["id"] = call.id
    return said


def _tools(specs: Sequence[ToolSpec], settings: Settings) -> Fields:
    if settings.parallel_tool_calls is False:
        raise ConfigurationError(
            "Gemini cannot be kept to one tool call at a time: leave parallel_tool_calls open"
        )
    declared = [
        {
            "name": spec.name,
            "description": spec.description,
            "parametersJsonSchema": spec.parameters,
        }
        for spec in specs
    ]
    body: Fields = {"tools": [{"functionDeclarations": declared}]}
    if settings.tool_choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _choice(settings.tool_choice)}
    return body


def _choice(choice: str) -> Fields:
    if choice in _MODES:
        return {"mode": _MODES[choice]}
    return {"mode": "ANY", "allowedFunctionNames": [choice]}


def _config(settings: Settings, output: OutputSchema | None, *, budgets: bool) -> Fields:
    named: Fields = {
        "temperature": settings.temperature,
        "topP": settings.top_p,
        "maxOutputTokens": settings.max_tokens,
        "stopSequences": settings.stop or None,
        "seed": settings.seed,
        "presencePenalty": settings.presence_penalty,
        "frequencyPenalty": settings.frequency_penalty,
    }
    if output is not None:
        named["responseMimeType"] = "application/json"
        named["responseJsonSchema"] = output.schema
    if settings.thinking is not None:
        named["thinkingConfig"] = _thinking(settings.thinking, budgets=budgets)
    return {name: value for name, value in named.items() if value is not None}


def _thinking(effort: Effort, *, budgets: bool) -> Fields:
    config: Fields = {"includeThoughts": effort != "off"}
    if budgets:
        config["thinkingBudget"] = _BUDGETS[effort]
    else:
        config["thinkingLevel"] = _LEVELS[effort]
    return config
