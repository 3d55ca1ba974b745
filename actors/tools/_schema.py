"""A tool's parameters: their JSON schema, and the checking of what a model sends.

Pure. A value that does not fit gives a text that a model can act on, never an exception.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.schema import Hints, in_words, json_schema, shown

if TYPE_CHECKING:
    from actors.schema import Docstring


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
        text = f"argument {self.name!r} must be {in_words(self.schema)}, not {shown(value)}"
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
        schema = json_schema(checked)
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
