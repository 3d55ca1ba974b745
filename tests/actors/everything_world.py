"""A world in which an agent has every feature at once, and hands that do anything to it.

Made from a seed: the options, what the models say, and who does what when. What has to hold
whatever happens is asserted after each run, and at the end.
"""

from __future__ import annotations

import math
from collections import defaultdict
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import trio
from agents_scripted import (
    assert_sendable,
    journal_of,
    of_run,
    said_in,
    scripted,
)
from everything_parts import BAD, Parts, T
from strict_history import refusals

from actors import open_agent
from actors.agents import Report, handoff
from actors.budget import Budget
from actors.chat import Outcome, SystemTurn
from actors.errors import ConfigurationError, LimitReached, RunNotOpen
from actors.journal import (
    CallDenied,
    Entry,
    MemoryJournal,
    RunEnded,
    RunResumed,
    RunStarted,
    SubRunEnded,
    UserSaid,
    read,
)
from actors.providers import Model, Requests, Retry, ScriptedApi, script
from actors.testing import answer, open_fake_openai
from runtime import ActorStopped, RuntimeFault, open_system

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from actors import AgentOptions
    from actors.agents import AgentHandle, AgentRun
    from actors.tools import AnyTool
    from runtime import System

RUNS = 6
HANDS = 3
END = 3_000.0  # virtual seconds; a run waits at most some tens


