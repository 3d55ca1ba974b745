"""A world made to have an effect begin before a guard has let pass what the user said.

The guard is slow and the effects are fast; the user says more all the time, approves, and goes
on with what a crash, an interruption or a wait for approval has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import trio
from everything_parts import BAD
from everything_world import Everything

from actors.agents import Guard, RunLimits
from actors.journal import RunResumed, RunStarted, UserSaid
from actors.providers import call, pause, say, script
from actors.tools import tool

if TYPE_CHECKING:
    from actors import AgentOptions
    from actors.agents import AgentHandle, AgentRun
    from actors.providers import Script


class Guarded(Everything):
    """One guard of the input, and effects that look whether it has let pass what was said.

    Attributes:
        effects: How many effects have begun.
    """

    def __init__(self, seed: int, *, crashes: bool) -> None:
        super().__init__(seed, crashes=crashes)
        self.effects = 0
        self.guarded = True
        self._told: list[tuple[str, str]] = []  # the run and what it was told

    def guards(self) -> tuple[Guard, ...]:
        async def looks(text: str) -> str | None:
            await trio.sleep(self.dice.choice([0, 0.2, 1, 4]))
            if BAD in text:
                return "it is bad"
            self.passed.add(text)
            return None

        async def reads(_: str) -> None:
            await trio.sleep(self.dice.choice([0, 0.3]))

        found = [Guard(looks, on="input")]
        if self.chance(0.4):
            found.append(Guard(reads, on="output", every=self.dice.choice([None, 5])))
        return tuple(found)

    def options(self) -> AgentOptions:
        limits = RunLimits(model_calls=9, queued_runs=2, queued_steers=4, handoffs=3)
        return attrs.evolve(super().options(), limits=limits, style="tools", output=None)

    def tools(self, depth: int = 0) -> tuple[Any, ...]:
        @tool(approve=True)
        async def ask_first(number: int) -> str:
            """Do what needs approval."""
            self.done.append(number)
            await self._begin(depth)
            return "done"

        @tool(effect=True)  # one that waits for its place has been let go before
        async def effect() -> str:
            """Change the world."""
            await self._begin(depth)
            await trio.sleep(self.dice.choice([0, 0.3]))
            return "changed"

        @tool
        async def slow() -> str:
            """Take time."""
            await trio.sleep(self.dice.choice([0.1, 1]))
            return "ok"

        return ask_first, effect, slow

    async def _begin(self, depth: int) -> None:
        if depth or self.agent is None:
            return
        self.effects += 1
        told, passed = tuple(self._told), frozenset(self.passed)  # as they are when it begins
        entries = await self.entries(self.agent)
        begun = [each.run for each in entries if isinstance(each, RunStarted | RunResumed)]
        said = {e.text for e in entries if isinstance(e, UserSaid) and e.run == begun[-1]}
        if not self.crashes:  # else what was told may be lost, and is not said then
            said |= {text for run, text in told if run == begun[-1]}
        early = {text for text in said if not (text in passed or self.has_passed(text))}
        if early:
            self.violations.append(f"an effect before {early} had passed")

    def script(self) -> Script:
        steps: list[Any] = []
        for _ in range(self.dice.randrange(1, 4)):
            self.number += 1
            steps += self.dice.choice(
                [
                    [call("effect")],
                    [call("effect"), call("slow")],
                    [call("slow"), call("ask_first", number=self.number)],
                    [call("ask_first", number=self.number)],
                    [call("transfer_to_other")],
                    [call("transfer_to_agent"), call("effect")],
                    [say("word " * 3, pieces=3)],
                    [pause(0.3)],
                ]
            )
        return script(*steps)

    async def do_something(self, agent: AgentHandle) -> None:
        run = self.run
        if run is None:
            return
        match self.dice.randrange(12):
            case 0:
                await run.interrupt()
            case 1:
                await run.pause()
            case 2:
                await run.unpause()
            case 3 if self.crashes and self.chance(0.2):
                await self.kill(agent)
            case 4:
                await self.read_another(agent)
            case _:
                text = f"{BAD if self.chance(0.03) else 'more'} {self.dice.random()}"
                await run.steer(text)
                self._told.append((run.id, text))

    async def next_run(self, agent: AgentHandle) -> AgentRun:
        last = await self.surely(agent.unfinished)
        if last is None or last.outcome is None or self.chance(0.1):
            return agent.stream(f"{BAD if self.chance(0.1) else 'Go'} {self.dice.random()}")
        approve = [each.id for each in last.pending if self.chance(0.8)]
        return agent.resume(last.id, approve=approve)
