"""Which recorded exchange answers a request: the first unused one that asked the same. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from actors.errors import ReplayMismatch

from ._secrets import is_same_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ._tape import Asked, Recorded

SHOWN: Final = 60
BEFORE: Final = 20  # characters that are shown before the first that differs
MISSING: Final = object()


class Shelf:
    """The exchanges of a recording that have not been played yet, in their order."""

    def __init__(self, exchanges: list[Recorded], file: Path) -> None:
        self._file = file
        self._count = len(exchanges)
        self._unused = list(exchanges)

    def take(self, asked: Asked) -> Recorded:
        """The first unused exchange with this request.

        Requests that run at the same time may come in any order; equal ones get their answers
        in the order in which they were recorded.

        Raises:
            ReplayMismatch: There is none.
        """
        for place, exchange in enumerate(self._unused):
            if next(differences(exchange.asked, asked), None) is None:
                return self._unused.pop(place)
        if not self._unused:
            raise ReplayMismatch(
                f"{self._file} has {self._count} exchanges and all are played: the program sends "
                "a request more than when it was recorded"
            )
        expected = self._unused[0]
        raise ReplayMismatch(
            f"the program asks what {self._file} does not have; compared with line "
            f"{expected.line}, the next request there: {next(differences(expected.asked, asked))}"
        )


def differences(recorded: Asked, asked: Asked) -> Iterator[str]:
    """In words, where a request is not the recorded one."""
    yield from _differences(recorded.method, asked.method, "the method")
    yield from _differences(recorded.path, asked.path, "the path")
    yield from _differences(recorded.body, asked.body, "")


def _differences(recorded: Any, asked: Any, place: str) -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(asked, dict):
        fields, now = cast("dict[str, object]", recorded), cast("dict[str, object]", asked)
        for name in {**fields, **now}:
            inner = f"{place}.{name}" if place else name
            yield from _differences(fields.get(name, MISSING), now.get(name, MISSING), inner)
    elif isinstance(recorded, list) and isinstance(asked, list):
        items, found = cast("list[object]", recorded), cast("list[object]", asked)
        for number in range(max(len(items), len(found))):
            one = items[number] if number < len(items) else MISSING
            other = found[number] if number < len(found) else MISSING
            yield from _differences(one, other, f"{place}[{number}]")
    else:
        yield from _values(cast("object", recorded), cast("object", asked), place or "the body")


def _values(recorded: object, asked: object, place: str) -> Iterator[str]:
    if not _is_same(recorded, asked):
        yield _said(recorded, asked, place)


def _is_same(recorded: object, asked: object) -> bool:
    if isinstance(recorded, str) and isinstance(asked, str):
        return is_same_text(recorded, asked)
    return recorded == asked and isinstance(recorded, bool) == isinstance(asked, bool)


def _said(recorded: object, asked: object, place: str) -> str:
    if recorded is MISSING:
        return f"{place} was not there and is now {_shown(asked)}"
    if asked is MISSING:
        return f"{place} was {_shown(recorded)} and is not there now"
    first = 0
    if isinstance(recorded, str) and isinstance(asked, str):
        pairs = enumerate(zip(recorded, asked, strict=False))
        first = next((n for n, (a, b) in pairs if a != b), min(len(recorded), len(asked)))
    return f"{place} was {_shown(recorded, first)} and is now {_shown(asked, first)}"


def _shown(value: object, first: int = 0) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    start = max(first - BEFORE, 0)
    part = text[start : start + SHOWN]
    left, right = "..." if start else "", "..." if start + SHOWN < len(text) else ""
    shown = f"{left}{part}{right}"
    return repr(shown) if isinstance(value, str) else shown
