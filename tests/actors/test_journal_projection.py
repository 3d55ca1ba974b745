"""From journal to history: always sendable, and true to what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strict_history import refusals

from actors.chat import (
    AssistantTurn,
    FinishReason,
    Outcome,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolStatus,
    ToolTurn,
    UserTurn,
    assistant,
)
from actors.journal import (
    ApprovalAsked,
    AssistantSaid,
    CallApproved,
    CallDenied,
    Entry,
    GuardStopped,
    HandedOver,
    RunEnded,
    RunPaused,
    RunResumed,
    RunStarted,
    SubRunEnded,
    ToolCalled,
    ToolSealed,
    UserSaid,
    closing,
    project,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ADD, MUL = ToolCall("c1", "add"), ToolCall("c2", "mul")
ROUND = assistant("Let me see.", ADD, MUL)


def begun(text: str = "Hi", run: str = "r1") -> list[Entry]:
    return [RunStarted(run), UserSaid(run, text)]


def said(*parts: Part, run: str = "r1", complete: bool = True) -> AssistantSaid:
    return AssistantSaid(run, AssistantTurn(parts), complete)


def called(*calls: ToolCall, run: str = "r1") -> list[Entry]:
    return [ToolCalled(run, call) for call in calls]


def sealed(call: ToolCall, content: str, run: str = "r1") -> ToolSealed:
    return ToolSealed(run, call.id, call.name, content)


def ended(run: str = "r1", outcome: Outcome = Outcome.CANCELLED) -> RunEnded:
    return RunEnded(run, outcome)


def statuses(entries: Sequence[Entry]) -> list[ToolStatus]:
    """Of all results in the history, in order."""
    turns = [turn for turn in project(entries) if isinstance(turn, ToolTurn)]
    return [result.status for turn in turns for result in turn.results]


def test_a_conversation_is_its_turns_with_the_results_of_each_round_behind_its_calls() -> None:
    entries = [
        *begun("1+2 and 3*4?"),
        AssistantSaid("r1", ROUND, complete=True),
        *called(ADD, MUL),
        sealed(MUL, "12"),
        sealed(ADD, "3"),
        said(Text("3 and 12")),
        ended(outcome=Outcome.DONE),
    ]

    assert project(entries) == (
        UserTurn("1+2 and 3*4?"),
        ROUND,
        ToolTurn((ToolResult("c1", "add", "3"), ToolResult("c2", "mul", "12"))),
        assistant("3 and 12"),
    )


def test_an_empty_journal_is_an_empty_history() -> None:
    assert project([]) == ()


def test_a_call_without_an_end_is_unknown_and_one_that_never_started_is_cancelled() -> None:
    entries = [*begun(), AssistantSaid("r1", ROUND, complete=True), *called(ADD)]

    assert statuses(entries) == [ToolStatus.UNKNOWN, ToolStatus.CANCELLED]
    assert statuses([*entries, ended()]) == [ToolStatus.UNKNOWN, ToolStatus.CANCELLED]


def test_an_interrupted_answer_keeps_its_text_and_drops_calls_that_never_started() -> None:
    entries = [*begun(), said(Text("Half a"), ADD, complete=False), ended()]

    assert project(entries) == (UserTurn("Hi"), assistant("Half a"))


def test_an_interrupted_answer_keeps_calls_that_had_started_unless_they_are_cut_off() -> None:
    cut = attrs.evolve(MUL, arguments_error="cut off")
    entries = [*begun(), said(ADD, cut, complete=False), *called(ADD, cut), sealed(ADD, "3")]

    assert project(entries)[1:] == (
        AssistantTurn((ADD,)),
        ToolTurn((ToolResult("c1", "add", "3"),)),
    )


@pytest.mark.parametrize("parts", [(), (Text(""),), (Text(" \n"),), (Thinking("hm", "sealed"),)])
def test_an_answer_without_words_or_calls_is_no_turn(parts: tuple[Part, ...]) -> None:
    assert project([*begun(), said(*parts)]) == (UserTurn("Hi"),)


def test_thinking_is_kept_to_the_letter_before_text_and_calls() -> None:
    thinking = Thinking("hm", "sealed")

    assert project([*begun(), said(thinking, Text("So"))])[1] == AssistantTurn(
        (thinking, Text("So"))
    )
    assert project([*begun(), said(thinking, ADD)])[1] == AssistantTurn((thinking, ADD))


def test_thinking_that_nothing_follows_is_dropped() -> None:
    assert project([*begun(), said(Text("So"), Thinking("hm"))])[1] == assistant("So")


def test_user_turns_in_a_row_become_one_with_all_their_text() -> None:
    entries = [*begun("First"), ended(), *begun("Second", "r2")]

    assert project(entries) == (UserTurn("First\n\nSecond"),)


def test_an_empty_user_turn_says_so() -> None:
    assert project(begun("  ")) == (UserTurn("(no text)"),)


def test_answers_in_a_row_become_one() -> None:
    entries = [*begun(), said(Text("Half"), complete=False), said(Text("Whole"))]

    assert project(entries)[1] == AssistantTurn((Text("Half\n\n"), Text("Whole")))


def test_an_answer_that_the_provider_paused_goes_on_in_mid_sentence() -> None:
    paused = AssistantSaid("r1", assistant("Half a "), True, finish_reason=FinishReason.PAUSE)  # noqa: FBT003

    assert project([*begun(), paused, said(Text("word"))])[1] == AssistantTurn(
        (Text("Half a "), Text("word"))
    )


def test_a_history_that_begins_with_the_assistant_is_given_a_beginning() -> None:
    turns = project([RunStarted("r1"), said(Text("Welcome"))])

    assert turns == (UserTurn("(the conversation begins here)"), assistant("Welcome"))


def test_calls_with_one_id_are_kept_apart() -> None:
    again = [*called(ADD), sealed(ADD, "4")]
    entries = [*begun(), said(ADD, ADD), *called(ADD, ADD), sealed(ADD, "3"), *again]
    entries += [said(attrs.evolve(ADD, id="")), said(ADD)]

    answers = [turn for turn in project(entries) if isinstance(turn, AssistantTurn)]

    ids = [[call.id for call in answer.tool_calls] for answer in answers]
    assert ids == [["c1", "c1-2"], ["call"], ["c1-3"]]
    assert [result.content for result in results_of(entries, 0)] == ["3", "4"]


def results_of(entries: Sequence[Entry], index: int) -> tuple[ToolResult, ...]:
    return [turn for turn in project(entries) if isinstance(turn, ToolTurn)][index].results


def test_a_name_that_providers_refuse_is_made_one_that_they_accept() -> None:
    entries = [*begun(), said(ToolCall("c1", "functions.add"), ToolCall("c2", ""))]

    assert [result.name for result in results_of(entries, 0)] == ["functions_add", "unnamed"]


def test_what_is_recorded_after_the_end_of_a_run_is_never_sent() -> None:
    entries = [*begun(), said(ADD), *called(ADD), ended()]
    late: list[Entry] = [
        sealed(ADD, "3"),
        said(Text("late")),
        UserSaid("r1", "late"),
        *called(MUL),
        ended(),
    ]

    assert project([*entries, *late]) == project(entries)
    assert project([*entries, RunStarted("r2"), *late]) == project(entries)


def test_a_call_that_waits_for_approval_was_not_carried_out_until_it_is_approved() -> None:
    waits = [*begun(), said(ADD), ApprovalAsked("r1", ADD), ended(outcome=Outcome.NEEDS_APPROVAL)]
    resumed = [*waits, RunResumed("r1")]
    approved = [*resumed, CallApproved("r1", "c1"), *called(ADD)]
    denied = [*resumed, CallDenied("r1", "c1", "no")]

    assert statuses(waits) == statuses(resumed) == [ToolStatus.CANCELLED]
    assert results_of(waits, 0)[0].content.endswith("needs an approval that it did not get.")
    assert statuses(approved) == [ToolStatus.UNKNOWN]
    assert statuses([*approved, sealed(ADD, "3")]) == [ToolStatus.OK]
    assert statuses(denied) == [ToolStatus.ERROR]
    assert results_of([*denied, sealed(ADD, "too dear")], 0)[0].content == "too dear"


def test_a_call_that_was_denied_never_starts() -> None:
    denied = [*begun(), said(ADD), ApprovalAsked("r1", ADD), CallDenied("r1", "c1")]

    assert statuses([*denied, *called(ADD)]) == [ToolStatus.ERROR]


def test_only_the_latest_run_is_resumed_and_what_is_recorded_then_is_sent() -> None:
    first: list[Entry] = [*begun(), said(Text("Half"), complete=False), ended()]
    more: list[Entry] = [RunResumed("r1"), said(Text("Whole"))]

    assert project([*first, *more])[1:] == (
        assistant("Half"),
        UserTurn("(You were interrupted here. Go on.)"),
        assistant("Whole"),
    )
    second = [*first, *begun("Second", "r2"), ended("r2")]
    assert project([*second, *more]) == project(second)


def test_a_run_that_goes_on_behind_results_or_the_user_is_told_nothing_else() -> None:
    results = [*begun(), said(ADD), *called(ADD), sealed(ADD, "3"), RunPaused("r1")]
    journals: list[list[Entry]] = [begun(), results, [*results, UserSaid("r1", "Go"), ended()]]

    for entries in journals:
        assert project([*entries, RunResumed("r1")]) == project(entries)


def test_a_run_that_was_paused_when_all_ended_was_cancelled() -> None:
    (end,) = closing([*begun(), RunPaused("r1")], reason="it ended", timestamp=7.0)

    assert end == RunEnded("r1", Outcome.CANCELLED, "it ended while the run was paused", 7.0)
    (end,) = closing([*begun(), RunPaused("r1"), RunResumed("r1")], reason="", timestamp=7.0)
    assert isinstance(end, RunEnded)
    assert end.outcome is Outcome.FAILED


def test_what_a_guard_has_stopped_is_left_out() -> None:
    before = [*begun("Hello"), said(Text("Hi.")), ended()]
    shown = [*begun("Tell me", "r2"), said(Text("The secret"), run="r2", complete=False)]
    of_input = GuardStopped("r2", "polite", "input", "rude")
    of_output = GuardStopped("r2", "discreet", "output", "a secret")

    assert project([*before, *shown, of_input, ended("r2")]) == project(before)
    kept = project([*before, *shown, of_output, ended("r2")])
    assert kept == (*project(before), UserTurn("Tell me"))
    late = [*before, *shown, ended("r2"), of_input]
    assert project(late) == project(late[:-1])


def test_the_first_seal_counts() -> None:
    entries = [*begun(), said(ADD), *called(ADD), sealed(ADD, "3"), sealed(ADD, "4")]

    assert [result.content for result in results_of(entries, 0)] == ["3"]


def test_a_crash_is_closed_by_sealing_what_was_open_and_ending_the_run() -> None:
    entries = [*begun(), said(ADD, MUL), *called(ADD, MUL), sealed(ADD, "3")]

    added = closing(entries, reason="the agent crashed", timestamp=7.0)

    assert [type(entry) for entry in added] == [ToolSealed, RunEnded]
    assert isinstance(added[0], ToolSealed)
    assert (added[0].call_id, added[0].status) == ("c2", ToolStatus.UNKNOWN)
    assert added[-1] == RunEnded("r1", Outcome.FAILED, "the agent crashed", 7.0)
    assert project([*entries, *added]) == project(entries)
    assert closing([*entries, *added], reason="", timestamp=8.0) == ()


# Any conversation, cut anywhere, is accepted; so is any heap of entries.

IDS = st.sampled_from(["c1", "c1", "c2", ""])
CALLS = st.builds(
    ToolCall,
    id=IDS,
    name=st.sampled_from(["add", "mul", "", "a.b"]),
    arguments_error=st.none() | st.just("cut off"),
)
TEXTS = st.sampled_from(["", " ", "a", "b c"])
PARTS = st.builds(Text, TEXTS) | st.builds(Thinking, TEXTS, st.none() | st.just("s")) | CALLS
TURNS = st.builds(AssistantTurn, st.lists(PARTS, max_size=4).map(tuple))
REASONS = st.sampled_from([None, *FinishReason])
RUNS = st.sampled_from(["r1", "r2", "r3"])
STOPS: Final[tuple[Literal["input", "output"], ...]] = ("input", "output")
ANY = st.one_of(
    st.builds(RunStarted, RUNS),
    st.builds(UserSaid, RUNS, TEXTS),
    st.builds(AssistantSaid, RUNS, TURNS, st.booleans(), finish_reason=REASONS),
    st.builds(ToolCalled, RUNS, CALLS),
    st.builds(ToolSealed, RUNS, IDS, TEXTS, TEXTS, st.sampled_from(ToolStatus)),
    st.builds(RunEnded, RUNS, st.sampled_from(Outcome)),
    st.builds(ApprovalAsked, RUNS, CALLS),
    st.builds(CallApproved, RUNS, IDS),
    st.builds(CallDenied, RUNS, IDS, TEXTS),
    st.builds(RunPaused, RUNS),
    st.builds(RunResumed, RUNS),
    st.builds(GuardStopped, RUNS, TEXTS, st.sampled_from(STOPS), TEXTS),
    st.builds(HandedOver, RUNS, TEXTS),
    st.builds(SubRunEnded, RUNS, *[TEXTS] * 3, st.sampled_from(Outcome), call_id=IDS),
)


@st.composite
def rounds(draw: st.DrawFn, name: str) -> list[Entry]:
    """An answer and its calls, the first of which may need approval, and get it or not."""
    turn = draw(TURNS)
    asked = turn.tool_calls[: draw(st.integers(0, 1))]
    free = turn.tool_calls[len(asked) :]
    entries: list[Entry] = [
        AssistantSaid(name, turn, complete=True, finish_reason=draw(REASONS)),
        *called(*free, run=name),
        *(ApprovalAsked(name, call) for call in asked),
    ]
    entries += [sealed(call, draw(TEXTS), name) for call in draw(st.permutations(free))]
    for call in asked:
        entries += [ended(name, Outcome.NEEDS_APPROVAL), RunResumed(name)]
        if draw(st.booleans()):
            entries += [CallApproved(name, call.id), *called(call, run=name)]
        else:
            entries.append(CallDenied(name, call.id, "no"))
        entries.append(sealed(call, draw(TEXTS), name))
    return entries


@st.composite
def runs(draw: st.DrawFn, name: str) -> list[Entry]:
    """A run as an agent records it: rounds of tools, the last of them perhaps interrupted."""
    entries: list[Entry] = begun(draw(TEXTS), name)
    for _ in range(draw(st.integers(0, 3))):
        entries += draw(rounds(name))
        if draw(st.booleans()):
            entries.append(UserSaid(name, draw(TEXTS)))
        if draw(st.booleans()):
            entries += [RunPaused(name) if draw(st.booleans()) else ended(name), RunResumed(name)]
    if draw(st.booleans()):
        turn = draw(TURNS)
        started = turn.tool_calls[: draw(st.integers(0, 2))]
        entries.append(AssistantSaid(name, turn, complete=draw(st.booleans())))
        entries += [*called(*started, run=name), *(sealed(c, "", name) for c in started[1:])]
    if draw(st.booleans()):
        entries.append(GuardStopped(name, "polite", draw(st.sampled_from(STOPS)), "rude"))
    entries.append(ended(name, draw(st.sampled_from(Outcome))))
    return entries


@st.composite
def conversations(draw: st.DrawFn) -> list[Entry]:
    """Runs after one another, some cut short without an end, and some late seals."""
    entries: list[Entry] = []
    for name in ("r1", "r2", "r3")[: draw(st.integers(1, 3))]:
        run = draw(runs(name))
        entries += run[: draw(st.integers(1, len(run)))] if draw(st.booleans()) else run
        entries += draw(st.lists(st.builds(ToolSealed, RUNS, IDS, TEXTS, TEXTS), max_size=2))
    return entries


def follow_up(entries: Sequence[Entry]) -> list[Entry]:
    return [*entries, *begun("And now?", "next")]


@given(conversations(), st.integers(0, 60))
def test_a_conversation_that_is_cut_anywhere_can_be_sent_and_continued(
    entries: list[Entry], cut: int
) -> None:
    for journal in (entries[:cut], follow_up(entries[:cut])):
        assert refusals(project(journal)) == []

    last = project(follow_up(entries[:cut]))[-1]
    assert isinstance(last, UserTurn)
    assert last.text.endswith("And now?")


@given(st.lists(ANY, max_size=12))
def test_any_heap_of_entries_can_be_sent_and_continued(entries: list[Entry]) -> None:
    assert refusals(project(entries)) == []
    assert refusals(project(follow_up(entries))) == []


@given(conversations())
def test_what_was_sent_is_never_taken_back_by_a_later_run(entries: list[Entry]) -> None:
    for cut, entry in enumerate(entries, 1):
        resumed = any(each == RunResumed(entry.run) for each in entries[cut:])
        if not isinstance(entry, RunEnded) or resumed:
            continue
        before, after = project(entries[:cut]), project(entries)
        if not before:  # a guard has stopped all there was
            continue
        assert after[: len(before) - 1] == before[:-1]
        last, then = before[-1], after[len(before) - 1]
        if isinstance(last, UserTurn) and isinstance(then, UserTurn):
            assert then.text.startswith(last.text)
        else:
            assert then == last


@given(conversations(), st.lists(ANY, max_size=12))
def test_a_model_that_is_to_go_on_is_spoken_to(entries: list[Entry], heap: list[Entry]) -> None:
    # What a guard has stopped cannot be resumed.
    goes_on = [entry for entry in heap if not isinstance(entry, GuardStopped)]
    latest = [attrs.evolve(entry, run="latest") for entry in goes_on]
    entries = [*entries, *begun("Hi", "latest"), *latest, RunResumed("latest")]
    history = project(entries)

    assert refusals(history) == []
    said = [entry for entry in latest if isinstance(entry, AssistantSaid)]
    if all(entry.finish_reason is not FinishReason.PAUSE for entry in said):
        assert not isinstance(history[-1], AssistantTurn)


@given(conversations())
def test_everything_that_was_said_and_not_stopped_is_in_the_history(entries: list[Entry]) -> None:
    history = repr(project(entries))
    stopped = {e.run for e in entries if isinstance(e, GuardStopped) and e.on == "input"}

    for entry in entries:
        if isinstance(entry, UserSaid) and entry.run not in stopped:
            assert entry.text.strip() in history


@given(conversations(), st.integers(0, 60))
def test_closing_changes_nothing_that_is_sent_and_leaves_nothing_open(
    entries: list[Entry], cut: int
) -> None:
    journal = entries[:cut]
    added = closing(journal, reason="crashed", timestamp=1.0)

    assert project([*journal, *added]) == project(journal)
    assert closing([*journal, *added], reason="crashed", timestamp=1.0) == ()
