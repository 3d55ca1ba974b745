"""Encodes a request as OpenAI Responses takes it. Pure.

Nothing is stored at the provider (`store` is false): the history is ours, it may be cut, edited
and sent to another provider. So sealed reasoning is asked for and travels with the history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.chat import (
    AssistantTurn,
    File,
    Image,
    OutputSchema,
    Request,
    Settings,
    SystemTurn,
    Text,
    ToolResult,
    ToolSpec,
    ToolTurn,
    Turn,
    UserTurn,
)
from actors.errors import ConfigurationError
from actors.providers.codecs._codec import WireRequest
from actors.providers.codecs._plain_json import extended, write_json
from actors.providers.codecs._results import text_and_parts
from actors.providers.codecs._values import data_url

from ._replay import replayed
from ._wire import CUSTOM, FUNCTION, WIRE, WITHOUT_REASONING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Fields = dict[str, Any]

_CHOICES: Final = ("auto", "none", "required")
# The least effort of models that cannot do without; the first whose start fits.
_OFF: Final = (
    ("o1", "low"),
    ("o3", "low"),
    ("o4", "low"),
    ("gpt-5.", "none"),
    ("gpt-5", "minimal"),
)


def encode_request(request: Request, model: str) -> WireRequest:
    """The request as bytes.

    Raises:
        ConfigurationError: It has no turns, asks for what this API does not know, or holds what
            JSON cannot.
    """
    leading, rest = _instructions(request.turns)
    stateless = not request.settings.extra.get("store")
    body: Fields = {"model": model, "store": False, "stream": request.streamed}
    if leading:
        body["instructions"] = "\n\n".join(leading)
    body["input"] = list(_items(rest, stateless=stateless))
    if not body["input"] and not leading:
        raise ConfigurationError("a request needs at least one turn, such as user('Hello')")
    body |= _settings(request.settings, model)
    if stateless and _reasons(model):
        body["include"] = ["reasoning.encrypted_content"]
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
    if request.output is not None:
        body["text"] = {"format": _format(request.output)}
    body = extended(body, request.settings.extra)
    if body.get("tools"):
        body = _tool_settings(request.settings) | body
    return WireRequest("/responses", write_json(body))


def _instructions(turns: Sequence[Turn]) -> tuple[list[str], Sequence[Turn]]:
    """What is said before everything else, and the turns after it."""
    leading: list[str] = []
    for turn in turns:
        if not isinstance(turn, SystemTurn):
            break
        leading.append(turn.text)
    return leading, turns[len(leading) :]


def _items(turns: Sequence[Turn], *, stateless: bool) -> Iterator[Fields]:
    custom: set[str] = set()  # ids of calls whose results have a type of their own
    for turn in turns:
        match turn:
            case SystemTurn(text):
                yield {"role": "system", "content": text}
            case UserTurn():
                yield {"role": "user", "content": _content(turn)}
            case AssistantTurn():
                items = replayed(turn.seen_by(WIRE), stateless=stateless)
                custom |= {item["call_id"] for item in items if item.get("type") == CUSTOM}
                yield from items
            case ToolTurn(results):
                yield from (_result(result, custom) for result in results)


def _result(result: ToolResult, custom: set[str]) -> Fields:
    """A result; what it shows goes in its output, as what a user shows in a message.

    Source: https://developers.openai.com/api/docs/guides/function-calling (an output is a string
    or a list of input_text, input_image and input_file).
    """
    kind = CUSTOM if result.call_id in custom else FUNCTION
    text, shown = text_and_parts(result, _part)
    said = [_part(Text(text))] if text else []
    output = [*said, *shown] if shown else text
    return {"type": f"{kind}_output", "call_id": result.call_id, "output": output}


def _content(turn: UserTurn) -> str | list[Fields]:
    if all(isinstance(part, Text) for part in turn.parts):
        return turn.text
    return [_part(part) for part in turn.parts]


def _part(part: Text | Image | File) -> Fields:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, Image):
        address = part.url or data_url(part)
        return {"type": "input_image", "detail": "auto", "image_url": address}
    if part.url is not None:
        return {"type": "input_file", "file_url": part.url}
    return {"type": "input_file", "filename": part.name, "file_data": data_url(part)}


def _tool(spec: ToolSpec) -> Fields:
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
        "strict": False,  # what is left out counts as true here, and few schemas are fit for it
    }


def _format(output: OutputSchema) -> Fields:
    return {
        "type": "json_schema",
        "name": output.name,
        "schema": output.schema,
        "strict": output.strict,
    }


def _settings(settings: Settings, model: str) -> Fields:
    """The API has no seed and no penalties: they are left out. Words to stop at are refused."""
    if settings.stop:
        raise ConfigurationError(
            f"OpenAI Responses knows no words to stop at: leave `stop` out, or use openai:{model}"
        )
    named = {
        "temperature": settings.temperature,
        "max_output_tokens": settings.max_tokens,
        "top_p": settings.top_p,
        "reasoning": _reasoning(settings, model),
    }
    return {name: value for name, value in named.items() if value is not None}


def _tool_settings(settings: Settings) -> Fields:
    """The API refuses a choice where there is nothing to choose from."""
    choice = settings.tool_choice
    named = {
        "parallel_tool_calls": settings.parallel_tool_calls,
        "tool_choice": {"type": "function", "name": choice}
        if choice is not None and choice not in _CHOICES
        else choice,
    }
    return {name: value for name, value in named.items() if value is not None}


def _reasoning(settings: Settings, model: str) -> Fields | None:
    if settings.thinking is None:
        return None
    if settings.thinking != "off":
        return {"effort": settings.thinking, "summary": "auto"}
    if not _reasons(model):
        return None
    name = _bare(model)
    return {"effort": next((least for start, least in _OFF if name.startswith(start)), "none")}


def _reasons(model: str) -> bool:
    return not _bare(model).startswith(WITHOUT_REASONING)


def _bare(model: str) -> str:
    """The model's name without a vendor before it, or the mark of one that was fine-tuned."""
    return model.rpartition("/")[2].removeprefix("ft:")
