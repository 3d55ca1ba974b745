"""One run of an agent, carried out: the turn machine decides, this acts."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from actors.errors import LimitReached, StreamTruncated
from actors.output import output_of
from actors.providers import Clock, Generate
from actors.tools import Late, Terms, execute
from runtime import RuntimeFault, Sink

from ._conversation import Run, verdict
from ._guarding import Guarding
from ._place import Hosts, Place
from ._progress import ProgressShown
from ._roles import Handing, HandsOver
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
    from collections.abc import Callable, Sequence

    from actors.chat import Event, Outcome, Request, StreamChunk, StreamResponse, ToolCall
    from actors.journal import Entry
    from actors.tools import Held, Progress, Toolbox

log = logging.getLogger("actors.agents")


class RunsHere(Hosts, HandsOver, Protocol):
    """What a run needs of its agent; `Agent` says what each does."""

    @property
    def held(self) -> Held | None: ...
    def request(self) -> Request: ...
    def record_beside(self, entries: Sequence[Entry]) -> None: ...


class _Shown:
    """The sink of a model call: what its chunks mean to the reader goes to the reader."""

    def __init__(
        self, read: Callable[[Sequence[StreamChunk]], list[Event]], out: Sink[Event]
    ) -> None:
        self._read = read
        self._out = out

    async def send(self, item: StreamChunk) -> None:
        await self.send_many((item,))

    async def send_many(self, items: Sequence[StreamChunk]) -> None:
        if events := self._read(items):
            await self._out.send_many(events)

    @property
    def taken(self) -> int:
        """Of the run's events."""
        return self._out.taken


class RunInProgress:
    """One run, from the user's words to its one outcome."""

    def __init__(self, agent: RunsHere, message: Run, out: Sink[Event]) -> None:
        self._agent = agent
        self._message = message
        self._out = out
        self._now = Clock().now
        options = agent.setup.options
        output = None if options.output is None else output_of(options.output)
        wanted = None if output is None else Wanted(output, options.output_attempts)
        self._machine = TurnMachine(message.id, options.limits.model_calls, wanted)
        self._guarding = Guarding(options.guards, lambda: self._machine.partial)
        self._handing = Handing(agent, message.id)

    async def carry_out(self) -> None:
        try:
            await self._go()
        except BaseException as error:
            # A journal that fails now crashes the agent; the reader hears of what came first.
            with contextlib.suppress(RuntimeFault):
                await self._end(*verdict(error))
            raise

    async def _go(self) -> None:
        text = self._message.text
        first = self._machine.begin(text, self._now())
        budget = self._agent.setup.options.limits.budget()
        place = Place(
            self._agent,
            self._message.id,
            count=self._machine.used_below,
            hand_over=self._handing.hand_over,
        )
        with place.entered():
            if budget is None:
                await self._guarding.around(text, lambda: self._obey(first))
                return
            with budget:
                await self._guarding.around(text, lambda: self._obey(first))
        if budget.cancelled_caught:
            raise budget.fault()

    async def _end(self, outcome: Outcome, reason: str) -> None:
        """Write the end, unless it is written."""
        # A reader that was woken for an event takes it in trio's next step, which may come after
        # our own; with the one after that, `taken` is final.
        for _ in range(2):
            await trio.lowlevel.cancel_shielded_checkpoint()
        now, taken = self._now(), self._out.taken
        marks = self._guarding.mark(self._message.id, now)
        await self._obey(self._machine.stopped(outcome, reason, taken=taken, now=now, marks=marks))

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
        machine, guarding = self._machine, self._guarding
        role = self._agent.roster.acting
        machine.by = role.name
        await self._agent.make_ready(role)
        guarding.begin_answer()
        with self._agent.provider() as provider:
            request = Generate(self._agent.request())
            if guarding.is_watching:  # in this task, so that guards know where they are
                async with provider.stream(request) as stream:
                    while chunks := await stream.take_many():
                        events = machine.chunks(chunks)
                        await guarding.look(chunks)
                        await self._out.send_many(events)
            else:
                # The chunks become events in the provider's task: one task switch less for each.
                await provider.stream_into(request, _Shown(machine.chunks, self._out))
        if not machine.partial.is_complete:  # whoever implements a provider
            raise StreamTruncated(
                "the provider's stream ended without its final chunk", partial=machine.partial
            )
        await guarding.before_end(machine.partial, effect=self._has_effect(machine.partial))
        return machine.model_ended(self._now())

    def _has_effect(self, answer: StreamResponse) -> bool:
        toolbox = self._agent.roster.acting.setup.toolbox
        tools = [toolbox.get(call.name) for call in answer.tool_calls]
        return any(tool is not None and tool.effect for tool in tools)

    async def _run_tools(self, calls: Sequence[ToolCall]) -> list[Command]:
        rest: list[Command] = []
        toolbox = self._agent.roster.acting.setup.toolbox
        self._handing.begin_round()
        async with trio.open_nursery() as nursery:
            for call in calls:
                shown = ProgressShown(nursery, partial(self._show_progress, call))
                nursery.start_soon(self._run_tool, toolbox, call, shown, rest)
        return rest

    async def _run_tool(
        self, toolbox: Toolbox, call: ToolCall, shown: ProgressShown, rest: list[Command]
    ) -> None:
        terms = Terms(
            cleanup=self._agent.setup.options.cleanup,
            late=self._note_late,
            held=self._agent.held,
            progress=shown.hear,
        )
        try:
            result = await execute(toolbox, call, terms=terms)
        finally:
            last = shown.close()  # a thread may speak on
        commands = self._machine.tool_ended(result, self._now(), last)
        await self._obey([each for each in commands if isinstance(each, Record)])
        await shown.sent()
        await self._obey([each for each in commands if isinstance(each, Emit)])
        rest += [each for each in commands if not isinstance(each, Record | Emit)]

    async def _show_progress(self, call: ToolCall, progress: Progress) -> None:
        await self._obey([self._machine.progressed(call.id, progress, self._now())])

    def _note_late(self, late: Late) -> None:
        """A tool did not stop when it was told to, or has stopped since."""
        if late.running:
            log.warning("tool %s does not stop; its thread is abandoned", late.result.name)
        for command in self._machine.late(late.result, self._now()):
            assert isinstance(command, Record)
            self._agent.record_beside(command.entries)
