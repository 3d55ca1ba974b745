"""The file that a model's traffic is written to, or comes from, and what it says of the model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import msgspec

from actors.errors import RecordingUnusable
from actors.http import Header, Player, Recorder, read_header

if TYPE_CHECKING:
    from actors.http import Connect

# Of a model's record: the key never; a script has no wire; the file need not name itself.
_NOT_WRITTEN: Final = frozenset({"api_key", "script", "tape"})


@attrs.frozen
class Tape:
    """The file of a `Recording`, or of a `Replay` where it `plays`."""

    file: Path = attrs.field(converter=Path)
    plays: bool = False

    def connect(self, model: Any, wire: str, secrets: tuple[str | None, ...]) -> Connect:
        """What carries the requests of one provider; nothing is opened before it is called.

        Args:
            model: Its record, for the head of the file.
            wire: The name of its wire format.
            secrets: What must not be in the file.

        Raises:
            RecordingUnusable: The file to be played is none, or of another wire format.
        """
        if not self.plays:
            return Recorder(self.file, Header(1, described(model), wire), secrets)
        recorded = read_header(self.file).wire
        if recorded != wire:
            raise RecordingUnusable(
                f"{self.file} has the wire format {recorded!r}, and {model.name} speaks {wire!r}"
            )
        return Player(self.file)


def described(model: Any) -> dict[str, Any]:
    """The fields of a model's record that are not as usual, as JSON has them."""
    values = {
        field.name: (getattr(model, field.name), field.default)
        for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(model)))
        if field.name not in _NOT_WRITTEN
    }
    return {name: _json(value) for name, (value, default) in values.items() if value != default}


def _json(value: Any) -> Any:
    """As JSON has it: a number without end, which JSON does not have, becomes null."""
    plain = msgspec.to_builtins(value)
    if isinstance(plain, dict):
        fields = cast("dict[str, Any]", plain)
        return {name: None if inner == math.inf else inner for name, inner in fields.items()}
    return plain
