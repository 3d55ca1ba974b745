"""The agent actor: carries out the turn machine's commands for one conversation.

One run at a time; the others queue. Everything that a reader may rely on is in the journal
before it is shown, and the end of a run is written whatever ended it, so that the history can
always be sent.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import attrs
import trio

from actors.chat import Event, Outcome, Request, SystemTurn, ToolCall, Turn, Usage
from actors.errors import LimitReached, StreamStalled, StreamTruncated
from actors.journal import Entry, append, closing, project, read
from actors.providers import Generate
from actors.tools import Late, Terms, execute
from runtime import Actor, Ask, Sink, Stream

from ._turn import (
    CallModel,
    Command,
    Emit,
    Exhausted,
    Record,
    RunTools,
    TurnMachine,
    shown_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.journal import Journal
    from actors.providers import ProviderApi
    from runtime import Ref

    from ._options import AgentSetup

KEPT_REPORTS: Final = 64

log = logging.getLogger("actors.agents")


def verdict(error: BaseException | None) -> tuple[Outcome, str]:
    """What an error, or leaving early without one, means for a run, and why in words."""
    if isinstance(error, BaseExceptionGroup):
        cancelled, _ = error.split(trio.Cancelled)
        error = cancelled or error
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
    match error:
        case None:
            return Outcome.CANCELLED, "the reader has left"
        case trio.Cancelled():
            return Outcome.CANCELLED, error.reason or "the run was cancelled"
        case StreamTruncated():
            return Outcome.TRUNCATED, str(error)
        case StreamStalled():
            return Outcome.STALLED, str(error)
        case LimitReached():
            return Outcome.LIMIT, str(error)
        case _:
            return Outcome.FAILED, f"{type(error).__name__}: {error}"


class Conversation:
    """The interface of an agent."""


@attrs.frozen
class Run(Stream[Conversation, Event]):
    """Answer the user. Leaving the stream interrupts the run; what was shown is kept."""

    id: str
    text: str


@attrs.frozen
class History(Ask[Conversation, tuple[Turn, ...]]):
    """What the next request would send, without the instructions."""


@attrs.frozen
class RunReport:
    """How a run went.

    Attributes:
        outcome: None while it runs or waits, or if it is not known.
        usage: Of all its model calls so far.
        reason: In words, where it did not end as done.
    """

    outcome: Outcome | None = None
    usage: Usage = Usage()  # noqa: RUF009 - frozen
    reason: str = ""


@attrs.frozen
class Report(Ask[Conversation, RunReport]):
    """How a run went; known for the latest runs."""

    id: str


class Agent(Actor, Conversation):
    """Holds one conversation, with the journal as its memory."""

    def __init__(
        self, provider: Ref[ProviderApi], journal: Ref[Journal], setup: AgentSetup
    ) -> None:
        self._provider = provider
        self._journal = journal
        self._setup = setup
        self._entries: list[Entry] = []
        self._one_at_a_time = trio.Lock()
        self._reports: dict[str, RunReport] = {}

    async def started(self) -> None:
        self._entries = list(await read(self._journal, self._setup.options.conversation))
        left_open = closing(self._entries, reason="the agent was restarted", timestamp=time.time())
        if left_open:
            await self.record(left_open)

    @History.handles(concurrent=True)
    async def history(self, message: History) -> tuple[Turn, ...]:
        del message
        return project(self._entries)

    @Report.handles(concurrent=True)
    async def report(self, message: Report) -> RunReport:
        return self._reports.get(message.id, RunReport())

    @Run.handles(concurrent=True)
    async def run(self, message: Run, out: Sink[Event]) -> None:
        waiting = self._one_at_a_time.statistics().tasks_waiting
        limits = self._setup.options.limits
        if self._one_at_a_time.locked() and waiting >= limits.queued_runs:
            raise LimitReached(
                f"{waiting} runs wait for this conversation already; wait for one to end",
                limit="queued_runs",
            )
        async with self._one_at_a_time:
            await _RunInProgress(self, message, out).carry_out()

    # What a run needs of its agent

    @property
    def setup(self) -> AgentSetup:
        return self._setup

    @property
    def provider(self) -> Ref[ProviderApi]:
        return self._provider

    def request(self) -> Request:
        """The history as it is now, valid for any provider."""
        instructions = self._setup.instructions
        first: tuple[Turn, ...] = () if instructions is None else (SystemTurn(instructions),)
        return Request(
            first + project(self._entries),
            self._setup.toolbox.specs,
            self._setup.options.settings,
        )

    async def record(self, entries: Sequence[Entry]) -> None:
        """Write to the journal; a cancel waits for it, at most `cleanup` seconds."""
        options = self._setup.options
        with trio.CancelScope(shield=True) as scope:
            scope.deadline = trio.current_time() + options.cleanup
            await append(self._journal, options.conversation, entries)
            self._entries.extend(entries)
        if scope.cancelled_caught:
            raise TimeoutError(f"the journal took longer than {options.cleanup} s")

    def note(self, run: str, report: RunReport) -> None:
        self._reports[run] = report
        while len(self._reports) > KEPT_REPORTS:
            del self._reports[next(iter(self._reports))]


class _RunInProgress:
    """One run, from the user's words to its one outcome."""

    def __init__(self, agent: Agent, message: Run, out: Sink[Event]) -> None:
        self._agent = agent
        self._message = message
        self._out = out
        limits = agent.setup.options.limits
        self._machine = TurnMachine(message.id, limits.model_calls)
        self._said: list[Event] = []  # of the present model call
        self._taken_before = 0  # events that the reader had taken when it began
        self._late: dict[str, str] = {}

    async def carry_out(self) -> None:
        ending: BaseException | None = None
        try:
            await self._obey(self._machine.begin(self._message.text, time.time()))
        except BaseException as error:
            ending = error
            raise
        finally:
            await self._end(*verdict(ending))

    async def _end(self, outcome: Outcome, reason: str) -> None:
        """Write the end, unless it is written."""
        shown = shown_text(self._said, self._out.taken - self._taken_before)
        machine = self._machine
        for command in machine.stopped(
            outcome, reason, shown=shown, late=self._late, now=time.time()
        ):
            assert isinstance(command, Record)
            await self._agent.record(command.entries)
        why = "" if machine.outcome is Outcome.DONE else reason
        self._agent.note(self._message.id, RunReport(machine.outcome, machine.usage, why))

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
                case Exhausted(limit):
                    raise LimitReached(
                        f"the run made {self._machine.calls} model calls and is not done: raise "
                        f"`RunLimits({limit}=...)` or give the model less to do",
                        limit=limit,
                    )

    async def _call_model(self) -> list[Command]:
        machine, out = self._machine, self._out
        self._said = said = []
        self._taken_before = out.taken
        async with self._agent.provider.stream(Generate(self._agent.request())) as stream:
            while chunks := await stream.take_many():
                events = machine.chunks(chunks)
                if events:
                    said += events
                    await out.send_many(events)
        return machine.model_ended(time.time())

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
        for command in self._machine.tool_ended(result, time.time()):
            match command:
                case Record(entries):
                    await self._agent.record(entries)
                case Emit(events):
                    await self._out.send_many(events)
                case _:
                    rest.append(command)

    def _note_late(self, late: Late) -> None:
        """A tool did not stop when it was told to: a fact, never sent to the model."""
        self._late[late.result.call_id] = late.result.content
        if late.running:
            log.warning("tool %s does not stop; its thread is abandoned", late.result.name)
