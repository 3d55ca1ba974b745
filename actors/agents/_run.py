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
from runtime import Ref, RuntimeFault, Sink

from ._conversation import Run, verdict
from ._progress import ProgressShown
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
    from contextlib import AbstractContextManager

    from actors.chat import Event, Outcome, Request, StreamChunk, ToolCall, Turn, Usage
    from actors.journal import Entry
    from actors.providers import ProviderApi
    from actors.react import Asking
    from actors.recall import Recollection
    from actors.tools import Held, Progress

    from ._options import AgentSetup

log = logging.getLogger("actors.agents")


class RunsHere(Protocol):
    """What a run needs of its agent; `Agent` says what each does."""

    @property
    def setup(self) -> AgentSetup: ...
    @property
    def held(self) -> Held | None: ...
    def provider(self) -> AbstractContextManager[Ref[ProviderApi]]: ...
    async def recall(self, run: str) -> Recollection: ...
    def request(self, turns: tuple[Turn, ...]) -> Request: ...
    def counted(self, usage: Usage) -> None: ...
    async def record(self, entries: Sequence[Entry]) -> None: ...
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
        machine = self._machine
        recalled = await self._agent.recall(self._message.id)
        if recalled.event is not None:
            await self._obey([machine.told(recalled.event)])
        request = self._agent.request(recalled.turns)
        asking = self._agent.setup.options.style.asking(request)
        with self._agent.provider() as provider, trio.CancelScope() as scope:
            # The chunks become events in the provider's task: one task switch less for each.
            shown = _Shown(machine, asking, self._out, scope.cancel)
            await provider.stream_into(Generate(asking.request), shown)
        if not machine.partial.is_complete:  # whoever implements a provider
            raise StreamTruncated(
                "the provider's stream ended without its final chunk", partial=machine.partial
            )
        self._agent.counted(machine.partial.usage)
        return machine.model_ended(self._now())

    async def _run_tools(self, calls: Sequence[ToolCall]) -> list[Command]:
        rest: list[Command] = []
        async with trio.open_nursery() as nursery:
            for call in calls:
                shown = ProgressShown(nursery, partial(self._show_progress, call))
                nursery.start_soon(self._run_tool, call, shown, rest)
        return rest

    async def _run_tool(self, call: ToolCall, shown: ProgressShown, rest: list[Command]) -> None:
        setup = self._agent.setup
        terms = Terms(
            cleanup=setup.options.cleanup,
            late=self._note_late,
            held=self._agent.held,
            progress=shown.hear,
        )
        try:
            result = await execute(setup.toolbox, call, terms=terms)
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
