"""What the model reads of a result or an error."""

from __future__ import annotations

import datetime as dt
import enum
import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.tools._results import bounded, error_text, result_text


class Colour(enum.Enum):
    RED = "red"


@attrs.frozen
class Point:
    x: int
    colour: Colour


class Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text either")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "null"),
        (True, "true"),
        (2**80, str(2**80)),
        (Point(1, Colour.RED), '{"x": 1, "colour": "red"}'),
        ([Point(1, Colour.RED)], '[{"x": 1, "colour": "red"}]'),
        ({1: "ä"}, '{"1": "ä"}'),
        (dt.date(2026, 1, 2), '"2026-01-02"'),
        ((1, {2}), "[1, [2]]"),
    ],
)
def test_a_result_is_a_string_as_it_is_or_json(value: object, text: str) -> None:
    assert result_text(value, 1_000) == text


def test_what_json_cannot_hold_raises() -> None:
    with pytest.raises(TypeError):
        result_text(object(), 1_000)


def test_a_long_text_is_cut_and_says_so() -> None:
    assert bounded("abcdef", 3) == "abc\n[cut: 3 of 6 characters]"
    assert bounded("abc", 3) == "abc"
    assert result_text([1, 2, 3], 4) == "[1, \n[cut: 4 of 9 characters]"


def test_an_error_is_its_type_and_text_without_a_traceback() -> None:
    assert error_text(KeyError("x"), 1_000) == "KeyError: 'x'"
    assert error_text(ValueError(), 1_000) == "ValueError"
    assert error_text(ValueError("x" * 50), 20).startswith("ValueError: xxxxxxxx\n[cut")


def test_an_error_without_a_readable_text_still_has_a_name() -> None:
    assert "Broken" in error_text(Broken(), 1_000)


def test_a_group_is_listed_leaf_by_leaf() -> None:
    group = ExceptionGroup("", [ValueError("a"), ExceptionGroup("", [KeyError("b")])])

    assert error_text(group, 1_000) == "ValueError: a\nKeyError: 'b'"


@given(st.text() | st.text(st.characters(categories=["Cs"])), st.integers(1, 20))
def test_every_text_can_be_sent(text: str, limit: int) -> None:
    assert bounded(text, limit).encode() or not text


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_plain_values_are_written_as_json_that_reads_the_same(value: object) -> None:
    if not isinstance(value, str):
        sendable = json.loads(json.dumps(value).encode("utf-8", "replace"))
        assert json.loads(result_text(value, 10**9)) == sendable or "?" in result_text(value, 10**9)
