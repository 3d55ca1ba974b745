"""Models whose traffic is written to a file, and models that are such a file."""

from __future__ import annotations

import math
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import msgspec

from actors.errors import ConfigurationError, RecordingUnusable
from actors.http import read_header

from ._known import KNOWN
from ._model import Model, resolve
from ._tape import Tape

if TYPE_CHECKING:
    import os

LOCAL_ADDRESS: Final = "http://127.0.0.1/v1"  # it had another port each time; nobody is asked


def Recording(model: str | Model, file: str | os.PathLike[str]) -> Model:  # noqa: N802 - reads as the record that it makes
    """A model that also writes what passes between it and its server to `file`.

    It goes wherever a model goes. The file is replaced when the provider starts, is readable by
    its owner only, and never holds a key: what it keeps, and what it leaves out, is in
    docs/how-to/record-and-replay.md. A crash loses one line of it at most.

    Raises:
        ConfigurationError: It is no model, or one without a wire.
    """
    given = Model(model) if isinstance(model, str) else model
    if not isinstance(given, Model):  # pyright: ignore[reportUnnecessaryIsInstance] - scripts are seldom type-checked
        raise ConfigurationError(
            f"{given!r} is not one model: record each into a file of its own, "
            "as in Fallback(Recording('openai:gpt-4o-mini', 'first.jsonl'), ...)"
        )
    known = KNOWN.get(given.provider)
    if known is not None and known.codec is None:
        raise ConfigurationError(f"{given.name} has no wire that could be recorded: it is a script")
    if given.tape is not None:
        raise ConfigurationError(f"{given.name} is recorded or played already: {given.tape.file}")
    return attrs.evolve(given, tape=Tape(file))


def Replay(file: str | os.PathLike[str]) -> Model:  # noqa: N802 - reads as the record that it makes
    """A model that answers as the one recorded in `file` did, without a network or a key.

    The bytes come as they came, at the times at which they came, on trio's clock; faults come
    as the same errors. Requests must be the recorded ones: each gets the answer of the first
    unused one that is equal, so that those of one time may come in any order. Another request
    is a `ReplayMismatch`.

    Raises:
        RecordingUnusable: There is no such file, or it is no recording.
    """
    path = Path(file)
    header = read_header(path)
    try:
        return resolve(Model(**_fields(header.model), tape=Tape(path, plays=True))).model
    except RecordingUnusable:
        raise
    except (TypeError, ValueError, ConfigurationError) as error:
        raise RecordingUnusable(f"{path}, line 1: {error}") from error


def _fields(written: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a model's record, from what `described` made of it."""
    kinds = typing.get_type_hints(Model)
    found: dict[str, Any] = {}
    for name, value in written.items():
        if name not in kinds or name in ("api_key", "tape", "script"):
            raise ValueError(f"a model has no {name!r} there")
        usable = _with_infinity(value) if name == "limits" else value
        found[name] = msgspec.convert(usable, kinds[name])
    if str(found.get("name", "")).startswith("local:"):
        found.setdefault("base_url", LOCAL_ADDRESS)
    return found


def _with_infinity(limits: Any) -> Any:
    """JSON has no number without end: it is written as null."""
    if not isinstance(limits, dict):
        return limits
    fields = cast("dict[str, Any]", limits)
    return {name: math.inf if value is None else value for name, value in fields.items()}
