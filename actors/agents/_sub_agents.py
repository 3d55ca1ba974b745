"""Agents that work for others: as tools, several side by side, and as guards.

An agent that is made from a recipe lives for one call. It stands in the tree beside the one that
needs it, and has ended when the call has. Whoever cancels the call gets control back when
nothing below it is running, to any depth.
"""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Final, Literal, cast, overload

import attrs
import trio

from actors._value import V_co
from actors.chat import Event, Outcome, StreamResponse, Token, ToolStart
from actors.errors import ConfigurationError
from actors.journal import SubRunEnded
from actors.providers import StartedProvider
from actors.tools import AnyTool, progress, tool
from runtime import (
    ChildOptions,
    Ref,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
    RuntimeFault,
    System,
    open_system,
)

from ._agent import Agent
from ._agent_run import AgentRun
from ._control import Resume
from ._conversation import Conversation
from ._group import start_journal
from ._open import AgentHandle, open_agent
from ._place import PLACE, Asked, Continues, Place
from ._recipe import AgentRecipe
from ._switch import ModelSwitch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from runtime import Supervisor

    from ._place import Hosts

AnyAgent = AgentRecipe[V_co] | AgentHandle[V_co] | Ref[Agent] | Ref[Conversation]

SHOWN: Final = 200  # characters of what an agent below has said, the last ones
STEP: Final = 40  # characters from one report of its progress to the next
ONE_LIFE: Final = RestartLimit(restarts=0)
TEMPORARY: Final = ChildOptions(restart=RestartPolicy.TEMPORARY)


def agent_tool(
    agent: AnyAgent, *, name: str | None = None, description: str | None = None
) -> AnyTool:
    """Offer an agent as a tool: `tools=[agent_tool(researcher)]`. The model gives it a task.

    What it answers is the result, as JSON where its `output` is a class; what ends its run is an
    error that the model reads. What it says and calls meanwhile is told to the reader as
    `ToolProgress`. What it uses up counts for the run that called it, and for the
    budgets around that. A cancel of the call ends its run first. Where calls of its own tools need
    approval, so does the run that called it, which lists them and resumes them.

    Args:
        agent: A recipe, for an agent that is started for each call and knows nothing of the
            others; or one that runs, which remembers, and takes one call after the other.
        name: Of the tool; that of the recipe if None.
        description: What the model is told of it; that of the recipe if None.

    Raises:
        ConfigurationError: If there is no name or no description.
        ValueError: If the name cannot be that of a tool.
    """
    recipe = agent if isinstance(agent, AgentRecipe) else None
    title = name or (recipe.name if recipe is not None else None)
    told = description or (recipe.description if recipe is not None else None)
    if not title or not told:
        raise ConfigurationError(
            "a model has to know what it can ask: agent_tool(agent, name=..., description=...)"
        )
    effect = recipe is None or recipe.has_effect
    offered = tool(_Asking(agent, recipe), name=title, effect=effect)
    return attrs.evolve(offered, spec=attrs.evolve(offered.spec, description=told))


class _Asking(Continues):
    def __init__(self, agent: AnyAgent, recipe: AgentRecipe | None) -> None:
        self.recipe = recipe
        self._agent = agent

    async def __call__(
        self, task: Annotated[str, "What it shall do, with all that it needs to know."]
    ) -> object:
        """Ask an agent."""
        place = PLACE.get()
        asked = None if place is None else place.asked
        if asked is None or asked.function is not self:  # called by the code of another tool
            answer = await _ask(self._agent, task)
        else:
            answer = await _ask(self._agent, task, asked=asked)
        return answer.text if answer.value is None else answer.value


@attrs.frozen
class Verdict:
    """What an agent that guards has to answer.

    Attributes:
        passes: Whether the text may pass.
        reason: Why not.
    """

    passes: bool
    reason: str = ""


def ask_agent(agent: AnyAgent) -> Callable[[str], Awaitable[str | None]]:
    """A check for `Guard` that asks an agent, which judges the text by its instructions.

    `Guard(ask_agent(judge), on="input")`. Its answer is a `Verdict`: a recipe is made to give
    one, an agent that runs needs `AgentOptions(output=Verdict)`.
    """
    if isinstance(agent, AgentRecipe):
        agent = attrs.evolve(agent, options=attrs.evolve(agent.options, output=Verdict))
    asked = agent

    async def check(text: str) -> str | None:
        verdict = (await _ask(asked, text)).value
        if not isinstance(verdict, Verdict):
            raise TypeError(f"it answered {verdict!r}: give it AgentOptions(output=Verdict)")
        return None if verdict.passes else verdict.reason

    check.__name__ = asked.name if isinstance(asked, AgentRecipe) else "ask_agent"
    return check


