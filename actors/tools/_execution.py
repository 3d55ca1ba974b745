"""Runs one tool call and gives its result, whatever the tool does.

A result is never made from a cancel: when the caller is cancelled, `execute` raises
`trio.Cancelled`, at the latest `cleanup` seconds later. What a tool did after that, or still
does in a thread that would not stop, is reported as `Late`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

import attrs
import trio

from actors.chat import ToolCall, ToolResult, ToolStatus

from ._options import MAX_RESULT
from ._results import bounded, error_text, leaves, result_text
from ._schema import Refused

if TYPE_CHECKING:
    from ._tool import AnyTool, BoundCall, Toolbox

CLEANUP: Final = 5.0


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
        limiter: How many threads at a time; None for trio's default of 40 in all. An abandoned
            thread keeps its place until it ends.
        late: Hears, in the trio thread, of what happens after a cancel or a timeout. Must not
            raise. An abandoned thread is reported before the cancel goes on.

    Raises:
        ValueError: If `cleanup` is negative or endless.
    """

    cleanup: float = CLEANUP
    limiter: trio.CapacityLimiter | None = None
    late: Callable[[Late], None] = ignore

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.cleanup < math.inf:  # also refuses NaN
            raise ValueError(f"cleanup must be 0 or more seconds, not {self.cleanup}")


DEFAULT_TERMS: Final = Terms()


async def execute(tools: Toolbox, call: ToolCall, *, terms: Terms = DEFAULT_TERMS) -> ToolResult:
    """Run a call and say how it went.

    An unknown tool, bad arguments, an error in the tool, a result that is no JSON and the tool's
    timeout are results with status `error`, whose text tells the model what to do better. The
    tool's own cancel scopes and its own `TimeoutError` are its own affair.

    A sync tool runs in a thread and can stop early: `trio.from_thread.check_cancelled()` raises
    there once the call is cancelled. Whatever needs the event loop should be an async tool:
    what a thread starts with `trio.from_thread.run` is not cancelled with it.

    Cancellation: an async tool is cancelled and awaited. A thread is awaited for at most
    `terms.cleanup` seconds, shielded, then abandoned and reported. Then `trio.Cancelled` goes
    on, alone: errors that a tool raises while it is being cancelled are reported as `Late`.
    """
    tool = tools.get(call.name)
    if tool is None:
        offered = ", ".join(tools.names) or "none"
        return _failed(call, f"there is no tool {call.name!r}. The tools are: {offered}")
    bound = tool.bind(call.arguments) if call.arguments_error is None else None
    if bound is None:
        return _failed(call, f"{call.arguments_error}. Send the call again")
    if isinstance(bound, Refused):
        return _failed(call, bound.text)
    if tool.isolation == "thread":
        return await _Thread(tool, call, bound, terms).run()
    return await _run_inline(tool, call, bound, terms)


def _failed(call: ToolCall, text: str, limit: int = MAX_RESULT) -> ToolResult:
    return ToolResult(call.id, call.name, bounded(text, limit), ToolStatus.ERROR)


def _returned(tool: AnyTool, call: ToolCall, value: object) -> ToolResult:
    try:
        text = result_text(value, tool.max_result)
    except (TypeError, ValueError, RecursionError) as error:  # the model and the record hear of it
        kind = type(value).__name__
        return _failed(call, f"the tool ran, but its result ({kind}) is no JSON: {error}")
    return ToolResult(call.id, call.name, text)


def _raised(tool: AnyTool, call: ToolCall, error: BaseException) -> ToolResult:
    return _failed(call, error_text(error, tool.max_result), tool.max_result)


def _attempt(tool: AnyTool, call: ToolCall, bound: BoundCall) -> ToolResult:
    """Run a sync tool here and now."""
    try:
        value = bound()
    except Exception as error:  # noqa: BLE001 (the model hears of it)
        return _raised(tool, call, error)
    if inspect.iscoroutine(value):
        value.close()
        return _failed(call, "the tool returned a coroutine: its function must be `async def`")
    return _returned(tool, call, value)


