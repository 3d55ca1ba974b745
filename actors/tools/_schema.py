"""A tool's parameters: their JSON schema, and the checking of what a model sends.

Pure. The schema is written without references and titles, since some providers refuse `$ref`.
A value that does not fit gives a text that a model can act on, never an exception.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import msgspec

from ._hints import Hints

if TYPE_CHECKING:
    from ._docstring import Docstring

SHOWN: Final = 80  # characters of a wrong value that are quoted back
NAMES: Final = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "an array",
    "object": "an object",
}
LIMITS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "greater than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} entries",
    "maxProperties": "at most {} entries",
    "pattern": "matching {}",
    "format": "in the format {}",
}


@attrs.frozen
class Refused:
    """Why arguments were refused; `text` is for the model."""

    text: str


@attrs.frozen(eq=False)
class Parameter:
    """One parameter of a tool.

    Attributes:
        name: As in the signature.
        schema: Its JSON schema.
        required: Whether the signature has no default for it.
    """

    name: str
    schema: Mapping[str, Any]
    required: bool
    _checked: Any = attrs.field(repr=False)
    _hints: Hints = attrs.field(repr=False)

    def read(self, value: object) -> object | Refused:
        """Check one value of plain JSON types and turn it into what the tool takes."""
        try:
            return self._hints.restored(msgspec.convert(value, self._checked))
        except Exception as error:  # noqa: BLE001 (the model hears of it; validators may raise anything)
            return Refused(self._complaint(value, error))

    def _complaint(self, value: object, error: Exception) -> str:
        text = f"argument {self.name!r} must be {in_words(self.schema)}, not {_shown(value)}"
        # For a plain value the words above say it all.
        return f"{text} ({error})" if isinstance(value, list | dict) else text

    def __str__(self) -> str:
        optional = "" if self.required else ", optional"
        return f"{self.name} ({in_words(self.schema, deep=False)}{optional})"


def read_parameters(function: Callable[..., object], doc: Docstring) -> tuple[Parameter, ...]:
    """Read the parameters of a function.

    Raises:
        TypeError: If the signature cannot be offered to a model; the text says what to write.
    """
    parameters = inspect.signature(function).parameters
    unknown = sorted(set(doc.entries) - set(parameters))
    if unknown:
        raise TypeError(f"the docstring describes {unknown[0]!r}, which is not a parameter")
    hints = Hints(_names_around(function))
    return tuple(_parameter(p, doc, hints) for p in parameters.values())


def _names_around(function: Callable[..., object]) -> dict[str, Any]:
    """The globals of the function, or of the `__call__` of an object."""
    inner = inspect.unwrap(function)
    source = inner if inspect.isroutine(inner) else type(inner).__call__
    names: dict[str, Any] = getattr(source, "__globals__", {})  # a builtin has none
    return names


def _parameter(parameter: inspect.Parameter, doc: Docstring, hints: Hints) -> Parameter:
    _refuse_kind(parameter)
    try:
        checked = hints.checked(parameter.annotation)
        schema = _plain(msgspec.json.schema(checked))
    except TypeError as error:
        raise TypeError(f"parameter {parameter.name!r}: {error}") from error
    if parameter.name in doc.entries and "description" not in schema:
        schema["description"] = doc.entries[parameter.name]
    required = parameter.default is parameter.empty
    if not required:
        schema.update(_default(parameter.default))
    return Parameter(parameter.name, schema, required, checked, hints)


def _refuse_kind(parameter: inspect.Parameter) -> None:
    name = parameter.name
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise TypeError(f"parameter {name!r} is positional-only: remove the `/` after it")
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise TypeError(f"a model cannot use *{name}: write `{name}: list[...]`")
    if parameter.kind is parameter.VAR_KEYWORD:
        raise TypeError(f"a model cannot use **{name}: write `{name}: dict[str, ...]`")
    if parameter.annotation is parameter.empty and name in {"self", "cls"}:
        raise TypeError(
            "a method becomes a tool when it is bound: drop the decorator and offer "
            "`tool(instance.method)`"
        )
    if parameter.annotation is parameter.empty:
        raise TypeError(f"parameter {name!r} has no type: write for example `{name}: str`")


def _default(value: object) -> dict[str, Any]:
    """The default as the schema shows it; one that JSON cannot hold goes unmentioned."""
    try:
        plain = msgspec.to_builtins(value)
        json.dumps(plain, allow_nan=False)
    except (TypeError, ValueError):
        return {}
    return {"default": plain}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Put definitions where they are referred to. No hint contains itself, so this ends."""
    return cast("dict[str, Any]", _inlined(schema, schema.get("$defs", {})))


def _inlined(node: object, definitions: Mapping[str, Any]) -> object:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    schema = cast("dict[str, Any]", node)
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            plain[key] = {name: _inlined(item, definitions) for name, item in value.items()}
        elif key not in {"$defs", "title", "discriminator"}:
            plain[key] = _inlined(value, definitions)
    return plain


def object_schema(parameters: Iterable[Parameter]) -> dict[str, Any]:
    """The JSON schema of all arguments together."""
    parameters = tuple(parameters)
    return {
        "type": "object",
        "properties": {p.name: p.schema for p in parameters},
        "required": [p.name for p in parameters if p.required],
        "additionalProperties": False,
    }


def read_arguments(
    parameters: tuple[Parameter, ...], arguments: Mapping[str, Any]
) -> dict[str, Any] | Refused:
    """Check all arguments at once, so that a model learns of every mistake in one answer."""
    values = {p.name: p.read(arguments[p.name]) for p in parameters if p.name in arguments}
    names = {p.name for p in parameters}
    complaints = [
        *(f"there is no argument {name!r}" for name in arguments if name not in names),
        *(f"argument {p.name!r} is missing" for p in parameters if _is_missing(p, arguments)),
        *(value.text for value in values.values() if isinstance(value, Refused)),
    ]
    if not complaints:
        return values
    offered = ", ".join(map(str, parameters)) or "none"
    return Refused(f"{'; '.join(complaints)}. The arguments are: {offered}")


def _is_missing(parameter: Parameter, arguments: Mapping[str, Any]) -> bool:
    return parameter.required and parameter.name not in arguments


def in_words(schema: Mapping[str, Any], *, deep: bool = True) -> str:
    """Say what a schema asks for, in a phrase that follows "must be".

    Args:
        schema: Without references.
        deep: Whether to say what arrays and objects hold.
    """
    if "anyOf" in schema:
        return " or ".join(in_words(choice, deep=deep) for choice in schema["anyOf"])
    if "enum" in schema:
        choices = [_shown(choice) for choice in schema["enum"]]
        return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    phrase = NAMES[schema["type"]] if "type" in schema else "any JSON value"
    phrase += _contents(schema) if deep else ""
    limits = [text.format(schema[key]) for key, text in LIMITS.items() if key in schema]
    return f"{phrase}, {' and '.join(limits)}" if limits else phrase


def _contents(schema: Mapping[str, Any]) -> str:
    if schema.get("properties"):
        fields = (f"{name}: {in_words(item)}" for name, item in schema["properties"].items())
        return f" with {{{', '.join(fields)}}}"
    if schema.get("prefixItems"):
        return f" of ({', '.join(in_words(item) for item in schema['prefixItems'])})"
    items: object = schema.get("items") or schema.get("additionalProperties")
    if not isinstance(items, dict):
        return ""
    return f" in which each is {in_words(cast('dict[str, Any]', items))}"


def _shown(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