class Everything(Parts):
    """An agent with everything, somebody who reads its runs, and hands that do things to them."""

    # What happens

    async def live(self) -> None:
        options = self.options()
        self.loses = self.crashes and self.chance(0.3)
        if self.loses:
            options = attrs.evolve(options, journal_patience=0.05)
        outlives = self.fate.random() < 0.5
        other = self.recipe("other", 0, self.dice.choice([None, self.model()]))
        back = handoff("agent")
        other = attrs.evolve(other, tools=(*other.tools, back))
        tools: tuple[AnyTool, ...] = (*self.tools(), handoff(other))
        with trio.fail_after(END):
            async with open_system() as system:
                if outlives:  # so that it can be asked when the agent is gone
                    self.journal = await system.spawn(MemoryJournal, name="kept")
                    options = attrs.evolve(options, journal=self.journal)
                before = paths(system)
                async with self.opened(tools, options, system) as agent:
                    await self.use(agent)
                assert paths(system) == before
                assert self.working == 0

    @asynccontextmanager
    async def opened(
        self, tools: tuple[AnyTool, ...], options: AgentOptions, system: System
    ) -> AsyncGenerator[AgentHandle]:
        """The agent; its model answers 40 times, and says that all is fine from then on."""
        answers = [self.script() for _ in range(40)]
        last = script("Fine.", repeat=True)
        async with scripted(*answers, last, tools=tools, options=options, system=system) as agent:
            yield agent

    async def use(self, agent: AgentHandle) -> None:
        self.agent = agent
        async with trio.open_nursery() as nursery:
            for _ in range(HANDS):
                nursery.start_soon(self.meddle, agent)
            nursery.start_soon(self.let_go_on, agent)
            for _ in range(RUNS):
                try:
                    await self.talk(agent)
                except ActorStopped:
                    break  # it was killed too often
            nursery.cancel_scope.cancel("all has been said")
        await until_it_is_back_or_gone(agent)  # or is being killed
        if agent.ref.statistics().state == "ended":
            assert self.crashes
            return
        await self.assert_whole(agent)
        assert self.violations == [], self.violations

    async def meddle(self, agent: AgentHandle) -> None:
        """Now and then do something to the run that goes on."""
        while True:
            await trio.sleep(self.dice.expovariate(1.2))
            try:
                await self.do_something(agent)
            except (RunNotOpen, LimitReached, ConfigurationError):
                continue  # there was none, or it has been told enough
            except RuntimeFault:
                if not self.crashes:
                    raise

    async def do_something(self, agent: AgentHandle) -> None:
        choice = self.dice.randrange(10)
        match choice:
            case 0 if self.run is not None:
                await self.run.interrupt(f"reason {self.dice.random()}")
            case 1:
                await agent.pause()
            case 2:
                await agent.unpause()
            case 3 if self.chance(0.5):
                await agent.use(self.model())
            case 4 if self.crashes and self.chance(0.3):
                await self.kill(agent)
            case 5 if self.run is not None:
                with trio.move_on_after(self.dice.choice([0, 0.2, 2])):
                    await agent.pin(self.run.id)
            case 6:
                await self.read_another(agent)
            case _:
                bad = BAD if self.chance(0.05) else "more"
                text = f"{bad} {len(self.steered)} {self.dice.random()}"
                await agent.steer(text)
                self.steered.append(text)

    async def kill(self, agent: AgentHandle) -> None:
        for path in sorted(paths(agent.system)):  # so that the seed decides whom
            if path.startswith(agent.ref.path.rpartition("/")[0]) and self.chance(0.3):
                found = agent.system.whereis(path, object)
                if found is not None and not path.endswith("journal"):
                    await found.kill()
                    return

    async def read_another(self, agent: AgentHandle) -> None:
        """A second run waits, or is refused; whoever wants it does not wait for ever."""
        with trio.move_on_after(self.dice.choice([0, 0.5, 3])):
            run = agent.stream("And this?")
            with suppress(RuntimeFault):
                async with run:
                    async for _ in run:
                        pass

    async def let_go_on(self, agent: AgentHandle) -> None:
        """A pause does not last."""
        while True:
            await trio.sleep(4)
            with suppress(RuntimeFault):
                await agent.unpause()

    async def talk(self, agent: AgentHandle) -> None:
        """Begin a run, or go on with the one before, and read all of it or a part."""
        await until_it_is_back_or_gone(agent)
        if agent.ref.statistics().state == "ended":
            return
        self.run = run = await self.next_run(agent)
        before = len(of_run(await self.entries(agent), run))
        left = self.dice.choice([math.inf, math.inf, math.inf, self.dice.randrange(25)])
        seconds = self.dice.choice([math.inf, math.inf, self.dice.uniform(0, 6)])
        spending = self.dice.choice([None, None, 100, 300])
        budget = nullcontext() if spending is None else Budget(tokens=spending)
        with trio.move_on_after(seconds), budget:
            try:
                async with run:
                    while left:
                        await anext(run)
                        left -= 1
                        await trio.sleep(self.dice.choice([0, 0, 0, 0.3]))
            except (RuntimeFault, StopAsyncIteration):
                pass  # the run's own end, which is asked for below
        await until_it_is_back_or_gone(agent)
        if agent.ref.statistics().state != "ended":
            await self.assert_all_agree(agent, run, before)
        elif self.journal is not None:
            await self.assert_last_agrees(run, before)

    async def surely(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again where an actor has crashed meanwhile."""
        for _ in range(20):
            try:
                return await ask()
            except ActorStopped:
                raise
            except RuntimeFault:
                if not self.crashes:
                    raise
            await trio.sleep(0.2)
        raise AssertionError("it does not come back")

    async def next_run(self, agent: AgentHandle) -> AgentRun:
        last = await self.surely(agent.unfinished)
        if last is None or last.outcome is None or self.chance(0.3):
            word = BAD if self.chance(0.1) else "Go"
            return agent.stream(f"{word} {self.dice.random()}")
        approve: list[str] = []
        deny: dict[str, str] = {}
        for each in last.pending:
            match self.dice.randrange(3):
                case 0:
                    approve.append(each.id)
                case 1:
                    deny[each.id] = "no"
                case _:
                    pass
        return agent.resume(last.id, approve=approve, deny=deny)

    # What has to hold

    async def assert_last_agrees(self, run: AgentRun, before: int) -> None:
        """Of a run whose agent has ended with it."""
        assert self.journal is not None
        leg = of_run(await read(self.journal, "main"), run)[before:]
        if any(isinstance(entry, RunStarted | RunResumed) for entry in leg):
            ends = [entry.outcome for entry in leg if isinstance(entry, RunEnded)]
            # What has no end gets one when the conversation is opened again. A reader whose agent
            # was stopped takes its run for cut short; it may have ended in that very moment.
            known = ends or [Outcome.FAILED]
            assert run.outcome in (None, Outcome.CANCELLED, *known), (leg, run)

    async def assert_all_agree(self, agent: AgentHandle, run: AgentRun, before: int) -> None:
        entries = of_run(await self.entries(agent), run)
        leg = entries[before:]
        if not any(isinstance(entry, RunStarted | RunResumed) for entry in leg):
            assert run.response.text == ""
            return
        ends = [entry for entry in leg if isinstance(entry, RunEnded)]
        report = await self.surely(partial(agent.ref.ask, Report(run.id)))
        assert [end.outcome for end in ends] == [run.outcome] == [report.outcome], (ends, run)
        if run.outcome is Outcome.NEEDS_APPROVAL:  # or a run behind it has denied it
            assert run.pending or any(isinstance(entry, CallDenied) for entry in leg)
        assert report.usage.total_tokens == run.response.usage.total_tokens
        if run.outcome is Outcome.DONE:
            assert said_in(leg).startswith(run.response.text)
        elif self.loses:
            assert run.response.text.startswith(said_in(leg))
        else:
            assert said_in(leg) == run.response.text
        assert_sendable(await self.surely(agent.history))

    async def assert_whole(self, agent: AgentHandle) -> None:
        group = agent.ref.path.rpartition("/")[0]
        await trio.sleep(60)  # what a memory does beside
        assert agent.ref.statistics().handling == ()
        known = {"agent", "journal", "provider", "workers", "other-provider"}
        below = {path for path in paths(agent.system) if path.startswith(f"{group}/")}
        extra = {p for p in below if p.rsplit("/", 1)[-1].rstrip("-0123456789") not in known}
        assert not extra, extra
        entries = await self.entries(agent)
        said = [entry.text for entry in entries if isinstance(entry, UserSaid)]
        assert self.crashes or set(self.steered) <= set(said)
        assert len(set(self.done)) == len(self.done)
        await self.assert_runs_below(agent, entries)
        if not self.crashes:
            await self.assert_requests(agent)

    async def assert_requests(self, agent: AgentHandle) -> None:
        for path in paths(agent.system):
            provider = agent.system.whereis(path, ScriptedApi) if "provider" in path else None
            for request in () if provider is None else await provider.ask(Requests()):
                turns = tuple(t for t in request.turns if not isinstance(t, SystemTurn))
                assert refusals(turns) == [], (refusals(turns), turns)

    async def assert_runs_below(self, agent: AgentHandle, entries: tuple[Entry, ...]) -> None:
        told: defaultdict[str, list[Outcome]] = defaultdict(list)  # of each leg of a run below
        for entry in entries:
            if isinstance(entry, SubRunEnded) and entry.conversation:
                told[entry.conversation].append(entry.outcome)
        for conversation, outcomes in told.items():
            below = await read(self.journal or journal_of(agent), conversation)
            ends = [each.outcome for each in below if isinstance(each, RunEnded)]
            assert self.crashes or not below or ends == outcomes, (conversation, ends, outcomes)


def paths(system: Any) -> set[str]:
    found: set[str] = set()
    todo = [system.tree()]
    while todo:
        node = todo.pop()
        found.add(node.path)
        todo += node.children
    return found


async def until_it_is_back_or_gone(agent: AgentHandle) -> None:
    with trio.fail_after(60):
        while agent.ref.statistics().state not in {"running", "ended"}:  # noqa: ASYNC110 - there is no event
            await trio.sleep(0.01)


class OverSockets(Everything):
    """The same with a model on a server of this process, which refuses what a real one would."""

    @asynccontextmanager
    async def opened(
        self, tools: tuple[AnyTool, ...], options: AgentOptions, system: System
    ) -> AsyncGenerator[AgentHandle]:
        answers = [answer(*self.script().steps) for _ in range(40)]
        async with open_fake_openai(*answers, answer("Fine."), strict=True) as server:
            model = Model(
                "openai-compatible:test", base_url=server.base_url, retry=Retry(attempts=1)
            )
            async with open_agent(model, tools=tools, options=options, system=system) as agent:
                yield agent
            with trio.fail_after(5):
                while server.open_connections:  # noqa: ASYNC110 - there is no event
                    await trio.sleep(0.01)
            assert [each.refused for each in server.requests if each.refused] == []

    async def assert_requests(self, agent: AgentHandle) -> None:
        """The server has looked at them."""
