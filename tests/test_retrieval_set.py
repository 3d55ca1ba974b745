"""The labelled set of `benchmarks/retrieval.py`: what its figures rest on."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def loaded(name: str) -> Any:
    specification = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def benchmark() -> Any:
    return loaded("retrieval_set")


def test_what_is_said_again_is_of_the_same_person_and_value_in_other_words(benchmark: Any) -> None:
    known = benchmark.retrieval_set()
    names = benchmark.people()
    assert len(known.reworded) > 1_800
    for number, texts in known.reworded.items():
        passage = known.passages[number]
        (name,) = [each for each in names if each in passage]
        assert texts
        assert all(name in text and text != passage for text in texts)


def test_pairs_that_say_the_same_and_pairs_that_look_so_are_of_every_kind(benchmark: Any) -> None:
    del benchmark  # which the next one imports
    made = loaded("near_duplicates")
    twins = made.near_duplicates()
    assert twins == made.near_duplicates()
    counts = Counter(pair.kind for pair in twins)
    assert set(counts) == {*made.SAME, *made.OTHER}
    assert min(counts.values()) >= 50
    assert all(pair.one != pair.other for pair in twins)
    digits = [pair for pair in twins if pair.kind == "another digit"]
    assert all(len(set(pair.one.split()) ^ set(pair.other.split())) == 2 for pair in digits)


def test_the_set_is_large_enough_without_doubles_and_the_same_every_time(benchmark: Any) -> None:
    known = benchmark.retrieval_set()
    assert len(known.passages) == len(set(known.passages)) >= 2_000
    assert len(known.questions) == len({each.text for each in known.questions}) >= 300
    assert known == benchmark.retrieval_set()
    assert known != benchmark.retrieval_set(seed=2)


def test_each_kind_of_question_is_there_and_each_answer_fits_its_question(benchmark: Any) -> None:
    known = benchmark.retrieval_set()
    counts = Counter(each.kind for each in known.questions)
    assert set(counts) == set(benchmark.KINDS)
    assert min(counts.values()) >= 50
    names = benchmark.people()
    for question in known.questions:
        answer = known.passages[question.answer]
        assert all((name in question.text) <= (name in answer) for name in names)
        if question.kind == "code":
            code = next(word for word in question.text.strip("?").split() if word[-1].isdigit())
            assert code in answer
            assert sum(code in passage for passage in known.passages) == 1
