"""One run of an agent, carried out: the turn machine decides, this acts."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Protocol

import attrs
import trio

from actors.chat import Outcome, ToolResult, ToolStatus
from actors.errors import LimitReached, NeedsApproval, RunInterrupted, StreamTruncated
from actors.output import output_of
from actors.providers import Clock, Generate
from actors.tools import Late, Refused, Terms, execute
from runtime import RuntimeFault, Sink

from ._commands import (
    AskApproval,
    CallModel,
    Command,
    Emit,
    Exhausted,
    Hold,
    Record,
    Refuse,
    RunTools,
    Wanted,
)
from ._conversation import Run, verdict
from ._guarding import Guarding
from ._phases import Phase
from ._place import Asked, Continues, Hosts, Place
from ._progress import ProgressShown
from ._roles import Handing, HandsOver
from ._turn import TurnMachine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.chat import (
        Event,
        Request,
        StreamChunk,
        StreamResponse,
        ToolCall,
        Turn,
        Usage,
    )
    from actors.journal import Entry
    from actors.react import Asking
    from actors.recall import Recollection
    from actors.tools import Held, Progress, Toolbox

    from ._calls import Decided, Resumption
    from ._control import Resume
    from ._roles import Role

log = logging.getLogger("actors.agents")


class RunsHere(Hosts, HandsOver, Protocol):
    """What a run needs of its agent; `Agent` says what each does."""

    @property
    def held(self) -> Held | None: ...
    async def recall(self, run: str) -> Recollection: ...
    def request(self, turns: tuple[Turn, ...]) -> Request: ...
    def counted(self, usage: Usage) -> None: ...
    async def make_way(self, message: Run | Resume) -> Resumption | None: ...
    def record_beside(self, entries: Sequence[Entry]) -> None: ...


class _Shown:
    """The sink of a model call: what its chunks mean to the reader goes to the reader."""

    def __init__(
        self,
        machine: TurnMachine,
        asking: Asking,
        out: Sink[Event],
        enough: Callable[[], None],
    ) -> None:
        self._machine = machine
        self._asking = asking
        self._out = out
        self._enough = enough  # stops the call

    async def send(self, item: StreamChunk) -> None:
        await self.send_many((item,))

    async def send_many(self, items: Sequence[StreamChunk]) -> None:
        if events := self._machine.chunks(self._asking.read(items)):
            await self._out.send_many(events)
        if self._asking.is_over and not items[-1].is_final:
            self._enough()

    @property
    def taken(self) -> int:
        """Of the run's events."""
        return self._out.taken


