"""What tests of actors need: virtual time, probes, simulated schedules, and proofs.

`open_test_system` and `Probe` are for a test of one actor. `simulate` finds what depends on who
comes first, `cancel_everywhere` what does not survive a cancel, and `assert_no_leaks` what is
left over.
"""

from runtime._errors import InjectedCrash

from ._cancels import cancel_everywhere
from ._facts import RecordedFacts, record_facts
from ._leaks import assert_no_leaks
from ._probe import Probe
from ._simulate import Faults, Simulation, simulate, simulate_many
from ._test_system import open_test_system

__all__ = [
    "Faults",
    "InjectedCrash",
    "Probe",
    "RecordedFacts",
    "Simulation",
    "assert_no_leaks",
    "cancel_everywhere",
    "open_test_system",
    "record_facts",
    "simulate",
    "simulate_many",
]
