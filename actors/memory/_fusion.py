"""Several rankings made into one, and the cosine of two vectors. Pure.

Scores of different kinds (a cosine, BM25) cannot be added: their places in the rankings can.
Reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Hashable, Iterable, Sequence
from operator import mul
from typing import Final, TypeVar

Key = TypeVar("Key", bound=Hashable)

SMOOTHING: Final = 60  # of that paper: how little the first place is worth above the second


def fused(
    rankings: Iterable[Sequence[Key]], smoothing: float = SMOOTHING
) -> list[tuple[Key, float]]:
    """Fuse rankings: what stands high in several of them comes first.

    Args:
        rankings: The best first. What stands in one twice counts where it stands first.
        smoothing: Above 0; each place is worth 1 / (smoothing + its number from 1).

    Returns:
        All that stand in one of them with the sum of what their places are worth, the best first;
        of equals, what came first in the first of the rankings.
    """
    scores: dict[Key, float] = {}
    for ranking in rankings:
        for place, key in enumerate(dict.fromkeys(ranking), 1):
            scores[key] = scores.get(key, 0.0) + 1.0 / (smoothing + place)
    return sorted(scores.items(), key=lambda scored: -scored[1])


def cosine(one: bytes, other: bytes) -> float:
    """The cosine of the angle between two vectors of equal length; 0 where one has no direction.

    Args:
        one: Little-endian 32-bit floats.
        other: Likewise.
    """
    first, second = _numbers(one), _numbers(other)
    lengths = math.hypot(*first) * math.hypot(*second)
    return sum(map(mul, first, second)) / lengths if lengths else 0.0


def _numbers(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 4}f", vector)
