"""What a model is told of a tool's parameters, and how its arguments are checked."""

from __future__ import annotations

import datetime as dt
import enum
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, Optional

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_schemas import JSON, allows, values_for

from actors.tools import BoundCall, Bounds, Refused, Tool, tool

if TYPE_CHECKING:
    from decimal import Decimal  # noqa: TC004 (hidden on purpose)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Circle:
    """A round shape.

    Attributes:
        radius: In metres.
    """

    radius: float = attrs.field(validator=attrs.validators.gt(0))
    _tags: tuple[str, ...] = attrs.field(default=(), converter=tuple)


@attrs.frozen
class Square:
    side: Annotated[int, Bounds(ge=1), "in metres"]
    inside: Circle | None = None


@attrs.frozen
class Tree:
    children: list[Tree]


@attrs.frozen
class Typed:
    type: str


@attrs.frozen
class Untyped:
    x = attrs.field()  # pyright: ignore[reportGeneralTypeIssues]


@attrs.frozen
class Hidden:
    price: Decimal


Metres = NewType("Metres", float)


def tool_taking(hint: object, default: object = inspect.Parameter.empty) -> Tool[..., Any]:
    """A tool `f(x)` whose x has this hint; it gives x back."""

    def f(**arguments: object) -> object:
        return arguments.get("x", "the default")

    f.__doc__ = "Give x back."
    parameter = inspect.Parameter(
        "x", inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=default
    )
    f.__signature__ = inspect.Signature([parameter])
    return tool(f)


def schema_of(hint: object) -> dict[str, Any]:
    schema: dict[str, Any] = tool_taking(hint).spec.parameters["properties"]["x"]
    return schema


def bound(hint: object, value: object) -> object:
    call = tool_taking(hint).bind({"x": value})
    assert isinstance(call, BoundCall), call
    return call()


def refused(hint: object, value: object) -> str:
    result = tool_taking(hint).bind({"x": value})
    assert isinstance(result, Refused)
    return result.text


@tool
def move(x: float, y: float = 1.0, *, colour: Annotated[Colour, "of the pen"] = Colour.RED) -> str:  # noqa: D417
    """Move the pen
    to a place.

    It draws a line.

    Args:
        x: To the right,
            in metres.
        y (float): Up.

    Returns:
        Nothing: of use.
    """  # noqa: D205
    return f"{x} {y} {colour}"


def test_name_and_description_and_schema_come_from_the_function() -> None:
    assert move.spec.name == "move"
    assert move.spec.description == "Move the pen to a place."
    assert move.spec.parameters == {
        "type": "object",
        "properties": {
            "x": {"type": "number", "description": "To the right, in metres."},
            "y": {"type": "number", "description": "Up.", "default": 1.0},
            "colour": {"enum": ["blue", "red"], "description": "of the pen", "default": "red"},
        },
        "required": ["x"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (Any, {}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (Literal["a", 2], {"enum": [2, "a"]}),
        (Metres, {"type": "number"}),
        (list, {"type": "array"}),
        (Sequence[int], {"type": "array", "items": {"type": "integer"}}),
        (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (dt.date, {"type": "string", "format": "date"}),
        (dt.datetime, {"type": "string", "format": "date-time"}),
        (
            Annotated[int, Bounds(ge=1, lt=9)],
            {"type": "integer", "minimum": 1, "exclusiveMaximum": 9},
        ),
        (
            Annotated[str, Bounds(min_length=1, pattern="^a")],
            {"type": "string", "minLength": 1, "pattern": "^a"},
        ),
    ],
)
def test_a_hint_has_a_schema(hint: object, schema: object) -> None:
    assert schema_of(hint) == schema


def test_an_attrs_class_is_an_object_that_says_what_its_fields_are() -> None:
    assert schema_of(Circle) == {
        "type": "object",
        "description": "A round shape.",
        "properties": {
            "radius": {"type": "number", "description": "In metres."},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["radius"],
        "additionalProperties": False,
    }


def test_nested_classes_arrive_as_themselves_with_their_own_defaults_and_converters() -> None:
    value = {"a": [{"side": 2, "inside": {"radius": 3, "tags": ["t"]}}, {"side": 1}]}

    assert bound(dict[str, list[Square]], value) == {
        "a": [Square(2, Circle(3.0, ("t",))), Square(1)]
    }


def test_a_union_of_classes_is_told_apart_by_its_type_field() -> None:
    values = [{"type": "Square", "side": 2}, {"type": "Circle", "radius": 1}]

    assert bound(list[Circle | Square], values) == [Square(2), Circle(1.0)]
    assert "`type`" in refused(list[Circle | Square], [{"side": 2}])


def test_a_schema_holds_no_references() -> None:
    text = repr(schema_of(tuple[Circle | Square | None, Square, Colour]))

    assert "$" not in text
    assert "title" not in text


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (float, 3, 3.0),
        (Colour, "blue", Colour.BLUE),
        (set[Colour], ["red"], {Colour.RED}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple, [1, "a"], (1, "a")),
        (dict[str, list[Square | str]], {"a": [{"side": 1}, "b"]}, {"a": [Square(1), "b"]}),
        (tuple[Square, ...], [{"side": 1}], (Square(1),)),
        (dt.date, "2026-01-02", dt.date(2026, 1, 2)),
        (int | str | None, None, None),
        (int, 10**30, 10**30),
    ],
)
def test_a_value_arrives_in_its_own_type(hint: object, value: object, expected: object) -> None:
    got = bound(hint, value)

    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        (int, "3", "argument 'x' must be an integer, not \"3\""),
        (int, 3.5, "must be an integer, not 3.5"),
        (int, True, "must be an integer, not true"),
        (float, "a", "must be a number"),
        (float, object(), "must be a number, not a value of type object"),
        (float, 10**400, "must be a number"),
        (str, None, "must be a string, not null"),
        (bool, 1, "must be true or false, not 1"),
        (Colour, "green", 'must be one of "blue", "red", not "green"'),
        (int | None, "", 'must be an integer or null, not ""'),
        (Annotated[int, Bounds(ge=1, le=3)], 4, "an integer, at least 1 and at most 3, not 4"),
        (list[int], [1, "a"], "`$[1]`"),
        (Square, {"side": 1, "colour": 2}, "unknown field `colour`"),
        (Square, {"side": 0}, "side: an integer, at least 1"),
        (Circle, {"radius": -1}, "'radius' must be > 0"),
        (str, "a" * 1_000, None),
    ],
)
def test_a_wrong_value_is_refused_in_words_that_help(
    hint: object, value: object, text: str | None
) -> None:
    if text is None:
        assert bound(hint, value) == value
    else:
        assert text in refused(hint, value)


