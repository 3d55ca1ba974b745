"""The reasoner actor: carries out what a strategy's machine commands.

Problems are thought about side by side, and so are the calls of one problem, as its strategy
wants it. One task feeds the machine and sends the events, so that a trace is never out of order
and a reader that does not read makes every call wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from actors.chat import Answer, Complete, Request, StreamChunk, StreamResponse, ToolProgress
from actors.errors import LimitReached, StreamTruncated
from actors.providers import Clock, Generate, ProviderApi
from actors.reasoning import (
    CallModel,
    CallStatus,
    CancelCalls,
    Emit,
    Exhausted,
    Finish,
    ReasoningEvent,
    RunTool,
    StrategyCommand,
)
from actors.tools import Held, Late, Terms, execute, hold
from runtime import Actor, Ref, Sink

from ._progress import ProgressShown
from ._reasoning import Reason, ReasonerSetup, Reasoning

if TYPE_CHECKING:
    from actors.chat import ToolCall
    from actors.reasoning import Machine
    from actors.tools import Progress

log = logging.getLogger("actors.agents")


class Reasoner(Actor, Reasoning):
    """Thinks about problems; it remembers none of them.

    Args:
        provider: Who answers.
        setup: The rest.
    """

    def __init__(self, provider: Ref[ProviderApi], setup: ReasonerSetup) -> None:
        self._provider = provider
        self._setup = setup
        self._limiter = trio.CapacityLimiter(setup.options.limits.at_once)
        self._held: Held | None = None

    async def started(self) -> None:
        self._held = await hold(self, self._setup.toolbox)

    def described(self) -> str:
        """How many model calls run, and how many wait for that."""
        now = self._limiter.statistics()
        return f"{now.borrowed_tokens} calls, {now.tasks_waiting} waiting"

    @Reason.handles(concurrent=True)
    async def reason(self, message: Reason, out: Sink[ReasoningEvent]) -> None:
        strategy = message.strategy or self._setup.strategy
        machine = strategy.machine(self._setup.task(message))
        means = _Means(self._setup, self._provider, self._limiter, self._held)
        await _Problem(machine, means).solve(out)


@attrs.frozen
class _Means:
    """What all problems of a reasoner share."""

    setup: ReasonerSetup
    provider: Ref[ProviderApi]
    limiter: trio.CapacityLimiter
    held: Held | None


@attrs.frozen
class _GiveUp:
    """A call has failed, and so does the run."""

    error: Exception


_Step = StrategyCommand | _GiveUp
_Input = Callable[[], Sequence[_Step]]  # tells the machine something, and gives its commands
_End = Finish | Exhausted | _GiveUp


class _Problem:
    """One problem on its way to an answer."""

    def __init__(self, machine: Machine, means: _Means) -> None:
        self._machine = machine
        self._means = means
        self._now = Clock().now
        self._scopes: dict[str, trio.CancelScope] = {}  # of the calls that were not cancelled
        self._inputs, self._heard = trio.open_memory_channel[_Input](0)

    async def solve(self, out: Sink[ReasoningEvent]) -> None:
        answer: str | None = None
        budget = self._means.setup.options.limits.budget()
        with self._inputs, self._heard, budget:
            answer = await self._think(out)
        if answer is None:  # the budget has cancelled its block
            raise budget.fault()
        now = self._now()
        await out.send_many([Answer(answer, now), Complete(answer, self._response(answer), now)])

    def _response(self, answer: str) -> StreamResponse:
        """The answer as of one model call, with the usage of all."""
        trace = self._machine.trace
        last = next(
            (call for call in reversed(trace.calls) if call.status is CallStatus.DONE), None
        )
        response = StreamResponse(trace.started_at)
        response.add(
            StreamChunk(
                answer,
                finish_reason=None if last is None else last.finish_reason,
                timestamp=self._now(),
                is_final=True,
                usage=trace.usage,
            )
        )
        return response

    async def _think(self, out: Sink[ReasoningEvent]) -> str:
        """Go on until there is an answer; nothing runs any longer then, nor after an error."""
        end: str | Exception = ""
        async with trio.open_nursery() as nursery:
            try:
                end = await self._carry_out(nursery, out)
            except Exception as error:  # noqa: BLE001 - raised below, alone and not in a group
                end = error
            nursery.cancel_scope.cancel("the strategy has come to its end")
        if isinstance(end, Exception):
            try:
                raise end
            finally:
                del end  # no cycle through the traceback
        return end

    async def _carry_out(self, nursery: trio.Nursery, out: Sink[ReasoningEvent]) -> str:
        commands: Sequence[_Step] = self._machine.begin(self._now())
        while True:
            events, end = self._start(commands, nursery)
            if events:
                await out.send_many(events)
            match end:
                case None:
                    commands = (await self._heard.receive())()
                case Finish(answer):
                    return answer
                case Exhausted(limit, text):
                    raise LimitReached(text, limit=limit)
                case _GiveUp(error):
                    raise error

    def _start(
        self, commands: Sequence[_Step], nursery: trio.Nursery
    ) -> tuple[list[ReasoningEvent], _End | None]:
        """Start and cancel what is commanded; what is left is to be sent, and perhaps the end."""
        events: list[ReasoningEvent] = []
        end: _End | None = None
        for command in commands:
            match command:
                case Emit(emitted):
                    events += emitted
                case CallModel():
                    scope = self._scopes[command.call] = trio.CancelScope()
                    nursery.start_soon(self._call_model, command, scope)
                case CancelCalls(calls):
                    for call in calls:
                        self._scopes[call].cancel("its branch was cut")
                case RunTool(call):
                    nursery.start_soon(self._run_tool, call, nursery)
                case _:
                    end = command
        return events, end

    async def _call_model(self, command: CallModel, scope: trio.CancelScope) -> None:
        try:
            with scope:
                async with self._means.limiter:
                    await self._ask(command)
        except Exception as error:  # noqa: BLE001 - the reader hears of it
            await self._inputs.send(partial(self._failed, command.call, error))

    async def _ask(self, command: CallModel) -> None:
        machine, call = self._machine, command.call
        request = Request(command.turns, settings=command.settings)
        response = StreamResponse(self._now())
        async with self._means.provider.stream(Generate(request)) as stream:
            while chunks := await stream.take_many():
                for chunk in chunks:
                    response.add(chunk)
                await self._inputs.send(partial(self._said, call, chunks))
        if not response.is_complete:  # whoever implements a provider
            raise StreamTruncated(
                "the provider's stream ended without its final chunk", partial=response
            )
        usage, reason = response.usage, response.finish_reason
        await self._inputs.send(lambda: machine.answered(call, usage, reason, self._now()))

    def _said(self, call: str, chunks: Sequence[StreamChunk]) -> Sequence[StrategyCommand]:
        commands: list[StrategyCommand] = []
        for chunk in chunks:
            if chunk.usage is not None:
                commands += self._machine.counted(call, chunk.usage, self._now())
            if chunk.content or chunk.thinking:
                commands += self._machine.said(call, chunk.content, chunk.thinking, self._now())
        return commands

    def _failed(self, call: str, error: Exception) -> Sequence[_Step]:
        if call not in self._machine.open_calls:  # it was cancelled: nobody waits for it
            return ()
        return [*self._machine.failed(call, self._now()), _GiveUp(error)]

    async def _run_tool(self, call: ToolCall, nursery: trio.Nursery) -> None:
        shown = ProgressShown(nursery, partial(self._show_progress, call))
        setup = self._means.setup
        terms = Terms(
            cleanup=setup.options.cleanup,
            late=_note_late,
            held=self._means.held,
            progress=shown.hear,
        )
        try:
            result = await execute(setup.toolbox, call, terms=terms)
        except Exception as error:  # noqa: BLE001 - the reader hears of it
            end = _GiveUp(error)
            await self._inputs.send(lambda: [end])
            return
        finally:
            last = shown.close()  # a thread may speak on
        await shown.sent()
        if last is not None:
            await self._show_progress(call, last)
        await self._inputs.send(lambda: self._machine.tool_ended(result, self._now()))

    async def _show_progress(self, call: ToolCall, said: Progress) -> None:
        shown = ToolProgress(said.content, call, said.fraction, self._now())
        await self._inputs.send(lambda: [Emit((shown,))])


def _note_late(late: Late) -> None:
    """A tool did not stop when it was told to."""
    if late.running:
        log.warning("tool %s does not stop; its thread is abandoned", late.result.name)
