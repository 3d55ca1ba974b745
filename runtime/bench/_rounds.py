"""The turns that subjects and their floors take."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ._figures import Effort

T = TypeVar("T")


async def take_turns(
    effort: Effort, subjects: Mapping[str, Callable[[], Awaitable[T]]]
) -> dict[str, list[T]]:
    """Run each subject once a round, every other round in reverse order.

    One round before the first warms caches, connections and branch predictors; it does not
    count. The collector runs between turns, so that nobody pays for another's garbage.

    Returns:
        What each subject measured, by rounds: mostly its samples.
    """
    rounds: dict[str, list[T]] = {name: [] for name in subjects}
    for number in range(effort.rounds + 1):
        order = list(subjects) if number % 2 else list(reversed(list(subjects)))
        for name in order:
            gc.collect()
            measured = await subjects[name]()
            if number:
                rounds[name].append(measured)
    return rounds
