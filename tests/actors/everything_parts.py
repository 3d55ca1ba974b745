"""What an agent with every feature at once is made of, drawn from a seed."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import trio
from agents_scripted import journal_of

from actors import AgentOptions
from actors.agents import (
    AgentRecipe,
    Guard,
    RunLimits,
    agent_tool,
    ask_agent,
    fan_out,
)
from actors.journal import RunStarted, UserSaid, read
from actors.providers import (
    Model,
    Script,
    call,
    pause,
    say,
    script,
    think,
    truncate,
    usage,
)
from actors.recall import Selective, Summary, Window
from actors.tools import progress, tool

if TYPE_CHECKING:
    from actors.agents import AgentHandle, AgentRun
    from actors.journal import Entry, Journal
    from actors.providers import Step
    from runtime import Ref

RUNS = 6
HANDS = 3
END = 3_000.0  # virtual seconds; a run waits at most some tens
T = TypeVar("T")
BAD = "bad"  # a word that the guards do not let pass


@attrs.frozen
class Sums:
    """What the agent may have to answer."""

    number: int


class Parts:
    """An agent with everything, somebody who reads its runs, and hands that do things to them.

    Args:
        seed: Everything follows from it.
        crashes: Whether actors are killed, too.
    """

    def __init__(self, seed: int, *, crashes: bool) -> None:
        self.crashes = crashes
        self.dice = random.Random(seed)  # noqa: S311 - no secret
        self.fate = random.Random(~seed)  # noqa: S311 - no secret
        self.journal: Ref[Journal] | None = None  # one that outlives the agent
        self.done: list[int] = []  # what the tool that needs approval did
        self.steered: list[str] = []
        self.passed: set[str] = set()  # by the guard of the input
        self.guarded = False
        self.run: AgentRun | None = None
        self.number = 0
        self.agent: AgentHandle | None = None
        self.violations: list[str] = []
        self.loses = False  # what was shown when the journal takes too long
        self.working = 0  # tools of ours that go on

    async def entries(self, agent: AgentHandle) -> tuple[Entry, ...]:
        """All that the journal has of the conversation."""
        return await read(self.journal or journal_of(agent), "main")

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    # What the agent is made of

    def tools(self, depth: int = 0) -> tuple[Any, ...]:  # noqa: C901 - a list
        @tool(approve=True)
        async def ask_first(number: int) -> str:
            """Do what needs approval."""
            self.done.append(number)
            await self.work(0.5)
            return "done"

        @tool(effect=True)
        async def effect() -> str:
            """Change the world."""
            if depth == 0:
                await self.look_passed()
            await self.work(0.2)
            return "changed"

        @tool(concurrency=1)
        async def slow() -> str:
            """Take time."""
            progress("at it")
            await self.work(1)
            progress("nearly there")
            return "ok"

        @tool(timeout=1)
        async def too_slow() -> None:
            """Take too long, and fail when told to stop."""
            try:
                await self.work(50)
            finally:
                raise KeyError("in the cleanup")

        async def nursery() -> None:
            """Have children that fail when they are cancelled."""
            async with trio.open_nursery() as nursery:
                nursery.start_soon(too_slow.function)
                nursery.start_soon(self.work, 2)

        async def many() -> list[str]:
            """Ask several."""
            jobs = [(self.recipe(f"one{number}", depth + 1), "Go") for number in range(3)]
            if self.chance(0.5):
                return [type(answer).__name__ for answer in await fan_out(jobs, at_once=2)]
            answers = await fan_out(jobs, at_once=2, on_error="keep")
            return [type(answer).__name__ for answer in answers]

        found: list[Any] = [ask_first, effect, slow, too_slow, nursery]
        if depth < 2:
            found += [agent_tool(self.recipe("helper", depth + 1)), many]
        return tuple(self.dice.sample(found, self.dice.randint(2, len(found))))

    async def work(self, seconds: float) -> None:
        self.working += 1
        try:
            await trio.sleep(seconds)
        finally:
            self.working -= 1

    def model(self, scripts: int = 12) -> Model:
        answers = tuple(self.script() for _ in range(scripts))
        return Model("scripted:other", script=(*answers, script("Fine.", repeat=True)))

    def recipe(self, name: str, depth: int, model: Model | None = None) -> AgentRecipe:
        limits = RunLimits(
            model_calls=self.dice.choice([2, 5]), tokens=self.dice.choice([None, None, 60])
        )
        options = AgentOptions(
            limits=limits,
            style=self.dice.choice(["tools", "tools", "react"]),
            output=self.dice.choice([None, None, Sums]),
        )
        if model is None and self.chance(0.5):
            model = self.model(4)
        return AgentRecipe(
            name,
            model,
            tools=self.tools(depth),
            description="Helps.",
            instructions="Help.",
            options=options,
        )

    def guards(self) -> tuple[Guard, ...]:  # noqa: C901 - a list
        async def looks(text: str) -> str | None:
            await self.work(self.dice.choice([0, 0.5, 2]))
            if BAD in text:
                return "it is bad"
            self.passed.add(text)
            return None

        async def reads(text: str) -> str | None:
            await trio.sleep(self.dice.choice([0, 0, 0.3]))
            return "no such words" if "forbidden" in text else None

        async def careless(_: str) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.clumsy)
                nursery.start_soon(trio.sleep, 0.3)

        found: list[Guard] = []
        if self.chance(0.4):
            self.guarded = True
            found.append(Guard(looks, on="input"))
        if self.chance(0.3):
            found.append(Guard(reads, on="output", every=self.dice.choice([None, 5])))
        if self.chance(0.15):
            judge = AgentRecipe("judge", Model("scripted:judge", script=self.verdicts()))
            found.append(Guard(ask_agent(judge), on=self.dice.choice(["input", "output"])))
        if self.chance(0.15):
            found.append(Guard(careless, on=self.dice.choice(["input", "output"])))
        return tuple(found)

    async def clumsy(self) -> None:
        try:
            await trio.sleep(0.2)
        except trio.Cancelled as cancelled:
            raise ValueError("in a guard's cleanup") from cancelled

    def verdicts(self) -> tuple[Script, ...]:
        text = json.dumps({"passes": True, "reason": ""})
        return (
            script(pause(0.3), say(text)),
            script(say("what?")),
            script(pause(0.1), say(text), repeat=True),
        )

    def options(self) -> AgentOptions:
        memories = [None, None, Window(turns=2), Window(tokens=60), Selective(turns=2)]
        memory: Any = self.dice.choice([*memories, Summary(turns=1, every=1)])
        chosen: dict[str, Any] = {} if memory is None else {"memory": memory}
        return AgentOptions(
            limits=RunLimits(
                model_calls=self.dice.choice([2, 4, 9]),
                queued_runs=self.dice.choice([0, 2]),
                queued_steers=2,
                tokens=self.dice.choice([None, None, 150, 400]),
                depth=self.dice.choice([1, 8, 8]),
                handoffs=self.dice.choice([0, 2]),
            ),
            style=self.dice.choice(["tools", "tools", "react"]),
            output=self.dice.choice([None, None, Sums]),
            guards=self.guards(),
            **chosen,
        )

    def script(self) -> Script:
        steps: list[Step] = []
        for _ in range(self.dice.randrange(5)):
            self.number += 1
            steps += self.dice.choice(
                [
                    [say("word " * 4, pieces=4)],
                    [think("hm " * 2, pieces=2)],
                    [pause(0.5), usage(1, 2)],
                    [call("slow")],
                    [call("slow"), call("slow")],
                    [call("ask_first", number=self.number)],
                    [call("effect")],
                    [call(self.dice.choice(["unknown", "too_slow", "nursery"]))],
                    [call("helper", task="Help me")],
                    [call("many"), call("slow")],
                    [call("transfer_to_other"), call("ask_first", number=self.number)],
                    [call(self.dice.choice(["transfer_to_other", "transfer_to_agent"]))],
                    [say('{"number": 5}', pieces=3)],
                    [say("Thought: so\nAction: slow\nAction Input: {}\n", pieces=5)],
                    [say(f'Action: ask_first\nAction Input: {{"number": {self.number}}}')],
                    [say("Thought: known\nFinal Answer: words, some\n", pieces=6)],
                ]
            )
        if self.chance(0.05):
            steps.append(say("forbidden words"))
        if self.chance(0.1):
            steps.append(truncate())
        return script(*steps)

    def has_passed(self, text: str) -> bool:
        return text in self.passed or text.startswith("That is not")  # which the agent has said

    async def look_passed(self) -> None:
        """No effect before what the user says has passed."""
        if not self.guarded or self.agent is None:
            return
        for entry in reversed(await self.entries(self.agent)):
            if isinstance(entry, UserSaid) and not self.has_passed(entry.text):
                self.violations.append(f"an effect before {entry.text!r} had passed")
            if isinstance(entry, RunStarted):
                return
