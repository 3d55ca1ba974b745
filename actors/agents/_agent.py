"""The agent actor: carries out the turn machine's commands for one conversation.

One run at a time; the others queue. Everything that a reader may rely on is in the journal
before it is shown, and the end of a run is written whatever ended it, so that the history can
always be sent. The journal is the only truth: what the agent holds is a copy, and an agent
that cannot write crashes, so that its successor starts from what the journal has.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import attrs
import trio

from actors.chat import Event, Outcome, Request, SystemTurn, ToolCall, Turn
from actors.errors import ConfigurationError, LimitReached, StreamTruncated
from actors.journal import Entry, append, closing, project, read
from actors.output import asked_for, output_of
from actors.providers import Clock, Generate, capabilities_of
from actors.tools import Late, Terms, execute
from runtime import (
    Actor,
    ActorStopped,
    AskCycle,
    AskTimeout,
    ChildOptions,
    Ref,
    RestartPolicy,
    RuntimeFault,
    Sink,
    carried,
    carry,
)

from ._conversation import (
    Conversation,
    History,
    Report,
    Run,
    RunReport,
    UseModel,
    report_of,
    verdict,
)
from ._switch import ModelSwitch
from ._turn import (
    CallModel,
    Command,
    Emit,
    Exhausted,
    Record,
    Refuse,
    RunTools,
    TurnMachine,
    Wanted,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from actors.journal import Journal
    from actors.providers import ProviderApi

    from ._options import AgentSetup

log = logging.getLogger("actors.agents")


@attrs.frozen
class _Within:
    """Goes with all that a run of this agent sends, so that a run is found to wait for itself."""

    agent: Ref[Conversation]


class Agent(Actor, Conversation):
    """Holds one conversation, with the journal as its memory.

    Args:
        provider: Who answers, or the switch by which that can be changed.
        journal: Where the conversation is kept.
        setup: The rest.
    """

    # Who asks while it restarts gets the answer of the next incarnation.
    default_options = ChildOptions(restart=RestartPolicy.TRANSIENT, keep_mailbox=True)

    def __init__(
        self,
        provider: Ref[ProviderApi] | ModelSwitch,
        journal: Ref[Journal],
        setup: AgentSetup,
    ) -> None:
        self._provider = provider
        self._journal = journal
        self._setup = setup
        self._entries: list[Entry] = []
        self._runs: set[str] = set()
        self._one_at_a_time = trio.Lock()
        self._unwritten: RuntimeFault | None = None  # why the copy may differ from the journal

    async def started(self) -> None:
        self._stop_unused()
        try:
            self._entries = list(await read(self._journal, self._setup.options.conversation))
        except ActorStopped:  # for good: no further incarnation could do better
            self.stop()
            return
        self._runs = {entry.run for entry in self._entries}
        left_open = closing(
            self._entries, reason="the agent was restarted", timestamp=Clock().now()
        )
        if left_open:
            await self.record(left_open)

    @History.handles
    async def history(self, message: History) -> tuple[Turn, ...]:
        del message
        self._require_copy()
        return project(self._entries)

    @Report.handles
    async def report(self, message: Report) -> RunReport:
        self._require_copy()
        return report_of(self._entries, message.id)

    @UseModel.handles(concurrent=True)
    async def use_model(self, message: UseModel) -> None:
        if not isinstance(self._provider, ModelSwitch):
            raise ConfigurationError(
                "this agent was given a provider that somebody else started: give it a "
                "ModelSwitch, as open_agent does"
            )
        await self._provider.use(message.model)

    @Run.handles(concurrent=True)
    async def run(self, message: Run, out: Sink[Event]) -> None:
        within = _Within(self.ref)
        if within in carried():
            raise AskCycle((self.ref.path, self.ref.path), message=message)
        waiting = self._one_at_a_time.statistics().tasks_waiting
        limits = self._setup.options.limits
        if self._one_at_a_time.locked() and waiting >= limits.queued_runs:
            raise LimitReached(
                f"{waiting} runs wait for this conversation already; wait for one to end",
                limit="queued_runs",
            )
        async with self._one_at_a_time:
            if message.id in self._runs:
                raise ConfigurationError(
                    f"this conversation has a run {message.id!r} already: give each its own id"
                )
            self._runs.add(message.id)
            with carry(within):
                await _RunInProgress(self, message, out).carry_out()

    # What a run needs of its agent

    @property
    def setup(self) -> AgentSetup:
        return self._setup

    @contextlib.contextmanager
    def provider(self) -> Generator[Ref[ProviderApi]]:
        """Who answers one model call; it runs until the block is left."""
        if not isinstance(self._provider, ModelSwitch):
            yield self._provider
            return
        try:
            with self._provider.in_use() as provider:
                yield provider
        finally:
            self._stop_unused()

    def _stop_unused(self) -> None:
        """Stop providers that were replaced during a call, without waiting for their ends."""
        if isinstance(self._provider, ModelSwitch) and self._provider.has_unused:
            with contextlib.suppress(ActorStopped):  # then the next incarnation does it
                self.start_soon(self._provider.stop_unused)

    def request(self) -> Request:
        """The history as it is now, valid for any provider."""
        instructions = self._setup.instructions
        first: tuple[Turn, ...] = () if instructions is None else (SystemTurn(instructions),)
        request = Request(
            first + project(self._entries),
            self._setup.toolbox.specs,
            self._setup.options.settings,
        )
        output = self._setup.options.output
        if output is None:
            return request
        return asked_for(request, output_of(output).schema, held=self._is_held(request))

    def _is_held(self, request: Request) -> bool:
        """Whether the provider can hold the model to a schema, and still let it call tools."""
        if not isinstance(self._provider, ModelSwitch):
            return not request.tools  # nothing is known of its model
        can = capabilities_of(self._provider.model)
        return can.json_schema_with_tools is True if request.tools else can.json_schema is not False

    async def record(self, entries: Sequence[Entry]) -> None:
        """Write to the journal; a cancel waits for it, at most `cleanup` seconds.

        Raises:
            RuntimeFault: If it is not known to be written. The agent crashes then, and starts
                again from what the journal has; nothing more is written before.
        """
        self._require_copy()
        options = self._setup.options
        try:
            with trio.move_on_after(options.cleanup, shield=True) as scope:
                await append(self._journal, options.conversation, entries)
                self._entries.extend(entries)
            if scope.cancelled_caught:
                raise AskTimeout(
                    f"{self._journal.path} took longer than {options.cleanup} s to write",
                    path=self._journal.path,
                )
        except RuntimeFault as fault:
            self._unwritten = fault
            with contextlib.suppress(ActorStopped):  # then it is ending anyway
                self.start_soon(self._give_up)
            raise

    async def _give_up(self) -> None:
        """Crash, as an error that leaves a background task does; a fault in a run does not."""
        self._require_copy()

    def record_beside(self, entries: Sequence[Entry]) -> None:
        """Write to the journal without waiting for it; what cannot be written is logged."""
        try:
            self.start_soon(self.record, entries)
        except (RuntimeFault, RuntimeError) as ended:  # this incarnation, so that nobody can write
            log.warning("not in the journal, since its agent has ended (%s): %s", ended, entries)

    def _require_copy(self) -> None:
        if self._unwritten is not None:
            raise self._unwritten


class _RunInProgress:
    """One run, from the user's words to its one outcome."""

    def __init__(self, agent: Agent, message: Run, out: Sink[Event]) -> None:
        self._agent = agent
        self._message = message
        self._out = out
        self._now = Clock().now
        options = agent.setup.options
        output = None if options.output is None else output_of(options.output)
        wanted = None if output is None else Wanted(output, options.output_attempts)
        self._machine = TurnMachine(message.id, options.limits.model_calls, wanted)

    async def carry_out(self) -> None:
        try:
            await self._go()
        except BaseException as error:
            # A journal that fails now crashes the agent; the reader hears of what came first.
            with contextlib.suppress(RuntimeFault):
                await self._end(*verdict(error))
            raise

    async def _go(self) -> None:
        first = self._machine.begin(self._message.text, self._now())
        budget = self._agent.setup.options.limits.budget()
        if budget is None:
            await self._obey(first)
            return
        with budget:
            await self._obey(first)
        if budget.cancelled_caught:
            raise budget.fault()

    async def _end(self, outcome: Outcome, reason: str) -> None:
        """Write the end, unless it is written."""
        # A reader that was woken for an event takes it in trio's next step, which may come after
        # our own; with the one after that, `taken` is final.
        for _ in range(2):
            await trio.lowlevel.cancel_shielded_checkpoint()
        await self._obey(
            self._machine.stopped(outcome, reason, taken=self._out.taken, now=self._now())
        )

    async def _obey(self, commands: Sequence[Command]) -> None:
        """Carry out the commands, and those that follow from them, until there are none."""
        todo = list(commands)
        while todo:
            match todo.pop(0):
                case Record(entries):
                    await self._agent.record(entries)
                case Emit(events):
                    await self._out.send_many(events)
                case CallModel():
                    todo += await self._call_model()
                case RunTools(calls):
                    todo += await self._run_tools(calls)
                case Refuse(fault):
                    raise fault
                case Exhausted(limit):
                    raise LimitReached(
                        f"the run made {self._machine.calls} model calls and is not done: raise "
                        f"`RunLimits({limit}=...)` or give the model less to do",
                        limit=limit,
                    )

    async def _call_model(self) -> list[Command]:
        machine, out = self._machine, self._out
        with self._agent.provider() as provider:
            async with provider.stream(Generate(self._agent.request())) as stream:
                while chunks := await stream.take_many():
                    events = machine.chunks(chunks)
                    if events:
                        await out.send_many(events)
        if not machine.partial.is_complete:  # whoever implements a provider
            raise StreamTruncated(
                "the provider's stream ended without its final chunk", partial=machine.partial
            )
        return machine.model_ended(self._now())

    async def _run_tools(self, calls: Sequence[ToolCall]) -> list[Command]:
        rest: list[Command] = []
        async with trio.open_nursery() as nursery:
            for call in calls:
                nursery.start_soon(self._run_tool, call, rest)
        return rest

    async def _run_tool(self, call: ToolCall, rest: list[Command]) -> None:
        setup = self._agent.setup
        terms = Terms(cleanup=setup.options.cleanup, late=self._note_late)
        result = await execute(setup.toolbox, call, terms=terms)
        commands = self._machine.tool_ended(result, self._now())
        await self._obey([each for each in commands if isinstance(each, Record | Emit)])
        rest += [each for each in commands if not isinstance(each, Record | Emit)]

    def _note_late(self, late: Late) -> None:
        """A tool did not stop when it was told to, or has stopped since."""
        if late.running:
            log.warning("tool %s does not stop; its thread is abandoned", late.result.name)
        for command in self._machine.late(late.result, self._now()):
            assert isinstance(command, Record)
            self._agent.record_beside(command.entries)
