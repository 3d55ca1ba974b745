"""The command `runtime`: pull a model, talk to one, see the demo, measure."""

from ._program import main

__all__ = ["main"]
