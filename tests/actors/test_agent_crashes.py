"""Crashes around a conversation: of the agent, its provider, its journal; what each one costs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from agents_scripted import (
    Choosing,
    assert_one_truth,
    assert_sendable,
    collect,
    entries_of,
    of_run,
    requests_of,
    said_in,
    scripted,
)
from strict_history import refusals

from actors import AgentOptions
from actors.agents import Agent, AgentHandle, AgentSetup
from actors.chat import AssistantTurn, Outcome, StreamChunk, Text, ToolStatus, UserTurn
from actors.errors import StreamTruncated
from actors.journal import Append, MemoryJournal, RunEnded, ToolCalled, ToolSealed
from actors.providers import Generate, Model, ProviderApi, call, crash, pause, say, script
from actors.tools import Toolbox
from runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    AskTimeout,
    Backoff,
    ChildOptions,
    RestartLimit,
    RestartStrategy,
    RuntimeFault,
    Sink,
    Tell,
    open_system,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from trio.testing import MockClock

    from actors.agents import AgentRun
    from actors.providers import Script

HELLO = (UserTurn("Hello"), AssistantTurn((Text("Fine."),)))


async def test_a_crash_of_the_provider_ends_the_run_and_keeps_what_was_said(
    autojump_clock: MockClock,
) -> None:
    scripts = (script("Fine."), script("one two ", crash()), script("three", repeat=True))
    async with scripted(*scripts) as agent:
        await agent.run("Hello")
        async with agent.stream("Count") as run:
            with pytest.raises(ActorCrashed) as caught:
                await collect(run)
        assert caught.value.path == "/agent/provider"
        await until_it_is_back(agent)
        await assert_one_truth(agent, run, Outcome.FAILED)
        assert run.response.text == "one two "

        began = autojump_clock.current_time()
        assert (await agent.run("Go on")).text == "three"
        assert autojump_clock.current_time() - began < 0.1
        assert (await agent.history())[:2] == HELLO
        assert all(refusals(request.turns) == [] for request in await requests_of(agent))


async def until_it_is_back(agent: AgentHandle) -> None:
    with trio.fail_after(10):
        while agent.ref.statistics().state != "running":  # noqa: ASYNC110 - there is no event
            await trio.sleep(0.01)


async def test_a_run_right_after_a_crash_waits_until_the_agent_is_back(
    autojump_clock: MockClock,
) -> None:
    scripts = (script("one ", crash()), script("two", repeat=True))
    async with scripted(*scripts) as agent:
        with pytest.raises(ActorCrashed):
            await agent.run("Count")
        assert (await agent.run("Go on")).text == "two"
    assert autojump_clock.current_time() < 0.2


async def test_one_restart_after_the_other_takes_longer_and_none_loses_anything(
    autojump_clock: MockClock,
) -> None:
    waited: list[float] = []
    async with scripted(script("one ", crash(), repeat=True)) as agent:
        for _ in range(4):
            began = autojump_clock.current_time()
            with pytest.raises(ActorCrashed):
                await agent.run("Count")
            await until_it_is_back(agent)
            waited.append(autojump_clock.current_time() - began)
        history = await agent.history()

    assert waited == sorted(waited)
    assert waited[-1] > 4 * waited[0]
    assert len(history) == 8


class Breakable:
    """Whoever can be broken from outside."""


@attrs.frozen
class Break(Tell[Breakable]):
    """Crash, please."""


class BreakableAgent(Agent, Breakable):
    @Break.handles
    async def break_down(self, message: Break) -> None:
        raise KeyError(message)


class Journal(MemoryJournal):
    """One whose memory survives it, and that does harm before an append."""

    def __init__(self, harm: Callable[[Append], Any]) -> None:
        super().__init__()
        self._harm = harm

    @Append.handles
    async def append(self, message: Append) -> int:
        again = self._harm(message)
        if again is not None:
            await again
        return await super().append(message)


def no_harm(_: Append) -> None:
    return None


@asynccontextmanager
async def agent_of(
    *,
    provider: Callable[[], Actor] | None = None,
    journal: Callable[[], Actor] = MemoryJournal,
    setup: AgentSetup | None = None,
    child: ChildOptions | None = None,
) -> AsyncGenerator[AgentHandle]:
    """As `open_agent` starts one, with parts of our own."""
    async with open_system() as system:
        group = await system.supervise(
            "agent",
            strategy=RestartStrategy.REST_FOR_ONE,
            limit=RestartLimit(5, 30),
            backoff=Backoff(first=0.05),
        )
        memory: Any = await group.spawn(journal, name="journal")
        answering = provider or (lambda: Choosing(lambda _: script("Fine."), []))
        model: Any = await group.spawn(answering, name="provider")
        agent = await group.spawn(
            Agent, model, memory, setup or AgentSetup(), name="agent", options=child
        )
        yield AgentHandle(agent, system, Model("scripted:echo"))


async def test_a_crash_of_the_agent_ends_the_run_and_loses_nothing(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal, name="journal")
        provider = await system.spawn(
            lambda: Choosing(lambda _: script("one ", pause(1), "two"), []), name="provider"
        )
        ref = await system.spawn(BreakableAgent, provider, journal, AgentSetup(), name="agent")
        agent = AgentHandle(ref, system, Model("scripted:echo"))
        async with agent.stream("Count") as run:
            await anext(run)
            await ref.tell(Break())
            with pytest.raises(ActorCrashed) as caught:
                await collect(run)
        assert caught.value.path == "/agent"
        # The run was cut short by the end of its agent, which is a cancel like any other.
        await assert_one_truth(agent, run, Outcome.CANCELLED)

        assert (await agent.run("Go on")).text == "one two"
        assert ref.statistics().restarts == 1
        assert await agent.history() == (
            UserTurn("Count"),
            AssistantTurn((Text("one "),)),
            UserTurn("Go on"),
            AssistantTurn((Text("one two"),)),
        )


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


def remembering(
    entries: dict[str, list[Any]], harm: Callable[[Append], Any]
) -> Callable[[], Actor]:
    """A journal whose entries outlive it."""

    def make() -> Actor:
        journal = Journal(harm)
        journal._conversations = entries  # noqa: SLF001 - a subclass would see it
        return journal

    return make


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


async def test_the_error_that_ended_a_run_is_not_masked_by_a_journal_that_fails_then() -> None:
    count = iter(range(100))

    def harm(_: Append) -> None:
        if next(count) == 1:
            raise Broken("the disk is full")

    class Cut(Actor, ProviderApi):
        @Generate.handles(concurrent=True)
        async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
            await out.send(StreamChunk(str(len(message.request.turns))))
            raise StreamTruncated("cut")

    async with agent_of(provider=Cut, journal=lambda: Journal(harm)) as agent:
        with pytest.raises(StreamTruncated, match="cut"):
            await agent.run("Hello")


async def test_a_provider_that_ends_without_a_final_chunk_was_cut() -> None:
    class Short(Actor, ProviderApi):
        @Generate.handles(concurrent=True)
        async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
            await out.send(StreamChunk(str(len(message.request.turns))))

    async with agent_of(provider=Short) as agent:
        async with agent.stream("Hello") as run:
            with pytest.raises(StreamTruncated, match="final chunk") as caught:
                await collect(run)
        assert caught.value.partial.text == run.response.text == "1"
        await assert_one_truth(agent, run, Outcome.TRUNCATED)


async def test_a_journal_that_hangs_is_waited_for_only_so_long(
    autojump_clock: MockClock,
) -> None:
    entries: dict[str, list[Any]] = {}
    count = iter(range(100))

    async def hang() -> None:
        await trio.sleep_forever()

    def harm(_: Append) -> Any:
        return hang() if next(count) == 1 else None

    setup = AgentSetup(options=AgentOptions(cleanup=2.0))
    async with agent_of(journal=remembering(entries, harm), setup=setup) as agent:
        with pytest.raises(AskTimeout, match=r"/agent/journal took longer than 2\.0 s"):
            await agent.run("Hello")
        assert autojump_clock.current_time() < 3.5
        assert (await agent.run("And now?")).text == "Fine."
        assert_sendable(await agent.history())


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


async def test_an_agent_that_is_asked_to_stop_finishes_the_run_that_it_has_begun(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with scripted(script("one ", pause(4), "two")) as agent:
        async with trio.open_nursery() as nursery, agent.stream("Count") as run:
            await anext(run)
            nursery.start_soon(agent.ref.stop)
            await collect(run)
        assert (run.outcome, run.response.text) == (Outcome.DONE, "one two")

        refused = agent.stream("More")
        with pytest.raises(ActorStopped):
            async with refused:
                pass
        assert refused.outcome is None


async def test_a_run_that_outlives_its_agents_grace_is_cut_short_and_all_say_so(
    autojump_clock: MockClock,
) -> None:
    entries: dict[str, list[Any]] = {}
    runs: list[AgentRun] = []

    async def read(agent: AgentHandle) -> None:
        async with agent.stream("Count") as run:
            runs.append(run)
            with pytest.raises(ActorStopped) as caught:
                await collect(run)
        assert caught.value.started

    async with (
        trio.open_nursery() as nursery,
        agent_of(provider=Endless, journal=remembering(entries, no_harm)) as agent,
    ):
        nursery.start_soon(read, agent)
        await trio.sleep(1)

    (run,) = runs
    assert autojump_clock.current_time() == pytest.approx(6.0)  # with its grace
    assert run.response.text == said_in(entries["main"]) == "one "
    ends = [entry for entry in entries["main"] if isinstance(entry, RunEnded)]
    assert [end.outcome for end in ends] == [run.outcome] == [Outcome.CANCELLED]


class Endless(Actor, ProviderApi):
    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        del message
        await out.send(StreamChunk("one "))
        await trio.sleep_forever()


async def test_a_provider_that_stops_is_a_failure_of_the_run(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    class Stopping(Actor, ProviderApi):
        @Generate.handles(concurrent=True)
        async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
            del message
            await out.send(StreamChunk("one "))
            raise ActorStopped("gone", path="/elsewhere", started=True)

    async with agent_of(provider=Stopping) as agent:
        async with agent.stream("Count") as run:
            with pytest.raises(ActorStopped, match="gone"):
                await collect(run)
        await assert_one_truth(agent, run, Outcome.FAILED)
