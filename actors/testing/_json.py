"""Reading the JSON of a request that may be anything at all. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from ._wire import Json

_NAMES: Final[dict[type, str]] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def objects(value: object) -> list[Json]:
    """The objects in a list; nothing, where it is no list."""
    if not isinstance(value, list):
        return []
    items = cast("list[object]", value)
    return [cast("Json", item) for item in items if isinstance(item, dict)]


def object_of(value: object) -> Json:
    """The object, or an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def kind_of(value: object) -> str:
    """What JSON calls it, with an article."""
    return _NAMES.get(type(value), "an object")
