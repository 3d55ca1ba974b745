"""Vectors compared with many others at once. Blocks; it is for a thread."""

from __future__ import annotations

import importlib
import itertools
from typing import TYPE_CHECKING, Any, Final

import attrs

from ._consolidation import Pair, numbers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

NEIGHBOURS: Final = 32  # of an entry, the nearest first; more would make no better groups


@attrs.frozen
class Row:
    """An entry as it is compared.

    Attributes:
        key: A number that is the same for entries that metadata does not keep apart.
        vector: Little-endian 32-bit floats.
    """

    id: str
    change: int
    text: str
    key: int
    vector: bytes = attrs.field(repr=False)


def pairs_between(rows: Sequence[Row], others: Sequence[Row], threshold: float) -> list[Pair]:
    """Those of `rows` that are alike to one of `others` that changed before; both not empty."""
    numpy: Any = importlib.import_module("numpy")
    cosines = _units(numpy, rows) @ _units(numpy, others).T
    keys, other_keys = (numpy.array([row.key for row in each]) for each in (rows, others))
    changes, other_changes = (numpy.array([row.change for row in each]) for each in (rows, others))
    fits = cosines >= threshold - 1e-6  # the same text has a cosine of nearly 1
    fits &= keys[:, None] == other_keys[None, :]
    fits &= changes[:, None] > other_changes[None, :]
    pairs: list[Pair] = []
    with_any: list[int] = numpy.flatnonzero(fits.any(axis=1)).tolist()
    for number in with_any:
        row = rows[number]
        near = numpy.flatnonzero(fits[number])
        order = numpy.argsort(-cosines[number, near], kind="stable")
        numbers = numbers_of(row.text)
        nearest: list[int] = near[order].tolist()
        same = (at for at in nearest if numbers_of(others[at].text) == numbers)
        best = list(itertools.islice(same, NEIGHBOURS))
        pairs += [Pair(others[at].id, row.id, float(cosines[number, at])) for at in best]
    return pairs


def _units(numpy: Any, rows: Sequence[Row]) -> Any:
    vectors = numpy.frombuffer(b"".join(row.vector for row in rows), dtype="<f4")
    vectors = vectors.reshape(len(rows), -1)
    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / numpy.where(lengths > 0, lengths, 1)
