"""The actor that holds what the tools of one agent share: worker processes, and limits.

It stands below the agent in `system.tree()` and ends with it; then none of its processes is
alive. A tool that holds neither needs no actor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from actors.chat import ToolResult
from runtime import Actor, Ask, ChildOptions, Exit, Ref, RuntimeFault

from ._job import Job, check_importable
from ._processes import Processes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._tool import AnyTool


class ToolWorkers:
    """The interface of what runs tools in processes."""


@attrs.frozen
class Work(Ask[ToolWorkers, ToolResult]):
    """Run a job in a worker process.

    Cancelled: the process that ran it is dead.
    """

    job: Job


class CallLimits:
    """How many calls of each tool may run at a time, where its `concurrency` says.

    Args:
        tools: Those of one agent.
    """

    def __init__(self, tools: Iterable[AnyTool]) -> None:
        self._tools = tuple(tools)
        self._limiters = {  # by identity: two tools may have the same name
            id(tool): trio.CapacityLimiter(tool.concurrency)
            for tool in self._tools
            if tool.concurrency is not None
        }

    def of(self, tool: AnyTool) -> trio.CapacityLimiter | None:
        return self._limiters.get(id(tool))

    def __str__(self) -> str:
        return ", ".join(
            f"{tool.name} {limiter.borrowed_tokens}/{limiter.total_tokens}"
            for tool in self._tools
            if (limiter := self.of(tool)) is not None
        )


@attrs.frozen
class Held:
    """What the tools of one agent share, and the actor that holds it."""

    limits: CallLimits
    workers: Ref[ToolWorkers]

    async def run(self, job: Job) -> ToolResult:
        """Run a job in one of the worker processes; see `Work`."""
        try:
            return await self.workers.ask(Work(job))
        except RuntimeFault as fault:
            return job.report.failed(f"the tool could not run in a process: {fault}")


class Workers(Actor, ToolWorkers):
    """Holds the worker processes and limits of a toolbox; one for each agent that needs it.

    Raises:
        ConfigurationError: From its start, if a tool cannot run in a process.
    """

    default_options = ChildOptions(grace=0.0)

    def __init__(self, tools: Iterable[AnyTool], limits: CallLimits) -> None:
        self._tools = tuple(tools)
        self._limits = limits
        self._processes: Processes | None = None

    async def started(self) -> None:
        tools = [tool for tool in self._tools if tool.isolation == "process"]
        for tool in tools:
            check_importable(tool)
        if tools:
            self._processes = await Processes().__aenter__()

    async def stopped(self, exit: Exit) -> None:
        del exit
        if self._processes is not None:
            await self._processes.__aexit__(None, None, None)

    def described(self) -> str:
        words = [str(self._limits)]
        if self._processes is not None:
            words.append(f"{self._processes.busy} busy, {self._processes.idle} idle processes")
        return ", ".join(word for word in words if word)

    @Work.handles(concurrent=True)
    async def work(self, message: Work) -> ToolResult:
        assert self._processes is not None, "this toolbox has no tool that runs in a process"
        return await self._processes.run(message.job)


async def hold(actor: Actor, tools: Iterable[AnyTool]) -> Held | None:
    """Start `Workers` below an actor whose tools share something; None if they do not.

    Raises:
        ConfigurationError: If a tool cannot run in a process; the text says why.
    """
    tools = tuple(tools)
    if not any(tool.isolation == "process" or tool.concurrency for tool in tools):
        return None
    limits = CallLimits(tools)
    return Held(limits, await actor.spawn(Workers, tools, limits, name="workers"))
