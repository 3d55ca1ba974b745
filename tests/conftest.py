"""The options of this test suite."""

from __future__ import annotations

import functools
import inspect
import signal
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SEEDS = "400"


def pytest_configure() -> None:
    """What runs in the background, or under nohup, ignores signals, and so would our children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seeds",
        default=SEEDS,
        help="How many random systems are tried, or which: 10000, or 500:600.",
    )
    parser.addoption(
        "--everywhere",
        action="store_true",
        help="Cancel whole runs of agents at every step, not at a sample: half an hour.",
    )


@pytest.fixture(scope="session")
def seeds(request: pytest.FixtureRequest) -> range:
    first, _, end = str(request.config.getoption("--seeds")).rpartition(":")
    return range(int(first or 0), int(end))


@pytest.fixture
def socket_clock() -> MockClock:
    """Virtual time for tests with sockets of this process.

    The loopback brings what was sent before the loop looks at its sockets again; the threshold
    is for a machine so busy that it does not. So time jumps only where everybody waits for it.
    """
    return MockClock(autojump_threshold=0.01)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A cancel that leaves a test would end it as if it had passed."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = _lets_no_cancel_out(item.obj)


def _lets_no_cancel_out(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            await test(*args, **kwargs)
        except trio.Cancelled as cancel:
            raise AssertionError("a cancel has left the test") from cancel

    return wrapped
