"""The folder that pulled models live in, and what counts as whole there.

Each package stands unpacked in a folder of its own, beside a receipt of the files it holds. The
folder gets its name only when it is complete, so a pull that broke off leaves nothing that looks
whole; a file that got lost or shortened later is seen too. Nothing here writes outside the cache.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from actors.errors import ModelNotPulled, PullFailed, UnknownModel

from ._models import (
    EMBEDDING_MODELS,
    LOCAL_MODELS,
    EmbeddingModel,
    LocalModel,
    Package,
    Wheel,
    find,
    find_embedding,
)

if TYPE_CHECKING:
    from collections.abc import Generator

RECEIPT = "receipt.json"
SUPPORTED = (
    "a local model runs under CPython with its global lock, on Linux with glibc (x86_64, aarch64)"
    " or macOS 13 and newer (arm64, x86_64)"
)
_MACHINES = {"amd64": "x86_64", "aarch64": "aarch64", "arm64": "arm64", "x86_64": "x86_64"}


@attrs.frozen
class PulledModel:
    """Where the parts of a model stand on this machine.

    Attributes:
        model: Its record.
        engine: The folder to import its server from.
        weights: The file of weights.
    """

    model: LocalModel
    engine: Path
    weights: Path


@attrs.frozen
class PulledEmbedding:
    """Where the files of a model that makes vectors stand on this machine."""

    model: EmbeddingModel
    weights: Path
    tokenizer: Path


AnyLocal = str | LocalModel | EmbeddingModel


def found(model: AnyLocal) -> LocalModel | EmbeddingModel:
    """The record of a model of either table.

    Raises:
        UnknownModel: There is no such local model.
    """
    if isinstance(model, LocalModel | EmbeddingModel):
        return model
    if model in EMBEDDING_MODELS:
        return find_embedding(model)
    if model not in LOCAL_MODELS:
        known = [*(f"local:{name}" for name in sorted(LOCAL_MODELS)), *sorted(EMBEDDING_MODELS)]
        raise UnknownModel(f"there is no local model {model!r}; there is: {', '.join(known)}")
    return find(model)


def cache_folder() -> Path:
    """Where models are kept: $TROUPE_CACHE, else $XDG_CACHE_HOME/troupe, else ~/.cache/troupe."""
    if own := os.environ.get("TROUPE_CACHE"):
        return Path(own).expanduser().absolute() / "local"
    shared = os.environ.get("XDG_CACHE_HOME", "")
    # the XDG specification: a relative path is invalid and is ignored
    parent = Path(shared) if Path(shared).is_absolute() else Path.home() / ".cache"
    return parent / "troupe" / "local"


def platform_name() -> str | None:
    """This platform as `Wheel.platform` spells it; None where no engine can run."""
    machine = _MACHINES.get(platform.machine().lower())
    # the engine is built once for the stable ABI, which free-threaded builds do not have
    stable_abi = sys.implementation.name == "cpython" and not sysconfig.get_config_var(
        "Py_GIL_DISABLED"
    )
    if machine is None or not stable_abi:
        return None
    if sys.platform == "darwin":
        return f"macos-{machine}"
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        return f"linux-{machine}"
    return None


def wheels_for_this_machine(
    model: LocalModel | EmbeddingModel,
) -> list[tuple[Package, Wheel]] | None:
    """Each package with its file for this platform; None where one of them has no such file."""
    here = platform_name()
    if here is None:
        return None
    found = [(package, package.wheel_for(here)) for package in model.packages]
    whole = [(package, wheel) for package, wheel in found if wheel is not None]
    return whole if len(whole) == len(found) else None


@contextmanager
def writing_to(folder: Path) -> Generator[None]:
    """Say of an `OSError` inside what it means for a pull."""
    try:
        yield
    except OSError as error:
        raise PullFailed(
            f"could not write to {folder}: {error}. Make room there, or name another folder in"
            " TROUPE_CACHE, then pull again"
        ) from error


def write_receipt(folder: Path, wheel: Wheel) -> None:
    """Note what an unpacked package holds. Call before `folder` gets its final name."""
    sizes = {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    text = json.dumps({"sha256": wheel.sha256, "files": sizes}, indent=1)
    (folder / RECEIPT).write_text(text, encoding="utf-8")


def is_whole(folder: Path, wheel: Wheel) -> bool:
    """Whether `folder` holds every file of this very wheel, at its full size."""
    try:
        receipt = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        return receipt["sha256"] == wheel.sha256 and all(
            (folder / name).stat().st_size == size for name, size in receipt["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # whatever is wrong with it, the next pull replaces it


def is_pulled(model: AnyLocal) -> bool:
    """Whether everything that `model` needs is here.

    Args:
        model: A name of `LOCAL_MODELS` or `EMBEDDING_MODELS`, or a record.

    Raises:
        UnknownModel: There is no such local model.
    """
    wheels = wheels_for_this_machine(found(model))
    folder = cache_folder()
    return wheels is not None and all(is_whole(folder / p.folder, wheel) for p, wheel in wheels)


def locate(model: str | LocalModel) -> PulledModel:
    """Where the parts of `model` are.

    Args:
        model: A name of `LOCAL_MODELS`, or a record.

    Raises:
        UnknownModel: There is no such local model.
        ModelNotPulled: It is not on this machine, or cannot run here; the text says what to do.
    """
    record = find(model)
    folder = _folder_of(record, f"local:{record.name}")
    return PulledModel(
        record,
        engine=folder / record.engine.folder,
        weights=folder / record.weights.folder / record.weights_file,
    )


def locate_embedding(model: str | EmbeddingModel) -> PulledEmbedding:
    """Where the files of a model that makes vectors are.

    Args:
        model: A name of `EMBEDDING_MODELS`, or a record.

    Raises:
        UnknownModel: There is no such model.
        ModelNotPulled: It is not on this machine, or cannot run here; the text says what to do.
    """
    record = find_embedding(model)
    folder = _folder_of(record, f"the embedder {record.name}")
    return PulledEmbedding(
        record,
        weights=folder / record.weights.folder / record.weights_file,
        tokenizer=folder / record.tokenizer.folder / record.tokenizer_file,
    )


def _folder_of(record: LocalModel | EmbeddingModel, name: str) -> Path:
    folder = cache_folder()
    if wheels_for_this_machine(record) is None:
        raise ModelNotPulled(f"{name} cannot run on this machine: {SUPPORTED}")
    if not is_pulled(record):
        raise ModelNotPulled(f"{name} is not in {folder}: run `runtime pull {record.name}`")
    return folder
