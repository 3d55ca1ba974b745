"""Vectors for texts, the same everywhere; texts that share words are near each other. Pure."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from typing import Final

DIMENSIONS: Final = 32
_WORD: Final = re.compile(r"\w+")


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A vector of length 1: the sum of one direction for each word, whatever their order.

    The numbers are those that 32 bits can hold, so that no wire changes them.
    """
    words = _WORD.findall(text.lower()) or [text]
    sums = [sum(parts) for parts in zip(*(_direction(w, dimensions) for w in words), strict=True)]
    length = math.sqrt(sum(part * part for part in sums)) or 1.0
    return [_in_32_bits(part / length) for part in sums]


def in_base64(numbers: list[float]) -> str:
    """As OpenAI sends it when asked for `encoding_format: "base64"`."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _direction(word: str, dimensions: int) -> list[float]:
    bits = hashlib.shake_128(word.encode()).digest(2 * dimensions)
    return [number / 32768 for number in struct.unpack(f"<{dimensions}h", bits)]


def _in_32_bits(number: float) -> float:
    (rounded,) = struct.unpack("<f", struct.pack("<f", number))
    return float(rounded)
