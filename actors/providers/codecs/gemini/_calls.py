"""Function calls of one answer: whole ones, and ones whose arguments arrive in pieces. Pure.

A call in pieces begins with its name and `willContinue`, goes on in nameless pieces that say
by a JSON path where they belong, and ends with the first piece without `willContinue`.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from actors.chat import ToolCallDelta, parse_arguments
from actors.providers.codecs._plain_json import arguments_text, made_up_id

from ._wire import WIRE, ArgumentPiece, FunctionCall

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEP: Final = re.compile(
    r"\.(?P<name>[^.\[\]]+)"
    r"|\[(?P<index>\d{1,9})\]"
    r"|\[(?P<quote>['\"])(?P<quoted>(?:(?!(?P=quote))[^\\]|\\.)*)(?P=quote)\]"
)


class Calls:
    """The calls so far, numbered as they appear."""

    def __init__(self) -> None:
        self.used = 0
        self._open: ArgumentPieces | None = None

    def take(
        self, call: FunctionCall, answer: str, signature: str | None
    ) -> tuple[ToolCallDelta, ...] | None:
        """Read the next call or piece; None where it belongs to no call.

        Args:
            call: As it came.
            answer: The server's name for the answer, from which ids are made up.
            signature: What seals the call.

        Raises:
            ValueError: The arguments are no JSON, or a piece belongs nowhere in them.
        """
        if call.name is None and self._open is not None:
            return self._go_on(call, self._open, signature)
        if not call.name:
            return None
        slot = self.used
        self.used = slot + 1
        self._open = None
        id = call.id or made_up_id(WIRE, answer, slot)
        text = arguments_text(call.args)
        if not call.will_continue and not call.partial_args:
            return (ToolCallDelta(slot, id, call.name, text, signature),)
        self._open = ArgumentPieces(text)
        begun = ToolCallDelta(slot, id, call.name, "{", signature)
        return (begun, *self._go_on(call, self._open, None))

    def _go_on(
        self, call: FunctionCall, pieces: ArgumentPieces, signature: str | None
    ) -> tuple[ToolCallDelta, ...]:
        """What has come stays here until it is whole, but for the brace that opens it.

        So arguments that are cut are not JSON, and nobody takes them for whole ones.
        """
        for piece in call.partial_args or ():
            pieces.add(piece)
        slot = self.used - 1
        if call.will_continue:
            return (ToolCallDelta(slot, signature=signature),) if signature is not None else ()
        self._open = None
        return (ToolCallDelta(slot, arguments=pieces.finish()[1:], signature=signature),)


class ArgumentPieces:
    """The arguments of one call while their pieces arrive.

    Args:
        text: What came whole.
    """

    def __init__(self, text: str) -> None:
        self._arguments, error = parse_arguments(text)
        if error is not None:
            raise ValueError(error)
        self._texts: dict[str, list[str]] = {}

    def add(self, piece: ArgumentPiece) -> None:
        """Put a piece where it belongs; texts for one place go on.

        Raises:
            ValueError: There is no such place.
        """
        value = piece.value
        texts = self._texts.get(piece.json_path)
        if isinstance(value, str) and texts is not None:
            texts.append(value)
            return
        if isinstance(value, str):
            self._texts[piece.json_path] = [value]
        _put(self._arguments, _steps(piece.json_path), value)

    def finish(self) -> str:
        """All of it, as JSON."""
        for path, texts in self._texts.items():
            _put(self._arguments, _steps(path), "".join(texts))
        return msgspec.json.encode(self._arguments).decode()


def _steps(path: str) -> Sequence[str | int]:
    """The names and indexes of a JSON path, such as `$.places[0]['name']`."""
    steps: list[str | int] = []
    position = 1
    while path.startswith("$") and (step := _STEP.match(path, position)):
        position = step.end()
        if step["index"] is not None:
            steps.append(int(step["index"]))
        else:
            quoted: str | None = step["quoted"]
            steps.append(step["name"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    if position != len(path) or not steps:
        raise ValueError(f"an argument has no usable place: {path[:80]!r}")
    return steps


def _put(arguments: dict[str, Any], steps: Sequence[str | int], value: object) -> None:
    here: object = arguments
    for step, following in itertools.pairwise(steps):
        here = _enter(here, step, [] if isinstance(following, int) else {})
    _set(here, steps[-1], value)


def _enter(here: object, step: str | int, new: object) -> object:
    """The object or list at `step`, made where there is none yet."""
    if isinstance(here, dict) and isinstance(step, str):
        return cast("dict[str, object]", here).setdefault(step, new)
    if isinstance(here, list) and isinstance(step, int):
        items = cast("list[object]", here)
        if step == len(items):
            items.append(new)
        if step < len(items):
            return items[step]
    raise ValueError(f"an argument has no place {step!r}")


def _set(here: object, step: str | int, value: object) -> None:
    _enter(here, step, value)
    cast("dict[str | int, object]", here)[step] = value
