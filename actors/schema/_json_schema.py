"""JSON schemas: made without references and titles, which some providers refuse, and put in words.

Pure.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def json_schema(checked: Any) -> dict[str, Any]:
    """The JSON schema of a type that `Hints.checked` gave, with definitions where they are used.

    Raises:
        TypeError: If msgspec cannot tell the members of a union apart.
    """
    schema = msgspec.json.schema(checked)
    # No hint contains itself, so this ends.
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


def in_words(schema: Mapping[str, Any], *, deep: bool = True) -> str:
    """Say what a schema asks for, in a phrase that follows "must be".

    Args:
        schema: Without references.
        deep: Whether to say what arrays and objects hold.
    """
    if "anyOf" in schema:
        return " or ".join(in_words(choice, deep=deep) for choice in schema["anyOf"])
    if "enum" in schema:
        choices = [shown(choice) for choice in schema["enum"]]
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


def shown(value: object) -> str:
    """A value as JSON, cut where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
