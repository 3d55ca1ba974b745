"""The memory that picks turns by what the user says now. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from actors.providers import EmbedderApi
from runtime import Ref

from ._lexical import cosine, lexical_scores
from ._recall import Choice, Command, Recall, Situation, Vectorise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._exchange import Exchange

LONGEST: Final = 4_000  # characters of a turn that are turned into a vector; models take no more


@attrs.frozen(kw_only=True)
class Selective(Recall):
    """The latest turns, and of the older ones those that fit what the user says now.

    Attributes:
        turns: So many of the latest are sent in any case, the one that goes on included.
        related: So many of the older ones at most, in their old order.
        embedder: Finds what is alike in meaning: `(await open_embedder(...)).ref`. Without one,
            or where it fails, turns are found by words in common (BM25).
        least: Turns that score no more than this are not sent. Scores of an embedder are
            cosines, up to 1; those by words begin at 0 and have no upper bound.
        seconds: How long a request waits for the embedder.

    Raises:
        ValueError: If `turns` is below 1, or `related` below 0.
    """

    turns: int = 4
    related: int = 6
    embedder: Ref[EmbedderApi] | None = None
    least: float = 0.0
    seconds: float = 2.0

    def __attrs_post_init__(self) -> None:
        if self.turns < 1:
            raise ValueError(f"turns must be 1 or more, not {self.turns}")
        if self.related < 0:
            raise ValueError(f"related must be 0 or more, not {self.related}")

    def before(self, situation: Situation) -> Iterable[Command]:
        older = self._older(situation)
        if self.embedder is None or not older:
            return ()
        texts = _with_words([situation.message, *(each.words for each in older)])
        return (Vectorise(self.embedder, texts, self.seconds),)

    def after(self, situation: Situation) -> Iterable[Command]:
        if self.embedder is None:
            return ()
        texts = _with_words([each.words for each in situation.exchanges])
        return (Vectorise(self.embedder, texts, 60.0),)  # so that the next request need not wait

    def choose(self, situation: Situation) -> Choice:
        older = self._older(situation)
        if not older:
            return Choice()
        scores, reasons = self._scores(situation, older)
        by_score = sorted(range(len(older)), key=lambda index: (-scores[index], -index))
        best = [index for index in by_score if scores[index] > self.least][: self.related]
        return Choice(
            frozenset(each.run for index, each in enumerate(older) if index not in best),
            scores={older[index].run: round(scores[index], 4) for index in best},
            reasons=reasons,
        )

    def _older(self, situation: Situation) -> list[Exchange]:
        past = [each for each in situation.past if not each.is_pinned]
        return past[: max(0, len(past) - (self.turns - 1))]

    def _scores(
        self, situation: Situation, older: Sequence[Exchange]
    ) -> tuple[list[float], tuple[str, ...]]:
        if self.embedder is not None:
            message = situation.vectors.get(situation.message[:LONGEST])
            vectors = [situation.vectors.get(each.words[:LONGEST]) for each in older]
            if message is not None and any(vectors):
                return [cosine(message, each) if each else 0.0 for each in vectors], ()
        scores = lexical_scores(situation.message, [each.words for each in older])
        if self.embedder is None:
            return scores, ()
        return scores, ("turns were picked by their words, without the embedder",)


def _with_words(texts: Iterable[str]) -> tuple[str, ...]:
    """Providers refuse what is empty."""
    return tuple(dict.fromkeys(text[:LONGEST] for text in texts if text.strip()))
