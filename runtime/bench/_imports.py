"""How long the imports take, each in a fresh interpreter."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs
import trio

from ._figures import Budget, Effort, Figure, Samples, figure_of
from ._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM: Final = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def imports(effort: Effort) -> Sequence[Figure]:
    """`import runtime` and `import actors`, their dependencies included; floor: `import trio`.

    Bytecode is cached; the start of the interpreter is not counted.
    """

    async def measure() -> Sequence[Figure]:
        subjects = {name: partial(_import, name) for name in ("runtime", "actors", "trio")}
        rounds = await take_turns(attrs.evolve(effort, rounds=effort.rounds + 2), subjects)
        floor = rounds["trio"]
        return [
            figure_of("import runtime", "s", rounds["runtime"], floor, Budget(ratio=1.5)),
            figure_of("import actors", "s", rounds["actors"], floor, Budget(value=0.3)),
        ]

    return trio.run(measure)


async def _import(name: str) -> Samples:
    command = [sys.executable, "-c", PROGRAM.format(name)]
    done = await trio.run_process(command, capture_stdout=True)
    return [float(done.stdout)]
