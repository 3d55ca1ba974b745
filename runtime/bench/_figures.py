"""Figures, and how samples become figures. Pure.

A benchmark measures in rounds, subject and floor by turns. A figure is the median over the
rounds, and its ratio is the median of the rounds' own ratios: a machine that is slow for a
while is slow for both sides of a round.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

Samples = Sequence[float]  # of one round

FEWEST: Final = 10  # samples that a round has at least


@attrs.frozen
class Effort:
    """How much to measure.

    Attributes:
        rounds: How often subject and floor take turns.
        share: Of the full number of samples of a round.
    """

    rounds: int
    share: float

    def samples(self, full: int) -> int:
        """How many samples make a round whose full number is `full`."""
        return max(FEWEST, round(full * self.share))


FULL: Final = Effort(rounds=7, share=1.0)
QUICK: Final = Effort(rounds=3, share=0.1)


@attrs.frozen
class Budget:
    """What a figure should keep to.

    Attributes:
        ratio: Of its floor: at most, or where more is better, at least.
        value: In the figure's unit, at most.
        more_is_better: Whether `ratio` is a lower bound.
    """

    ratio: float | None = None
    value: float | None = None
    more_is_better: bool = False

    def is_met(self, p50: float, ratio: float | None) -> bool:
        if self.value is not None and p50 > self.value:
            return False
        if self.ratio is None:
            return True
        if ratio is None:
            return False
        return ratio >= self.ratio if self.more_is_better else ratio <= self.ratio

    def __str__(self) -> str:
        """As in "≤ 1.5 x", of the floor, and "≤ 0.3", in the figure's unit."""
        sign = "≥" if self.more_is_better else "≤"
        parts = [
            f"{sign} {self.ratio:g} x" if self.ratio is not None else "",
            f"≤ {self.value:g}" if self.value is not None else "",
        ]
        return ", ".join(filter(None, parts))


@attrs.frozen
class Figure:
    """One line of the table.

    Attributes:
        name: What was measured.
        unit: Of `p50`, `p99` and `floor`.
        p50: The median over the rounds of each round's median.
        p99: Likewise of the 99th percentile; None where a round is one sample.
        floor: The floor's `p50`; None where there is none.
        ratio: The median of the rounds' ratios of subject to floor.
        n: How many samples there are in all.
        budget: None for a figure that is shown for orientation.
    """

    name: str
    unit: str
    p50: float
    p99: float | None
    floor: float | None
    ratio: float | None
    n: int
    budget: Budget | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the budget is met; None where there is none."""
        return None if self.budget is None else self.budget.is_met(self.p50, self.ratio)

    def record(self) -> dict[str, Any]:
        """The figure as JSON types."""
        fields = attrs.asdict(self, recurse=False)
        return {**fields, "budget": str(self.budget or "") or None, "met": self.is_met}


@attrs.frozen
class Benchmark:
    """One name on the command line, and what it gives.

    Attributes:
        name: As it is typed.
        what: One line for `--list`.
        floor: What its figures are held against.
        measure: Gives the figures; takes seconds to do so.
        by_name_only: It takes minutes, so it runs only where it is named.
    """

    name: str
    what: str
    floor: str
    measure: Callable[[Effort], Sequence[Figure]]
    by_name_only: bool = False


def percentile(samples: Samples, percent: int) -> float:
    """The value below which `percent` of the samples lie, between 1 and 99.

    Raises:
        ValueError: If there are no samples.
    """
    if not samples:
        raise ValueError("there are no samples; measure at least one")
    if len(samples) == 1:
        return samples[0]
    return statistics.quantiles(samples, n=100, method="inclusive")[percent - 1]


def figure_of(
    name: str,
    unit: str,
    rounds: Sequence[Samples],
    floor: Sequence[Samples] = (),
    budget: Budget | None = None,
) -> Figure:
    """Summarise the rounds of a subject and, pairwise, of its floor."""
    medians = [percentile(samples, 50) for samples in rounds]
    floors = [percentile(samples, 50) for samples in floor]
    ratios = [mine / bare for mine, bare in zip(medians, floors, strict=bool(floors)) if bare]
    has_tail = len(rounds[0]) > 1
    return Figure(
        name=name,
        unit=unit,
        p50=statistics.median(medians),
        p99=statistics.median(percentile(s, 99) for s in rounds) if has_tail else None,
        floor=statistics.median(floors) if floors else None,
        ratio=statistics.median(ratios) if ratios else None,
        n=sum(map(len, rounds)),
        budget=budget,
    )