async def _run_inline(tool: AnyTool, call: ToolCall, bound: BoundCall, terms: Terms) -> ToolResult:
    if not tool.is_async:
        return _attempt(tool, call, bound)
    result: ToolResult | None = None
    with trio.move_on_after(math.inf if tool.timeout is None else tool.timeout):
        result = await _attempt_async(tool, call, bound, terms)
    if result is not None and trio.current_effective_deadline() == -math.inf:
        # The call was cancelled, whatever the tool made of that in its cleanup.
        terms.late(_ended_late(result))
        await trio.lowlevel.checkpoint_if_cancelled()
    return result or _failed(call, _too_slow(tool, "it was stopped"))


async def _attempt_async(
    tool: AnyTool, call: ToolCall, bound: BoundCall, terms: Terms
) -> ToolResult:
    try:
        value = await cast("Awaitable[object]", bound())
    except Exception as error:  # noqa: BLE001 (the model hears of it)
        result = _raised(tool, call, error)
    except BaseExceptionGroup as group:
        errors = leaves(group)
        cancels = [error for error in errors if isinstance(error, trio.Cancelled)]
        others = [error for error in errors if isinstance(error, Exception)]
        if not cancels or len(cancels) + len(others) < len(errors):
            raise  # KeyboardInterrupt and the like
        if others:
            terms.late(_ended_late(_raised(tool, call, ExceptionGroup("", others))))
        raise cancels[0] from None
    else:
        result = _returned(tool, call, value)
    return result


def _ended_late(result: ToolResult) -> Late:
    return Late(attrs.evolve(result, status=ToolStatus.UNKNOWN))


def _too_slow(tool: AnyTool, end: str) -> str:
    return f"the tool took longer than its timeout of {tool.timeout} s; {end}"


class _Thread:
    """One call of a sync tool in a thread, and the wait for the thread's end."""

    def __init__(self, tool: AnyTool, call: ToolCall, bound: BoundCall, terms: Terms) -> None:
        self._attempt = functools.partial(_attempt, tool, call, bound)
        self._tool = tool
        self._call = call
        self._terms = terms
        self._token = trio.lowlevel.current_trio_token()
        self._ended = trio.Event()
        self._abandoned = False
        self._result: ToolResult | None = None
        # Whoever takes it first, the thread or the cancel, decides whether the tool runs at all.
        self._start = threading.Lock()

    async def run(self) -> ToolResult:
        end = ""
        with trio.move_on_after(math.inf if self._tool.timeout is None else self._tool.timeout):
            try:
                await trio.to_thread.run_sync(
                    self._work, abandon_on_cancel=True, limiter=self._terms.limiter
                )
            except trio.Cancelled:
                end = await self._end()
                raise
        if not end and self._result is not None:
            return self._result
        return _failed(self._call, _too_slow(self._tool, end))

    def _work(self) -> None:
        """In the thread. The result goes by attribute: trio drops that of an abandoned thread."""
        if not self._start.acquire(blocking=False):
            return
        try:
            self._result = self._attempt()
        finally:
            with contextlib.suppress(trio.RunFinishedError):  # then nobody is left to be told
                self._token.run_sync_soon(self._note_end)

    def _note_end(self) -> None:
        self._ended.set()
        if self._abandoned:
            self._terms.late(Late(self._unknown(self._finding())))

    async def _end(self) -> str:
        """After a cancel: wait for the thread, report what it does, and put it in words."""
        if self._start.acquire(blocking=False):
            return "it was never started, since all threads were busy"
        with trio.move_on_after(self._terms.cleanup, shield=True):
            await self._ended.wait()
        if not self._ended.is_set():
            self._abandoned = True
            end = "it did not stop and may still be running"
            self._terms.late(Late(self._unknown(end), running=True))
        elif self._result is not None:
            end = "it did not stop, and ended late"  # what it found is for the record alone
            self._terms.late(Late(self._unknown(self._finding())))
        else:
            end = "it was stopped"
        return end

    def _finding(self) -> str:
        if self._result is None:
            return "it was stopped late"
        ending = "ended" if self._result.status is ToolStatus.OK else "failed"
        return f"it {ending} late: {self._result.content}"

    def _unknown(self, text: str) -> ToolResult:
        return ToolResult(self._call.id, self._call.name, text, ToolStatus.UNKNOWN)
