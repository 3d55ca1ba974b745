"""Traces, metrics and logs of a system, as guests of it: the core imports no library for them."""

from ._logging import FactLogger
from ._metrics import FactMeter
from ._propagation import OpenTelemetryPropagator

__all__ = ["FactLogger", "FactMeter", "OpenTelemetryPropagator"]
