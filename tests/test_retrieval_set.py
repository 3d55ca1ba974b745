"""The labelled set of `benchmarks/retrieval.py`: what its figures rest on."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "retrieval_set.py"


@pytest.fixture(scope="module")
def benchmark() -> Any:
    specification = importlib.util.spec_from_file_location("retrieval_set", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["retrieval_set"] = module
    specification.loader.exec_module(module)
    return module


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