class RunInProgress:
    """One run, from the user's words, or from where it ended before, to its one outcome.

    Attributes:
        id: Its own.
        machine: Which decides.
        has_ended: Set when nothing of it is running.
    """

    def __init__(self, agent: RunsHere, message: Run | Resume, out: Sink[Event]) -> None:
        self.id = message.id
        self.has_ended = trio.Event()
        self._agent = agent
        self._message = message
        self._out = out
        self._now = Clock().now
        setup = agent.setup
        options = setup.options
        output = None if options.output is None else output_of(options.output)
        wanted = None if output is None else Wanted(output, options.output_attempts)
        self.machine = TurnMachine(
            message.id,
            options.limits.model_calls,
            wanted,
            self._needs_approval,
        )
        self._guarding = Guarding(options.guards, lambda: self.machine.partial)
        self._handing = Handing(agent, message.id)
        self._asked_by: Mapping[str, str] = {}  # who spoke, by the id of a call that waited
        self._decided: Mapping[str, Decided] = {}  # by the id of a call that goes on
        self._place = Place(
            agent, message.id, self.machine.run_below_ended, self._handing.hand_over
        )
        self._todo: list[Command] = []
        self._queueing = trio.CancelScope()
        self._going = trio.CancelScope()  # until the machine knows how it ended
        self._interrupted: str | None = None  # why
        self._unpaused = trio.Event()

    # From other tasks

    def interrupt(self, reason: str) -> bool:
        """End it, unless it has come to its end; the first reason counts."""
        if not self.machine.is_open:
            return False
        if self._interrupted is None:
            self._interrupted = reason
        for scope in (self._queueing, self._going):
            scope.cancel(reason=self._interrupted)
        return True

    @property
    def was_cut(self) -> bool:
        """Whether it ended as cancelled, or before it began."""
        return self._queueing.cancelled_caught or self.machine.outcome is Outcome.CANCELLED

    def unpause(self) -> None:
        self.machine.unpause()
        self._unpaused.set()

    def steer(self, text: str) -> None:
        """The user says more, which the guards look at, too."""
        self.machine.steer(text)
        self._guarding.check(text)

    # In its own task

    async def wait_for(self, turn: trio.Lock) -> None:
        """Wait until the runs before it have ended; it has the lock then.

        Raises:
            RunInterrupted: If somebody did that.
        """
        with self._queueing:
            await turn.acquire()
        if self._queueing.cancelled_caught:
            raise self._interruption()

    async def carry_out(self) -> None:
        resumption = await self._agent.make_way(self._message)
        try:
            await self._go(resumption)
        except BaseException as error:
            # A journal that fails now crashes the agent; the reader hears of what came first.
            with contextlib.suppress(RuntimeFault):
                await self._end(*verdict(error))
            raise

    async def _go(self, resumption: Resumption | None) -> None:
        budget = self._agent.setup.options.limits.budget()
        with self._place.entered(), budget or contextlib.nullcontext(), self._going:
            self._todo = self._first(resumption)
            await self._guarding.around(self._obey_all)
        # What ends the run is said outside, where only its reader's leaving can cut it short.
        if self.machine.phase is not Phase.ENDED:
            if budget is not None and budget.cancelled_caught:
                raise budget.fault()
            raise self._interruption()
        while self._todo:
            await self._obey(self._todo.pop(0))

    async def _obey_all(self) -> None:
        """Go on until the machine knows the end, and that is written."""
        while self._todo:
            if self.machine.phase is Phase.ENDED and not isinstance(self._todo[0], Record):
                return
            await self._obey(self._todo.pop(0))

    def _first(self, resumption: Resumption | None) -> list[Command]:
        if resumption is not None:
            self._asked_by, self._decided = resumption.asked_by, resumption.decided()
            for text in resumption.unsure:
                self._guarding.check(text)
            return self.machine.resume(resumption, self._now())
        assert isinstance(self._message, Run)
        self._guarding.check(self._message.text)
        return self.machine.begin(self._message.text, self._now())

    def _interruption(self) -> RunInterrupted:
        assert self._interrupted is not None
        return RunInterrupted(self._interrupted, partial=self.machine.partial)

    async def _end(self, outcome: Outcome, reason: str) -> None:
        """Write the end, unless it is written."""
        # A reader that was woken for an event takes it in trio's next step, which may come after
        # our own; with the one after that, `taken` is final.
        for _ in range(2):
            if self._out.taken < self.machine.emitted:
                await trio.lowlevel.cancel_shielded_checkpoint()
        now, taken = self._now(), self._out.taken
        marks = self._guarding.mark(self.id, now)
        for command in self.machine.stopped(outcome, reason, taken=taken, now=now, marks=marks):
            await self._obey(command)

    async def _obey(self, command: Command) -> None:
        """Carry out a command; what follows from it is to be done next."""
        match command:
            case Record(entries):
                await self._agent.record(entries)
            case Emit(events):
                await self._out.send_many(events)
            case CallModel():
                self._todo += await self._call_model()
            case RunTools(calls):
                await self._run_tools(calls)
            case Hold():
                self._todo += await self._hold()
            case AskApproval() | Refuse() | Exhausted():
                raise self._fault(command)

    def _fault(self, command: AskApproval | Refuse | Exhausted) -> RuntimeFault:
        match command:
            case AskApproval(calls):
                return NeedsApproval(self.id, calls, partial=self.machine.partial)
            case Refuse(fault):
                return fault
            case Exhausted(limit):
                return LimitReached(
                    f"the run made {self.machine.calls} model calls and is not done: raise "
                    f"`RunLimits({limit}=...)` or give the model less to do",
                    limit=limit,
                )

    async def _hold(self) -> list[Command]:
        while self.machine.pausing:
            self._unpaused = trio.Event()
            await self._unpaused.wait()
        return self.machine.released(self._now())

    async def _call_model(self) -> list[Command]:
        machine, guarding = self.machine, self._guarding
        role = self._agent.roster.acting
        machine.by = role.name
        await self._agent.make_ready(role)
        guarding.begin_answer()
        asking = await self._asked(role)
        with self._agent.provider() as provider, trio.CancelScope() as scope:
            request = Generate(asking.request)
            if guarding.is_watching:  # in this task, so that guards know where they are
                async with provider.stream(request) as stream:
                    while not asking.is_over and (taken := await stream.take_many()):
                        chunks = asking.read(taken)
                        events = machine.chunks(chunks)
                        await guarding.look(chunks)
                        await self._out.send_many(events)
            else:
                # The chunks become events in the provider's task: one task switch less for each.
                shown = _Shown(machine, asking, self._out, scope.cancel)
                await provider.stream_into(request, shown)
        if not machine.partial.is_complete:  # whoever implements a provider
            raise StreamTruncated(
                "the provider's stream ended without its final chunk", partial=machine.partial
            )
        self._agent.counted(machine.partial.usage)
        await guarding.before_end(machine.partial, effect=self._has_effect(machine.partial))
        return machine.model_ended(self._now())

    async def _asked(self, role: Role) -> Asking:
        """What is sent, and how it is read; the reader is told where it is not all there is."""
        recalled = await self._agent.recall(self.id)
        if recalled.event is not None:
            await self._obey(self.machine.told(recalled.event))
        return role.setup.options.style.asking(self._agent.request(recalled.turns))

    def _has_effect(self, answer: StreamResponse) -> bool:
        """Whether it calls for something that must not begin before the input has passed."""
        toolbox = self._agent.roster.acting.setup.toolbox
        return any(has_effect(toolbox, call) for call in answer.tool_calls)

    def _needs_approval(self, call: ToolCall) -> bool:
        return needs_approval(self._agent.roster.acting.setup.toolbox, call)

    async def _run_tools(self, calls: Sequence[ToolCall]) -> None:
        roster = self._agent.roster
        self._handing.begin_round()
        async with trio.open_nursery() as nursery:
            for call in calls:
                tools = roster.who_asked(call, self._asked_by).setup.toolbox
                shown = ProgressShown(nursery, partial(self._show_progress, call))
                nursery.start_soon(self._run_tool, tools, call, shown)

    async def _run_tool(self, toolbox: Toolbox, call: ToolCall, shown: ProgressShown) -> None:
        terms = Terms(
            cleanup=self._agent.setup.options.cleanup,
            late=self._note_late,
            held=self._agent.held,
            progress=shown.hear,
        )
        try:
            if has_effect(toolbox, call):  # the user may have said more since it was called
                await self._guarding.wait_passed()
            result = await self._execute(toolbox, call, terms)
        finally:
            last = shown.close()  # a thread may speak on
        if self.machine.asks_after(call.id):
            await self._wait_passed_with(result)
        commands = self.machine.tool_ended(result, self._now(), last)
        over = self.machine.phase is Phase.ENDED
        for command in commands:
            if isinstance(command, Record):
                await self._obey(command)
            elif isinstance(command, Emit) and not over:
                await shown.sent()
                await self._obey(command)
            else:
                self._todo.append(command)

    async def _execute(self, toolbox: Toolbox, call: ToolCall, terms: Terms) -> ToolResult:
        tool, decided = toolbox.get(call.name), self._decided.get(call.id)
        function = None if tool is None else tool.function
        if decided is not None and not isinstance(function, Continues):
            text = f"the agent that {call.name} had asked is not there any more"
            return ToolResult(call.id, call.name, text, ToolStatus.ERROR)
        with attrs.evolve(self._place, asked=Asked(call.id, function, decided)).entered():
            return await execute(toolbox, call, terms=terms)

    async def _wait_passed_with(self, result: ToolResult) -> None:
        """Before a run ends with words that a later one sends; a cancel leaves the result known."""
        try:
            await self._guarding.wait_passed()
        except trio.Cancelled:
            self.machine.late(result, self._now())
            raise

    async def _show_progress(self, call: ToolCall, progress: Progress) -> None:
        await self._obey(self.machine.progressed(call.id, progress, self._now()))

    def _note_late(self, late: Late) -> None:
        """A tool did not stop when it was told to, or has stopped since."""
        if late.running:
            log.warning("tool %s does not stop; its thread is abandoned", late.result.name)
        for command in self.machine.late(late.result, self._now()):
            assert isinstance(command, Record)
            self._agent.record_beside(command.entries)


def has_effect(toolbox: Toolbox, call: ToolCall) -> bool:
    """Whether a call must not begin before all that the user has said has passed."""
    tool = toolbox.get(call.name)
    return tool is not None and bool(tool.effect or tool.approve)


def needs_approval(toolbox: Toolbox, call: ToolCall) -> bool:
    """Whether somebody has to approve a call. What no tool takes is refused without asking."""
    tool = toolbox.get(call.name)
    if tool is None or tool.approve is False or call.arguments_error is not None:
        return False
    bound = tool.bind(call.arguments)
    if isinstance(bound, Refused) or isinstance(tool.approve, bool):
        return not isinstance(bound, Refused)
    try:
        return bool(tool.approve(bound.arguments))
    except Exception:  # the log hears of it; to ask is the safe side
        log.exception("the tool %s cannot say whether a call needs approval: it does", call.name)
        return True
