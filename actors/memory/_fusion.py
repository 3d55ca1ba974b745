"""Two rankings made into one, by the scores in them, and the cosine of two vectors. Pure.

Scores of different kinds (a cosine, BM25) cannot be added before each is brought to 0..1. Doing so
kept more of both than fusing places: Bruch, Gai and Ingber, "An Analysis of Fusion Functions for
Hybrid Retrieval", ACM TOIS 2023, and so it is on the set of `benchmarks/retrieval.py`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Hashable, Sequence
from operator import mul
from typing import Final, TypeVar

Key = TypeVar("Key", bound=Hashable)
Ranking = Sequence[tuple[Key, float]]

MEANING: Final = 0.6  # what the nearest counts beside the best of keywords; docs/benchmarks.md


def fused(near: Ranking[Key], worded: Ranking[Key]) -> list[tuple[Key, float]]:
    """Fuse two rankings: what is good in both comes first.

    Args:
        near: Keys with their similarities, the best first. The last one counts 0, since what is
            unlike is not at 0 with every embedder.
        worded: Keys with their BM25 above 0, the best first.

    Returns:
        All keys of both with scores from 0 to 1, the best first; of equals, the nearer.
    """
    last = near[-1][1] if near else 0.0
    scores = {key: MEANING * share for key, share in _shares(near, last)}
    for key, share in _shares(worded, 0.0):
        scores[key] = scores.get(key, 0.0) + (1 - MEANING) * share
    return sorted(scores.items(), key=lambda scored: -scored[1])


def completed(near: Ranking[Key], exact: Ranking[Key]) -> list[tuple[Key, float]]:
    """Put what an approximate index has missed among the nearest in its place.

    Args:
        near: Keys with their similarities, the best first.
        exact: Other keys with theirs, in any order; those that are no nearer than all of `near`
            are rightly not there.

    Returns:
        Those of both, the best first.
    """
    if not near:
        return []
    missed = [each for each in exact if each[1] > near[-1][1]]
    return sorted([*near, *missed], key=lambda ranked: -ranked[1])


def _shares(ranking: Ranking[Key], least: float) -> list[tuple[Key, float]]:
    """How far each score is from the least to the best; 1 where they are the same."""
    span = ranking[0][1] - least if ranking else 0.0
    return [(key, (score - least) / span if span > 0 else 1.0) for key, score in ranking]


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
