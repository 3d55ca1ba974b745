"""The turn machine: which input is good when, and what every possible run leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from turn_driver import CHUNKS, END, NOW, Driver, calls, result_of

from actors.agents._calls import Resumption
from actors.agents._commands import (
    Emit,
    Record,
    RunTools,
)
from actors.agents._phases import TRANSITIONS, Phase
from actors.agents._turn import TurnMachine
from actors.chat import (
    Answer,
    Complete,
    FinishReason,
    Outcome,
    Recalled,
    StreamChunk,
    Thinking,
    Thought,
    Token,
    ToolEnd,
    ToolResult,
    ToolStart,
    ToolStatus,
    Usage,
)
from actors.journal import (
    AssistantSaid,
    RunEnded,
    ToolCalled,
    project,
)
from actors.tools import Progress

if TYPE_CHECKING:
    from collections.abc import Callable


def at(phase: Phase) -> TurnMachine:
    """A machine in this phase."""
    driver = Driver(max_calls=1)
    match phase:
        case Phase.NEW:
            pass
        case Phase.MODEL:
            driver.begin()
        case Phase.TOOLS:
            driver.begin().model_ends(*calls("a"))
        case Phase.HELD:
            driver.machine.pause()
            driver.begin()
        case Phase.SPENT:
            driver.begin().model_ends(*calls("a")).tool_ends()
        case Phase.ENDED:
            driver.begin().stop()
    assert driver.machine.phase is phase
    return driver.machine


INPUTS: dict[str, Callable[[TurnMachine], object]] = {
    "begin": lambda machine: machine.begin("text", NOW),
    "resume": lambda machine: machine.resume(Resumption(Usage()), NOW),
    "steer": lambda machine: machine.steer("more"),
    "pause": lambda machine: machine.pause(),
    "unpause": lambda machine: machine.unpause(),
    "released": lambda machine: machine.released(NOW),
    "told": lambda machine: machine.told(Recalled("1 of 2 turns are sent")),
    "chunks": lambda machine: machine.chunks([END]),
    "model_ended": lambda machine: machine.model_ended(NOW),
    "tool_ended": lambda machine: machine.tool_ended(ToolResult("a", "tool", "4"), NOW),
    "progressed": lambda machine: machine.progressed("a", Progress("half", 0.5), NOW),
    "late": lambda machine: machine.late(ToolResult("a", "tool", "4"), NOW),
    "stopped": lambda machine: machine.stopped(Outcome.FAILED, "why", taken=0, now=NOW),
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("name", INPUTS)
def test_an_input_is_good_exactly_where_the_table_has_it(phase: Phase, name: str) -> None:
    machine = at(phase)

    if (phase, name) in TRANSITIONS:
        INPUTS[name](machine)
        assert machine.phase in TRANSITIONS[phase, name]
    else:
        with pytest.raises(AssertionError, match=name):
            INPUTS[name](machine)
        assert machine.phase is phase


def test_the_table_knows_every_input_and_every_way_is_taken_by_some_run() -> None:
    assert {name for _, name in TRANSITIONS} == set(INPUTS)
    ways = {
        ("begin", Phase.MODEL): Driver().begin(),
        ("begin", Phase.HELD): paused_first().begin(),
        ("resume", Phase.MODEL): Driver().begin().stop().resume(),
        ("resume", Phase.HELD): held_again(),
        ("resume", Phase.TOOLS): Driver().begin().model_ends(*calls("ask")).resume("ask"),
        ("resume", Phase.ENDED): Driver().begin().model_ends(*calls("ask")).resume(),
        ("model_ended", Phase.HELD): paused_later(Driver().begin()).model_ends(paused()),
        ("tool_ended", Phase.HELD): paused_later(
            Driver().begin().model_ends(*calls("a"))
        ).tool_ends(),
        ("tool_ended", Phase.ENDED): Driver().begin().model_ends(*calls("a", "ask")).tool_ends(),
        ("model_ended", Phase.ENDED): Driver().begin().model_ends(END),
        ("model_ended", Phase.TOOLS): Driver().begin().model_ends(*calls("a")),
        ("model_ended", Phase.MODEL): Driver().begin().model_ends(paused()),
        ("model_ended", Phase.SPENT): Driver(1).begin().model_ends(paused()),
        ("tool_ended", Phase.TOOLS): Driver().begin().model_ends(*calls("a", "b")).tool_ends(),
        ("tool_ended", Phase.MODEL): Driver().begin().model_ends(*calls("a")).tool_ends(),
        ("tool_ended", Phase.SPENT): Driver(1).begin().model_ends(*calls("a")).tool_ends(),
    }
    branching = {
        (name, to)
        for (_, name), targets in TRANSITIONS.items()
        for to in targets
        if len(targets) > 1
    }

    assert branching == set(ways)
    assert all(driver.machine.phase is to for (_, to), driver in ways.items())


def paused_later(driver: Driver) -> Driver:
    driver.machine.pause()
    return driver


def paused_first() -> Driver:
    return paused_later(Driver())


def held_again() -> Driver:
    """Resumed, and paused before its turn came."""
    driver = Driver().begin().stop()
    machine = TurnMachine("run", 3)
    machine.pause()
    driver.machine = machine
    driver.obey(machine.resume(Resumption(Usage()), NOW))
    return driver


def paused() -> StreamChunk:
    return StreamChunk("Let me", finish_reason=FinishReason.PAUSE, is_final=True)


def test_a_result_of_a_call_that_is_not_open_is_refused() -> None:
    machine = at(Phase.TOOLS)

    with pytest.raises(AssertionError, match="b is none of"):
        machine.tool_ended(ToolResult("b", "tool", "4"), NOW)


def test_an_answer_without_calls_is_recorded_with_the_end_before_it_is_complete() -> None:
    machine = TurnMachine("run", 3)
    machine.begin("Hello", NOW)
    machine.chunks([StreamChunk("Good "), StreamChunk("day", usage=Usage(3, 2)), END])

    record, emit = machine.model_ended(NOW)

    assert isinstance(record, Record)
    assert isinstance(emit, Emit)
    assert [type(entry) for entry in record.entries] == [AssistantSaid, RunEnded]
    assert [type(event) for event in emit.events] == [Answer, Complete]
    assert emit.events[1].content == "Good day"
    assert machine.outcome is Outcome.DONE


@pytest.mark.parametrize("taken", range(4))
def test_what_the_reader_is_told_first_is_no_part_of_the_answer(taken: int) -> None:
    driver = Driver().begin()
    driver.obey([driver.machine.told(Recalled("1 of 2 turns are sent"))])
    driver.hear(StreamChunk("one "), StreamChunk("two "))
    driver.stop(taken=taken)

    assert driver.said()[0].turn.text == "one two "[: 4 * max(0, taken - 1)]


def test_calls_are_recorded_before_their_tools_are_started_and_announced() -> None:
    machine = TurnMachine("run", 3)
    machine.begin("Hello", NOW)
    machine.chunks(calls("a", "b"))

    record, emit, run = machine.model_ended(NOW)

    assert isinstance(record, Record)
    assert isinstance(emit, Emit)
    assert isinstance(run, RunTools)
    assert [type(entry) for entry in record.entries] == [AssistantSaid, ToolCalled, ToolCalled]
    assert [type(event) for event in emit.events] == [ToolStart, ToolStart]
    assert [call.id for call in run.calls] == ["a", "b"]


def test_the_model_is_called_again_when_the_last_result_is_sealed() -> None:
    driver = Driver().begin().model_ends(*calls("a", "b"))

    driver.tool_ends()
    assert (driver.asked, driver.machine.open_calls) == (1, ("b",))
    driver.tool_ends()
    assert (driver.asked, driver.machine.open_calls) == (2, ())


def test_calls_that_come_without_ids_or_under_one_id_are_told_apart() -> None:
    driver = Driver().begin().model_ends(*calls("", "x", "x", ""))
    first = [call.id for call in driver.running]
    for _ in range(4):
        driver.tool_ends()
    driver.model_ends(*calls("x"))

    ids = [*first, driver.running[0].id]
    assert len(set(ids)) == 5
    assert all(ids)


def test_a_provider_that_pauses_is_called_again_and_its_text_goes_on() -> None:
    driver = Driver().begin().model_ends(paused()).model_ends(StreamChunk(" see."), END)

    assert driver.asked == 2
    assert project(driver.entries)[-1].text == "Let me see."  # type: ignore[union-attr]
    assert driver.machine.outcome is Outcome.DONE


@pytest.mark.parametrize("taken", range(5))
def test_of_an_interrupted_answer_exactly_what_was_taken_is_recorded(taken: int) -> None:
    driver = Driver().begin()
    driver.hear(StreamChunk(thinking="Hm"), StreamChunk("a"), StreamChunk("b"), StreamChunk("c"))
    driver.stop(taken=taken)

    (said,) = driver.said()
    shown = driver.events[:taken]
    assert said.turn.text == "".join(e.content for e in shown if isinstance(e, Token))
    thoughts = [part.text for part in said.turn.parts if isinstance(part, Thinking)]
    assert thoughts == [e.content for e in shown if isinstance(e, Thought)]
    assert not said.complete


def test_events_of_the_rounds_before_do_not_count_as_the_present_answer() -> None:
    """A reader may be an event behind when the next model call begins."""
    driver = Driver().begin().model_ends(StreamChunk("One."), *calls("a")).tool_ends()
    before = len(driver.events)
    driver.hear(StreamChunk("Two."), StreamChunk("Three."))

    driver.stop(taken=before + 1)

    assert driver.said()[-1].turn.text == "Two."


def test_a_run_that_stops_before_its_reader_took_anything_keeps_only_the_question() -> None:
    driver = Driver().begin().hear(StreamChunk("unheard")).stop(taken=0)

    assert [type(turn).__name__ for turn in project(driver.entries)] == ["UserTurn"]


def test_a_finish_reason_is_recorded_only_for_an_answer_that_was_ended() -> None:
    driver = Driver().begin().hear(StreamChunk("a"), END).stop()

    assert driver.said()[0].finish_reason is None


def test_open_calls_are_sealed_as_cancelled_when_the_run_stops() -> None:
    driver = Driver().begin().model_ends(*calls("a", "b")).tool_ends().stop()

    assert [(seal.call_id, seal.status) for seal in driver.sealed()] == [
        ("a", ToolStatus.OK),
        ("b", ToolStatus.CANCELLED),
    ]


def test_what_is_known_of_an_open_call_becomes_its_seal() -> None:
    driver = Driver().begin().model_ends(*calls("a"))
    known = ToolResult("a", "tool", "it did not stop", ToolStatus.UNKNOWN)

    driver.obey(driver.machine.late(known, NOW))
    assert driver.sealed() == []
    driver.stop()

    assert [(seal.content, seal.status) for seal in driver.sealed()] == [
        ("it did not stop", ToolStatus.UNKNOWN)
    ]


def test_what_is_known_beside_a_result_is_recorded_behind_it() -> None:
    driver = Driver().begin().model_ends(*calls("a"))
    driver.obey(driver.machine.late(ToolResult("a", "tool", "late", ToolStatus.UNKNOWN), NOW))

    driver.tool_ends("too slow")

    assert [seal.content for seal in driver.sealed()] == ["too slow", "late"]
    assert project(driver.entries)[-1].results[0].content == "too slow"  # type: ignore[union-attr]


def test_a_fact_that_comes_after_the_end_is_recorded_and_never_sent() -> None:
    driver = Driver().begin().model_ends(*calls("a")).stop()
    before = project(driver.entries)

    driver.obey(driver.machine.late(ToolResult("a", "tool", "42", ToolStatus.UNKNOWN), NOW))

    assert driver.sealed()[-1].content == "42"
    assert project(driver.entries) == before


def test_a_run_that_used_up_its_calls_is_exhausted_after_its_last_round() -> None:
    driver = Driver(max_calls=1).begin().model_ends(*calls("a")).tool_ends()

    assert driver.exhausted
    driver.stop(Outcome.LIMIT)
    assert driver.machine.outcome is Outcome.LIMIT
    assert len(driver.said()) == 1


def test_usage_adds_up_over_all_calls_the_interrupted_one_included() -> None:
    counted = StreamChunk(usage=Usage(10, 1), finish_reason=FinishReason.STOP, is_final=True)
    driver = Driver().begin().model_ends(*calls("a")[:-1], counted).tool_ends()
    driver.hear(StreamChunk("x", usage=Usage(20, 2))).stop()

    assert driver.machine.usage == Usage(30, 3)
    assert [said.usage.input_tokens for said in driver.said()] == [10, 20]


# What every run has in common

STATUSES = st.sampled_from(ToolStatus)


@attrs.frozen
class Happening:
    kind: str
    chunks: tuple[StreamChunk, ...] = ()
    number: int = 0
    status: ToolStatus = ToolStatus.OK


HAPPENINGS = st.one_of(
    st.builds(Happening, st.just("chunks"), st.lists(CHUNKS, max_size=3).map(tuple)),
    st.builds(Happening, st.just("model_ended")),
    st.builds(Happening, st.just("tool_ended"), st.just(()), st.integers(0, 5), STATUSES),
    st.builds(Happening, st.just("progressed"), st.just(()), st.integers(0, 5)),
    st.builds(Happening, st.just("late"), st.just(()), st.integers(0, 5), STATUSES),
)


def happen(driver: Driver, happening: Happening) -> None:
    """Carry it out where it is possible."""
    machine = driver.machine
    if (machine.phase, happening.kind) not in TRANSITIONS:
        return
    match happening.kind:
        case "chunks":
            driver.hear(*happening.chunks)
        case "model_ended":
            driver.obey(machine.model_ended(NOW))
        case "tool_ended":
            call = driver.running.pop(happening.number % len(driver.running))
            result = attrs.evolve(result_of(call), status=happening.status)
            driver.obey(machine.tool_ended(result, NOW, Progress("at last")))
        case "progressed":
            call = driver.running[happening.number % len(driver.running)]
            driver.obey([machine.progressed(call.id, Progress("half", 0.5), NOW)])
        case _:
            called = [entry.call for entry in driver.entries if isinstance(entry, ToolCalled)]
            if called:
                known = result_of(called[happening.number % len(called)], "late")
                driver.obey(machine.late(attrs.evolve(known, status=happening.status), NOW))


@given(st.lists(HAPPENINGS, max_size=20), st.integers(0, 30), st.integers(1, 3))
def test_whatever_happens_a_run_has_one_end_and_a_history_that_can_be_sent(
    happenings: list[Happening], taken: int, max_calls: int
) -> None:
    driver = Driver(max_calls).begin()  # which checks the history at every record
    for happening in happenings:
        happen(driver, happening)
    driver.stop(taken=min(taken, len(driver.events))).stop(Outcome.FAILED)

    assert len(driver.ended()) == 1
    assert driver.ended()[0].outcome is driver.machine.outcome
    assert driver.machine.open_calls == ()
    assert driver.asked == driver.machine.calls <= max_calls
    assert_sealed_once(driver)
    assert_usage_adds_up(driver)


def assert_sealed_once(driver: Driver) -> None:
    """Each call has one seal that counts, the first; further ones are late facts."""
    ids = [entry.call.id for entry in driver.entries if isinstance(entry, ToolCalled)]
    assert len(set(ids)) == len(ids)
    assert {seal.call_id for seal in driver.sealed()} == set(ids)
    ends = [event.result.call_id for event in driver.events if isinstance(event, ToolEnd)]
    assert len(set(ends)) == len(ends)
    starts = [event.call.id for event in driver.events if isinstance(event, ToolStart)]
    assert starts == ids


def assert_usage_adds_up(driver: Driver) -> None:
    total = sum((said.usage for said in driver.said()), Usage())
    assert driver.machine.usage == total
    finals = [event.response.usage for event in driver.events if isinstance(event, Complete)]
    assert finals in ([], [total])


@given(st.lists(HAPPENINGS, max_size=20), st.integers(0, 30))
def test_what_is_recorded_of_the_last_answer_is_what_was_taken_of_it(
    happenings: list[Happening], taken: int
) -> None:
    driver = Driver(max_calls=9).begin()
    for happening in happenings:
        happen(driver, happening)
    if driver.machine.phase is not Phase.MODEL:
        return
    before = sum(map(len, (said.turn.text for said in driver.said())))
    taken = min(taken, len(driver.events))
    driver.stop(taken=taken)

    shown = "".join(e.content for e in driver.events[:taken] if isinstance(e, Token))
    assert driver.said()[-1].turn.text == shown[before:]
