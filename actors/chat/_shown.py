"""Pictures and files that come with a tool's result, and what is said where they cannot be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._turns import File, Image, ToolResult, ToolTurn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._turns import Turn

Shown = Image | File


def with_note(text: str, left_out: Iterable[Shown]) -> str:
    """A result's text, with a line for each picture or file that does not go with it."""
    notes = [
        f"[left out, since it cannot be shown to this model: {in_words(it)}]" for it in left_out
    ]
    return "\n".join([text, *notes] if text else notes)


def in_words(part: Shown) -> str:
    """What it is, and how large or where."""
    kind = "a picture" if isinstance(part, Image) else f"the file {part.name!r}"
    place = part.url or f"{len(part.data or b'')} bytes"
    return f"{kind}, {part.media_type}, {place}"


def without_results_shown(turn: Turn, is_left_out: Callable[[Shown], bool]) -> Turn:
    """A turn whose tool results say what is left out of them."""
    if not isinstance(turn, ToolTurn) or not any(result.shown for result in turn.results):
        return turn
    return ToolTurn(tuple(_without(result, is_left_out) for result in turn.results))


def _without(result: ToolResult, is_left_out: Callable[[Shown], bool]) -> ToolResult:
    left = [part for part in result.shown if is_left_out(part)]
    kept = tuple(part for part in result.shown if not is_left_out(part))
    return attrs.evolve(result, content=with_note(result.content, left), shown=kept)
