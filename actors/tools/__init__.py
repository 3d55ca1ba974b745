"""Tools: functions that a model may call, their schemas, and their execution."""

from actors.schema import Bounds

from ._calculator import calculator
from ._execution import Late, Terms, execute
from ._schema import Parameter, Refused
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
    "execute",
    "tool",
]
