"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import attrs

PACKAGES: Final = ("troupe-runtime", "trio", "httpx2", "msgspec", "attrs")
CPU_INFO: Final = Path("/proc/cpuinfo")
BUSY: Final = 0.5  # processors' worth of other work, beyond which we say so


@attrs.frozen
class Machine:
    """A snapshot from before the first measurement.

    Attributes:
        versions: Of Python and of the packages that matter.
        processor: Its model's name.
        processors: How many this process may use.
        load: How many tasks wanted to run, on average over the last minute.
    """

    versions: dict[str, str]
    processor: str
    processors: int
    load: float

    @property
    def is_busy(self) -> bool:
        return self.load > BUSY

    def record(self) -> dict[str, Any]:
        """All but the versions, as JSON types."""
        return {
            "processor": self.processor,
            "processors": self.processors,
            "load_before": self.load,
            "was_busy": self.is_busy,
        }

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return f"{versions}; {self.processor} ({self.processors} processors)"


def this_machine() -> Machine:
    python = {"Python": platform.python_version()}
    return Machine(
        versions=python | {name: version(name) for name in PACKAGES},
        processor=_processor(),
        processors=len(os.sched_getaffinity(0)),
        load=os.getloadavg()[0],
    )


def _processor() -> str:
    lines = CPU_INFO.read_text(encoding="utf-8").splitlines() if CPU_INFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
