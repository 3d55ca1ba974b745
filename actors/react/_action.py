"""What a model means by an action, however it writes it. Pure.

What cannot be read is handed on as it is, so that the model is told of it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

from actors.chat import ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.chat import ToolSpec

NAME: Final = re.compile(r"[*`'\"\s]*([A-Za-z_][A-Za-z0-9_-]*)[*`'\"]*[ \t:]*(.*)", re.DOTALL)
FENCE: Final = re.compile(r"\A```\w*\s*\n?(.*?)\s*```", re.DOTALL)
UNNAMED: Final = "unnamed"


def read_action(
    action: str, given: str | None, tools: Iterable[ToolSpec], id: str
) -> ToolCallDelta:
    """The call that an action means.

    Args:
        action: What stands behind `Action:`: `name`, `name {...}`, `name(...)`, `name[...]`.
        given: What stands behind `Action Input:`; None where nothing does.
        tools: Those that there are. Where one takes a single argument, plain text will do.
        id: Of the call.

    Returns:
        The whole call, its arguments as JSON, or as the model wrote them if they are none.
    """
    found = NAME.match(action)
    name, rest = (found[1], found[2]) if found else (UNNAMED, action)
    text = _unwrapped(rest if given is None else given)
    tool = next((each for each in tools if each.name == name), None)
    return ToolCallDelta(0, id, name, _arguments(text, tool))


def _unwrapped(text: str) -> str:
    """Without a code fence, and without the brackets of a call."""
    text = text.strip()
    fenced = FENCE.match(text)
    if fenced:
        text = fenced[1].strip()
    if text[:1] + text[-1:] in {"()", "[]"}:
        text = text[1:-1].strip()
    return text


def _arguments(text: str, tool: ToolSpec | None) -> str:
    if not text:
        return ""
    if text.startswith("{"):
        return _first_object(text)
    parameters = _parameters(tool)
    if len(parameters) != 1:
        return text
    ((name, schema),) = parameters.items()
    text = re.sub(rf"\A{re.escape(name)}[ \t]*=[ \t]*", "", text)
    return json.dumps({name: _value(text, is_text=schema.get("type") == "string")})


def _first_object(text: str) -> str:
    """Without what a model writes behind it; as it is, if it is no object."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return text
    return text[:end]


def _value(text: str, *, is_text: bool) -> object:
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    if is_text and not is_quoted:
        return text
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        return text


def _parameters(tool: ToolSpec | None) -> Mapping[str, Mapping[str, Any]]:
    return {} if tool is None else tool.parameters.get("properties", {})
