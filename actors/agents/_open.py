"""`open_agent`: a supervised agent for people in a hurry, and the handle that they hold."""

from __future__ import annotations

import contextlib
import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Self

import trio

from actors._value import V_co
from actors.chat import (
    Complete,
    Event,
    Outcome,
    Recalled,
    StreamChunk,
    StreamResponse,
    Thought,
    Token,
    ToolCall,
    ToolEnd,
    ToolResult,
    Turn,
)
from actors.errors import NeedsApproval, RunInterrupted
from actors.journal import MemoryJournal
from actors.providers import (
    AnyModel,
    Capabilities,
    Clock,
    Model,
    Several,
    StartedProvider,
    capabilities_of,
    looked_up,
)
from actors.recall import Full
from actors.tools import Toolbox
from runtime import (
    ActorCrashed,
    ActorStopped,
    Ref,
    RestartLimit,
    RestartPolicy,
    RuntimeFault,
    System,
    open_system,
)

from ._agent import Agent
from ._control import AgentControl, Resume, RunControl
from ._conversation import Conversation, History, Report, Run, Settle, UseModel, verdict
from ._group import BACKOFF, supervise_group
from ._heard import Heard, unheard
from ._keepsakes import Keepsakes
from ._options import DEFAULT_OPTIONS, AgentOptions, AgentSetup
from ._recipe import all_recipes
from ._switch import ModelSwitch

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
    from types import TracebackType

    from actors.journal import Journal
    from actors.tools import AnyTool
    from runtime import Supervisor

    from ._heard import Hear

NO_RESTART: Final = RestartLimit(restarts=0)
PATIENCE: Final = 2 * BACKOFF.longest  # seconds for an agent to come back and say how a run went
PAUSE: Final = 0.05  # seconds before it is asked again, when it has crashed meanwhile
REMEMBERING: Final = 5.0  # seconds for what is not in its memory yet; the next program has the rest


