"""Runs one tool call and gives its result, whatever the tool does.

A result is never made from a cancel: when the caller is cancelled, `execute` raises
`trio.Cancelled`, at the latest `cleanup` seconds later. What a tool did after that, or still
does in a thread that would not stop, is reported as `Late`. A process is killed.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

import attrs
import trio

from actors.chat import ToolCall, ToolResult, ToolStatus

from ._attempt import Report, is_ours
from ._job import Job, check_importable
from ._pipe import heard
from ._processes import Processes
from ._progress import Listener, heard_by
from ._results import leaves
from ._schema import Refused
from ._tool import AnyTool, BoundCall
from ._workers import Held

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ._tool import Toolbox

CLEANUP: Final = 5.0
THREADS: Final = 40  # as trio has
_LIMITER: Final = trio.lowlevel.RunVar[trio.CapacityLimiter]("threads of tools")


@attrs.frozen
class Late:
    """What is known of a tool whose call had been cancelled or had timed out.

    Attributes:
        result: For the record; it says what happened. `unknown` for a thread.
        running: True while the thread is still at it: abandoned. A second report, with False,
            follows when it ends, if the event loop lives that long.
    """

    result: ToolResult
    running: bool = False


def ignore(late: Late) -> None:
    """Take no notice of what tools do after a cancel."""


@attrs.frozen
class Terms:
    """The terms on which tools run.

    Attributes:
        cleanup: Seconds that a thread gets to stop after a cancel; see `execute`.
        limiter: How many threads at a time; None for 40 over all tools of a trio run, beside the 40
            of trio itself. An abandoned thread keeps its place until it ends.
        late: Hears, in the trio thread, of what happens after a cancel or a timeout. Must not
            raise. An abandoned thread is reported before the cancel goes on.
        held: Worker processes, and how many calls of a tool run at a time; see `hold`. If None,
            each call in a process has a process of its own, and nothing limits the calls.
        progress: Hears what the tool says with `progress`, in whatever thread that says it. Must
            neither wait nor raise.

    Raises:
        ValueError: If `cleanup` is negative or endless.
    """

    cleanup: float = CLEANUP
    limiter: trio.CapacityLimiter | None = None
    late: Callable[[Late], None] = ignore
    held: Held | None = None
    progress: Listener | None = None

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.cleanup < math.inf:  # also refuses NaN
            raise ValueError(f"cleanup must be 0 or more seconds, not {self.cleanup}")

    def place(self, tool: AnyTool) -> trio.CapacityLimiter | None:
        """What a call of the tool has to wait for."""
        return None if self.held is None else self.held.limits.of(tool)


DEFAULT_TERMS: Final = Terms()


async def execute(tools: Toolbox, call: ToolCall, *, terms: Terms = DEFAULT_TERMS) -> ToolResult:
    """Run a call and say how it went.

    An unknown tool, bad arguments, an error in the tool, a result that is no JSON and the tool's
    timeout are results with status `error`, whose text tells the model what to do better. The
    tool's own cancel scopes and its own `TimeoutError` are its own affair.

    A sync tool runs in a thread and can stop early: `trio.from_thread.check_cancelled()` raises
    there once the call is cancelled. Whatever needs the event loop should be an async tool:
    what a thread starts with `trio.from_thread.run` is not cancelled with it.

    A tool in a process is found there by its name and gets its arguments by pickle; a process
    that dies is an error of its call alone.

    Cancellation: an async tool is cancelled and awaited. A process has been killed. A thread is
    awaited for at most `terms.cleanup` seconds, shielded, then abandoned and reported. Then
    `trio.Cancelled` goes on, alone: errors that a tool raises while it is being cancelled are
    reported as `Late`.

    Raises:
        ConfigurationError: If a tool cannot run in a process; the text says why.
    """
    tool = tools.get(call.name)
    report = Report.of(call, tool)
    if tool is None:
        offered = ", ".join(tools.names) or "none"
        return report.failed(f"there is no tool {call.name!r}. The tools are: {offered}")
    bound = tool.bind(call.arguments) if call.arguments_error is None else None
    if bound is None:
        return report.failed(f"{call.arguments_error}. Send the call again")
    if isinstance(bound, Refused):
        return report.failed(bound.text)
    with heard_by(terms.progress):
        return await _RUNS[tool.isolation](_Running(tool, bound, report, terms))


@attrs.frozen
class _Running:
    """One call that can run."""

    tool: AnyTool
    bound: BoundCall
    report: Report
    terms: Terms

    def limit(self) -> trio.CancelScope:
        """The tool's timeout, from now on."""
        return trio.move_on_after(math.inf if self.tool.timeout is None else self.tool.timeout)

    def place(self) -> AbstractAsyncContextManager[object]:
        """One of the places for calls of this tool, waited for."""
        return self.terms.place(self.tool) or contextlib.nullcontext()

    def too_slow(self, end: str) -> ToolResult:
        return self.report.failed(
            f"the tool took longer than its timeout of {self.tool.timeout} s; {end}"
        )


