"""The turn machine under a user's hand: steered, paused, interrupted, approved, resumed."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from turn_driver import CHUNKS, END, NOW, Driver, calls, result_of

from actors.agents._control import SUPERSEDED, Resume, resumption_of, superseding
from actors.agents._conversation import report_of
from actors.agents._phases import TRANSITIONS, Phase
from actors.chat import (
    ApprovalNeeded,
    Complete,
    FinishReason,
    Outcome,
    StreamChunk,
    ToolEnd,
    ToolStart,
    ToolStatus,
    ToolTurn,
    Usage,
    UserTurn,
)
from actors.errors import ConfigurationError, RunNotOpen
from actors.journal import (
    ApprovalAsked,
    CallApproved,
    CallDenied,
    RunEnded,
    RunPaused,
    RunResumed,
    RunStarted,
    ToolCalled,
    UserSaid,
    closing,
    project,
)

SAID = StreamChunk("Well.")
PAUSED = StreamChunk("Let me", finish_reason=FinishReason.PAUSE, is_final=True)


def results(driver: Driver) -> list[tuple[str, ToolStatus]]:
    """What the model is told of the last round."""
    rounds = [turn for turn in project(driver.entries) if isinstance(turn, ToolTurn)]
    return [(result.content, result.status) for result in rounds[-1].results]


# Steering


def test_what_the_user_adds_to_an_answer_makes_one_more_model_call() -> None:
    driver = Driver().begin()
    driver.machine.steer("And 3 + 3?")
    driver.model_ends(SAID, END)

    assert driver.asked == 2
    assert driver.ended() == []
    assert isinstance(project(driver.entries)[-1], UserTurn)
    driver.model_ends(SAID, END)
    assert driver.machine.outcome is Outcome.DONE
    assert driver.users() == ["How much is 2 + 2?", "And 3 + 3?"]


def test_what_the_user_adds_to_a_round_of_tools_lands_behind_its_results() -> None:
    driver = Driver().begin().model_ends(*calls("a", "b")).tool_ends()
    driver.machine.steer("And?")
    driver.machine.steer("Well?")
    assert len(driver.users()) == 1

    driver.tool_ends()

    last = project(driver.entries)[-1]
    assert isinstance(last, UserTurn)
    assert last.text == "And?\n\nWell?"
    assert driver.asked == 2


def test_what_the_user_adds_waits_until_a_paused_answer_has_gone_on() -> None:
    driver = Driver().begin()
    driver.machine.steer("And?")
    driver.model_ends(PAUSED)
    assert len(driver.users()) == 1

    driver.model_ends(SAID, END)
    assert driver.users()[-1] == "And?"


def test_what_the_user_added_in_vain_is_the_last_word_of_the_run() -> None:
    driver = Driver().begin().hear(SAID)
    driver.machine.steer("Stop that")
    driver.stop()

    last = project(driver.entries)[-1]
    assert isinstance(last, UserTurn)
    assert last.text == "Stop that"
    assert isinstance(driver.entries[-1], RunEnded)


def test_what_the_user_adds_to_the_last_call_that_is_allowed_is_kept_and_spends_the_run() -> None:
    driver = Driver(max_calls=1).begin()
    driver.machine.steer("And?")
    driver.model_ends(SAID, END)

    assert driver.exhausted
    assert driver.users()[-1] == "And?"


# Pausing


def test_a_paused_run_is_held_before_its_next_model_call_and_goes_on_from_there() -> None:
    driver = Driver().begin().model_ends(*calls("a"))
    driver.machine.pause()
    driver.tool_ends()

    assert (driver.machine.phase, driver.asked) == (Phase.HELD, 1)
    assert isinstance(driver.entries[-1], RunPaused)
    assert report_of(driver.entries, "run").paused

    driver.machine.steer("Use English")
    driver.release()
    assert (driver.machine.phase, driver.asked) == (Phase.MODEL, 2)
    assert isinstance(driver.entries[-1], RunResumed)
    assert driver.users()[-1] == "Use English"
    assert not report_of(driver.entries, "run").paused


def test_a_pause_that_is_taken_back_in_time_changes_nothing() -> None:
    driver = Driver().begin().model_ends(*calls("a"))
    driver.machine.pause()
    driver.machine.unpause()
    driver.tool_ends()

    assert driver.machine.phase is Phase.MODEL
    assert not any(isinstance(entry, RunPaused | RunResumed) for entry in driver.entries)


def test_a_pause_does_not_keep_an_answer_from_being_done() -> None:
    driver = Driver().begin()
    driver.machine.pause()

    assert driver.model_ends(SAID, END).machine.outcome is Outcome.DONE


def test_a_paused_run_whose_program_ends_was_cancelled_and_goes_on_later() -> None:
    driver = Driver().begin().model_ends(*calls("a"))
    driver.machine.pause()
    driver.tool_ends()

    driver.entries += closing(driver.entries, reason="the agent was restarted", timestamp=NOW)
    assert driver.ended()[0].outcome is Outcome.CANCELLED
    assert "paused" in driver.ended()[0].reason

    driver.resume().model_ends(SAID, END)
    assert report_of(driver.entries, "run").outcome is Outcome.DONE


# Approval


def test_calls_that_need_approval_end_the_run_when_the_others_are_sealed() -> None:
    driver = Driver().begin().model_ends(*calls("ask1", "b", "ask2"))

    assert [event.type for event in driver.events[-3:]] == [
        "tool_start",
        "approval_needed",
        "approval_needed",
    ]
    assert driver.ended() == []
    driver.tool_ends()

    assert [call.id for call in driver.waiting] == ["ask1", "ask2"]
    assert driver.machine.outcome is Outcome.NEEDS_APPROVAL
    assert [end.outcome for end in driver.ended()] == [Outcome.NEEDS_APPROVAL]
    assert [call.id for call in report_of(driver.entries, "run").pending] == ["ask1", "ask2"]
    assert not any(isinstance(event, Complete) for event in driver.events)
    assert [status for _, status in results(driver)] == [
        ToolStatus.CANCELLED,
        ToolStatus.OK,
        ToolStatus.CANCELLED,
    ]


def test_the_end_is_recorded_before_anybody_hears_what_waits() -> None:
    driver = Driver().begin().hear(*calls("ask"))

    record, emit, ask = driver.machine.model_ended(NOW)

    assert [type(entry).__name__ for entry in record.entries] == [  # type: ignore[union-attr]
        "AssistantSaid",
        "ApprovalAsked",
        "RunEnded",
    ]
    assert [type(event) for event in emit.events] == [ApprovalNeeded]  # type: ignore[union-attr]
    assert [call.id for call in ask.calls] == ["ask"]  # type: ignore[union-attr]


def test_an_approved_call_runs_and_the_model_hears_of_its_result() -> None:
    driver = Driver().begin().model_ends(*calls("ask", "b")).tool_ends("b's")
    driver.resume("ask")

    assert [call.id for call in driver.running] == ["ask"]
    assert isinstance(driver.events[-1], ToolStart)
    driver.tool_ends("asked's")

    assert results(driver) == [("asked's", ToolStatus.OK), ("b's", ToolStatus.OK)]
    assert driver.asked == 2
    driver.model_ends(SAID, END)
    assert report_of(driver.entries, "run").outcome is Outcome.DONE


def test_a_denied_call_is_an_error_with_its_reason_and_never_starts() -> None:
    driver = Driver().begin().model_ends(*calls("ask")).resume(deny={"ask": "too dear"})

    assert results(driver) == [("the call was denied: too dear", ToolStatus.ERROR)]
    assert driver.running == []
    assert driver.asked == 2
    assert isinstance(driver.events[-1], ToolEnd)
    assert not any(isinstance(entry, ToolCalled) for entry in driver.entries)


def test_what_is_not_decided_waits_on_behind_what_is() -> None:
    driver = Driver().begin().model_ends(*calls("ask1", "ask2", "ask3"))
    driver.resume("ask3", deny={"ask1": ""}).tool_ends()

    assert [call.id for call in driver.waiting] == ["ask2"]
    assert driver.asked == 1
    assert [status for _, status in results(driver)] == [
        ToolStatus.ERROR,
        ToolStatus.CANCELLED,
        ToolStatus.OK,
    ]
    driver.resume("ask2").tool_ends()
    assert driver.asked == 2


def test_a_run_that_is_resumed_without_a_decision_says_again_what_waits() -> None:
    driver = Driver().begin().model_ends(*calls("ask")).resume()

    assert isinstance(driver.events[-1], ApprovalNeeded)
    assert [call.id for call in driver.waiting] == ["ask"]
    assert driver.asked == 1


def test_a_call_that_waited_when_the_run_was_cut_waits_on() -> None:
    driver = Driver().begin().model_ends(*calls("a", "ask")).stop()

    assert driver.machine.outcome is Outcome.CANCELLED
    driver.resume("ask").tool_ends()
    assert [status for _, status in results(driver)] == [ToolStatus.CANCELLED, ToolStatus.OK]


def test_ids_stay_apart_over_a_resumption() -> None:
    driver = Driver().begin().model_ends(*calls("x", "ask")).tool_ends().resume("ask").tool_ends()
    driver.model_ends(*calls("x", "ask"))

    ids = [
        entry.call.id for entry in driver.entries if isinstance(entry, ToolCalled | ApprovalAsked)
    ]
    assert ids == ["x", "ask", "ask", "x-2", "ask-2"]  # the approved one was asked and called


# What can be resumed


def test_an_answer_that_was_cut_short_is_gone_on_with_and_usage_adds_up() -> None:
    driver = Driver().begin().hear(StreamChunk("Once upon", usage=Usage(3, 2))).stop()
    driver.resume()

    last = project(driver.entries)[-1]
    assert isinstance(last, UserTurn)
    assert last.text == "(You were interrupted here. Go on.)"
    driver.model_ends(StreamChunk(" a time.", usage=Usage(5, 4)), END)
    assert driver.machine.usage == Usage(8, 6)


def test_a_run_of_which_nothing_was_heard_is_resumed_by_asking_again() -> None:
    driver = Driver().begin().stop(Outcome.FAILED).resume()

    assert project(driver.entries) == (UserTurn("How much is 2 + 2?"),)


@pytest.mark.parametrize("id", ["run", "what run?"])
def test_a_run_that_is_done_or_unknown_is_not_resumed(id: str) -> None:
    driver = Driver().begin().model_ends(SAID, END)

    with pytest.raises(RunNotOpen, match=r"is done: begin another|no run 'what run"):
        resumption_of(driver.entries, Resume(id))


def test_only_the_latest_run_is_resumed() -> None:
    driver = Driver().begin().stop()
    entries = [*driver.entries, RunStarted("next"), UserSaid("next", "Hello")]

    with pytest.raises(RunNotOpen, match="only the latest"):
        resumption_of(entries, Resume("run"))


def test_only_calls_that_wait_are_approved_or_denied() -> None:
    driver = Driver().begin().model_ends(*calls("ask", "b")).tool_ends()

    for message in (Resume("run", ["b"]), Resume("run", deny={"b": ""})):
        with pytest.raises(ConfigurationError, match=r"no call 'b' waits .* these do: ask"):
            resumption_of(driver.entries, message)
    with pytest.raises(ConfigurationError, match="approved and denied"):
        Resume("run", ["ask"], {"ask": ""})
    with pytest.raises(TypeError, match=r"write approve=\['ask'\]"):
        Resume("run", "ask")
    with pytest.raises(TypeError, match=r"write deny=\{"):
        Resume("run", deny=["ask"])


def test_another_run_denies_what_waited() -> None:
    driver = Driver().begin().model_ends(*calls("ask"))
    added = superseding(driver.entries, NOW)

    assert added == [CallDenied("run", "ask", SUPERSEDED, NOW)]
    driver.entries += added
    assert report_of(driver.entries, "run").pending == ()
    assert results(driver)[0][1] is ToolStatus.CANCELLED
    assert superseding(driver.entries, NOW) == []


# Whatever is done to a run

IDS = ["a", "b", "ask", "ask2"]


@attrs.frozen
class Deed:
    """What the model, a tool or the user does next; numbers choose among what is there."""

    kind: str
    number: int = 0
    chunks: tuple[StreamChunk, ...] = ()


CALLS = st.lists(st.sampled_from(IDS), max_size=4).map(lambda ids: calls(*ids))
DEEDS = st.one_of(
    st.builds(
        Deed, st.just("model_ended"), st.just(0), CALLS | st.lists(CHUNKS, max_size=2).map(tuple)
    ),
    st.builds(
        Deed,
        st.sampled_from(["tool_ended", "steer", "pause", "unpause", "stopped", "resume"]),
        st.integers(0, 7),
    ),
    st.just(Deed("tool_ended")),
)


def do(driver: Driver, deed: Deed) -> None:
    """Carry it out where it is possible; a held run that is not paused goes on."""
    machine = driver.machine
    if deed.kind == "resume":
        if machine.phase is Phase.ENDED and machine.outcome is not Outcome.DONE:
            decide(driver, deed.number)
        return
    if (machine.phase, deed.kind) in TRANSITIONS:
        do_to(driver, deed)
    if machine.phase is Phase.HELD and not machine.pausing:
        driver.obey(machine.released(NOW))


def do_to(driver: Driver, deed: Deed) -> None:
    machine = driver.machine
    match deed.kind:
        case "model_ended":
            driver.model_ends(*deed.chunks)
        case "tool_ended":
            call = driver.running.pop(deed.number % len(driver.running))
            driver.obey(machine.tool_ended(result_of(call), NOW))
        case "steer":
            machine.steer(f"more {len(driver.users())}-{len(machine.steered)}")
        case "stopped":
            driver.stop(list(Outcome)[1 + deed.number % 4])
        case _:
            getattr(machine, deed.kind)()


def decide(driver: Driver, number: int) -> None:
    """Approve or deny what waits, or leave it."""
    approve: list[str] = []
    deny: dict[str, str] = {}
    for index, call in enumerate(report_of(driver.entries, "run").pending):
        choice = (number >> index) % 3
        if choice == 0:
            approve.append(call.id)
        elif choice == 1:
            deny[call.id] = "no"
    driver.resume(*approve, deny=deny)


@given(st.lists(DEEDS, max_size=25), st.integers(1, 3))
def test_whatever_is_done_to_a_run_every_leg_has_one_end_and_all_can_be_sent(
    deeds: list[Deed], max_calls: int
) -> None:
    driver = Driver(max_calls).begin()  # which checks the history at every record
    said: list[str] = []
    for deed in deeds:
        before = len(driver.machine.steered)
        do(driver, deed)
        said += driver.machine.steered[before:]
    driver.stop()

    legs = 1 + sum(isinstance(entry, RunResumed) for entry in driver.entries)
    legs -= sum(isinstance(entry, RunPaused) for entry in driver.entries)
    held_at_the_end = report_held(driver)
    assert len(driver.ended()) == legs + held_at_the_end
    assert driver.ended()[-1].outcome is driver.machine.outcome
    assert report_of(driver.entries, "run").outcome is driver.machine.outcome
    assert set(said) <= set(driver.users())
    assert_decided_before_called(driver)


def report_held(driver: Driver) -> int:
    """How many legs ended while they were held, so that nothing resumed them."""
    held, count = False, 0
    for entry in driver.entries:
        if isinstance(entry, RunEnded):
            count += held
        held = isinstance(entry, RunPaused) or (held and not isinstance(entry, RunResumed))
        held = held and not isinstance(entry, RunEnded)
    return count


def assert_decided_before_called(driver: Driver) -> None:
    """No call that was asked for ran unless it was approved, and none ran twice."""
    asked, approved, called = set[str](), set[str](), set[str]()
    for entry in driver.entries:
        match entry:
            case ApprovalAsked():
                asked.add(entry.call.id)
            case CallApproved():
                approved.add(entry.call_id)
            case CallDenied():
                assert entry.call_id not in approved
            case ToolCalled():
                assert entry.call.id not in called
                called.add(entry.call.id)
            case _:
                pass
    assert asked & called == approved