Job = tuple[AnyAgent[V_co], str]


@overload
async def fan_out(
    jobs: Iterable[Job[V_co]],
    *,
    at_once: int = 8,
    on_error: Literal["raise"] = "raise",
    system: System | None = None,
) -> list[StreamResponse[V_co]]: ...
@overload
async def fan_out(
    jobs: Iterable[Job[V_co]],
    *,
    at_once: int = 8,
    on_error: Literal["keep"],
    system: System | None = None,
) -> list[StreamResponse[V_co] | RuntimeFault]: ...
async def fan_out(
    jobs: Iterable[Job[V_co]],
    *,
    at_once: int = 8,
    on_error: Literal["raise", "keep"] = "raise",
    system: System | None = None,
) -> list[StreamResponse[V_co]] | list[StreamResponse[V_co] | RuntimeFault]:
    """Ask several agents side by side, and wait for all.

    Inside of a tool, agents start below the agent whose run called it, and count for that run.

    Args:
        jobs: Pairs of an agent, as for `agent_tool`, and what to ask it:
            `(researcher, question) for question in questions`.
        at_once: How many run at the same time; the others wait for their turn.
        on_error: "raise": the first fault cancels the others, and is raised, bare, when all
            have ended. "keep": the fault of each stands in the place of its answer.
        system: Where recipes start outside of a run; a system of its own if None.

    Cancelled: all have ended, and what they said is in their journals.

    Returns:
        The answers in the order of the jobs.

    Raises:
        RuntimeFault: As `AgentHandle.run`, with "raise".
        ValueError: If `at_once` or `on_error` is out of range.
    """
    if at_once < 1:
        raise ValueError(f"at_once must be 1 or more agents, not {at_once}")
    if on_error not in {"raise", "keep"}:
        raise ValueError(f'on_error must be "raise" or "keep", not {on_error!r}')
    todo = [(_checked(agent), text) for agent, text in jobs]
    if system is None and PLACE.get() is None and any(isinstance(a, AgentRecipe) for a, _ in todo):
        async with open_system(limit=ONE_LIFE) as own:
            return await _FanOut(todo, on_error, own).run(at_once)
    return await _FanOut(todo, on_error, system).run(at_once)


class _FanOut:
    def __init__(
        self, jobs: list[Job], on_error: Literal["raise", "keep"], system: System | None
    ) -> None:
        self._jobs = jobs
        self._raises = on_error == "raise"
        self._system = system
        self._answers: dict[int, StreamResponse | RuntimeFault] = {}
        self._error: Exception | None = None

    async def run(self, at_once: int) -> list[StreamResponse]:
        todo = iter(enumerate(self._jobs))

        async def work() -> None:
            for number, (agent, text) in todo:
                await self._do(number, agent, text)
                if self._error is not None:
                    nursery.cancel_scope.cancel(f"another one failed: {self._error}")
                    return

        async with trio.open_nursery() as nursery:
            for _ in range(min(at_once, len(self._jobs))):
                nursery.start_soon(work)
        if self._error is not None:
            raise self._error
        return [
            # With "raise" there are no faults among them.
            cast("StreamResponse", self._answers[number])
            for number in range(len(self._jobs))
        ]

    async def _do(self, number: int, agent: AnyAgent, text: str) -> None:
        try:
            self._answers[number] = await _ask(agent, text, self._system)
        except RuntimeFault as fault:
            self._answers[number] = fault
            if self._raises and self._error is None:
                self._error = fault
        except Exception as error:  # noqa: BLE001 - raised again when the others have ended
            self._error = self._error or error


def _checked(agent: AnyAgent) -> AnyAgent:
    if not isinstance(agent, AgentRecipe | AgentHandle | Ref):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
        raise TypeError(f"{agent!r} is no agent: write (AgentRecipe(...), 'what to do')")
    return agent


