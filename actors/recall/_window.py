"""Memories that go by age: all of a conversation, or its latest part. Pure."""

from __future__ import annotations

import attrs

from ._exchange import Exchange, first_kept
from ._recall import Choice, Recall, Situation


@attrs.frozen
class Full(Recall):
    """All of the conversation, as long as the model's context takes it."""

    def choose(self, situation: Situation) -> Choice:
        del situation
        return Choice()


@attrs.frozen(kw_only=True)
class Window(Recall):
    """The latest part of the conversation.

    Attributes:
        turns: So many, the one that goes on included. A turn is what the user says with all that
            is answered to it, whatever tools were called.
        tokens: As many as fit; an estimate, corrected by what the provider counts. A turn is sent
            as a whole or not at all; of the one that goes on, the oldest rounds of tools go.
        slack: How much of it goes at once, when it is full: from 0 to below 1. With 0.5, every
            so often half is dropped, and in between requests begin alike, as the caches of
            providers want it.

    Raises:
        ValueError: If there is neither `turns` nor `tokens`, one of them is below 1, or `slack` is
            out of range.
    """

    turns: int | None = None
    tokens: int | None = None
    slack: float = 0.0

    def __attrs_post_init__(self) -> None:
        if self.turns is None and self.tokens is None:
            raise ValueError(
                "a window has a size: write Window(turns=20), Window(tokens=8_000), or Full()"
            )
        for name, value in (("turns", self.turns), ("tokens", self.tokens)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, not {value}")
        if not 0 <= self.slack < 1:
            raise ValueError(f"slack must be 0 or more and below 1, not {self.slack}")

    def choose(self, situation: Situation) -> Choice:
        choice = Choice()
        if self.turns is not None:
            choice = _within_turns(situation.exchanges, self.turns, self.slack)
        if self.tokens is None:
            return choice
        limit = self.tokens / situation.rate
        return within_tokens(choice, situation, limit, self.slack)


def _within_turns(exchanges: tuple[Exchange, ...], turns: int, slack: float) -> Choice:
    counted = [each for each in exchanges if not each.is_pinned]
    first = first_kept([1.0] * len(counted), turns, slack)
    return Choice(frozenset(each.run for each in counted[:first]))


def within_tokens(choice: Choice, situation: Situation, limit: float, slack: float) -> Choice:
    """A choice, with more left out until it is within a limit.

    Args:
        choice: What is sent otherwise.
        situation: As for `choose`.
        limit: Estimated tokens.
        slack: As for `first_kept`.

    Returns:
        The same if it fits. What is pinned, noted or said now goes in any case.
    """
    *past, present = situation.exchanges
    kept = [each for each in past if each.run not in choice.left_out]
    limit -= sum(each.tokens for each in kept if each.is_pinned)
    row = [each for each in kept if not each.is_pinned]
    first = first_kept([*(each.tokens for each in row), present.tokens], limit, slack)
    rounds = _rounds_beyond(present, limit)
    if not first and rounds <= choice.rounds_left_out:
        return choice
    return attrs.evolve(
        choice,
        left_out=choice.left_out | {each.run for each in row[:first]},
        rounds_left_out=max(rounds, choice.rounds_left_out),
    )


def _rounds_beyond(present: Exchange, limit: float) -> int:
    """How many of the oldest rounds have to go; never the latest one."""
    rounds, over = 0, present.tokens - limit
    while over > 0 and rounds < len(present.rounds) - 1:
        over -= present.tokens_of_round(rounds)
        rounds += 1
    return rounds
