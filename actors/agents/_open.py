"""`open_agent`: a supervised agent for people in a hurry, and the handle that they hold."""

from __future__ import annotations

import contextlib
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Generic

import trio

from actors._value import V_co
from actors.providers import (
    AnyModel,
    Capabilities,
    Model,
    Several,
    StartedProvider,
    capabilities_of,
    looked_up,
)
from actors.recall import Full
from actors.tools import Toolbox
from runtime import Ref, RestartLimit, RestartPolicy, RuntimeFault, System, open_system

from ._agent import Agent
from ._agent_run import AgentRun
from ._control import AgentControl, Resume
from ._conversation import History, Settle, UseModel
from ._group import start_journal, supervise_group
from ._keepsakes import Keepsakes
from ._options import DEFAULT_OPTIONS, AgentOptions, AgentSetup
from ._recipe import all_recipes
from ._switch import ModelSwitch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

    from actors.chat import StreamResponse, Turn
    from actors.tools import AnyTool
    from runtime import Supervisor

NO_RESTART: Final = RestartLimit(restarts=0)
REMEMBERING: Final = 5.0  # seconds for what is not in its memory yet; the next program has the rest


class AgentHandle(AgentControl, Keepsakes, Generic[V_co]):
    """An agent that runs: what `open_agent` gives; `AgentHandle[Weather]` where it has an output.

    Attributes:
        ref: The `Agent` actor.
        system: The system that it runs in.
    """

    def __init__(
        self, ref: Ref[Agent], system: System, model: Model | Several | ModelSwitch
    ) -> None:
        super().__init__(ref)
        self.ref = ref
        self.system = system
        self._model = model

    @property
    def model(self) -> Model | Several:
        """What it talks to, from the next model call on."""
        return self._model.model if isinstance(self._model, ModelSwitch) else self._model

    @property
    def capabilities(self) -> Capabilities:
        """What its model can do, as far as it is known."""
        return capabilities_of(self.model)

    def stream(self, text: str) -> AgentRun[V_co]:
        """Begin a run; see `AgentRun`.

        The block raises what ends the run: `ProviderError`, `StreamTruncated`,
        `StreamStalled`, `LimitReached`, `OutputInvalid`, `RunInterrupted` by somebody else,
        `NeedsApproval`, or what the actors' end means (`ActorCrashed`, ...).
        """
        return AgentRun(self.ref, text)

    def resume(
        self, run: str, *, approve: Iterable[str] = (), deny: Mapping[str, str] | None = None
    ) -> AgentRun[V_co]:
        """Go on with the latest run where it ended, without a word of the user's; see `Resume`.

        Also after a restart of the program; `unfinished` says what there is to go on with.

        Args:
            run: Its id: `run.id`, or that of `NeedsApproval` and of a `RunReport`.
            approve: Ids of calls that wait for approval, and may run.
            deny: Ids of those that may not, each with a reason for the model.

        Raises:
            ConfigurationError: If a call is approved and denied. The block raises it if no such
                call waits, and `RunNotOpen` if the run cannot go on.
        """
        return AgentRun(self.ref, Resume(run, approve, deny or {}))

    async def run(self, text: str) -> StreamResponse[V_co]:
        """Run to the end.

        Cancelled: the run is interrupted and has ended; what it said is in the history.

        Returns:
            The final model call's response (`.text`, and `.value` where `AgentOptions(output=...)`
            asks for a class), with the usage of the whole run.

        Raises:
            RuntimeFault: As for `stream`.
        """
        return await self.stream(text).complete()

    async def use(self, model: AnyModel) -> None:
        """Talk to another model from the next model call on; the conversation stays.

        `await agent.use("openai:gpt-4o")`, also while a run goes on. The provider before it is
        stopped once no call uses it.

        If this fails or is cancelled, the agent keeps the model that it has.

        Raises:
            ConfigurationError: The model cannot be used (`UnknownModel`, `MissingKey`, ...).
            RuntimeFault: It does not start, or what the actors' end means.
        """
        await self.ref.ask(UseModel(model))

    async def history(self) -> tuple[Turn, ...]:
        """The whole conversation so far, as turns; see `AgentOptions(memory=...)`."""
        return await self.ref.ask(History())

    def __repr__(self) -> str:
        return f"<AgentHandle {self.ref.path} on {self.model.name}>"


@asynccontextmanager
async def open_agent(
    model: AnyModel,
    *,
    tools: Iterable[AnyTool | Callable[..., Any]] = (),
    instructions: str | None = None,
    options: AgentOptions[V_co] = DEFAULT_OPTIONS,
    system: System | None = None,
) -> AsyncGenerator[AgentHandle[V_co]]:
    """Start an agent with its provider and its journal, supervised; all has ended afterwards.

    Args:
        model: `"provider:model"`, a `Model`, or several in one: `Fallback(...)`, `Race(...)`.
        tools: Tools or plain functions.
        instructions: What the model is told before everything else.
        options: Conversation id, limits, sampling, the class of its answers.
        system: Where to start it; a system of its own if None.

    Raises:
        ConfigurationError: If the model cannot be used as it is named, or the journal's file.
        JournalDamaged: If the conversation in it cannot be read.
        TypeError, ValueError: If a function cannot be a tool, or the instructions no text.
        SystemFailed: If it crashed too often, in a system of its own. In the one given, its
            runs end with `ActorStopped` then.
    """
    looked_up(model)
    setup = AgentSetup(instructions, Toolbox(tools), options)
    for recipe in all_recipes(setup.toolbox):
        if recipe.model is not None:
            looked_up(recipe.model)
    async with AsyncExitStack() as stack:
        restart = RestartPolicy.TEMPORARY  # a group that gave up does not trouble its neighbours
        if system is None:
            system = await stack.enter_async_context(open_system(limit=NO_RESTART))
            restart = RestartPolicy.PERMANENT  # to be refused: `SystemFailed` says why
        group = await supervise_group(system, "agent", restart)
        agent: Ref[Agent] | None = None
        try:
            journal = await start_journal(group, options.journal)
            switch = ModelSwitch(await StartedProvider.start(group, model), group)
            agent = await group.spawn(Agent, switch, journal, setup, name="agent")
            yield AgentHandle(agent, system, switch)
            await _settled(agent, options)
        except BaseException:
            await _end(group, agent, now=True)
            raise
        else:
            await _end(group, agent)


async def _settled(agent: Ref[Agent], options: AgentOptions) -> None:
    if not isinstance(options.memory, Full):
        with trio.move_on_after(REMEMBERING), contextlib.suppress(RuntimeFault):
            await agent.ask(Settle())


async def _end(group: Supervisor, agent: Ref[Agent] | None, *, now: bool = False) -> None:
    """End the agent first: a provider that it has changed to was started after it."""
    try:
        if agent is not None:
            await (agent.kill() if now else agent.stop())
    finally:
        await group.stop(now=now)