async def _ask(
    agent: AnyAgent, text: str, system: System | None = None, asked: Asked | None = None
) -> StreamResponse:
    """Run an agent to the end, in the place where this is called.

    The call that has `asked` waits with it, and what was decided for that goes on.
    """
    place = PLACE.get()
    decided = None if asked is None else asked.decided
    begun: str | Resume = text
    if decided is not None:
        begun = Resume(decided.sub_run, decided.approve, decided.deny)
    if isinstance(agent, AgentRecipe):
        if place is not None and place.host.supervisor is not None:
            conversation = "" if decided is None else decided.conversation
            started = _started_below(agent, place, place.host.supervisor, conversation)
            async with started as (below, conversation):
                return await _Below(place, agent.name, conversation, asked).run(below, begun)
        if agent.model is None:
            raise ConfigurationError(
                f"the recipe {agent.name!r} has no model, and there is no agent here to share its "
                "provider: write AgentRecipe(name, model)"
            )
        async with open_agent(
            agent.model,
            tools=agent.tools,
            instructions=agent.instructions,
            options=agent.setup.options,
            system=system,
        ) as handle:
            return await _Below(place, agent.name).run(handle.ref, begun)
    ref = agent.ref if isinstance(agent, AgentHandle) else agent
    return await _Below(place, ref.path, asked=asked).run(ref, begun)


@attrs.frozen
class _Below:
    """Where an agent is asked, and how the run around that names it."""

    place: Place | None
    name: str
    conversation: str = ""
    asked: Asked | None = None

    async def run(self, ref: Ref[Conversation], begun: str | Resume) -> StreamResponse:
        run = AgentRun(ref, begun)
        try:
            return await run.complete(_Telling(self.name).hear)
        finally:
            if self.place is not None and run.outcome is not None:
                await self._note_end(self.place, run, run.outcome)

    async def _note_end(self, place: Place, run: AgentRun, outcome: Outcome) -> None:
        usage = run.response.usage
        ended = SubRunEnded("", self.name, run.id, self.conversation, outcome, usage)
        if self.asked is None or outcome is not Outcome.NEEDS_APPROVAL or not run.pending:
            await place.note_end(ended)
        else:
            await place.note_end(attrs.evolve(ended, call_id=self.asked.id), run.pending)


class _Telling:
    """Tells the reader of the run above how far this one has come, as a tool's progress."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tail = ""  # of what it has said
        self._untold = 0  # characters

    def hear(self, event: Event) -> None:
        if isinstance(event, ToolStart):
            progress(f"{self._name} calls {event.content}")
        elif isinstance(event, Token):
            self._tail = (self._tail + event.content)[-SHOWN:]
            self._untold += len(event.content)
            if self._untold >= STEP:
                self._untold = 0
                progress(self._tail)


@asynccontextmanager
async def _started_below(
    recipe: AgentRecipe, place: Place, supervisor: Supervisor, conversation: str
) -> AsyncGenerator[tuple[Ref[Agent], str]]:
    """Start an agent for one call, and end it with all that was started for it.

    It goes on with its conversation, or begins a new one if that is empty.
    """
    host = place.host
    setup = recipe.setup
    if not conversation:
        conversation = f"{recipe.name}/{uuid.uuid4().hex[:12]}"
        if setup.options.journal is None:
            conversation = f"{host.setup.options.conversation}/{conversation}"
    setup = attrs.evolve(setup, options=attrs.evolve(setup.options, conversation=conversation))
    await host.ready()
    group = await _supervise(recipe, host, supervisor)
    with host.provider() as provider:
        try:
            journal = host.journal
            if setup.options.journal is not None:
                journal = await start_journal(group, setup.options.journal)
            if recipe.model is None:
                started = StartedProvider(provider, host.model)
            else:
                started = await StartedProvider.start(group, recipe.model)
            switch = ModelSwitch(started, group)
            ref = await group.spawn(Agent, switch, journal, setup, name="agent", options=TEMPORARY)
            yield ref, conversation
        finally:
            with trio.CancelScope(shield=True):  # bounded by the cleanup of each
                await group.stop(now=True)


async def _supervise(recipe: AgentRecipe, host: Hosts, supervisor: Supervisor) -> Supervisor:
    while True:
        try:
            return await supervisor.supervise(
                host.name_below(recipe.name),
                strategy=RestartStrategy.REST_FOR_ONE,
                limit=ONE_LIFE,
                restart=RestartPolicy.TEMPORARY,
            )
        except ValueError:  # a provider, say, has the name: the next one
            continue
