"""Runs under the hand of others: interrupted, steered, paused, and gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from agents_parts import agent_of
from agents_scripted import (
    assert_next_turn_is_accepted,
    assert_one_truth,
    collect,
    entries_of,
    of_run,
    requests_of,
    scripted,
)
from strict_history import refusals

from actors import AgentOptions
from actors.agents import AgentHandle, Report, RunLimits
from actors.chat import (
    AssistantTurn,
    Complete,
    Outcome,
    StreamChunk,
    Token,
    ToolStart,
    ToolStatus,
    UserTurn,
)
from actors.errors import LimitReached, RunInterrupted, RunNotOpen, StreamTruncated
from actors.journal import RunEnded, RunPaused, RunResumed, ToolSealed, UserSaid
from actors.providers import (
    Generate,
    ProviderApi,
    call,
    pause,
    say,
    script,
    truncate,
    usage,
)
from runtime import Actor, Sink
from runtime.testing import simulate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    from actors.agents import AgentRun
    from actors.chat import Event

SLOW = script(say("one "), pause(10), say("two"), usage(5, 5))


async def wait() -> str:
    """Wait for a while."""
    await trio.sleep(5)
    return "waited"


class Reading:
    """A run that another task reads to its end."""

    def __init__(self, agent: AgentHandle, text: str) -> None:
        self.run: AgentRun = agent.stream(text)
        self.events: list[Event] = []
        self.fault: BaseException | None = None

    async def read(self) -> None:
        try:
            async with self.run:
                async for event in self.run:
                    self.events.append(event)
        except Exception as fault:  # noqa: BLE001 - looked at by the test
            self.fault = fault

    def text(self) -> str:
        return "".join(event.content for event in self.events if isinstance(event, Token))


# Interrupting


async def test_a_run_is_interrupted_from_another_task_and_its_reader_hears_why(
    autojump_clock: MockClock,
) -> None:
    async with scripted(SLOW, script("ok", repeat=True)) as agent:
        reading = Reading(agent, "Go")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading.read)
            await trio.sleep(1)
            assert await agent.interrupt("the user speaks")
            assert agent.ref.statistics().handling == ()
        assert autojump_clock.current_time() < 2

        assert isinstance(reading.fault, RunInterrupted)
        assert reading.fault.reason == "the user speaks"
        assert reading.fault.partial.text == reading.run.response.text == "one "
        await assert_one_truth(agent, reading.run, Outcome.CANCELLED)
        report = await agent.ref.ask(Report(reading.run.id))
        assert report.reason == "the user speaks"
        await assert_next_turn_is_accepted(agent)


async def test_an_interrupted_tool_is_sealed_with_the_reason(
    autojump_clock: MockClock,
) -> None:
    async with scripted(script(call("wait")), script("ok", repeat=True), tools=(wait,)) as agent:
        reading = Reading(agent, "Go")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading.read)
            await trio.sleep(1)
            assert await reading.run.interrupt("enough")
        assert autojump_clock.current_time() < 2

        (seal,) = [each for each in await entries_of(agent) if isinstance(each, ToolSealed)]
        assert (seal.status, seal.content) == (
            ToolStatus.CANCELLED,
            "the call was cancelled: enough",
        )
        await assert_next_turn_is_accepted(agent)


async def test_a_reader_that_does_not_read_cannot_keep_a_run_from_being_interrupted(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(script(say("word " * 9, pieces=9)), script("ok", repeat=True)) as agent:
        async with agent.stream("Go") as run:
            await anext(run)
            with trio.fail_after(1):
                assert await run.interrupt("by its own reader")
            with pytest.raises(RunInterrupted, match="by its own reader"):
                await collect(run)
        await assert_one_truth(agent, run, Outcome.CANCELLED)


async def test_a_tool_may_interrupt_its_own_run(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async def give_up() -> str:
        """Give up."""
        await agent.interrupt("a tool gave up")
        return "never"

    scripts = (script(call("give_up")), script("ok", repeat=True))
    async with scripted(*scripts, tools=(give_up,)) as agent:
        with trio.fail_after(1), pytest.raises(RunInterrupted, match="a tool gave up"):
            await agent.run("Go")
        await assert_next_turn_is_accepted(agent)


async def test_whoever_leaves_a_run_while_it_is_interrupted_gets_his_own_cancel(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(SLOW, script("ok", repeat=True)) as agent:
        run = agent.stream("Go")
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                async with run:
                    await anext(run)
                    nursery.start_soon(agent.interrupt, "somebody else's")
                    scope.cancel("mine")
                    await collect(run)
            assert scope.cancelled_caught
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        await assert_next_turn_is_accepted(agent)


async def test_nothing_is_interrupted_where_nothing_goes_on() -> None:
    async with scripted(script("ok", repeat=True)) as agent:
        assert not await agent.interrupt()
        async with agent.stream("Go") as run:
            assert not await agent.interrupt(run="what run?")
            while not isinstance(await anext(run), Token):
                pass
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(5):
                assert not await run.interrupt("too late")  # its end is in the journal
            assert isinstance((await collect(run))[-1], Complete)
        assert run.outcome is Outcome.DONE
        assert not await run.interrupt()


async def test_a_run_that_waits_for_its_turn_is_interrupted_and_leaves_no_trace(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(SLOW, script("ok", repeat=True)) as agent:
        first, second = Reading(agent, "first"), Reading(agent, "second")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.read)
            await trio.sleep(1)
            nursery.start_soon(second.read)
            await trio.sleep(1)
            assert await second.run.interrupt("not needed")
        assert isinstance(second.fault, RunInterrupted)
        assert second.run.outcome is Outcome.CANCELLED
        assert of_run(await entries_of(agent), second.run) == []
        assert first.run.outcome is Outcome.DONE


async def test_a_second_run_is_refused_where_none_may_wait(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    options = AgentOptions(limits=RunLimits(queued_runs=0))
    async with scripted(SLOW, options=options) as agent:
        first = Reading(agent, "first")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.read)
            await trio.sleep(1)
            with pytest.raises(LimitReached, match="queued_runs=0"):
                await agent.run("second")
        assert first.run.outcome is Outcome.DONE


# Steering


async def test_what_is_said_to_a_run_lands_behind_the_answer_and_is_answered_in_it(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(SLOW, script(say("three"), usage(1, 1))) as agent:
        reading = Reading(agent, "Count")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading.read)
            await trio.sleep(1)
            await agent.steer("And then?")
        requests = await requests_of(agent)
        entries = of_run(await entries_of(agent), reading.run)

    assert reading.fault is None
    assert reading.text() == "one twothree"
    assert isinstance(reading.events[-1], Complete)
    assert reading.events[-1].content == "three"
    assert requests[1].turns[1:] == (
        AssistantTurn(requests[1].turns[1].parts),  # type: ignore[union-attr]
        UserTurn("And then?"),
    )
    assert [entry.text for entry in entries if isinstance(entry, UserSaid)] == [
        "Count",
        "And then?",
    ]
    assert reading.run.response.usage.total_tokens == 12


async def test_a_tool_may_steer_its_own_run(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async def remind() -> str:
        """Remind the model."""
        await agent.steer("Remember the milk")
        return "reminded"

    scripts = (script(call("remind")), script("I do."))
    async with scripted(*scripts, tools=(remind,)) as agent:
        assert (await agent.run("Go")).text == "I do."
        last = (await requests_of(agent))[1].turns

    assert [type(turn).__name__ for turn in last] == [
        "UserTurn",
        "AssistantTurn",
        "ToolTurn",
        "UserTurn",
    ]


async def test_what_is_said_to_no_run_is_refused() -> None:
    async with scripted(script("ok", repeat=True)) as agent:
        with pytest.raises(RunNotOpen, match=r"no run goes on: begin one with `agent\.stream"):
            await agent.steer("Hello?")
        await agent.run("Go")
        with pytest.raises(RunNotOpen, match="no run 'r1' goes on"):
            await agent.steer("Hello?", run="r1")
        with pytest.raises(TypeError, match="must be a string"):
            await agent.steer(None)  # type: ignore[arg-type]
        with pytest.raises(RunNotOpen):
            await agent.pause()
        with pytest.raises(RunNotOpen):
            await agent.unpause()


async def test_so_much_may_be_said_to_a_run_and_no_more(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    options = AgentOptions(limits=RunLimits(queued_steers=2))
    async with scripted(SLOW, script("ok"), options=options) as agent:
        reading = Reading(agent, "Go")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading.read)
            await trio.sleep(1)
            await agent.steer("b")
            await agent.steer("c")
            with pytest.raises(LimitReached, match="2 messages wait") as caught:
                await agent.steer("d")
        assert caught.value.limit == "queued_steers"
        assert (await requests_of(agent))[1].turns[-1] == UserTurn("b\n\nc")


# Pausing


async def test_a_paused_run_holds_behind_its_tools_until_it_may_go_on(
    autojump_clock: MockClock,
) -> None:
    async with scripted(script(call("wait")), script("done"), tools=(wait,)) as agent:
        reading = Reading(agent, "Go")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading.read)
            await trio.sleep(1)
            await agent.pause()
            await trio.sleep(99)
            assert [event.type for event in reading.events] == ["tool_start", "tool_end"]
            report = await agent.unfinished()
            assert report is not None
            assert (report.id, report.paused, report.outcome) == (reading.run.id, True, None)
            assert len(await requests_of(agent)) == 1
            await agent.unpause(reading.run.id)
        entries = await entries_of(agent)

    assert reading.run.outcome is Outcome.DONE
    assert 100 <= autojump_clock.current_time() < 101
    kinds = [type(entry) for entry in entries]
    assert kinds.index(RunPaused) < kinds.index(RunResumed)


async def test_a_paused_run_can_be_left_and_interrupted(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    scripts = (script(call("wait")), script("ok")) * 2
    async with scripted(*scripts, tools=(wait,)) as agent:
        for end in ("left", "interrupted"):
            reading = Reading(agent, "Go")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reading.read)
                await trio.sleep(1)
                await reading.run.pause()
                await trio.sleep(9)
                if end == "left":
                    nursery.cancel_scope.cancel("left")
                else:
                    await reading.run.interrupt("interrupted")
            await assert_one_truth(agent, reading.run, Outcome.CANCELLED)
            await assert_next_turn_is_accepted(agent)


# Going on


async def test_a_run_that_was_cut_goes_on_by_its_id_without_a_word_of_the_user() -> None:
    cut = script(say("Once upon "), usage(3, 3), truncate())
    async with scripted(cut, script(say("a time."), usage(4, 4))) as agent:
        async with agent.stream("A story") as run:
            with pytest.raises(StreamTruncated):
                await collect(run)
        left = await agent.unfinished()
        assert left is not None
        assert (left.id, left.outcome) == (run.id, Outcome.TRUNCATED)

        async with agent.resume(run.id) as resumed:
            await collect(resumed)
        assert resumed.id == run.id
        assert resumed.response.text == "a time."
        assert resumed.outcome is Outcome.DONE
        assert resumed.response.usage == (await agent.ref.ask(Report(run.id))).usage
        assert resumed.response.usage.total_tokens >= 8
        assert await agent.unfinished() is None
        requests = await requests_of(agent)
        assert refusals(requests[1].turns) == []
        assert requests[1].turns[-1] == UserTurn("(You were interrupted here. Go on.)")
        ends = [e.outcome for e in await entries_of(agent) if isinstance(e, RunEnded)]
        assert ends == [Outcome.TRUNCATED, Outcome.DONE]


async def test_what_cannot_go_on_is_refused_and_the_conversation_is_as_before(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(SLOW, script("ok", repeat=True)) as agent:
        async with agent.stream("Go") as first:
            await anext(first)
            with pytest.raises(RunNotOpen, match="goes on, or waits, already"):
                await read(agent, first.id)
        await agent.run("Again")
        before = await entries_of(agent)
        with pytest.raises(RunNotOpen, match="only the latest"):
            await read(agent, first.id)
        with pytest.raises(RunNotOpen, match="is done"):
            await read(agent, before[-1].run)
        with pytest.raises(RunNotOpen, match="has no run 'x'"):
            await read(agent, "x")
        assert await entries_of(agent) == before


async def read(agent: AgentHandle, id: str) -> None:
    async with agent.resume(id) as run:
        await collect(run)


async def test_a_run_may_be_paused_and_steered_by_a_tool_that_waits_for_nothing(
    autojump_clock: MockClock,
) -> None:
    async def hold() -> str:
        """Pause the run for a while."""
        await agent.pause()
        await agent.unpause()
        return "held"

    async with scripted(script(call("hold")), script("ok"), tools=(hold,)) as agent:
        assert (await agent.run("Go")).text == "ok"
    assert autojump_clock.current_time() == 0


@pytest.mark.parametrize("at", [ToolStart, Token])
async def test_a_run_is_interrupted_by_its_reader_at_any_event_and_goes_on_no_further(
    at: type[Event],
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    scripts = (script("Hm. ", call("wait")), script("ok", repeat=True))
    async with scripted(*scripts, tools=(wait,)) as agent:
        async with agent.stream("Go") as run:
            while not isinstance(await anext(run), at):
                pass
            await run.interrupt("by hand")
            with pytest.raises(RunInterrupted, match="by hand"):
                await collect(run)
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        await assert_next_turn_is_accepted(agent)


DECISIONS: dict[str, Callable[[AgentRun | AgentHandle], Awaitable[object]]] = {
    "steer": lambda run: run.steer("Quickly"),
    "pause": lambda run: run.pause(),
    "unpause": lambda run: run.unpause(),
    "interrupt": lambda run: run.interrupt(),
}


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_run_hears_from_its_first_step_on(decision: str) -> None:
    """What comes behind it from the same task must not overtake it."""

    async def begins_and_decides() -> None:
        async with scripted(SLOW) as agent, agent.stream("Go") as run:
            assert await DECISIONS[decision](run) in {None, True}

    for seed in range(8):
        simulate(seed).run(begins_and_decides)


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_run_that_was_just_opened_is_the_one_that_goes_on(decision: str) -> None:
    """Also before it has its turn: somebody who says stop at once must not be overheard."""

    async def begins_and_decides() -> None:
        async with scripted(SLOW) as agent, agent.stream("Go"):
            assert await DECISIONS[decision](agent) in {None, True}

    for seed in range(8):
        simulate(seed).run(begins_and_decides)


class Punctual(Actor, ProviderApi):
    """A model whose answer ends after a second and so many steps of the event loop."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        del message
        await out.send(StreamChunk("one "))
        await trio.sleep(1)
        for _ in range(self._steps):
            await trio.lowlevel.checkpoint()
        await out.send(StreamChunk(is_final=True))


