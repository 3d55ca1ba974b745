"""A run that is cancelled, wherever: nothing of it goes on, and the conversation does."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import trio
import trio.testing
from agents_scripted import (
    Choosing,
    assert_next_turn_is_accepted,
    assert_one_truth,
    assert_sendable,
    collect,
    entries_of,
    of_run,
    said_in,
    scripted,
)
from strict_history import refusals

from actors import AgentOptions
from actors.agents import Agent, AgentHandle, AgentSetup
from actors.chat import Outcome, Request, ToolStart, ToolStatus, ToolTurn, UserTurn
from actors.errors import RunInterrupted
from actors.journal import MemoryJournal, RunEnded, RunStarted, ToolSealed, append, read
from actors.providers import Model, call, say, script, think, usage
from actors.tools import Toolbox, tool
from runtime import open_system
from runtime.testing import assert_no_leaks, cancel_everywhere, simulate

if TYPE_CHECKING:
    import pytest

    from actors.agents import AgentRun
    from actors.providers import Script
    from runtime import System


def in_thread(number: int) -> int:
    """Count in a thread."""
    return number + 1


async def inline(number: int) -> int:
    """Count on the loop, with some checkpoints."""
    for _ in range(3):
        await trio.lowlevel.checkpoint()
    return number + 1


async def fails() -> str:
    """Fail after a checkpoint."""
    await trio.lowlevel.checkpoint()
    raise ValueError("no")


ROUND = script(
    think("Hm."),
    say("Let me see. ", pieces=2),
    call("in_thread", number=1),
    call("inline", number=2),
    call("fails"),
    usage(10, 10),
)
ANSWER = script(say("Two, three, and an error.", pieces=5), usage(5, 5))
SETUP = AgentSetup(None, Toolbox((in_thread, inline, fails)))
REPAIRED = "Fine."


def choose(request: Request) -> Script:
    last = request.turns[-1]
    if isinstance(last, ToolTurn):
        return ANSWER
    assert isinstance(last, UserTurn)
    return script(REPAIRED) if last.text.endswith("What next?") else ROUND


async def start(system: System, requests: list[Request]) -> tuple[AgentHandle, MemoryJournal]:
    memory = MemoryJournal()
    journal = await system.spawn(lambda: memory, name="journal")
    provider = await system.spawn(Choosing, choose, requests, name="provider")
    agent = await system.spawn(Agent, provider, journal, SETUP, name="agent")
    return AgentHandle(agent, system, Model("scripted:echo")), memory


async def test_wherever_a_run_with_tools_is_cancelled_the_conversation_goes_on() -> None:
    """Each time in the same conversation, so that every trace of a cancel would add up."""
    requests: list[Request] = []
    runs: list[AgentRun] = []
    outcomes: set[Outcome | None] = set()

    async with open_system() as system:
        agent, _ = await start(system, requests)
        await agent.run("What next?")  # the provider and a thread are warm

        async def scenario() -> None:
            runs.append(agent.stream("Count!"))
            with assert_no_leaks():
                async with runs[-1] as run:
                    await collect(run)

        async def check() -> None:
            run = runs[-1]
            outcomes.add(run.outcome)
            assert agent.ref.statistics().handling == ()
            assert run.outcome in {Outcome.CANCELLED, Outcome.DONE, None}
            entries = of_run(await entries_of(agent), run)
            if entries and run.outcome is Outcome.CANCELLED:
                await assert_one_truth(agent, run, Outcome.CANCELLED)
            elif not entries:
                assert run.response.text == ""
            assert said_in(entries).startswith(run.response.text)
            assert_sendable(await agent.history())
            await agent.run("What next?")
            assert refusals(requests[-1].turns) == []

        assert await cancel_everywhere(scenario, check=check) > 50
        entries = await entries_of(agent)

    assert outcomes == {Outcome.CANCELLED, Outcome.DONE, None}
    begun = [entry.run for entry in entries if isinstance(entry, RunStarted)]
    ended = [entry.run for entry in entries if isinstance(entry, RunEnded)]
    assert begun == ended
    assert len(set(begun)) == len(begun)


async def test_wherever_the_whole_of_an_agent_is_cancelled_nothing_is_left() -> None:
    await trio.to_thread.run_sync(in_thread, 1)  # a worker thread is there

    async def scenario() -> None:
        with assert_no_leaks():
            async with scripted(ROUND, ANSWER, tools=(in_thread, inline, fails)) as agent:
                assert (await agent.run("Count!")).text == "Two, three, and an error."

    assert await cancel_everywhere(scenario) > 50


async def test_a_tool_in_a_thread_that_heeds_its_cancel_is_sealed_and_gone() -> None:
    inside = threading.Event()

    def heeds() -> None:
        """Wait for a cancel."""
        inside.set()
        while True:
            trio.from_thread.check_cancelled()
            inside.wait(0.001)

    async with scripted(script(call("heeds")), script("ok", repeat=True), tools=(heeds,)) as agent:
        await agent_is_warm()
        with assert_no_leaks():
            async with agent.stream("Go") as run:
                assert isinstance(await anext(run), ToolStart)
                assert await trio.to_thread.run_sync(inside.wait, 10)

        await assert_one_truth(agent, run, Outcome.CANCELLED)
        await assert_next_turn_is_accepted(agent)


async def agent_is_warm() -> None:
    """Trio keeps worker threads for a while; let there be two of them."""
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(trio.to_thread.run_sync, in_thread, 1)


async def test_what_a_deaf_thread_finds_after_its_run_is_a_fact_that_no_model_hears_of() -> None:
    inside, opened = threading.Event(), threading.Event()

    def deaf() -> int:
        """Do not hear."""
        inside.set()
        assert opened.wait(10)
        return 42

    options = AgentOptions(cleanup=0.05)
    scripts = (script(call("deaf")), script("ok", repeat=True))
    async with scripted(*scripts, tools=(deaf,), options=options) as agent:
        async with agent.stream("Go") as run:
            await anext(run)
            assert await trio.to_thread.run_sync(inside.wait, 10)
        seal = sealed(await entries_of(agent), run)
        assert [(s.status, s.content) for s in seal] == [
            (ToolStatus.UNKNOWN, "it did not stop and may still be running")
        ]
        before = await agent.history()

        opened.set()
        with trio.fail_after(10):
            while len(seal) < 2:
                await trio.lowlevel.checkpoint()
                seal = sealed(await entries_of(agent), run)

        assert (seal[1].status, seal[1].content) == (ToolStatus.UNKNOWN, "it ended late: 42")
        assert await agent.history() == before
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        await assert_next_turn_is_accepted(agent)


async def test_what_a_thread_finds_after_its_timeout_is_recorded_behind_its_result() -> None:
    opened = threading.Event()

    @tool(timeout=0.05)
    def deaf() -> int:
        """Do not hear."""
        assert opened.wait(10)
        return 42

    options = AgentOptions(cleanup=0.05)
    scripts = (script(call("deaf")), script("ok", repeat=True))
    async with scripted(*scripts, tools=(deaf,), options=options) as agent:
        async with agent.stream("Go") as run:
            await collect(run)
        opened.set()
        with trio.fail_after(10):
            while len(seal := sealed(await entries_of(agent), run)) < 3:
                await trio.lowlevel.checkpoint()

        assert [each.status for each in seal] == [
            ToolStatus.ERROR,
            ToolStatus.UNKNOWN,
            ToolStatus.UNKNOWN,
        ]
        assert seal[-1].content == "it ended late: 42"
        await assert_one_truth(agent, run, Outcome.DONE)
        assert [result.content for result in run.tool_results] == [seal[0].content]
        await assert_next_turn_is_accepted(agent)


def sealed(entries: tuple[object, ...], run: AgentRun) -> list[ToolSealed]:
    return [each for each in entries if isinstance(each, ToolSealed) and each.run == run.id]


async def test_what_a_thread_finds_after_its_agent_has_ended_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inside, opened = threading.Event(), threading.Event()

    def deaf() -> int:
        """Do not hear."""
        inside.set()
        assert opened.wait(10)
        return 42

    options = AgentOptions(cleanup=0.05)
    async with (
        scripted(script(call("deaf")), tools=(deaf,), options=options) as agent,
        agent.stream("Go") as run,
    ):
        await anext(run)
        assert await trio.to_thread.run_sync(inside.wait, 10)
    opened.set()
    with trio.fail_after(10):
        while "its agent has ended" not in caplog.text:
            await trio.lowlevel.checkpoint()
    assert "it ended late: 42" in caplog.text


async def test_what_a_tool_raises_while_it_is_cancelled_is_its_seal() -> None:
    async def breaks() -> None:
        """Break when it is cancelled."""
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError("in the cleanup")

    async with scripted(
        script(call("breaks")), script("ok", repeat=True), tools=(breaks,)
    ) as agent:
        async with agent.stream("Go") as run:
            await anext(run)
            await trio.testing.wait_all_tasks_blocked()

        seal = sealed(await entries_of(agent), run)
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        await assert_next_turn_is_accepted(agent)
    assert len(seal) == 1


async def test_an_agent_that_begins_closes_what_a_crash_of_the_program_left_open() -> None:
    requests: list[Request] = []
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal, name="journal")
        await append(journal, "main", (RunStarted("old"),))
        provider = await system.spawn(Choosing, choose, requests, name="provider")
        await system.spawn(Agent, provider, journal, SETUP, name="agent")
        last = (await read(journal, "main"))[-1]

    assert isinstance(last, RunEnded)
    assert (last.run, last.outcome) == ("old", Outcome.FAILED)


def test_what_the_reader_took_is_what_is_written_in_whatever_order_the_tasks_run() -> None:
    """An interruption meets pieces that are on their way: the end waits until `taken` is final."""

    async def scenario(steps: int) -> None:
        async with scripted(script(say("a b c d e f g h ", pieces=8))) as agent:
            run = agent.stream("Go")

            async def interrupt() -> None:
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                await run.interrupt()

            async with trio.open_nursery() as nursery, run:
                nursery.start_soon(interrupt)
                with contextlib.suppress(RunInterrupted):
                    await collect(run)
            assert said_in(of_run(await entries_of(agent), run)) == run.response.text

    for seed in range(150):
        simulate(seed).run(scenario, seed % 30)
