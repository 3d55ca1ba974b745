"""Tools: functions that a model may call, their schemas, and their execution."""

from typing import TYPE_CHECKING

from actors._late import late
from actors.schema import Bounds

from ._calculator import calculator
from ._execution import Late, Terms, execute
from ._options import Approve, Isolation, ToolOptions
from ._progress import Progress, progress
from ._schema import Parameter, Refused
from ._tool import AnyTool, BoundCall, Tool, Toolbox, tool
from ._workers import CallLimits, Held, ToolWorkers, Work, Workers, hold

if TYPE_CHECKING:
    from ._clock import clock_tools
    from ._fetch import fetch_tool
    from ._files import file_tools
    from ._shell import shell_tool
else:
    __getattr__ = late(
        __name__,
        {
            "_clock": ("clock_tools",),
            "_fetch": ("fetch_tool",),
            "_files": ("file_tools",),
            "_shell": ("shell_tool",),
        },
    )

__all__ = [
    "AnyTool",
    "Approve",
    "BoundCall",
    "Bounds",
    "CallLimits",
    "Held",
    "Isolation",
    "Late",
    "Parameter",
    "Progress",
    "Refused",
    "Terms",
    "Tool",
    "ToolOptions",
    "ToolWorkers",
    "Toolbox",
    "Work",
    "Workers",
    "calculator",
    "clock_tools",
    "execute",
    "fetch_tool",
    "file_tools",
    "hold",
    "progress",
    "shell_tool",
    "tool",
]
