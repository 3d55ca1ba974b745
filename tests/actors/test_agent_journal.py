"""A journal that fails, hangs or crashes under an agent: who hears of it, and what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from agents_parts import Journal, agent_of, remembering, until_it_is_back
from agents_scripted import (
    Choosing,
    assert_sendable,
    collect,
    entries_of,
    journal_of,
    of_run,
)

from actors import AgentOptions
from actors.agents import AgentSetup
from actors.chat import AssistantTurn, Outcome, StreamChunk, Text, ToolStatus, UserTurn
from actors.errors import StreamTruncated
from actors.journal import Append, RunEnded, ToolCalled, ToolSealed
from actors.providers import Generate, ProviderApi, call, say, script
from actors.tools import Toolbox
from runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    AskTimeout,
    ChildOptions,
    RestartPolicy,
    RuntimeFault,
    Sink,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from actors.providers import Script

HELLO = (UserTurn("Hello"), AssistantTurn((Text("Fine."),)))


class Broken(RuntimeFault):
    """What a journal says that cannot write."""


@pytest.mark.parametrize("which", range(3))
async def test_a_journal_that_fails_once_restarts_the_agent_on_what_it_has(
    which: int,
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    """Wherever it fails: at the question, at the calls, at the end."""
    count = iter(range(100))
    entries: dict[str, list[Any]] = {}

    def harm(_: Append) -> None:
        if next(count) == which:
            raise Broken("the disk is full")

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    def choose(request: Any) -> Script:
        answered = not isinstance(request.turns[-1], UserTurn) or len(request.turns) > 1
        return script("Fine.") if answered else script("Well. ", call("add", a=1, b=1))

    journal = remembering(entries, harm)
    setup = AgentSetup(toolbox=Toolbox((add,)))
    provider: Callable[[], Actor] = lambda: Choosing(choose, [])  # noqa: E731
    async with agent_of(provider=provider, journal=journal, setup=setup) as agent:
        async with agent.stream("Hello") as run:
            with pytest.raises(Broken, match="disk"):
                await collect(run)
        assert run.outcome is Outcome.FAILED
        await until_it_is_back(agent)
        recorded = of_run(await entries_of(agent), run)
        ends = [entry.outcome for entry in recorded if isinstance(entry, RunEnded)]
        assert ends == ([Outcome.FAILED] if recorded else [])
        assert (which == 0) is (recorded == [])
        calls = [entry.call.id for entry in recorded if isinstance(entry, ToolCalled)]
        seals = [entry.status for entry in recorded if isinstance(entry, ToolSealed)]
        assert seals == [ToolStatus.UNKNOWN] * len(calls)

        assert (await agent.run("And now?")).text
        assert_sendable(await agent.history())
        assert agent.ref.statistics().restarts == 1


@pytest.mark.parametrize("keep_mailbox", [True, False])
async def test_a_reader_that_leaves_while_the_end_cannot_be_written_hears_what_became_of_it(
    keep_mailbox: bool,  # noqa: FBT001
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    """The journal closes the run as failed, and the reader is told the same."""
    entries: dict[str, list[Any]] = {}
    count = iter(range(100))

    def harm(_: Append) -> None:
        if next(count) == 1:
            raise Broken("the disk is full")

    provider: Callable[[], Actor] = lambda: Choosing(  # noqa: E731
        lambda _: script(say("one two three", pieces=3)), []
    )
    options = ChildOptions(keep_mailbox=keep_mailbox)
    journal = remembering(entries, harm)
    async with agent_of(provider=provider, journal=journal, child=options) as agent:
        run = agent.stream("Hello")
        with trio.CancelScope() as scope:
            async with run:
                async for _ in run:
                    scope.cancel()
        assert scope.cancelled_caught  # not masked by the journal's error
        await until_it_is_back(agent)
        recorded = of_run(await entries_of(agent), run)
        assert [e.outcome for e in recorded if isinstance(e, RunEnded)] == [run.outcome]
        assert run.outcome is Outcome.FAILED


class Cut(Actor, ProviderApi):
    """A model whose answers are cut short."""

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        await out.send(StreamChunk(str(len(message.request.turns))))
        raise StreamTruncated("cut")


@pytest.mark.parametrize(("seconds", "outcome"), [(8, Outcome.FAILED), (20, None)])
async def test_an_outcome_is_that_of_the_journal_however_long_it_takes_or_none(
    seconds: float,
    outcome: Outcome | None,
    autojump_clock: MockClock,
) -> None:
    """The run was cut, its end is not written, and what comes after the crash writes another."""
    entries: dict[str, list[Any]] = {}
    count = iter(range(100))

    async def harm_in_time(number: int) -> None:
        if number == 1:
            raise Broken("the disk is full")
        if number == 2:  # the end, by the next incarnation
            await trio.sleep(seconds)

    def harm(_: Append) -> Any:
        return harm_in_time(next(count))

    async with agent_of(provider=Cut, journal=remembering(entries, harm)) as agent:
        async with agent.stream("Hello") as run:
            with pytest.raises(StreamTruncated, match="cut"):
                await collect(run)
        assert run.outcome is outcome
        assert autojump_clock.current_time() < 11
        last = await agent.unfinished()
        assert last is not None
        assert (last.id, last.outcome) == (run.id, Outcome.FAILED)


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [("the run", None), ("the reader", None), ("a write", Outcome.FAILED)],
)
async def test_nobody_guesses_how_a_run_ended_whose_agent_is_gone_for_good(
    ends: str,
    outcome: Outcome | None,
    autojump_clock: MockClock,
) -> None:
    """What has no end counts as failed when the conversation is opened again."""
    count = iter(range(100))

    def harm(_: Append) -> None:
        if next(count) >= (0 if ends == "a write" else 1):
            raise Broken("the disk is full")

    journal = remembering({}, harm)
    once = ChildOptions(restart=RestartPolicy.TEMPORARY)
    async with agent_of(provider=Cut, journal=journal, child=once) as agent:
        async with agent.stream("Hello") as run:
            if ends == "the reader":
                await anext(run)
            else:
                with pytest.raises(StreamTruncated if ends == "the run" else Broken):
                    await collect(run)
        assert run.outcome is outcome
        assert agent.ref.statistics().state == "ended"
    assert autojump_clock.current_time() < 1


async def test_the_error_that_ended_a_run_is_not_masked_by_a_journal_that_fails_then() -> None:
    count = iter(range(100))

    def harm(_: Append) -> None:
        if next(count) == 1:
            raise Broken("the disk is full")

    async with agent_of(provider=Cut, journal=lambda: Journal(harm)) as agent:
        with pytest.raises(StreamTruncated, match="cut"):
            await agent.run("Hello")


async def test_a_journal_that_hangs_is_waited_for_only_so_long(
    autojump_clock: MockClock,
) -> None:
    entries: dict[str, list[Any]] = {}
    count = iter(range(100))

    async def hang() -> None:
        await trio.sleep_forever()

    def harm(_: Append) -> Any:
        return hang() if next(count) == 1 else None

    setup = AgentSetup(options=AgentOptions(journal_patience=2.0))
    async with agent_of(journal=remembering(entries, harm), setup=setup) as agent:
        with pytest.raises(AskTimeout, match=r"/agent/journal took longer than 2\.0 s"):
            await agent.run("Hello")
        assert autojump_clock.current_time() < 3.5
        assert (await agent.run("And now?")).text == "Fine."
        assert_sendable(await agent.history())


async def test_an_agent_whose_journal_was_stopped_stops_and_says_so(
    autojump_clock: MockClock,
) -> None:
    async with agent_of() as agent:
        await agent.run("Hello")
        await journal_of(agent).stop()
        async with agent.stream("Again") as run:
            with pytest.raises(ActorStopped, match="/agent/journal has stopped"):
                await collect(run)
        assert run.outcome is Outcome.FAILED
        with pytest.raises(ActorStopped, match="/agent/agent has stopped"):
            await agent.run("Once more")
    assert autojump_clock.current_time() < 1


async def test_a_crash_of_the_journal_in_memory_loses_the_conversation_and_nothing_hangs(
    autojump_clock: MockClock,
) -> None:
    """What is kept in memory is lost with it: the agent begins anew, with no history."""
    count = iter(range(100))

    def harm(_: Append) -> None:
        if next(count) == 3:
            raise KeyError("a bug")

    async with agent_of(journal=lambda: Journal(harm)) as agent:
        await agent.run("Hello")
        async with agent.stream("Again") as run:
            with pytest.raises(ActorCrashed) as caught:
                await collect(run)
        assert caught.value.path == "/agent/journal"
        assert run.outcome is Outcome.FAILED
        await until_it_is_back(agent)
        assert await agent.history() == ()

        await agent.run("Hello")
        assert await agent.history() == HELLO
    assert autojump_clock.current_time() < 2
