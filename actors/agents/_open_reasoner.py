"""`open_reasoner`: a supervised reasoner for people in a hurry, and the handle that they hold."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from actors.chat import (
    Complete,
    Outcome,
    StreamChunk,
    StreamResponse,
    Thought,
    Token,
    ToolEnd,
    ToolResult,
)
from actors.providers import AnyModel, Clock, looked_up, start_provider
from actors.reasoning import Noted, ReasoningEvent, ReasoningTrace, Strategy
from actors.tools import Toolbox
from runtime import RestartLimit, RestartPolicy, RuntimeFault, System, open_system

from ._conversation import verdict
from ._group import supervise_group
from ._reasoner import Reasoner
from ._reasoning import DEFAULT_STRATEGY, Reason, ReasonerOptions, ReasonerSetup

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from types import TracebackType

    from actors.tools import AnyTool
    from runtime import Ref

DEFAULT_OPTIONS: Final = ReasonerOptions()
NO_RESTART: Final = RestartLimit(restarts=0)


class ReasoningRun:
    """One problem: `async with reasoner.stream("...") as run: async for event in run: ...`.

    The events are `Thought` and `Token` as they are said, `ToolStart`, `ToolProgress`, `ToolEnd`,
    and `Noted` whenever the trace has something new: a step, its score, a call, a choice. Of
    branches side by side each thought comes whole. Then `Answer`, and `Complete`, which is the
    last, or the loop raises what ended the run. Leaving the block before that cancels all calls
    and tools, and returns when nothing of it is running.

    Attributes:
        trace: What was thought, as far as the reader has taken it; readable at any time and
            after any ending.
        response: The text and the thinking that the reader has taken.
        tool_results: Those that the reader has seen, in their order.
        outcome: How the run ended; None before, and where the block could not be entered.
    """

    def __init__(self, ref: Ref[Reasoner], message: Reason, strategy: Strategy) -> None:
        self.trace = ReasoningTrace(message.problem, strategy.name)
        self.response = StreamResponse()
        self.tool_results: list[ToolResult] = []
        self.outcome: Outcome | None = None
        self._stream = ref.stream(message, buffer=0)
        self._fault: RuntimeFault | None = None
        self._is_used = False

    async def __aenter__(self) -> Self:
        if self._is_used:
            raise RuntimeError("this run was used already: call `reasoner.stream(...)` again")
        self._is_used = True
        self.trace.started_at = self.response.started_at = Clock().now()
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._stream.__aexit__(kind, error, traceback)
        finally:
            if self.outcome is None:
                self.outcome, _ = verdict(self._fault)
            self.trace.close(Clock().now())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ReasoningEvent:
        try:
            event = await self._stream.__anext__()
        except RuntimeFault as fault:
            self._fault = fault
            raise
        self._take_in(event)
        return event

    def _take_in(self, event: ReasoningEvent) -> None:
        response = self.response
        match event:
            case Noted(note):
                self.trace.take(note)
            case Token(content, timestamp):
                response.add(StreamChunk(content, len(response.chunks), timestamp=timestamp))
            case Thought(content, timestamp):
                index = len(response.chunks)
                response.add(StreamChunk(index=index, timestamp=timestamp, thinking=content))
            case ToolEnd(_, result):
                self.tool_results.append(result)
            case Complete():
                self._take_end(event)
            case _:
                pass

    def _take_end(self, event: Complete) -> None:
        self.outcome = Outcome.DONE
        self.trace.answer = event.content
        self.trace.close(event.timestamp)
        self.response.usage = event.response.usage
        self.response.finish_reason = event.response.finish_reason
        self.response.is_complete = True

    def __repr__(self) -> str:
        trace = self.trace
        return (
            f"<ReasoningRun {trace.strategy} {self.outcome or 'open'}, "
            f"{len(trace.steps)} steps, {len(trace.calls)} calls>"
        )


class ReasonerHandle:
    """A reasoner that runs: what `open_reasoner` gives.

    Attributes:
        ref: The `Reasoner` actor.
        system: The system that it runs in.
        strategy: How it thinks where it is not told otherwise.
    """

    def __init__(self, ref: Ref[Reasoner], system: System, strategy: Strategy) -> None:
        self.ref = ref
        self.system = system
        self.strategy = strategy

    def stream(
        self, problem: str, *, context: str = "", strategy: Strategy | None = None
    ) -> ReasoningRun:
        """Think about a problem; see `ReasoningRun`. Several may go on side by side.

        The block raises what ends the run: `ProviderError`, `StreamTruncated`,
        `StreamStalled`, `BudgetSpent`, `LimitReached`, `ConfigurationError`, or what the
        actors' end means (`ActorCrashed`, ...).

        Args:
            problem: The question.
            context: What is known beside it.
            strategy: For this problem; the reasoner's own if None.
        """
        message = Reason(problem, strategy, context)
        return ReasoningRun(self.ref, message, strategy or self.strategy)

    async def run(
        self, problem: str, *, context: str = "", strategy: Strategy | None = None
    ) -> ReasoningTrace:
        """Think about a problem to the end; the arguments are those of `stream`.

        Cancelled: all of its calls and tools have ended.

        Returns:
            The trace: `.answer`, `.steps`, `.calls`, `.usage`, `.duration`.

        Raises:
            RuntimeFault: As for `stream`.
        """
        async with self.stream(problem, context=context, strategy=strategy) as run:
            async for _ in run:
                pass
        return run.trace

    def __repr__(self) -> str:
        return f"<ReasonerHandle {self.ref.path}, {self.strategy.name}>"


@asynccontextmanager
async def open_reasoner(
    model: AnyModel,
    *,
    strategy: Strategy = DEFAULT_STRATEGY,
    tools: Iterable[AnyTool | Callable[..., Any]] = (),
    instructions: str | None = None,
    options: ReasonerOptions = DEFAULT_OPTIONS,
    system: System | None = None,
) -> AsyncGenerator[ReasonerHandle]:
    """Start a reasoner with its provider, supervised; all has ended afterwards.

    Args:
        model: `"provider:model"`, a `Model`, or several in one: `Fallback(...)`, `Race(...)`.
        strategy: How to think: `ChainOfThought()`, `TreeOfThoughts(...)`, `SelfConsistency(...)`,
            `ReAct(...)`, `Select(...)`, or one of your own.
        tools: Tools or plain functions, for the strategies that act.
        instructions: What the model is told before everything else.
        options: Limits, sampling.
        system: Where to start it; a system of its own if None.

    Raises:
        ConfigurationError: If the model cannot be used as it is named, the strategy needs tools
            and there are none, or a tool needs approval or cannot run in its process.
        TypeError, ValueError: If a function cannot be a tool, or the instructions no text.
        SystemFailed: If it crashed too often, in a system of its own. In the one given, its
            runs end with `ActorStopped` then.
    """
    looked_up(model)
    setup = ReasonerSetup(strategy, instructions, Toolbox(tools), options)
    async with AsyncExitStack() as stack:
        restart = RestartPolicy.TEMPORARY  # a group that gave up does not trouble its neighbours
        if system is None:
            system = await stack.enter_async_context(open_system(limit=NO_RESTART))
            restart = RestartPolicy.PERMANENT  # to be refused: `SystemFailed` says why
        group = await supervise_group(system, "reasoner", restart)
        try:
            provider = await start_provider(group, model)
            reasoner = await group.spawn(Reasoner, provider, setup, name="reasoner")
            yield ReasonerHandle(reasoner, system, strategy)
        except BaseException:
            await group.stop(now=True)
            raise
        else:
            await group.stop()
