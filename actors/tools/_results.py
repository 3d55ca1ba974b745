"""Turns what a tool returns, or raises, into the text that the model reads.

Pure. A text is at most as long as its tool allows and can always be encoded as UTF-8: it
becomes part of a history that must stay sendable.
"""

from __future__ import annotations

import json
import traceback
from typing import Final, cast

from cattrs.preconf.json import make_converter

CONVERTER: Final = make_converter()


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
    return bounded(json.dumps(CONVERTER.unstructure(value), ensure_ascii=False), limit)


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
