"""Which texts have words in common with a question: Okapi BM25. Pure.

The usual form, with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza, "The Probabilistic Relevance
Framework", 2009), and the inverse document frequency of Lucene, which is never negative. It knows
words, not meanings: no synonyms, no inflections.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SATURATION: Final = 1.2
LENGTH: Final = 0.75
# Words, and single characters of scripts that are written without blanks.
WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")


def words_of(text: str) -> list[str]:
    """Its words, in one letter case."""
    return WORD.findall(text.casefold())


def lexical_scores(question: str, texts: Sequence[str]) -> list[float]:
    """How well each text fits the question: 0 without a word in common."""
    bags = [Counter(words_of(text)) for text in texts]
    lengths = [bag.total() for bag in bags]
    mean = sum(lengths) / len(lengths) if lengths else 0.0
    asked = set(words_of(question))
    holding = {word: sum(word in bag for bag in bags) for word in asked}
    rarity = {
        word: math.log(1 + (len(bags) - count + 0.5) / (count + 0.5))
        for word, count in holding.items()
    }
    return [
        sum(
            rarity[word] * _saturated(bag[word], length / mean if mean else 1.0)
            for word in asked
            if word in bag
        )
        for bag, length in zip(bags, lengths, strict=True)
    ]


def _saturated(count: int, length: float) -> float:
    return count * (SATURATION + 1) / (count + SATURATION * (1 - LENGTH + LENGTH * length))


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """How alike two vectors of one length are: 1 for the same direction, 0 where one is null."""
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    norm = math.hypot(*one) * math.hypot(*other)
    return dot / norm if norm else 0.0