class AgentRun(RunControl, Generic[V_co]):
    """One run: `async with agent.stream("...") as run: async for event in run: ...`.

    The loop ends after `Complete`, or raises what ended the run. Leaving the block before that
    interrupts the run and returns when nothing of it is running.

    Attributes:
        id: Of the run, as in the journal.
        response: What was handed to the reader so far, over all model calls; readable at any
            time. Its usage is known when the block has been left, or with `Complete`.
        tool_results: Those that the reader has seen, in their order.
        recalled: What the latest model call was sent of the conversation, where not all of it.
        outcome: How the run ended, as the journal has it. None before; where the block could not
            be entered; and where nobody can say, since the agent has crashed and is gone, or not
            back within 10 seconds: `agent.unfinished()` says it when it is back.
        answered_by: The name of who has answered, with `Complete`; "" before.
        pending: The calls that wait for approval, once the run has ended.
    """

    def __init__(self, ref: Ref[Conversation], begun: str | Resume) -> None:
        message = begun if isinstance(begun, Resume) else Run(uuid.uuid4().hex, begun)
        super().__init__(ref, message.id)
        self.response: StreamResponse[V_co | None] = StreamResponse()
        self.tool_results: list[ToolResult] = []
        self.recalled: Recalled | None = None
        self.outcome: Outcome | None = None
        self.answered_by = ""
        self.pending: tuple[ToolCall, ...] = ()
        self._ref = ref
        self._message = message
        self._stream = ref.stream(message, buffer=0)
        self._next = self._stream.__anext__
        self._fault: RuntimeFault | None = None
        self._is_used = False

    def _begin(self) -> None:
        if self._is_used:
            raise RuntimeError("this run was used already: call `agent.stream(...)` again")
        self._is_used = True
        self.response.started_at = Clock().now()

    async def __aenter__(self) -> Self:
        self._begin()
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stream.__aexit__(kind, error, traceback)
        if self.outcome is None:
            await self._learn_the_end()

    async def complete(self, hear: Hear = unheard) -> StreamResponse[V_co]:
        """Run to the end, instead of entering the block and reading; see `AgentHandle.run`.

        Args:
            hear: Called with each event, in the context of whoever calls this and in the agent's
                task, so that an event costs no task switch: it must neither wait nor raise.
        """
        self._begin()
        heard = Heard(self._take_in, hear)
        is_back = False  # the message, which was not started
        try:
            await self._ref.stream_into(self._message, heard)
        except RuntimeFault as fault:
            is_back = fault.message is self._message
            self._note(fault)
            raise
        finally:
            if self.outcome is None and not is_back:
                await self._learn_the_end()
        assert heard.answer is not None
        return heard.answer

    def _note(self, fault: RuntimeFault) -> None:
        self._fault = fault
        if isinstance(fault, NeedsApproval | RunInterrupted):
            fault.partial = self.response

    async def _learn_the_end(self) -> None:
        """The agent says what the journal has, so that all say the same; nobody guesses."""
        with trio.move_on_after(PATIENCE, shield=True):  # it may be between two incarnations
            while True:
                try:
                    report = await self._ref.ask(Report(self.id))
                except RuntimeFault as fault:
                    if isinstance(fault, ActorStopped) and fault.path == self._ref.path:
                        self.outcome = self._without_word()
                        return
                    self._fault = self._fault or fault
                    await trio.sleep(PAUSE)  # what the journal has, its successor knows
                    continue
                self.outcome = report.outcome or verdict(self._fault)[0]
                self.response.usage = report.usage
                self.pending = report.pending
                return

    def _without_word(self) -> Outcome | None:
        """Of a run whose agent is gone for good; None where nobody can say.

        A run without an end counts as failed when its conversation is opened again, so a failure
        is one whether its end was written or not. What an agent cuts short, it writes.
        """
        fault = self._fault
        of_agent = isinstance(fault, ActorStopped | ActorCrashed) and fault.path == self._ref.path
        if of_agent and not isinstance(fault.__cause__, RuntimeFault):  # its journal's fault
            return Outcome.CANCELLED
        return Outcome.FAILED if verdict(fault)[0] is Outcome.FAILED else None

    @property
    def value(self) -> V_co | None:
        """What the answer was read as, where `AgentOptions(output=...)` asks for a class.

        None before `Complete`, and where no class was asked for.
        """
        return self.response.value

    def __repr__(self) -> str:
        return f"<AgentRun {self.id} {self.outcome or 'open'}, {self.response!r}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        try:
            event = await self._next()
        except RuntimeFault as fault:
            self._note(fault)
            raise
        self._take_in(event)
        return event

    def _take_in(self, event: Event) -> None:
        response = self.response
        match event:
            case Token(content, timestamp):
                response.add(StreamChunk(content, len(response.chunks), timestamp=timestamp))
            case Thought(content, timestamp):
                index = len(response.chunks)
                response.add(StreamChunk(index=index, timestamp=timestamp, thinking=content))
            case Recalled():
                self.recalled = event
            case ToolEnd(_, result):
                self.tool_results.append(result)
            case Complete(_, last):
                self.outcome = Outcome.DONE
                self.answered_by = event.by
                response.usage = last.usage
                response.finish_reason = last.finish_reason
                response.raw_finish_reason = last.raw_finish_reason
                response.is_complete = True
                response.value = last.value
            case _:
                pass


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
    setup = AgentSetup(instructions, Toolbox(tuple(tools)), options)
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


async def start_journal(
    group: Supervisor, journal: str | os.PathLike[str] | Ref[Journal] | None
) -> Ref[Journal]:
    if journal is None:
        return await group.spawn(MemoryJournal, name="journal")
    if isinstance(journal, Ref):
        return journal
    from actors.journal import SqliteJournal  # noqa: PLC0415 - sqlite3, where it is wanted

    return await group.spawn(SqliteJournal, _absolute(journal), name="journal")


def _absolute(path: str | os.PathLike[str]) -> Path:
    """So that it is the same file after a crash, wherever the program is by then."""
    return Path(path).absolute()


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
