"""Runs a sync tool here and now, and turns what comes of a tool into its result.

No task, no thread, no process: whoever calls decides where "here" is.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import attrs
import trio

from actors.chat import ToolResult, ToolStatus

from ._options import MAX_RESULT
from ._results import bounded, error_text, leaves, result_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.chat import ToolCall

    from ._tool import AnyTool


def is_ours(error: BaseException) -> bool:
    """Whether it may have come from outside of the tool that it ends: a cancel, a signal."""
    return isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | trio.Cancelled)


@attrs.frozen
class Report:
    """Writes the results of one call.

    Attributes:
        call_id: Of the call.
        name: Of the tool.
        limit: The longest text in characters.
    """

    call_id: str
    name: str
    limit: int = MAX_RESULT

    @classmethod
    def of(cls, call: ToolCall, tool: AnyTool | None = None) -> Report:
        return cls(call.id, call.name, MAX_RESULT if tool is None else tool.max_result)

    def failed(self, text: str) -> ToolResult:
        """The call did not do what was asked; the text is for the model."""
        return ToolResult(self.call_id, self.name, bounded(text, self.limit), ToolStatus.ERROR)

    def raised(self, error: BaseException) -> ToolResult:
        return self.failed(error_text(error, self.limit))

    def returned(self, value: object) -> ToolResult:
        try:
            text, shown = result_of(value, self.limit)
        except (TypeError, ValueError, RecursionError) as error:  # the model and the record hear
            kind = type(value).__name__
            return self.failed(f"the tool ran, but its result ({kind}) is no JSON: {error}")
        return ToolResult(self.call_id, self.name, text, shown=shown)

    def unknown(self, text: str) -> ToolResult:
        """For the record: nobody waited for the end of the call."""
        return ToolResult(self.call_id, self.name, text, ToolStatus.UNKNOWN)

    def attempt(self, bound: Callable[[], object]) -> ToolResult:
        """Run a sync tool here and now."""
        try:
            value = bound()
        except BaseException as error:  # the model hears of it
            if any(map(is_ours, leaves(error))):
                raise
            return self.raised(error)  # also asyncio's cancel, and the panics of some libraries
        if inspect.iscoroutine(value):
            value.close()
            return self.failed("the tool returned a coroutine: its function must be `async def`")
        return self.returned(value)
