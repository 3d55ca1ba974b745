"""Agents for asyncio programs: FastAPI, Django's async views, notebooks.

`async with open_agent(...) as agent`, then the verbs of `actors.open_agent`. The agent runs on
trio in a thread of its own, behind a `runtime.bridge`; a cancel crosses it in both directions.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, Self

from actors import agents
from actors._value import V_co
from actors.agents import AgentOptions
from runtime.bridge import AsyncioBridge, open_asyncio_bridge

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
    from types import TracebackType

    from actors.agents import AgentHandle, AgentRun, RunReport
    from actors.chat import Event, Outcome, StreamResponse, ToolCall, ToolResult, Turn
    from actors.providers import AnyModel, Capabilities, Model, Several
    from actors.tools import AnyTool
    from runtime import System

__all__ = ["AsyncioAgent", "AsyncioRun", "open_agent"]

DEFAULT_OPTIONS: Final = AgentOptions()


class AsyncioRun(Generic[V_co]):
    """One run: `async with agent.stream("...") as run: async for event in run: ...`.

    The loop ends after `Complete`, or raises what ended the run. Each event is asked for when
    the loop wants it. Leaving the block before the end, by `break`, an error or a cancel of the
    task, interrupts the run and goes on when nothing of it is running.
    """

    def __init__(self, bridge: AsyncioBridge, run: AgentRun[V_co]) -> None:
        self._run = run
        self._events = bridge.stream(lambda: run)

    async def __aenter__(self) -> Self:
        await self._events.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._events.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await anext(self._events)

    @property
    def id(self) -> str:
        """Of the run, as in the journal."""
        return self._run.id

    @property
    def response(self) -> StreamResponse[V_co | None]:
        """What was handed to the reader so far; readable at any time."""
        return self._run.response

    @property
    def tool_results(self) -> list[ToolResult]:
        """Those that the reader has seen, in their order."""
        return self._run.tool_results

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended, as the journal has it; None before."""
        return self._run.outcome

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """The calls that wait for approval, once the run has ended."""
        return self._run.pending

    @property
    def value(self) -> V_co | None:
        """What the answer was read as, where `AgentOptions(output=...)` asks for a class."""
        return self._run.value

    def __repr__(self) -> str:
        return f"<AsyncioRun over {self._run!r}>"


class AsyncioAgent(Generic[V_co]):
    """An agent that runs behind a bridge: what `actors.asyncio.open_agent` gives.

    It can be used by several tasks at once; its runs queue, as always.

    Attributes:
        bridge: The way to it.
        handle: The agent on the other side, for what has no verb here:
            `await agent.bridge.run(agent.handle.history)`.
    """

    def __init__(self, bridge: AsyncioBridge, handle: AgentHandle[V_co]) -> None:
        self.bridge = bridge
        self.handle = handle

    @property
    def model(self) -> Model | Several:
        """What it talks to, from the next model call on."""
        return self.handle.model

    @property
    def capabilities(self) -> Capabilities:
        """What its model can do, as far as it is known."""
        return self.handle.capabilities

    def stream(self, text: str) -> AsyncioRun[V_co]:
        """Begin a run; see `AsyncioRun`."""
        return AsyncioRun(self.bridge, self.handle.stream(text))

    async def run(self, text: str) -> StreamResponse[V_co]:
        """Run to the end, and return the final model call's response.

        Cancelled: the run is interrupted and has ended; what it said is in the history.

        Raises:
            RuntimeFault: What ended the run, as for `AgentHandle.stream`.
        """
        return await self.bridge.run(self.handle.run, text)

    def resume(
        self, run: str, *, approve: Iterable[str] = (), deny: Mapping[str, str] | None = None
    ) -> AsyncioRun[V_co]:
        """Go on with the latest run where it ended; see `AgentHandle.resume`."""
        return AsyncioRun(self.bridge, self.handle.resume(run, approve=approve, deny=deny))

    async def unfinished(self) -> RunReport | None:
        """How the latest run went, if it is not done; see `AgentHandle.unfinished`."""
        return await self.bridge.run(self.handle.unfinished)

    async def interrupt(self, reason: str = "interrupted", *, run: str | None = None) -> bool:
        """End a run, from any task; see `AgentHandle.interrupt`."""
        return await self.bridge.run(self.handle.interrupt, reason, run=run)

    async def steer(self, text: str, *, run: str | None = None) -> None:
        """Tell the model something before its next call; see `AgentHandle.steer`."""
        await self.bridge.run(self.handle.steer, text, run=run)

    async def pause(self, run: str | None = None) -> None:
        """Make no further model call in a run before `unpause`; see `AgentHandle.pause`."""
        await self.bridge.run(self.handle.pause, run)

    async def unpause(self, run: str | None = None) -> None:
        """Let a paused run go on; see `AgentHandle.unpause`."""
        await self.bridge.run(self.handle.unpause, run)

    async def use(self, model: AnyModel) -> None:
        """Talk to another model from the next model call on; see `AgentHandle.use`."""
        await self.bridge.run(self.handle.use, model)

    async def history(self) -> tuple[Turn, ...]:
        """The conversation so far, as the next request would send it."""
        return await self.bridge.run(self.handle.history)

    def __repr__(self) -> str:
        return f"<AsyncioAgent {self.handle.ref.path} on {self.model.name}>"


@asynccontextmanager
async def open_agent(
    model: AnyModel,
    *,
    tools: Iterable[AnyTool | Callable[..., Any]] = (),
    instructions: str | None = None,
    options: AgentOptions[V_co] = DEFAULT_OPTIONS,
    system: System | None = None,
    bridge: AsyncioBridge | None = None,
) -> AsyncGenerator[AsyncioAgent[V_co]]:
    """Start an agent as `actors.open_agent` does, for asyncio.

    Args:
        model: As there, and so are the next three.
        tools: A tool that is a plain function runs in a thread of trio's, as always; an async
            one runs on trio.
        instructions: What the model is told before everything else.
        options: Conversation id, limits, sampling.
        system: Where to start it, `bridge.open(open_system)`; a system of its own if None.
        bridge: The bridge to use, which may be shared by many agents; one of its own if None.

    Raises:
        RuntimeError: In a trio program, or where no loop of asyncio runs; it says what to write.
        RuntimeFault, TypeError, ValueError: As `actors.open_agent` does.
    """
    async with AsyncExitStack() as stack:
        if bridge is None:
            bridge = await stack.enter_async_context(open_asyncio_bridge())
        block = bridge.open(
            agents.open_agent,
            model,
            tools=tools,
            instructions=instructions,
            options=options,
            system=system,
        )
        yield AsyncioAgent(bridge, await stack.enter_async_context(block))
