"""What tests of actors need: proofs that nothing is left over and that any cancel is survived."""

from runtime._errors import InjectedCrash

from ._cancels import cancel_everywhere
from ._leaks import assert_no_leaks
from ._simulate import Faults, Simulation, simulate, simulate_many

__all__ = [
    "Faults",
    "InjectedCrash",
    "Simulation",
    "assert_no_leaks",
    "cancel_everywhere",
    "simulate",
    "simulate_many",
]