async def _run_inline(running: _Running) -> ToolResult:
    if not running.tool.is_async:
        return running.report.attempt(running.bound)
    result: ToolResult | None = None
    end = f"it was never started, since {running.tool.concurrency} of its calls were running"
    with running.limit():
        async with running.place():
            end = "it was stopped"
            result = await _attempt_async(running)
    if result is not None and trio.current_effective_deadline() == -math.inf:
        # The call was cancelled, whatever the tool made of that in its cleanup.
        running.terms.late(_ended_late(result))
        await trio.lowlevel.checkpoint_if_cancelled()
    return result or running.too_slow(end)


async def _attempt_async(running: _Running) -> ToolResult:
    try:
        value = await cast("Awaitable[object]", running.bound())
    except BaseException as error:
        errors = leaves(error)
        cancels = [each for each in errors if isinstance(each, trio.Cancelled)]
        others = [each for each in errors if not is_ours(each)]
        if len(cancels) + len(others) < len(errors):
            raise  # KeyboardInterrupt and the like
        if not cancels:
            return running.report.raised(error)  # the model hears of it
        if others:
            running.terms.late(_ended_late(running.report.raised(BaseExceptionGroup("", others))))
        raise cancels[0] from None
    return running.report.returned(value)


async def _run_in_process(running: _Running) -> ToolResult:
    report, held = running.report, running.terms.held
    try:
        job = Job.of(running.tool, running.bound, report)
    except Exception as error:  # noqa: BLE001 (the model hears of it; pickle raises anything)
        why = report.raised(error).content
        return report.failed(f"the arguments cannot be sent to the tool's process: {why}")
    with running.limit():
        async with running.place():
            if held is None:
                return await _run_alone(running, job)
            return await heard(job, running.terms.progress, held.run)
    return running.too_slow("no process of it is left")


async def _run_alone(running: _Running, job: Job) -> ToolResult:
    check_importable(running.tool)
    async with Processes() as processes:
        return await heard(job, running.terms.progress, processes.run)


def _ended_late(result: ToolResult) -> Late:
    return Late(attrs.evolve(result, status=ToolStatus.UNKNOWN))


async def _run_in_thread(running: _Running) -> ToolResult:
    return await _Thread(running).run()


def _threads() -> trio.CapacityLimiter:
    """Not trio's own: a program whose tools do not stop could look up no host, nor open a file."""
    try:
        return _LIMITER.get()
    except LookupError:
        limiter = trio.CapacityLimiter(THREADS)
        _LIMITER.set(limiter)
        return limiter


class _Thread:
    """One call of a sync tool in a thread, and the wait for the thread's end."""

    def __init__(self, running: _Running) -> None:
        self._running = running
        self._terms = running.terms
        # An abandoned thread keeps its place among the tool's calls, too.
        self._limiter = running.terms.place(running.tool) or running.terms.limiter or _threads()
        self._token = trio.lowlevel.current_trio_token()
        self._ended = trio.Event()
        self._abandoned = False
        self._result: ToolResult | None = None
        # Whoever takes it first, the thread or the cancel, decides whether the tool runs at all.
        self._start = threading.Lock()

    async def run(self) -> ToolResult:
        end = ""
        with self._running.limit():
            try:
                await trio.to_thread.run_sync(
                    self._work, abandon_on_cancel=True, limiter=self._limiter
                )
            except trio.Cancelled:
                end = await self._end()
                raise
        if not end and self._result is not None:
            return self._result
        return self._running.too_slow(end)

    def _work(self) -> None:
        """In the thread. The result goes by attribute: trio drops that of an abandoned thread."""
        if not self._start.acquire(blocking=False):
            return
        try:
            self._result = self._running.report.attempt(self._running.bound)
        except SystemExit as error:  # signals are handled elsewhere: the tool itself has said it
            self._result = self._running.report.raised(error)
        finally:
            with contextlib.suppress(trio.RunFinishedError):  # then nobody is left to be told
                self._token.run_sync_soon(self._note_end)

    def _note_end(self) -> None:
        self._ended.set()
        if self._abandoned:
            self._terms.late(Late(self._running.report.unknown(self._finding())))

    async def _end(self) -> str:
        """After a cancel: wait for the thread, report what it does, and put it in words."""
        if self._start.acquire(blocking=False):
            return "it was never started, since all threads were busy"
        with trio.move_on_after(self._terms.cleanup, shield=True):
            await self._ended.wait()
        if not self._ended.is_set():
            self._abandoned = True
            end = "it did not stop and may still be running"
            self._terms.late(Late(self._running.report.unknown(end), running=True))
        elif self._result is not None:
            end = "it did not stop, and ended late"  # what it found is for the record alone
            self._terms.late(Late(self._running.report.unknown(self._finding())))
        else:
            end = "it was stopped"
        return end

    def _finding(self) -> str:
        if self._result is None:
            return "it was stopped late"
        ending = "ended" if self._result.status is ToolStatus.OK else "failed"
        return f"it {ending} late: {self._result.content}"


_RUNS: Final = {"inline": _run_inline, "thread": _run_in_thread, "process": _run_in_process}
