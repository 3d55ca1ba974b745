"""What a model means by an action, however it writes it. Pure.

What cannot be read is an error in words, for the model: nothing is made up.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import TYPE_CHECKING, Any, Final, cast

from actors.chat import ToolCall, ToolSpec, parse_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FENCE: Final = re.compile(r"\A```\w*\s*\n?(.*?)\s*```", re.DOTALL)
ACTION: Final = re.compile(
    r"[*`'\"\s]*([A-Za-z_][A-Za-z0-9_-]{0,63})[*`'\"]*[ \t:]*(.*)", re.DOTALL
)
GIVEN: Final = re.compile(r"(\w+)\s*=\s*(.+)", re.DOTALL)
NEXT_PAIR: Final = re.compile(r",\s*(?=\w+\s*=)")
WORDS: Final[Mapping[str, object]] = {"true": True, "false": False, "null": None}
NO_SCHEMA: Final[Mapping[str, Any]] = {}
LONGEST_CALL: Final = 4_000  # characters, so that no text is too deep for Python's parser
UNNAMED: Final = "unnamed"


def read_action(written: str, input: str | None, tools: Sequence[ToolSpec], id: str) -> ToolCall:
    """The call that an action means.

    Args:
        written: What stands behind `Action:`: `name`, `name {...}`, `name(...)`, `name[...]`.
        input: What stands behind `Action Input:`; None where nothing does.
        tools: Those that there are: where one takes a single argument, plain text will do.
        id: Of the call.

    Returns:
        The call; `arguments_error` says what is wrong with it, for the model.
    """
    found = ACTION.match(written)
    if found is None:
        return ToolCall(id, written[:64] or UNNAMED, arguments_text=written)
    name, rest = found[1], found[2].strip()
    text = _unwrapped(rest if input is None else input)
    spec = next((tool for tool in tools if tool.name == name), None)
    arguments, error = _arguments(text, spec)
    return ToolCall(id, name, arguments, text, error)


def _unwrapped(text: str) -> str:
    """Without a code fence and without the brackets of a call."""
    text = text.strip()
    fenced = FENCE.match(text)
    if fenced:
        text = fenced[1].strip()
    if text[:1] + text[-1:] in {"()", "[]"}:
        text = text[1:-1].strip()
    return text


def _arguments(text: str, spec: ToolSpec | None) -> tuple[dict[str, Any], str | None]:
    arguments, error = parse_arguments(_first_object(text))
    if error is None:
        return arguments, None
    parameters: Mapping[str, Mapping[str, Any]] = (
        {} if spec is None else spec.parameters.get("properties", {})
    )
    required = () if spec is None else spec.parameters.get("required", ())
    for found in (_as_call(text, parameters, least=len(required)), _as_pairs(text, parameters)):
        if found is not None and (spec is None or found.keys() <= parameters.keys()):
            return found, None
    if len(parameters) == 1:
        ((name, schema),) = parameters.items()
        return {name: _value(text, schema)}, None
    return {}, f'{error}. Write one JSON object, such as {{"name": value}}'


def _first_object(text: str) -> str:
    """Without what a model writes behind it; as it is, if it is no object."""
    if not text.startswith("{"):
        return text
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return text
    return text[:end]


def _as_call(
    text: str, parameters: Mapping[str, Mapping[str, Any]], *, least: int
) -> dict[str, Any] | None:
    """`1, b="x, y"`: as in a call, with plain values; None if it is something else.

    Values without names count only where there are `least` arguments: else a lone word, which
    is no call, would be the first argument of many.
    """
    if len(text) > LONGEST_CALL:
        return None
    source = f"_({text})"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a wrong escape is the model's affair
            call = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
        return None
    unnamed, count = len(call.args), len(call.args) + len(call.keywords)
    if unnamed > len(parameters) or (unnamed and count < least):
        return None
    given = [*zip(parameters, call.args, strict=False)]
    given += [(keyword.arg or "**", keyword.value) for keyword in call.keywords]
    try:
        return {name: _plain(node, source, parameters.get(name, NO_SCHEMA)) for name, node in given}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None


def _plain(node: ast.expr, source: str, schema: Mapping[str, Any]) -> object:
    """The value that is written there, as JSON has it.

    Raises:
        ValueError, TypeError: It is no plain value.
    """
    is_quoted = isinstance(node, ast.Constant) and isinstance(node.value, str)
    if schema.get("type") == "string" and not is_quoted:
        return ast.get_source_segment(source, node)
    if isinstance(node, ast.Name):
        return WORDS.get(node.id, node.id)
    return cast("object", json.loads(json.dumps(ast.literal_eval(node))))


def _as_pairs(text: str, parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """`city=New York, days=2`; None if it is something else."""
    named: dict[str, Any] = {}
    for part in NEXT_PAIR.split(text):
        given = GIVEN.fullmatch(part.strip())
        if given is None:
            return None
        named[given[1]] = _value(given[2].strip(), parameters.get(given[1], NO_SCHEMA))
    return named


def _value(text: str, schema: Mapping[str, Any]) -> object:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    if schema.get("type") == "string" and not is_quoted:
        return text
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        return text
