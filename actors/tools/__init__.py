"""Tools: functions that a model may call, their schemas, and their execution."""

from actors.schema import Bounds

from ._calculator import calculator
from ._clock import clock_tools
from ._execution import Late, Terms, execute
from ._fetch import fetch_tool
from ._files import file_tools
from ._schema import Parameter, Refused
from ._shell import shell_tool
from ._tool import AnyTool, BoundCall, Isolation, Tool, Toolbox, tool

__all__ = [
    "AnyTool",
    "BoundCall",
    "Bounds",
    "Isolation",
    "Late",
    "Parameter",
    "Refused",
    "Terms",
    "Tool",
    "Toolbox",
    "calculator",
    "clock_tools",
    "execute",
    "fetch_tool",
    "file_tools",
    "shell_tool",
    "tool",
]
