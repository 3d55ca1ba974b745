"""Tools: functions that a model may call, their schemas, and their execution."""

from ._calculator import calculator
from ._execution import Late, Terms, execute
from ._hints import Bounds
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
