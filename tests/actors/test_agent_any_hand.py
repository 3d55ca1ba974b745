"""Whoever interrupts, steers, pauses, approves and resumes, and whenever: all agree, nothing twice.

Each seed is a conversation of its own, with its own order of tasks, on virtual time.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import pytest
import trio
from agents_parts import until_it_is_back
from agents_scripted import assert_sendable, entries_of, of_run, requests_of, said_in, scripted
from strict_history import refusals

from actors import AgentOptions
from actors.agents import Report, RunLimits
from actors.chat import Outcome
from actors.errors import LimitReached, RunNotOpen
from actors.journal import CallApproved, Entry, RunEnded, RunResumed, RunStarted, UserSaid
from actors.providers import Script, Step, call, pause, say, script, truncate, usage
from actors.tools import tool
from runtime import RuntimeFault
from runtime.testing import Faults, simulate

if TYPE_CHECKING:
    from actors.agents import AgentHandle, AgentRun

RUNS = 5
HANDS = 3
SLOW = Faults(delay=0.2, longest_delay=0.3)
CRASHING = Faults(crash=0.05, below="/agent/provider")


class World:
    """An agent, somebody who reads its runs, and hands that do something to them."""

    def __init__(self, seed: int, *, is_calm: bool) -> None:
        self.is_calm = is_calm
        self.dice = random.Random(seed)  # noqa: S311 - no secret
        self.done: list[int] = []  # what the tool that needs approval did
        self.steered: list[str] = []
        self.interrupted: dict[str, set[str]] = {}  # the reasons, by run
        self.run: AgentRun | None = None
        self.number = 0

    def tools(self) -> tuple[Any, ...]:
        @tool(approve=True)
        async def ask_first(number: int) -> str:
            """Do what needs approval."""
            self.done.append(number)
            await trio.sleep(0.5)
            return "done"

        async def slow() -> str:
            """Take time."""
            await trio.sleep(1)
            return "ok"

        return ask_first, slow

    def script(self) -> Script:
        steps: list[Step] = []
        for _ in range(self.dice.randrange(5)):
            self.number += 1
            steps += self.dice.choice(
                [
                    [say("word " * 4, pieces=4)],
                    [pause(0.5), usage(1, 2)],
                    [call("slow")],
                    [call("ask_first", number=self.number)],
                    [call("unknown")],
                ]
            )
        if self.dice.random() < 0.1:
            steps.append(truncate())
        return script(*steps)

    async def live(self) -> None:
        scripts = [self.script() for _ in range(30)]
        options = AgentOptions(limits=RunLimits(model_calls=4, queued_steers=2))
        async with scripted(
            *scripts, script("Fine.", repeat=True), tools=self.tools(), options=options
        ) as agent:
            async with trio.open_nursery() as nursery:
                for _ in range(HANDS):
                    nursery.start_soon(self.meddle, agent)
                nursery.start_soon(self.let_go_on, agent)
                for _ in range(RUNS):
                    await self.talk(agent)
                nursery.cancel_scope.cancel("all has been said")
            await self.assert_whole(agent)
            if self.is_calm:  # else the model may have forgotten what it was asked
                requests = await requests_of(agent)
                assert all(refusals(request.turns) == [] for request in requests)

    async def meddle(self, agent: AgentHandle) -> None:
        """Now and then do something to the run that goes on."""
        while True:
            await trio.sleep(self.dice.expovariate(1.5))
            try:
                await self.do_something(agent)
            except (RunNotOpen, LimitReached):
                continue  # there was none, or it has been told enough

    async def do_something(self, agent: AgentHandle) -> None:
        match self.dice.randrange(6):
            case 0 if self.run is not None:
                run, reason = self.run, f"reason {self.dice.random()}"
                if await run.interrupt(reason):
                    self.interrupted.setdefault(run.id, set()).add(reason)
            case 1:
                await agent.pause()
            case 2:
                await agent.unpause()
            case _:
                text = f"more {len(self.steered)} {self.dice.random()}"
                await agent.steer(text)
                self.steered.append(text)

    async def let_go_on(self, agent: AgentHandle) -> None:
        """A pause does not last."""
        while True:
            await trio.sleep(4)
            try:
                await agent.unpause()
            except RunNotOpen:
                continue

    async def talk(self, agent: AgentHandle) -> None:
        """Begin a run, or go on with the one before, and read all of it or a part."""
        await until_it_is_back(agent)
        self.run = run = await self.next_run(agent)
        before = len(of_run(await entries_of(agent), run))
        left = self.dice.choice([math.inf, math.inf, self.dice.randrange(12)])
        try:
            async with run:
                while left:
                    await anext(run)
                    left -= 1
                    await trio.sleep(self.dice.choice([0, 0, 0.3]))
        except (RuntimeFault, StopAsyncIteration):
            pass  # the run's own end, which is asked for below
        await until_it_is_back(agent)
        await self.assert_all_agree(agent, run, before)

    async def next_run(self, agent: AgentHandle) -> AgentRun:
        last = await agent.unfinished()
        if last is None or self.dice.random() < 0.3:
            return agent.stream("Go")
        approve: list[str] = []
        deny: dict[str, str] = {}
        for each in last.pending:
            choice = self.dice.randrange(3)
            if choice == 0:
                approve.append(each.id)
            elif choice == 1:
                deny[each.id] = "no"
        return agent.resume(last.id, approve=approve, deny=deny)

    async def assert_all_agree(self, agent: AgentHandle, run: AgentRun, before: int) -> None:
        entries = of_run(await entries_of(agent), run)
        leg = entries[before:]
        if not leg:  # interrupted while it waited, or left at once
            assert run.response.text == ""
            return
        ends = [entry for entry in leg if isinstance(entry, RunEnded)]
        report = await agent.ref.ask(Report(run.id))
        assert [end.outcome for end in ends] == [run.outcome] == [report.outcome]
        assert (run.pending != ()) or run.outcome is not Outcome.NEEDS_APPROVAL
        assert report.usage.total_tokens == run.response.usage.total_tokens
        if run.outcome is Outcome.DONE:
            assert said_in(leg).startswith(run.response.text)
        else:
            assert said_in(leg) == run.response.text
        assert_sendable(await agent.history())

    async def assert_whole(self, agent: AgentHandle) -> None:
        entries = await entries_of(agent)
        said = [entry.text for entry in entries if isinstance(entry, UserSaid)]
        assert set(self.steered) <= set(said)
        assert len(said) == len(set(said) - {"Go"}) + said.count("Go")
        assert len(set(self.done)) == len(self.done)
        assert len(self.done) <= sum(isinstance(entry, CallApproved) for entry in entries)
        self.assert_reasons(entries)
        assert legs(entries) == sum(isinstance(entry, RunEnded) for entry in entries)

    def assert_reasons(self, entries: tuple[Entry, ...]) -> None:
        """Of several that interrupt a run the first counts, its reader's leaving included."""
        for run, given in self.interrupted.items():
            mine = [entry for entry in entries if entry.run == run]
            reasons = {entry.reason for entry in mine if isinstance(entry, RunEnded)}
            assert not mine or reasons & {*given, "the reader has left"}


def legs(entries: tuple[Entry, ...]) -> int:
    """How often a run was begun, or gone on with after its end."""
    over: set[str] = set()
    count = 0
    for entry in entries:
        if isinstance(entry, RunStarted) or (isinstance(entry, RunResumed) and entry.run in over):
            count += 1
            over.discard(entry.run)
        if isinstance(entry, RunEnded):
            over.add(entry.run)
    return count


@pytest.mark.parametrize("faults", [Faults(), SLOW, CRASHING], ids=["none", "slow", "crashing"])
def test_whatever_hands_do_to_runs_all_agree_and_nothing_is_lost_or_done_twice(
    seeds: range, faults: Faults
) -> None:
    for seed in seeds[: max(30, len(seeds) // 50)]:
        simulate(seed, faults=faults).run(World(seed, is_calm=faults != CRASHING).live)
