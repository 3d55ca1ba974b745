"""The options of this test suite."""

from __future__ import annotations

import pytest

SEEDS = "400"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seeds",
        default=SEEDS,
        help="How many random systems are tried, or which: 10000, or 500:600.",
    )


@pytest.fixture(scope="session")
def seeds(request: pytest.FixtureRequest) -> range:
    first, _, end = str(request.config.getoption("--seeds")).rpartition(":")
    return range(int(first or 0), int(end))
