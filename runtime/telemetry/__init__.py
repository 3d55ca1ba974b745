"""Traces and logs of a system, as guests of it: the runtime itself imports neither library."""

from ._logging import FactLogger
from ._propagation import OpenTelemetryPropagator

__all__ = ["FactLogger", "OpenTelemetryPropagator"]
