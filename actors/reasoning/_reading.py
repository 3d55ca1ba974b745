"""What a model means by a number, an answer or an action, however it writes it. Pure.

What cannot be read is None or an error in words: nothing is made up.
"""

from __future__ import annotations

import ast
import json
import re
import unicodedata
import warnings
from typing import TYPE_CHECKING, Any, Final, cast

from actors.chat import ToolCall, ToolSpec, parse_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NUMBER: Final = re.compile(
    r"(?<![\w.,])(-?\d{1,9}(?:\.\d{1,9})?)(?:[ \t]*(%)|[ \t]*(?:/|out of)[ \t]*(\d{1,9}))?(?![\w])"
)
FENCE: Final = re.compile(r"\A```\w*\s*\n?(.*?)\s*```\Z", re.DOTALL)
ACTION: Final = re.compile(r"[*`'\"]*([A-Za-z_][A-Za-z0-9_-]{0,63})[*`'\"]*\s*(.*)", re.DOTALL)
GIVEN: Final = re.compile(r"(\w+)\s*=\s*(.+)", re.DOTALL)
NEXT_PAIR: Final = re.compile(r",\s*(?=\w+\s*=)")
WORDS: Final[Mapping[str, object]] = {"true": True, "false": False, "null": None}
NO_SCHEMA: Final[Mapping[str, Any]] = {}
LONGEST_CALL: Final = 4_000  # characters, so that no text is too deep for Python's parser


def read_share(text: str, whole: float = 1.0) -> float | None:
    """The first number of a text as a share of `whole`, from 0 to 1.

    `0.8`, `80%`, `8/10` and `8 out of 10` are read; None where there is no number or it is out
    of range. Words such as "high" are no number.
    """
    found = NUMBER.search(text)
    if found is None:
        return None
    number, percent, of = found.groups()
    divisor = 100.0 if percent else float(of) if of else whole
    share = float(number) / divisor if divisor else -1.0
    return share if 0 <= share <= 1 else None


def same_answer(text: str) -> str:
    """What two answers have in common that say the same in other letters.

    Case, blanks, punctuation at the ends and thousands' commas make no difference, nor do the
    noughts at the end of a decimal fraction.
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = " ".join(text.split()).strip(" .,;:!?\"'`*_$")
    if re.fullmatch(r"-?\d+\.\d+", text):
        text = text.rstrip("0").rstrip(".")
    return text


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
        return ToolCall(id, written[:64] or "nothing", arguments_text=written)
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
    arguments, error = parse_arguments(text)
    if error is None:
        return arguments, None
    parameters: Mapping[str, Mapping[str, Any]] = (
        {} if spec is None else spec.parameters.get("properties", {})
    )
    for read in (_as_call, _as_pairs):
        found = read(text, parameters)
        if found is not None and (spec is None or found.keys() <= parameters.keys()):
            return found, None
    if len(parameters) == 1:
        ((name, schema),) = parameters.items()
        return {name: _value(text, schema)}, None
    return {}, f'{error}. Write one JSON object, such as {{"name": value}}'


def _as_call(text: str, parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """`1, b="x, y"`: as in a call, with plain values; None if it is something else."""
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
    if len(call.args) > len(parameters):
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
