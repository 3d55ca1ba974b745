"""Every example runs as a user would run it, without a network, and has something to show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SECONDS = 60  # generous: the machine may be busy; an example takes one or two

# What an example needs beside what we need ourselves.
NEEDS = {"fastapi_sse": ("fastapi", "uvicorn")}

# A key that the machine happens to have must not let an example reach a provider.
OFFLINE = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}


def test_there_are_examples() -> None:
    assert EXAMPLES != []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_shows_something(example: Path) -> None:
    for library in NEEDS.get(example.stem, ()):
        pytest.importorskip(library, reason="pip install fastapi uvicorn")
    result = subprocess.run(  # noqa: S603 - our own files, our own interpreter
        [sys.executable, "-W", "error", str(example)],
        cwd=ROOT,
        env=OFFLINE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.strip() != ""
