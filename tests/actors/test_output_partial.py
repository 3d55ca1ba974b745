"""An object while it is being written: what is shown is never taken back, and never made up."""

from __future__ import annotations

import itertools
import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.output import Partial, PartialReader

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TRAPS = st.text(alphabet='"\\{}[]0123456789eE+-.,:é\U0001f600\n')
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | TRAPS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text(), VALUES, max_size=5)


def begins(part: Any, whole: Any) -> bool:
    """Whether `part` can become `whole` by what is still to come."""
    kind = cast("type[object]", type(part))
    if kind is not type(whole):
        return False
    if kind is dict:
        in_order = list(whole)[: len(part)] == list(part)
        return in_order and all(begins(part[key], whole[key]) for key in part)
    if kind is list:
        return len(part) <= len(whole) and all(map(begins, part, whole))
    return bool(whole.startswith(part) if kind is str else part == whole)


def shown(pieces: list[str]) -> list[Partial]:
    reader = PartialReader()
    partials = [reader.add(piece) for piece in pieces]
    return [partial for partial in partials if partial is not None]


@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 2]), st.sampled_from(["", "```json\n"]))
def test_each_partial_begins_the_next_and_the_last_is_the_whole(
    document: dict[str, Any],
    ascii_only: bool,  # noqa: FBT001 - Hypothesis gives it
    indent: int | None,
    before: str,
) -> None:
    text = before + json.dumps(document, ensure_ascii=ascii_only, indent=indent)

    partials = shown([*text, "\n```"])

    for earlier, later in itertools.pairwise(partials):
        assert begins(dict(earlier), dict(later)), (earlier, later)
        assert earlier.done <= later.done
    for partial in partials:
        assert begins(dict(partial), document)
        assert all(partial[name] == document[name] for name in partial.done)
    assert dict(partials[-1]) == document
    assert partials[-1].done == set(document)


@given(DOCUMENTS, st.data())
def test_how_the_text_is_cut_does_not_matter(document: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(document)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text)), max_size=8)) | {len(text)})
    pieces = [text[start:end] for start, end in zip([0, *cuts], cuts, strict=False)]

    assert dict(shown(pieces)[-1]) == document


@given(st.text(alphabet='{}[]",:\\ truefalsn019-.eE', max_size=40))
def test_whatever_comes_nothing_is_raised(text: str) -> None:
    shown(list("{" + text))


def test_what_is_not_certain_is_not_shown() -> None:
    text = '{"city": "Os", "high": 21, "sure": true, "days": [1, 20]}'

    partials = [dict(each) for each in shown(list(text))]

    assert partials == [
        {},
        {"city": ""},
        {"city": "O"},
        {"city": "Os"},
        {"city": "Os", "high": 21},
        {"city": "Os", "high": 21, "sure": True},
        {"city": "Os", "high": 21, "sure": True, "days": []},
        {"city": "Os", "high": 21, "sure": True, "days": [1]},
        {"city": "Os", "high": 21, "sure": True, "days": [1, 20]},
        {"city": "Os", "high": 21, "sure": True, "days": [1, 20]},
    ]


def test_a_field_is_done_when_the_next_one_begins() -> None:
    reader = PartialReader()

    first, second, last = reader.add('{"a": "x'), reader.add('y", "b": ['), reader.add("]}")

    assert first is not None
    assert second is not None
    assert last is not None
    assert (first.done, second.done, last.done) == (set(), {"a"}, {"a", "b"})


@pytest.mark.parametrize("text", ["{nonsense", '{"a": nan', '{"a": 01', '{"a": ["\\ud83d"'])
def test_what_is_no_json_shows_no_more(text: str) -> None:
    assert all("a" not in partial or not partial["a"] for partial in shown([text]))


def test_a_partial_is_a_mapping_that_shows_itself() -> None:
    (partial,) = shown(['{"a": 1, '])

    assert partial["a"] == 1
    assert partial.get("b") is None
    assert repr(partial) == "Partial({'a': 1})"
