"""What servers send, read without trust: a value of another type counts as none. Pure.

Also text whose surrogates were cut apart, and the bytes of a file as an address.
"""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from actors.chat import File, Image


def mapping(value: object) -> dict[str, Any]:
    """`value` if it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """`value` if it is a list, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def mappings(value: object) -> list[dict[str, Any]]:
    """The items of `value` if it is a list; what is no object among them counts as empty."""
    return [mapping(item) for item in items(value)]


def count_of(value: object) -> int:
    """`value` if it can be a number of tokens, else 0."""
    return max(0, int(value)) if isinstance(value, int | float) and math.isfinite(value) else 0


def whole(text: str) -> str:
    """`text` with surrogate pairs joined, and halves without a partner replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def data_url(part: Image | File) -> str:
    """The bytes of a picture or a file as an address that holds them."""
    return f"data:{part.media_type};base64,{base64.b64encode(part.data or b'').decode()}"
