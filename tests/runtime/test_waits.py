"""The walk through who waits for whom, on graphs that are written down."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from runtime._waits import Bystander, chain_back, forget_wait, note_wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime._waits import Step


class Held:
    """Something that is awaited, and who must go on before that is over."""

    def __init__(self, holders: Sequence[Step] = (), path: str | None = None) -> None:
        self._holders = holders
        self.path = path or holders[0][0].path

    def holders(self) -> Iterable[Step]:
        return self._holders


def parties(count: int) -> list[Bystander]:
    return [Bystander(f"/{number}") for number in range(count)]


def test_a_wait_for_somebody_who_waits_for_nobody_closes_no_loop() -> None:
    a, b = parties(2)

    assert chain_back(Held([(b, None)]), a, "task") is None


def test_the_chain_names_everybody_from_the_caller_round_to_the_caller() -> None:
    a, b, c = parties(3)
    note_wait(b, "b", Held([(c, None)]))
    note_wait(c, "c", Held([(a, None)]))

    assert chain_back(Held([(b, None)]), a, "a") == ("/0", "/1", "/2", "/0")


def test_the_chain_names_whom_others_occupy() -> None:
    parent, child = Bystander("/parent"), Bystander("/parent/child")
    hook = Bystander("/parent (stopped)")
    note_wait(child, "child", Held([(hook, None)], "/parent"))

    assert chain_back(Held([(child, None)], "/parent"), parent, "parent") is None
    assert chain_back(Held([(child, None)], "/parent"), hook, "hook") == (
        "/parent (stopped)",
        "/parent",
        "/parent/child",
        "/parent (stopped)",
    )


def test_where_one_task_matters_only_the_waits_of_that_task_are_followed() -> None:
    a, b = parties(2)
    note_wait(b, "writer", Held([(a, None)]))

    assert chain_back(Held([(b, "reader")]), a, "a") is None
    assert chain_back(Held([(b, "writer")]), a, "a") == ("/0", "/1", "/0")


def test_a_caller_that_is_waited_for_in_another_task_is_not_in_a_loop() -> None:
    a, b = parties(2)
    note_wait(b, "b", Held([(a, "reader")]))

    assert chain_back(Held([(b, None)]), a, "reader") == ("/0", "/1", "/0")
    assert chain_back(Held([(b, None)]), a, "other") is None


def test_a_wait_that_is_over_is_not_followed() -> None:
    a, b = parties(2)
    note_wait(b, "b", Held([(a, None)]))
    forget_wait(b, "b")
    forget_wait(b, "never noted")

    assert chain_back(Held([(b, None)]), a, "a") is None


@given(
    st.integers(1, 7).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=14),
            st.integers(0, n - 1),
        )
    )
)
def test_a_loop_is_found_exactly_where_the_caller_can_be_reached(
    graph: tuple[int, set[tuple[int, int]], int],
) -> None:
    count, edges, target = graph
    everybody = parties(count)
    for number, (waiter, holder) in enumerate(edges):
        note_wait(everybody[waiter], number, Held([(everybody[holder], None)]))
    reachable, grown = {target}, set[int]()
    while grown != reachable:
        grown = set(reachable)
        reachable |= {holder for waiter, holder in edges if waiter in reachable}

    chain = chain_back(Held([(everybody[target], None)]), everybody[0], "task")

    assert (chain is not None) == (0 in reachable)
    if chain is not None:
        steps = [int(path[1:]) for path in chain]
        assert steps[0] == steps[-1] == 0
        assert steps[1] == target or target == 0
        assert all(step in edges for step in itertools.pairwise(steps[1:]))
