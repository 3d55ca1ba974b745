"""Whatever a model, its tools and a reader do: one outcome, one text, and a sendable history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs
import trio
import trio.testing
from agents_parts import until_it_is_back
from agents_scripted import assert_sendable, entries_of, of_run, requests_of, said_in, scripted
from hypothesis import given, settings
from hypothesis import strategies as st
from strict_history import refusals

from actors import AgentOptions
from actors.agents import Report, RunLimits
from actors.chat import Outcome
from actors.errors import ProviderUnavailable
from actors.journal import RunEnded
from actors.providers import (
    call,
    crash,
    fail,
    pause,
    say,
    script,
    stall,
    think,
    truncate,
    usage,
)
from actors.tools import tool
from runtime import RuntimeFault

if TYPE_CHECKING:
    from actors.agents import AgentHandle, AgentRun
    from actors.providers import Script, Step


@tool(isolation="inline")
def quick(number: int) -> int:
    """Count."""
    return number + 1


async def slow(seconds: float) -> str:
    """Take time."""
    await trio.sleep(seconds)
    return "ok"


async def failing() -> None:
    """Fail after a while."""
    await trio.sleep(1)
    raise ValueError("no")


async def unruly() -> None:
    """Fail when it is cancelled."""
    try:
        await trio.sleep(50)
    finally:
        raise KeyError("in the cleanup")


TIMES = st.sampled_from([0.5, 1.0, 2.0])
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.integers(1, 8).map(lambda pieces: say("word " * 5, pieces=pieces)),
    st.integers(1, 3).map(lambda pieces: think("hm " * 3, pieces=pieces)),
    TIMES.map(pause),
    st.builds(usage, st.integers(0, 9), st.integers(0, 9)),
    st.just(call("quick", number=1)),
    TIMES.map(lambda seconds: call("slow", seconds=seconds)),
    st.sampled_from([call("failing"), call("unruly"), call("unknown"), call("quick", number="1")]),
)
FAULTS: list[Step] = [truncate(), stall(), crash(), fail(ProviderUnavailable("no"))]
ENDS: st.SearchStrategy[tuple[Step, ...]] = st.lists(st.sampled_from(FAULTS), max_size=1).map(tuple)


def script_of(steps: list[Step], end: tuple[Step, ...]) -> Script:
    return script(*steps, *end)


SCRIPTS = st.builds(script_of, st.lists(STEPS, max_size=6), ENDS)


@attrs.frozen
class Reader:
    """How one run is read.

    Attributes:
        events: After so many it leaves.
        seconds: After so many it is cancelled.
        rest: Seconds that it does something else after each event.
    """

    events: float
    seconds: float
    rest: float


READERS = st.builds(
    Reader,
    st.just(math.inf) | st.integers(0, 30),
    st.just(math.inf) | st.sampled_from([0.5, 1.0, 2.0, 3.0]),
    st.sampled_from([0.0, 0.0, 0.5, 1.0]),
)


@given(st.lists(SCRIPTS, max_size=8), st.lists(READERS, max_size=3), st.integers(1, 4))
@settings(deadline=None)
def test_all_agree_on_every_run(
    scripts: list[Script], readers: list[Reader], model_calls: int
) -> None:
    trio.run(
        converse,
        [*scripts, script("Fine.", repeat=True)],
        readers,
        AgentOptions(limits=RunLimits(model_calls=model_calls), cleanup=1.0),
        clock=trio.testing.MockClock(autojump_threshold=0),
    )


async def converse(scripts: list[Script], readers: list[Reader], options: AgentOptions) -> None:
    tools: Any = (quick, slow, failing, unruly)
    async with scripted(*scripts, tools=tools, options=options) as agent:
        for reader in readers:
            run = agent.stream("Go")
            await read(run, reader)
            await until_it_is_back(agent)
            await assert_all_agree(agent, run)
        assert_sendable(await agent.history())
        assert all(refusals(request.turns) == [] for request in await requests_of(agent))


async def read(run: AgentRun, reader: Reader) -> None:
    with trio.move_on_after(reader.seconds):
        try:
            async with run:
                left = reader.events
                while left:
                    await anext(run)
                    left -= 1
                    await trio.sleep(reader.rest)
        except (RuntimeFault, StopAsyncIteration):
            return  # the run's own end, which is asked for below


async def assert_all_agree(agent: AgentHandle, run: AgentRun) -> None:
    entries = of_run(await entries_of(agent), run)
    assert agent.ref.statistics().handling == ()
    if not entries:
        assert run.outcome in {Outcome.CANCELLED, None}
        assert run.response.text == ""
        return
    report = await agent.ref.ask(Report(run.id))
    ends = [entry.outcome for entry in entries if isinstance(entry, RunEnded)]
    assert ends == [run.outcome] == [report.outcome]
    assert report.usage.total_tokens == run.response.usage.total_tokens
    if run.outcome is Outcome.DONE:
        assert said_in(entries).startswith(run.response.text)
    else:
        assert said_in(entries) == run.response.text
