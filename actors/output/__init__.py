"""Structured output: a class in, an instance out, and what there is of it while it is written."""

from ._asking import asked_for
from ._output import Output, Wrong, output_of
from ._partial import Partial, PartialReader

__all__ = ["Output", "Partial", "PartialReader", "Wrong", "asked_for", "output_of"]
