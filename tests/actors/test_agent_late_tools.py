"""What a tool comes to after its call was cancelled is a fact, and never the model's."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import trio
from agents_scripted import entries_of, requests_of, scripted

from actors import AgentOptions
from actors.chat import Outcome, ToolStart, ToolStatus, ToolTurn
from actors.journal import ToolSealed
from actors.providers import call, script
from actors.tools import tool
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from trio.testing import MockClock

    from actors.tools import AnyTool

SECRET = 4242


@tool
async def returns_late() -> int:
    """Swallow a cancel and return."""
    try:
        await trio.sleep_forever()
    finally:
        return SECRET  # noqa: B012 - what this is about


@tool
async def fails_late() -> int:
    """Fail while it is cancelled."""
    try:
        await trio.sleep_forever()
    finally:
        raise ValueError(SECRET)


@tool
async def times_out_late() -> int:
    """Raise a timeout of its own while it is cancelled."""
    try:
        await trio.sleep_forever()
    finally:
        raise TimeoutError(SECRET)


BEGUN = threading.Event()


@tool
def sleeps() -> int:
    """Take no notice of a cancel, and end within the time for cleanup."""
    BEGUN.set()
    time.sleep(0.1)
    return SECRET


@pytest.mark.parametrize("late", [returns_late, fails_late, times_out_late])
async def test_what_an_async_tool_makes_of_a_cancel_is_kept_and_never_sent(
    late: AnyTool,
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    await interrupted_and_gone_on(late)


async def test_what_a_thread_found_after_a_cancel_is_kept_and_never_sent() -> None:
    with assert_no_leaks():
        await interrupted_and_gone_on(sleeps)


async def interrupted_and_gone_on(late: AnyTool) -> None:
    scripts = (script(call(late.name)), script("fine", repeat=True))
    async with scripted(*scripts, tools=(late,), options=AgentOptions(cleanup=1)) as agent:
        async with agent.stream("Go") as run:
            async for event in run:
                if isinstance(event, ToolStart):
                    break
            await trio.sleep(0.01)
            if late is sleeps:  # a busy machine may take longer than that to start a thread
                assert await trio.to_thread.run_sync(BEGUN.wait, 10)
        await agent.run("And now?")

        sealed = [e for e in await entries_of(agent) if isinstance(e, ToolSealed)]
        last = (await requests_of(agent))[-1]
    told = [r for turn in last.turns if isinstance(turn, ToolTurn) for r in turn.results]
    assert run.outcome is Outcome.CANCELLED
    assert sealed[0].status is ToolStatus.UNKNOWN
    assert str(SECRET) in sealed[0].content
    assert str(SECRET) not in told[0].content