def test_every_mistake_is_named_at_once_with_what_would_be_right() -> None:
    result = move.bind({"y": "high", "z": 1})

    assert result == Refused(
        "there is no argument 'z'; argument 'x' is missing; argument 'y' must be a number, not "
        '"high". The arguments are: x (a number), y (a number, optional), '
        'colour (one of "blue", "red", optional)'
    )


def test_a_long_wrong_value_is_quoted_in_part() -> None:
    assert len(refused(int, "a" * 10_000)) < 300


def test_a_default_is_left_to_the_function() -> None:
    call = tool_taking(int, default=object()).bind({})

    assert isinstance(call, BoundCall)
    assert call() == "the default"


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (object, "object cannot be read from JSON: write one of"),
        (complex, "complex cannot be read"),
        (bytes, "bytes cannot be read"),
        (Tree, "Tree contains itself"),
        (dict[int, str], "write dict[str,"),
        (set[Circle], "write list[Circle]"),
        (set[list[int]], "write list[list[int]]"),
        (Colour | str, "str-like"),
        (Circle | dict[str, int], "dict-like"),
        (Typed | Circle, "rename the field"),
        (Annotated[int, 5], "Annotated takes"),
        (Annotated[int, "a", "b"], "Annotated takes"),
        (Annotated[str, Bounds(ge=1)], "numeric type"),
        (Untyped, "the field 'x' has no type"),
        (Hidden, "the hints of Hidden cannot be read"),
        (list["Nowhere"], "cannot be read"),  # type: ignore[name-defined]  # noqa: F821
    ],
)
def test_a_hint_that_json_cannot_carry_is_refused_when_the_tool_is_made(
    hint: object, text: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(text)) as caught:
        tool_taking(hint)

    assert str(caught.value).startswith("f cannot be a tool: parameter 'x': ")


def test_bounds_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="ge"):
        Bounds(ge=1, gt=1)
    with pytest.raises(TypeError, match="min_length"):
        Bounds(min_length="1")  # pyright: ignore[reportArgumentType]


# Whatever a schema allows binds, everything else is refused, and nothing raises.

HINTS = st.recursive(
    st.sampled_from(
        [
            *(str, int, float, bool, None, Any, Colour, Circle, Square, Literal["a", 1]),
            *(Annotated[int, Bounds(ge=-1, le=2)], Annotated[str, Bounds(max_length=2)]),
        ]
    ),
    lambda inner: st.one_of(
        inner.map(lambda hint: list[hint]),
        inner.map(lambda hint: dict[str, hint]),
        inner.map(lambda hint: tuple[hint, int]),
        inner.map(lambda hint: Optional[hint]),  # noqa: UP045 (None | None is no type)
    ),
    max_leaves=4,
)


@given(data=st.data(), hint=HINTS)
def test_whatever_the_schema_allows_binds(data: st.DataObject, hint: object) -> None:
    offered = tool_taking(hint)
    value = data.draw(values_for(offered.spec.parameters["properties"]["x"]))

    assert isinstance(offered.bind({"x": value}), BoundCall)


@given(hint=HINTS, value=JSON)
def test_whatever_the_schema_does_not_allow_is_refused_with_a_text(
    hint: object, value: object
) -> None:
    offered = tool_taking(hint)

    result = offered.bind({"x": value})

    if not allows(offered.spec.parameters["properties"]["x"], value):
        assert isinstance(result, Refused)
        assert "'x'" in result.text
