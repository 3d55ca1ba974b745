"""Turns what a tool returns, or raises, into the text that the model reads.

Pure. A text is at most as long as its tool allows and can always be encoded as UTF-8: it
becomes part of a history that must stay sendable.
"""

from __future__ import annotations

import functools
import json
import traceback
from typing import TYPE_CHECKING, Final, cast

from actors.chat import File, Image, Shown

if TYPE_CHECKING:
    from cattrs.preconf.json import JsonConverter

MAX_SHOWN: Final = 20
MAX_SHOWN_BYTES: Final = 5_000_000  # in the journal, and again in every later request of the run


def _unwritable(value: object) -> object:
    kind = type(value).__name__
    advice = {
        "Image": "return it by itself, or in a list with texts",
        "File": "return it by itself, or in a list with texts",
        "bytes": "return text, or an Image or a File that holds them",
    }.get(kind, "return a list")
    raise TypeError(f"{kind} inside a result: {advice}")


@functools.cache
def _converter() -> JsonConverter:
    from cattrs.preconf.json import make_converter  # noqa: PLC0415 - when there is a result

    converter = make_converter()
    for kind in (Image, File, bytes):
        converter.register_unstructure_hook(kind, _unwritable)
    return converter


def result_of(value: object, limit: int) -> tuple[str, tuple[Shown, ...]]:
    """Write a result: its text, and the pictures and files beside it.

    Args:
        value: An `Image` or a `File`, or a list or tuple that has some in it, beside texts; or
            what `result_text` takes.
        limit: The longest text in characters.

    Raises:
        TypeError: If the value cannot be written as JSON, or shows something deeper inside it.
        ValueError: Likewise, and if what it shows is too large.
    """
    if isinstance(value, Shown):
        return "", _bounded_shown([value])
    if not isinstance(value, list | tuple):
        return result_text(value, limit), ()
    parts = cast("list[object] | tuple[object, ...]", value)
    shown = [part for part in parts if isinstance(part, Shown)]
    if not shown:
        return result_text(parts, limit), ()
    said = [result_text(part, limit) for part in parts if not isinstance(part, Shown)]
    return bounded("\n".join(said), limit), _bounded_shown(shown)


def _bounded_shown(shown: list[Shown]) -> tuple[Shown, ...]:
    size = sum(len(part.data or b"") for part in shown)
    if size > MAX_SHOWN_BYTES or len(shown) > MAX_SHOWN:
        raise ValueError(
            f"it shows {len(shown)} pictures and files with {size} bytes; at most {MAX_SHOWN} with "
            f"{MAX_SHOWN_BYTES} bytes together can be kept"
        )
    return tuple(shown)


def result_text(value: object, limit: int) -> str:
    """Write a result: a string as it is, everything else as JSON.

    Args:
        value: Anything cattrs can take apart: plain values, attrs classes, enums, dates.
        limit: The longest text in characters; a longer one is cut and says so.

    Raises:
        TypeError: If the value cannot be written as JSON.
        ValueError: Likewise, when it contains itself or a number beyond Python's limits.
    """
    if isinstance(value, str):
        return bounded(value, limit)
    return bounded(json.dumps(_converter().unstructure(value), ensure_ascii=False), limit)


def error_text(error: BaseException, limit: int) -> str:
    """Write an error: its type and text, no traceback; the leaves of a group one by one."""
    lines = [
        # This way of writing it survives a broken __str__; where a class lives is nobody's concern
        "".join(traceback.format_exception_only(leaf))
        .strip()
        .removeprefix(f"{type(leaf).__module__}.")
        for leaf in leaves(error)
    ]
    return bounded("\n".join(lines), limit)


def leaves(error: BaseException) -> list[BaseException]:
    """The single errors in a group, or the error itself."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [leaf for inner in group.exceptions for leaf in leaves(inner)]


def bounded(text: str, limit: int) -> str:
    """Cut a text that is too long, saying so, and replace what UTF-8 cannot hold."""
    if len(text) > limit:
        text = f"{text[:limit]}\n[cut: {limit} of {len(text)} characters]"
    return text.encode("utf-8", "replace").decode("utf-8")
