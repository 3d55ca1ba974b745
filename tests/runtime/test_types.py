"""The types of the runtime: what both checkers accept, and what both refuse.

`tests/typing/refused.py` marks each line that must be refused with a `type: ignore`; where a
checker has nothing to refuse, it complains about the mark.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ("tests/typing/accepted.py", "tests/typing/refused.py")
MYPY = ("mypy", "--config-file=pyproject.toml", "--no-error-summary")
PYRIGHT = ("pyright",)


def complaints(*command: str) -> str:
    result = subprocess.run(  # noqa: S603 - our own interpreter, our own files
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert result.stderr == ""
    return result.stdout if result.returncode else ""


@pytest.mark.parametrize("checker", [MYPY, PYRIGHT], ids=["mypy", "pyright"])
def test_every_accepted_use_is_accepted_and_every_refused_one_refused(
    checker: tuple[str, ...],
) -> None:
    assert complaints(*checker, *FILES) == ""
