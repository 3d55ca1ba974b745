"""Reasoners on models that answer by the request, in whatever order the calls come."""

from __future__ import annotations

import enum
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

import attrs
import trio

from actors.agents import Reasoner, ReasonerHandle, ReasonerSetup
from actors.chat import Request, StreamChunk, SystemTurn, UserTurn
from actors.providers import Generate, ProviderApi, ScriptedPause, play, say, script
from actors.reasoning import Machine, ReAct, StrategyCommand, Task, Transitions, TreeOfThoughts
from actors.tools import Toolbox
from runtime import Actor, Sink, open_system

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from actors.agents import ReasoningRun
    from actors.providers import Script
    from actors.reasoning import ReasoningEvent
    from runtime import System


@attrs.define
class Busy:
    """What a model was asked, and how many of its answers went on at a time."""

    requests: list[Request] = attrs.field(factory=list[Request])
    running: int = 0
    most: int = 0


class ByRequest(Actor, ProviderApi):
    """A model that chooses its script by the request, and may be asked for ever."""

    def __init__(self, choose: Callable[[Request], Script], busy: Busy) -> None:
        self._choose = choose
        self._busy = busy

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        busy = self._busy
        busy.requests.append(message.request)
        busy.running += 1
        busy.most = max(busy.most, busy.running)
        try:
            chosen = self._choose(message.request)
            for item in play(chosen, message.request, len(busy.requests)):
                if isinstance(item, ScriptedPause):
                    await trio.sleep(item.seconds)
                    continue
                assert isinstance(item, StreamChunk), "faults are for `Scripted`"
                await out.send(item)
        finally:
            busy.running -= 1


async def start(
    system: System, choose: Callable[[Request], Script], busy: Busy, setup: ReasonerSetup
) -> ReasonerHandle:
    provider = await system.spawn(ByRequest, choose, busy)
    reasoner = await system.spawn(Reasoner, provider, setup)
    return ReasonerHandle(reasoner, system, setup.strategy)


@asynccontextmanager
async def thinking(
    choose: Callable[[Request], Script], setup: ReasonerSetup, busy: Busy | None = None
) -> AsyncGenerator[ReasonerHandle]:
    async with open_system() as system:
        yield await start(system, choose, busy if busy is not None else Busy(), setup)


async def collect(run: ReasoningRun) -> list[ReasoningEvent]:
    return [event async for event in run]


def told(request: Request) -> str:
    (turn,) = (turn for turn in request.turns if isinstance(turn, SystemTurn))
    return turn.text


def asked(request: Request) -> str:
    turn = request.turns[-1]
    assert isinstance(turn, UserTurn)
    return turn.text


async def look_up(word: str) -> str:
    """Look a word up."""
    await trio.lowlevel.checkpoint()
    return f"{word} is an animal"


TREE = TreeOfThoughts(breadth=2, depth=2, beam=1)
ACTING = ReasonerSetup(ReAct(), toolbox=Toolbox((look_up,)))


def tree_model(request: Request) -> Script:
    """Grows two thoughts from each branch; the second is better, and solves it in the end."""
    if "You judge" in told(request):
        last = [line for line in asked(request).splitlines() if line[:1].isdigit()][-1]
        return script(say(f"Score: {8 if last.endswith('2') else 3}", pieces=2))
    number = asked(request).partition("You are person ")[2][:1]
    answer = "\nAnswer: forty" if "Thoughts so far" in asked(request) else ""
    return script(say(f"Thought: idea {number}{answer}", pieces=3))


def acting_model(request: Request) -> Script:
    if "Observation:" in asked(request):
        return script(say("Thought: I know.\nFinal Answer: a cat", pieces=4))
    return script(say('Thought: I look.\nAction: look_up\nAction Input: {"word": "cat"}', pieces=5))


@attrs.frozen
class Rival:
    """Asks twice; a call that says "no" is cut, and the other answers."""

    name: str = "rival"
    good_for: str = "tests"

    def machine(self, task: Task) -> RivalMachine:
        return RivalMachine(task)


class RivalPhase(enum.StrEnum):
    NEW = "new"
    ASKED = "asked"
    ENDED = "ended"


class RivalMachine(Machine):
    TRANSITIONS: ClassVar[Transitions] = {
        (RivalPhase.NEW, "begin"): {RivalPhase.ASKED},
        (RivalPhase.ASKED, "said"): {RivalPhase.ASKED},
        (RivalPhase.ASKED, "answered"): {RivalPhase.ENDED},
    }

    def __init__(self, task: Task) -> None:
        super().__init__(task, "rival", RivalPhase.NEW)

    def begun(self, now: float) -> list[StrategyCommand]:
        self.move("begin", RivalPhase.ASKED)
        turns = self.task.turns("Answer.")
        return [*self.ask("rival", turns, now), *self.ask("rival", turns, now)]

    def heard(self, call: str, text: str, thinking: str, now: float) -> list[StrategyCommand]:
        del thinking
        return self.cut((call,), now) if "no" in text else []

    def concluded(self, call: str, text: str, now: float) -> list[StrategyCommand]:
        del call
        return self.show_and_finish("answered", RivalPhase.ENDED, text, now)
