"""What a memory takes and refuses, and how it filters. Pure."""

from __future__ import annotations

import math
import operator
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ConfigurationError
from actors.memory import Forget, Get, Item, ListEntries, Search, Store
from actors.memory._filters import checked_filter, matches
from actors.memory._lexical import DIMENSIONS, lexical_vector


@pytest.mark.parametrize(
    ("metadata", "hint"),
    [
        ({}, "metadata is empty: leave it out"),
        ([("a", 1)], "must be like"),
        ({"": 1}, "is empty"),
        ({1: 1}, "must be a string"),
        ({"$a": 1}, "reserved"),
        ({"chroma:document": "x"}, "reserved"),
        ({"#document": "x"}, "reserved"),
        ({"a": None}, "'a' is None: leave the name out"),
        ({"a": {"b": 1}}, 'nested: write {"a.b": 1}'),
        ({"a": [1, 2]}, "a collection: write one name for each"),
        ({"a": (1,)}, "a collection"),
        ({"a": 2**63}, "too large for 64 bits"),
        ({"a": math.nan}, "no finite number"),
        ({"a": "\ud800"}, "half a character"),
        ({"a": b"x"}, "must be a string, a number or a boolean"),
    ],
)
def test_metadata_that_cannot_be_kept_is_refused_with_what_to_write(
    metadata: Any, hint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Item("text", metadata)
    assert hint in str(caught.value)


def test_metadata_is_a_copy_that_nobody_can_change() -> None:
    given_metadata: dict[str, Any] = {"topic": "travel", "year": 2026, "kept": True, "score": 0.5}
    item = Item("text", given_metadata)
    given_metadata["topic"] = "food"
    assert item.metadata["topic"] == "travel"
    with pytest.raises(TypeError):
        item.metadata["topic"] = "food"  # type: ignore[index]


@pytest.mark.parametrize("text", ["", "  \n", "\ud800", 7, None])
def test_a_text_without_words_is_refused(text: Any) -> None:
    for make in (Item, Search):
        with pytest.raises(ConfigurationError):
            make(text)
    with pytest.raises(ConfigurationError):
        Item("text", id=text if text is not None else "")


@pytest.mark.parametrize("limit", [0, -1, True, 2.0, "2"])
def test_a_limit_is_a_whole_number_above_0(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match="whole number above 0"):
        Search("text", limit)
    with pytest.raises(ConfigurationError, match="whole number above 0"):
        ListEntries(limit=limit)


@pytest.mark.parametrize("threshold", [1.1, -2, "0.5", True, math.nan])
def test_a_threshold_is_a_cosine(threshold: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be a cosine"):
        Search("text", threshold=threshold)


def test_what_is_no_list_is_refused_where_a_list_is_due() -> None:
    wrong: Any
    for wrong in ("text", 7, [7]):
        with pytest.raises(ConfigurationError, match="items are a list"):
            Store(wrong)
        with pytest.raises(ConfigurationError, match="ids are a list"):
            Get(wrong)
        with pytest.raises(ConfigurationError, match="ids are a list"):
            Forget(wrong)


def nested(depth: int) -> dict[str, Any]:
    where: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        where = {"$and": [where, {"b": 1}]}
    return where


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ({}, "the filter is empty: leave it out"),
        ("topic", "must be like"),
        ({"a": {}}, "the filter on 'a' is empty"),
        ({"a": {"$near": 1}}, "'a' has '$near': there is $eq"),
        ({"a": {"$gt": "x"}}, "compares numbers"),
        ({"a": {"$in": []}}, "takes a list of values"),
        ({"a": {"$in": [1, "x"]}}, "values of one type"),
        ({"a": [1]}, "a collection"),
        ({"$and": {}}, "joins a list of filters"),
        ({"$or": [{"a": 1}, None]}, "leave it out"),
        ({"$not": 1}, "reserved"),
        (nested(40), "deeper than 32 joins"),
        (nested(2_000), "deeper than 32 joins"),
        ({"$or": [{"a": each} for each in range(300)]}, "300 conditions, and 256 are the most"),
        ({"a": {"$in": range(3)}}, "takes a list of values"),
        ({"a": {"$in": list(range(20_000))}}, "more than 10000 values"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_with_what_to_write(where: Any, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_filter(where)
    assert hint in str(caught.value)


def test_importing_a_memory_imports_neither_chroma_nor_what_it_brings() -> None:
    program = "import sys, actors, actors.memory; print(*sorted(sys.modules))"
    result = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = result.stdout.split()
    assert "actors.memory" in loaded
    assert {"chromadb", "numpy", "onnxruntime", "httpx", "pydantic"} & set(loaded) == set()


ROOT = Path(__file__).parents[2]
PRESENT = {"topic": "travel", "year": 2020, "good": True}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"topic": "travel"}, True),
        ({"topic": "food"}, False),
        ({"topic": "travel", "year": 2020}, True),
        ({"topic": "travel", "year": 2021}, False),
        ({"year": {"$gte": 2020, "$lt": 2021}}, True),
        ({"year": {"$gt": 2020}}, False),
        ({"year": {"$lte": 2019}}, False),
        ({"missing": {"$gt": 1}}, False),
        ({"missing": {"$ne": 1}}, True),
        ({"missing": {"$nin": [1]}}, True),
        ({"topic": {"$ne": "travel"}}, False),
        ({"topic": {"$in": ["food", "travel"]}}, True),
        ({"topic": {"$nin": ["food", "travel"]}}, False),
        ({"good": True}, True),
        ({"good": 1}, False),
        ({"year": 2020.0}, True),
        ({"year": {"$lt": 2020.5}}, True),
        ({"$or": [{"topic": "food"}, {"year": 2020}]}, True),
        ({"$and": [{"topic": "food"}, {"year": 2020}]}, False),
        (None, True),
    ],
)
def test_a_filter_decides_over_metadata(where: Any, expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches(checked_filter(where), PRESENT) is expected


@given(st.text())
def test_a_lexical_vector_has_length_1_and_is_the_same_for_the_same_text(text: str) -> None:
    vector = lexical_vector(text)
    assert len(vector) == DIMENSIONS
    assert math.hypot(*vector) == pytest.approx(1)
    assert vector == lexical_vector(text)


def test_a_lexical_vector_knows_words_and_nothing_of_their_meaning() -> None:
    def likeness(one: str, other: str) -> float:
        return sum(map(operator.mul, lexical_vector(one), lexical_vector(other)))

    assert likeness("the cat sleeps", "The cat sleeps!") == pytest.approx(1)
    assert likeness("the cat sleeps", "a cat slept") > 0.2
    assert abs(likeness("car", "automobile")) < 0.3
