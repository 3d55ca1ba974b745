"""The command `runtime bench`: every figure beside its floor, measured in the same run."""

from ._clients import WIRES, open_agents_on, open_plain_on
from ._command import command
from ._figures import FULL, QUICK, Benchmark, Budget, Effort, Figure
from ._host import Server, open_server
from ._table import BENCHMARKS

__all__ = [
    "BENCHMARKS",
    "FULL",
    "QUICK",
    "WIRES",
    "Benchmark",
    "Budget",
    "Effort",
    "Figure",
    "Server",
    "command",
    "open_agents_on",
    "open_plain_on",
    "open_server",
]
