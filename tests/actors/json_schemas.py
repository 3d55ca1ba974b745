"""JSON schemas for property tests: values that one allows, and a small validator.

Written from the JSON Schema specification, for the keywords that our schemas use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Schema = dict[str, Any]

WORDS: Final = st.sampled_from(["a", "red", "side", "radius", "tags", "inside", "long"])
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def values_for(schema: Schema) -> st.SearchStrategy[Any]:
    """JSON that a schema allows."""
    if "anyOf" in schema:
        return st.one_of(*map(values_for, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return VALUES[schema.get("type")](schema)


def _arrays_for(schema: Schema) -> st.SearchStrategy[Any]:
    if "prefixItems" in schema:
        return st.tuples(*map(values_for, schema["prefixItems"])).map(list)
    return st.lists(values_for(schema.get("items", {})), max_size=3)


def _objects_for(schema: Schema) -> st.SearchStrategy[Any]:
    if "properties" not in schema:
        others = values_for(schema.get("additionalProperties", {}))
        return st.dictionaries(st.text(max_size=3), others, max_size=3)
    fields = {name: values_for(item) for name, item in schema["properties"].items()}
    required = {name: fields.pop(name) for name in schema["required"]}
    return st.fixed_dictionaries(required, optional=fields)


VALUES: Final[dict[str | None, Callable[[Schema], st.SearchStrategy[Any]]]] = {
    "integer": lambda schema: st.integers(schema.get("minimum"), schema.get("maximum")),
    "number": lambda _: st.floats(0.5, 1e9) | st.integers(1, 9),
    "string": lambda schema: st.text(max_size=schema.get("maxLength", 5)),
    "array": _arrays_for,
    "object": _objects_for,
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
    None: lambda _: JSON,
}


def allows(schema: Schema, value: object) -> bool:
    """Whether a schema allows a value. Strict: 1.0 is no integer, true is no number."""
    if "anyOf" in schema:
        return any(allows(choice, value) for choice in schema["anyOf"])
    if "enum" in schema:
        return any(type(value) is type(each) and value == each for each in schema["enum"])
    kind = schema.get("type")
    if kind is None:
        return True
    return type(value) in TYPES[kind] and CHECKS.get(kind, _anything)(schema, value)


def _anything(schema: Schema, value: Any) -> bool:  # noqa: ARG001
    return True


def _allows_number(schema: Schema, value: float) -> bool:
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _allows_string(schema: Schema, value: str) -> bool:
    return len(value) <= schema.get("maxLength", len(value))


def _allows_array(schema: Schema, value: list[object]) -> bool:
    first: list[Schema] = schema.get("prefixItems", [])
    rest: Schema | bool = schema.get("items", {})
    if len(value) < len(first) or not all(map(allows, first, value)):
        return False
    others = value[len(first) :]
    return not others if isinstance(rest, bool) else all(allows(rest, item) for item in others)


def _allows_object(schema: Schema, value: Mapping[str, object]) -> bool:
    fields: dict[str, Schema] = schema.get("properties", {})
    rest: Schema | bool = schema.get("additionalProperties", {})
    if not set(cast("list[str]", schema.get("required", []))) <= set(value):
        return False
    named = [allows(fields[name], item) for name, item in value.items() if name in fields]
    others = [item for name, item in value.items() if name not in fields]
    fit = not others if isinstance(rest, bool) else all(allows(rest, item) for item in others)
    return all(named) and fit


TYPES: Final[dict[str, set[type]]] = {
    "integer": {int},
    "number": {int, float},
    "string": {str},
    "boolean": {bool},
    "null": {type(None)},
    "array": {list},
    "object": {dict},
}
CHECKS: Final[dict[str, Callable[[Schema, Any], bool]]] = {
    "integer": _allows_number,
    "number": _allows_number,
    "string": _allows_string,
    "array": _allows_array,
    "object": _allows_object,
}
