"""Vectors from the words of a text alone: for tests, and where no model can be had.

Pure. It is lexical and says so: "car" and "automobile" have nothing in common here, and two texts
are as similar as the words (and the beginnings of words) that they share.
"""

from __future__ import annotations

import math
import re
import zlib
from typing import Final

DIMENSIONS: Final = 256
NAME: Final = f"lexical-{DIMENSIONS}"
STEM: Final = 5  # letters of a longer word that count as well, so that "walk" meets "walking"
WORD: Final = re.compile(r"\w+")


def lexical_vector(text: str) -> tuple[float, ...]:
    """A vector of length 1 with `DIMENSIONS` numbers, the same for the same text for good."""
    words = WORD.findall(text.casefold()) or list(text.strip()) or [""]
    vector = [0.0] * DIMENSIONS
    for word in words:
        _add(vector, word, 1.0)
        _add(vector, f"{word[:STEM]}-", 0.5)
    length = math.sqrt(sum(number * number for number in vector))
    if not length:  # the features cancel each other out
        vector[0] = length = 1.0
    return tuple(number / length for number in vector)


def _add(vector: list[float], feature: str, weight: float) -> None:
    hash = zlib.crc32(feature.encode("utf-8", "replace"))
    vector[hash % DIMENSIONS] += weight if hash & 0x10000 else -weight
