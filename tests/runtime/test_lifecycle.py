"""States, and what an error or a group of errors stands for."""

from __future__ import annotations

from functools import partial
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import ActorStopped, MailboxFull, RuntimeFault
from runtime._lifecycle import TRANSITIONS, State, is_crash, unwrapped
from runtime.testing import InjectedCrash

ERRORS = st.sampled_from([ValueError("v"), KeyError("k"), ActorStopped("s"), MailboxFull("m")])


def groups_of(errors: st.SearchStrategy[Exception]) -> st.SearchStrategy[Exception]:
    return st.lists(errors, min_size=1, max_size=3).map(partial(ExceptionGroup, "several"))


GROUPS = st.recursive(groups_of(ERRORS), lambda inner: groups_of(inner | ERRORS), max_leaves=6)


def leaves(error: Exception) -> list[Exception]:
    if not isinstance(error, ExceptionGroup):
        return [error]
    group = cast("ExceptionGroup[Exception]", error)
    return [leaf for inner in group.exceptions for leaf in leaves(inner)]


@given(error=ERRORS)
def test_an_error_outside_of_any_group_stands_for_itself(error: Exception) -> None:
    assert unwrapped(error) is error


@given(group=GROUPS)
def test_a_group_stands_for_its_only_error_or_for_the_first_of_several_faults(
    group: Exception,
) -> None:
    inside = leaves(group)
    if len(inside) == 1 or all(isinstance(error, RuntimeFault) for error in inside):
        assert unwrapped(group) is inside[0]
    else:
        assert unwrapped(group) is group


@given(group=GROUPS)
def test_where_all_are_declared_or_faults_a_group_stands_for_the_first(group: Exception) -> None:
    declared = tuple({type(error) for error in leaves(group)} - {ValueError})
    inside = leaves(group)
    if len(inside) == 1 or not any(type(error) is ValueError for error in inside):
        assert unwrapped(group, declared) is inside[0]
    else:
        assert unwrapped(group, declared) is group


@given(group=GROUPS)
def test_a_keyboard_interrupt_among_others_is_what_matters(
    group: Exception,
) -> None:
    interrupt = KeyboardInterrupt()

    assert unwrapped(BaseExceptionGroup("all", [group, interrupt])) is interrupt


def test_only_undeclared_errors_that_are_no_faults_are_crashes() -> None:
    assert is_crash(ValueError(), ())
    assert is_crash(ValueError(), (KeyError,))
    assert is_crash(InjectedCrash(), (Exception,))
    assert not is_crash(ValueError(), (ValueError,))
    assert not is_crash(ActorStopped("gone"), ())
    assert is_crash(KeyboardInterrupt(), (Exception,))


@pytest.mark.parametrize("state", State)
def test_every_state_leads_to_the_end_and_none_out_of_it(state: State) -> None:
    reached, unvisited = set[State](), [state]
    while unvisited:
        reached.add(unvisited[-1])
        unvisited += TRANSITIONS[unvisited.pop()] - reached

    assert State.ENDED in reached
    assert TRANSITIONS[State.ENDED] == set()