async def interrupted_at_its_end(steps: int) -> Outcome | None:
    """Interrupt a run in the step in which its answer is complete, or next to it."""
    async with agent_of(provider=lambda: Punctual(steps)) as agent:
        run = agent.stream("Go")
        events: list[Event] = []
        told: list[bool] = []

        async def interrupt() -> None:
            await trio.sleep(1)
            told.append(await agent.interrupt("just now"))

        async with trio.open_nursery() as nursery, run:
            nursery.start_soon(interrupt)
            events.append(await anext(run))
            await trio.sleep(2)  # so that nobody takes what is sent last
            try:
                events += await collect(run)
            except RunInterrupted:
                assert not isinstance(events[-1], Complete)
                assert run.outcome is None
            else:
                assert isinstance(events[-1], Complete)
        report = await agent.ref.ask(Report(run.id))
        assert report.outcome is run.outcome
        assert isinstance(events[-1], Complete) is (run.outcome is Outcome.DONE)
        assert told == [run.outcome is Outcome.CANCELLED]
        return run.outcome


def test_an_interruption_that_meets_the_end_of_a_run_is_one_or_the_other_for_all() -> None:
    outcomes = {
        simulate(seed).run(interrupted_at_its_end, steps)
        for steps in range(12)
        for seed in range(8)
    }

    assert outcomes == {Outcome.DONE, Outcome.CANCELLED}
