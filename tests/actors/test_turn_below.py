"""The turn machine, where calls wait with the agents that they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from turn_driver import END, NOW, Driver, calls, result_of

from actors.agents._calls import Waiting
from actors.agents._control import Resume, resumption_of
from actors.agents._conversation import report_of
from actors.agents._phases import Phase
from actors.chat import (
    ApprovalNeeded,
    Outcome,
    StreamChunk,
    ToolCall,
    ToolEnd,
    ToolStart,
    ToolStatus,
    Usage,
)
from actors.journal import SubRunEnded, ToolCalled, closing, project

if TYPE_CHECKING:
    from collections.abc import Iterable

ONE = Usage(1, 1)
SAID = StreamChunk("Done.")


def waits(driver: Driver, id: str, *pending: str, usage: Usage = ONE) -> Driver:
    """The agent that a call asks waits for approvals, and then its tool ends."""
    is_asked(driver, id, *pending, usage=usage)
    call = next(each for each in driver.running if each.id == id)
    driver.running.remove(call)
    driver.obey(driver.machine.tool_ended(result_of(call, "needs approval"), NOW))
    return driver


def is_asked(driver: Driver, id: str, *pending: str, usage: Usage = ONE) -> Driver:
    asked = [ToolCall(each, "pay") for each in pending]
    waiting = Outcome.NEEDS_APPROVAL
    ended = SubRunEnded("run", "clerk", f"of {id}", "main/clerk", waiting, usage, NOW, id)
    driver.entries += driver.machine.run_below_ended(ended, asked)
    driver.assert_sendable()
    return driver


def ids(calls: Iterable[ToolCall]) -> list[str]:
    return [call.id for call in calls]


def pending(driver: Driver) -> list[str]:
    """As the journal has it."""
    return ids(report_of(driver.entries, "run").pending)


def test_a_round_whose_last_call_waits_below_ends_the_run() -> None:
    driver = Driver().begin().model_ends(*calls("a", "b"))
    waits(driver, "a", "x", "y")
    assert driver.ended() == []
    driver.tool_ends()

    assert ids(driver.waiting) == pending(driver) == ["a/x", "a/y"]
    assert driver.machine.outcome is Outcome.NEEDS_APPROVAL
    assert [event.call.by for event in driver.events if isinstance(event, ApprovalNeeded)] == [
        "tool",
        "tool",
    ]
    assert [event.result.call_id for event in driver.events if isinstance(event, ToolEnd)] == ["b"]
    assert [seal.call_id for seal in driver.sealed()] == ["b"]


def test_what_waits_is_listed_in_the_order_of_the_calls_wherever_it_is_asked() -> None:
    driver = Driver().begin().model_ends(*calls("a", "ask", "b"))
    waits(driver, "b", "y")
    waits(driver, "a", "x")
    assert ids(driver.waiting) == pending(driver) == ["ask", "a/x", "b/y"]
    driver.resume()
    assert ids(driver.waiting) == pending(driver) == ["ask", "a/x", "b/y"]


def test_what_was_asked_when_the_run_is_cut_waits_on_and_is_not_sealed() -> None:
    driver = Driver().begin().model_ends(*calls("a", "b"))
    is_asked(driver, "a", "x")
    driver.stop()
    assert [seal.call_id for seal in driver.sealed()] == ["b"]
    assert pending(driver) == ["a/x"]
    late = result_of(driver.running[0], "late")
    driver.obey(driver.machine.late(late, NOW))

    driver.resume("a/x")
    assert ids(driver.running) == ["a"]
    driver.tool_ends("paid")
    assert [seal.content for seal in driver.sealed()][-1] == "paid"
    assert driver.machine.phase is Phase.MODEL


def test_what_a_tool_says_late_of_a_call_that_waits_does_not_seal_it() -> None:
    driver = Driver().begin().model_ends(*calls("a", "b"))
    is_asked(driver, "a", "x")
    driver.obey(driver.machine.late(result_of(driver.running[0], "late"), NOW))
    driver.stop()
    assert [seal.call_id for seal in driver.sealed()] == ["b"]
    assert pending(driver) == ["a/x"]


def test_a_crash_leaves_what_waits_and_seals_what_went_on() -> None:
    driver = Driver().begin().model_ends(*calls("a", "b"))
    is_asked(driver, "a", "x")
    driver.entries += closing(driver.entries, reason="crash", timestamp=NOW)
    assert [seal.call_id for seal in driver.sealed()] == ["b"]
    assert pending(driver) == ["a/x"]

    driver.resume("a/x")
    driver.entries += closing(driver.entries, reason="crash", timestamp=NOW)
    assert driver.sealed()[-1].status is ToolStatus.UNKNOWN
    assert pending(driver) == []


def test_usage_of_runs_below_counts_once_however_often_they_go_on() -> None:
    driver = Driver().begin().model_ends(*calls("a", "b"), END)
    waits(driver, "a", "x")
    waits(driver, "b", "y", usage=Usage(10, 10))
    before = driver.machine.usage
    driver.resume("a/x")
    assert driver.machine.usage == before
    waits(driver, "a", "x2", usage=Usage(5, 5))
    assert driver.machine.usage == before + Usage(4, 4) == report_of(driver.entries, "run").usage


def test_what_is_handed_down_has_the_ids_of_the_agent_below() -> None:
    driver = Driver().begin().model_ends(*calls("a", "b"))
    waits(driver, "a", "x", "y/z")
    waits(driver, "b", "x")
    message = Resume("run", ["a/x"], {"a/y/z": "no"})
    decided = resumption_of(driver.entries, message).decided()
    assert list(decided) == ["a"]
    assert decided["a"].sub_run == "of a"
    assert (decided["a"].approve, decided["a"].deny) == (frozenset({"x"}), {"y/z": "no"})


def test_an_id_of_a_model_does_not_lead_below() -> None:
    driver = Driver().begin().model_ends(*calls("a/x", "a"))
    assert ids(driver.running) == ["a-x", "a"]
    assert Waiting.read(driver.entries).calls == ()


ROUNDS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 2), min_size=1, max_size=3),  # what waits below each call
        st.sampled_from(["end", "stop", "crash"]),
        st.booleans(),  # whether all is approved, or one only
    ),
    min_size=1,
    max_size=4,
)


@given(ROUNDS)
def test_whatever_waits_below_the_history_can_be_sent_and_the_run_comes_to_its_end(
    rounds: list[tuple[list[int], str, bool]],
) -> None:
    driver = Driver(max_calls=99).begin()  # which checks the history at every record
    for counts, ending, all_at_once in rounds:
        driver.model_ends(*calls(*(f"c{number}" for number in range(len(counts)))))
        for call, count in zip(list(driver.running), counts, strict=True):
            asked = [f"x{number}" for number in range(count)]
            if count and ending != "end":
                is_asked(driver, call.id, *asked)
            elif count:
                waits(driver, call.id, *asked)
            else:
                driver.running.remove(call)
                driver.obey(driver.machine.tool_ended(result_of(call), NOW))
        if ending == "stop":
            driver.stop()
        elif ending == "crash":
            driver.entries += closing(driver.entries, reason="crash", timestamp=NOW)
        decide_all(driver, all_at_once=all_at_once)
    driver.model_ends(SAID, END)
    assert driver.ended()[-1].outcome is Outcome.DONE
    assert pending(driver) == []


def decide_all(driver: Driver, *, all_at_once: bool) -> None:
    """Approve what waits until nothing does, and the model is asked again."""
    while (left := pending(driver)) or driver.machine.phase is not Phase.MODEL:
        chosen = left if all_at_once else left[:1]
        driver.resume(*chosen)
        called = {each.partition("/")[0] for each in chosen}
        assert set(ids(driver.running)) == called
        assert {e.call.id for e in driver.events if isinstance(e, ToolStart)} >= called
        for call in list(driver.running):
            others = [id for id in left if id.startswith(f"{call.id}/") and id not in chosen]
            if others:
                waits(driver, call.id, *(id.partition("/")[2] for id in others))
            else:
                driver.running.remove(call)
                driver.obey(driver.machine.tool_ended(result_of(call), NOW))
    assert project(driver.entries)
    assert any(isinstance(entry, ToolCalled) for entry in driver.entries)
