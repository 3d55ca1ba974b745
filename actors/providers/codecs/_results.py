"""What a tool's result shows, for wire formats that take some pictures and files and not others.

Pure. A history must be sendable to every provider: what one does not take is said in words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.chat import ToolStatus, with_note
from actors.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.chat import File, Image, ToolResult


def text_and_parts(
    result: ToolResult, write: Callable[[Image | File], Any]
) -> tuple[str, list[Any]]:
    """The text of a result, and what it shows as the wire takes it.

    Args:
        result: Only one that went well shows anything.
        write: Raises `ConfigurationError` for what the wire does not take.
    """
    if result.status is not ToolStatus.OK:
        return with_note(result.content, result.shown), []
    written: list[Any] = []
    left: list[Image | File] = []
    for part in result.shown:
        try:
            written.append(write(part))
        except ConfigurationError:  # the model hears of it
            left.append(part)
    return with_note(result.content, left), written
