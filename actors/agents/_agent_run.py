"""A run of an agent, as whoever reads it holds it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final, Generic, Self

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
)
from actors.errors import NeedsApproval, RunInterrupted
from actors.providers import Clock
from runtime import ActorCrashed, ActorStopped, Ref, RuntimeFault

from ._control import Resume, RunControl
from ._conversation import Conversation, Report, Run, verdict
from ._group import BACKOFF
from ._heard import Heard, unheard

if TYPE_CHECKING:
    from types import TracebackType

    from ._heard import Hear

PATIENCE: Final = 2 * BACKOFF.longest  # seconds for an agent to come back and say how a run went
PAUSE: Final = 0.05  # seconds before it is asked again, when it has crashed meanwhile


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
        is one whether its end was written or not. What an agent cuts short when it is stopped, it
        writes as cancelled; unless its journal takes too long, or the run has just ended.
        """
        fault = self._fault
        if isinstance(fault, ActorStopped | ActorCrashed) and fault.path == self._ref.path:
            # What crashed may have written any end, and not have told it.
            return Outcome.CANCELLED if isinstance(fault, ActorStopped) else None
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
