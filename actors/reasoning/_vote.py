"""Self-consistency: several chains of thought side by side, and a vote on their answers. Pure.

As soon as the answers still to come can change nothing, their calls are cancelled. A sample
without any text does not vote.
"""

from __future__ import annotations

import enum
from collections import Counter
from typing import ClassVar, Final

import attrs

from actors.chat import Thought

from ._chain import HOW, read_chain
from ._machine import Emit, Machine, StrategyCommand, Task, Transitions, warmer
from ._reading import same_answer
from ._trace import ThoughtStep

TEMPERATURE: Final = 0.7  # of the paper by Wang et al., 2022 (arXiv 2203.11171)


class VotePhase(enum.StrEnum):
    NEW = "new"
    VOTING = "voting"
    ENDED = "ended"


@attrs.frozen
class SelfConsistency:
    """Think several times, and take the answer that comes most often.

    Of answers that come equally often, the one that was complete first wins.

    Attributes:
        samples: How many times. The settings' temperature is used, or else 0.7.

    Raises:
        ValueError: If there are fewer than 2 samples.
    """

    samples: int = 5

    def __attrs_post_init__(self) -> None:
        if self.samples < 2:  # noqa: PLR2004 - a vote
            raise ValueError(
                f"samples must be 2 or more, not {self.samples}: for one, write ChainOfThought()"
            )

    @property
    def name(self) -> str:
        return "self-consistency"

    @property
    def good_for(self) -> str:
        return "problems with one short answer, such as a number, that are easy to get wrong"

    def machine(self, task: Task) -> VoteMachine:
        return VoteMachine(task, self)


@attrs.frozen
class _Vote:
    """The answer of a sample; `key` is what equal ones have in common."""

    key: str
    answer: str
    step: ThoughtStep


class VoteMachine(Machine):
    TRANSITIONS: ClassVar[Transitions] = {
        (VotePhase.NEW, "begin"): {VotePhase.VOTING},
        (VotePhase.VOTING, "said"): {VotePhase.VOTING},
        (VotePhase.VOTING, "answered"): {VotePhase.VOTING, VotePhase.ENDED},
    }

    def __init__(self, task: Task, strategy: SelfConsistency) -> None:
        super().__init__(task, strategy.name, VotePhase.NEW)
        self._samples = strategy.samples
        self._votes: list[_Vote] = []

    def begun(self, now: float) -> list[StrategyCommand]:
        self.move("begin", VotePhase.VOTING)
        turns, settings = self.task.turns(HOW), warmer(self.task.settings, TEMPERATURE)
        return [
            command
            for _ in range(self._samples)
            for command in self.ask("sample", turns, now, settings)
        ]

    def concluded(self, call: str, text: str, now: float) -> list[StrategyCommand]:
        shown = self._count(call, text, now)
        if not self._is_decided():
            self.move("answered", VotePhase.VOTING)
            return shown
        rest = self.cut(self.open_calls, now)
        scores = self._score(now)
        end = self.show_and_finish("answered", VotePhase.ENDED, self._winner(), now)
        return [*rest, *shown, *scores, *end]

    def _count(self, call: str, text: str, now: float) -> list[StrategyCommand]:
        drafts, answer = read_chain(text)
        if not answer:
            return []
        stated = [draft.confidence for draft in drafts if draft.confidence is not None]
        step = ThoughtStep(
            self.next_number,
            text.strip(),
            stated[-1] if stated else None,
            tuple(fact for draft in drafts for fact in draft.evidence),
            branch=call.rpartition("-")[2],
            timestamp=now,
        )
        self._votes.append(_Vote(same_answer(answer), answer, step))
        return [self.note(step, now), Emit((Thought(f"{step.thought}\n", now),))]

    def _counts(self) -> Counter[str]:
        return Counter(vote.key for vote in self._votes)

    def _is_decided(self) -> bool:
        left = len(self.open_calls)
        counts = [count for _, count in self._counts().most_common(2)]
        first, second = (*counts, 0, 0)[:2]
        return not left or first > second + left

    def _winner(self) -> str:
        if not self._votes:
            return ""
        ((key, _),) = self._counts().most_common(1)  # of equals, the one counted first
        return next(vote.answer for vote in self._votes if vote.key == key)

    def _score(self, now: float) -> list[StrategyCommand]:
        """Each sample has the share of its answer in the vote."""
        counts, cast = self._counts(), len(self._votes)
        return [
            self.note(attrs.evolve(vote.step, score=counts[vote.key] / cast), now)
            for vote in self._votes
        ]
