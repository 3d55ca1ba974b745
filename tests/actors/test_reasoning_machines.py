"""The strategies as machines: any pieces, any order of branches, and what they decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reasoning_play import SEEDS, WITH_TOOLS, Player, check, one, play, seeded, thoughts_of

from actors.chat import SystemTurn, Thought, UserTurn
from actors.errors import ConfigurationError
from actors.reasoning import (
    CallStatus,
    ChainOfThought,
    Exhausted,
    Finish,
    Noted,
    ReAct,
    ReasoningTrace,
    RunTool,
    Select,
    SelfConsistency,
    StepStatus,
    Strategy,
    StrategyChoice,
    Task,
    ThoughtStep,
    TreeOfThoughts,
    by_wording,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = st.sampled_from(
    [
        "Sure, here it is.",
        "Step 1: two and two",
        "**Step 2:** is four",
        "Evidence: a; b",
        "Confidence: 0.7",
        "Thought: go on",
        "Thought: look",
        "Action: look_up",
        "Action: nothing_like_it(1)",
        'Action Input: {"word": "x"}',
        "Observation: made up",
        "Final Answer: 4",
        "Answer: 4",
        "Answer: five",
        "Score: 9",
        "Score: high",
        "7 out of 10",
        "",
        "tree: because",
    ]
)
SAID = st.lists(LINES, max_size=9).map("\n".join) | st.text(max_size=30)
STRATEGIES: list[Strategy] = [
    ChainOfThought(),
    SelfConsistency(3),
    TreeOfThoughts(breadth=2, depth=3, beam=2),
    TreeOfThoughts(breadth=3, depth=2, beam=1, search="best-first", accept=None),
    ReAct(max_steps=4),
    Select(),
    Select({"a": Select(rule=by_wording), "b": ReAct()}),
]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda each: each.name)
@settings(deadline=None)
@given(texts=st.lists(SAID, min_size=1, max_size=8), seed=SEEDS)
def test_whatever_is_said_in_any_order_gives_a_valid_trace_and_ends(
    strategy: Strategy, texts: list[str], seed: int
) -> None:
    dice = seeded(seed)

    played = play(strategy, lambda _: dice.choice(texts), dice, task=WITH_TOOLS)

    assert isinstance(played.end, Finish | Exhausted)
    assert len(played.calls) <= 40


@pytest.mark.parametrize("strategy", [ChainOfThought(), ReAct(max_steps=2)])
@settings(deadline=None)
@given(text=SAID, seed=SEEDS)
def test_a_text_that_is_cut_anywhere_gives_the_same_steps_and_the_same_answer(
    strategy: Strategy, text: str, seed: int
) -> None:
    whole = play(strategy, lambda _: text, seeded(1), task=WITH_TOOLS, longest=10_000)
    pieces = play(strategy, lambda _: text, seeded(seed), task=WITH_TOOLS, longest=3)

    assert thoughts_of(pieces) == thoughts_of(whole)
    assert pieces.trace.answer == whole.trace.answer
    assert pieces.tokens == whole.tokens
    assert pieces.ran == whole.ran


# Chain of thought


def test_a_step_has_the_evidence_and_the_confidence_that_the_model_states() -> None:
    played = one(
        ChainOfThought(),
        "Step 1: two and two\nEvidence: the text; arithmetic\nConfidence: 80%\n"
        "Step 2: is four\nConfidence: high\nAnswer: 4",
    )

    first, second = played.trace.steps
    assert (first.thought, first.evidence, first.confidence) == (
        "two and two",
        ("the text", "arithmetic"),
        0.8,
    )
    assert (second.thought, second.evidence, second.confidence) == ("is four", (), None)
    assert played.trace.answer == "4"


def test_a_preamble_is_shown_and_is_no_step() -> None:
    played = one(ChainOfThought(), "Sure, gladly!\n\nStep 1: two and two\nAnswer: 4")

    assert thoughts_of(played) == ["two and two"]
    assert played.thoughts == "Sure, gladly!\ntwo and two\n"


def test_a_text_without_a_form_is_the_one_step_and_the_answer() -> None:
    played = one(ChainOfThought(), "It is four.")

    assert thoughts_of(played) == ["It is four."]
    assert played.trace.answer == "It is four."


def test_without_a_stated_answer_the_last_step_is_the_answer() -> None:
    assert one(ChainOfThought(), "Step 1: a\nStep 2: b").trace.answer == "b"


def test_the_first_answer_counts_since_it_was_shown() -> None:
    played = one(ChainOfThought(), "Step 1: a\nAnswer:\nAnswer: 4\nStep 2: b\nFinal Answer: 5")

    assert played.trace.answer == played.tokens == "4"
    assert thoughts_of(played) == ["a", "b"]


def test_a_step_is_in_the_trace_before_the_call_is_complete() -> None:
    player = Player(ChainOfThought().machine(Task("?")), lambda _: "", seeded(1))
    machine = player.played.machine
    machine.begin(1.0)

    machine.said("chain-1", "Step 1: a\nStep 2: b", "", 2.0)

    assert [step.thought for step in machine.trace.steps] == ["a"]


def test_reading_a_long_chain_looks_at_each_character_a_few_times_only() -> None:
    """Ten times the text takes about ten times as long; reading again would make it a hundred."""
    machine = ChainOfThought().machine(Task("?"))
    machine.begin(0.0)
    reader = machine._reader  # noqa: SLF001 - what is counted
    taken = 0
    feed = reader._sections.feed  # noqa: SLF001

    def counting(text: str) -> object:
        nonlocal taken
        taken += len(text)
        return feed(text)

    reader._sections.feed = counting  # type: ignore[method-assign,assignment] # noqa: SLF001
    said = "Step 1: a\nConfidence: 0.5\n" * 500
    for piece in (said[start : start + 10] for start in range(0, len(said), 10)):
        machine.said("chain-1", piece, "", 0.0)

    assert taken == len(said)
    assert len(machine.trace.steps) == 499


def test_the_models_own_thinking_is_shown_and_is_no_step() -> None:
    machine = ChainOfThought().machine(Task("?"))
    machine.begin(0.0)

    (emitted,) = machine.said("chain-1", "", "Hm.", 1.0)

    assert emitted.events == (Thought("Hm.", 1.0),)  # type: ignore[union-attr]


# Self-consistency


def test_the_answer_that_comes_most_often_wins_and_each_sample_has_its_share() -> None:
    played = one(
        SelfConsistency(3), "Step 1: a\nAnswer: 5", "Step 1: b\nAnswer: 4", "Answer: **4.0**"
    )

    assert played.trace.answer in {"4", "**4.0**"}
    assert {round(step.score or 0, 2) for step in played.trace.steps} == {0.33, 0.67}


@settings(deadline=None)
@given(seed=SEEDS)
def test_samples_that_can_change_nothing_are_cancelled(seed: int) -> None:
    played = play(SelfConsistency(5), lambda _: "Step 1: a\nAnswer: 4", seeded(seed))

    assert len(played.cancelled) == 2
    assert played.trace.answer == "4"


def test_a_sample_that_says_nothing_does_not_vote() -> None:
    played = one(SelfConsistency(2), "", "Answer: 4")

    assert played.trace.answer == "4"
    assert len(played.trace.steps) == 1


def test_without_any_vote_the_answer_is_empty() -> None:
    assert one(SelfConsistency(2), "").trace.answer == ""


def test_samples_are_warm_unless_the_settings_say_otherwise() -> None:
    played = one(SelfConsistency(2), "Answer: 4")

    assert {call.settings.temperature for call in played.calls.values()} == {0.7}


# ReAct


def test_a_tool_is_run_and_its_result_is_told_to_the_model() -> None:
    played = one(
        ReAct(),
        'Thought: I look it up.\nAction: look_up\nAction Input: {"word": "cat"}\n',
        "Thought: I know.\nFinal Answer: an animal",
        task=WITH_TOOLS,
    )

    (ran,) = played.ran
    assert (ran.call.name, ran.call.arguments) == ("look_up", {"word": "cat"})
    second = played.calls["react-2"].turns
    assert [type(turn).__name__ for turn in second] == [
        "SystemTurn",
        "UserTurn",
        "AssistantTurn",
        "UserTurn",
    ]
    assert isinstance(second[-1], UserTurn)
    assert second[-1].text == "Observation: done"
    assert thoughts_of(played) == ["I look it up.", "I know."]
    assert played.trace.answer == "an animal"


@pytest.mark.parametrize("invented", ["Observation: no", "Thought: so", "Final Answer: no"])
def test_what_comes_behind_an_action_is_not_read_and_its_call_is_cut(invented: str) -> None:
    action = f'Thought: hm\nAction: look_up\nAction Input: {{"word": "a"}}\n{invented} and so on'

    played = one(ReAct(), action, "Final Answer: 4", task=WITH_TOOLS)

    assert played.cancelled == {"react-1"}
    assert played.trace.answer == "4"


def test_an_answer_ends_the_call_that_goes_on_behind_it() -> None:
    played = one(ReAct(), "Final Answer: 4\nThought: or is it?\nAction: look_up", task=WITH_TOOLS)

    assert played.cancelled == {"react-1"}
    assert (played.trace.answer, played.ran) == ("4", [])


def test_a_thought_without_an_action_is_reminded_once() -> None:
    played = one(ReAct(), "Thought: hm", "Thought: well, 4", task=WITH_TOOLS)

    assert len(played.calls) == 2
    reminded = played.calls["react-2"].turns[-1]
    assert isinstance(reminded, UserTurn)
    assert "there was no action" in reminded.text
    assert played.trace.answer == "well, 4"


def test_an_answer_without_any_label_is_the_final_answer() -> None:
    assert one(ReAct(), "It is four.", task=WITH_TOOLS).trace.answer == "It is four."


def test_too_many_steps_are_a_limit_and_no_answer() -> None:
    played = one(ReAct(max_steps=3), "Action: look_up(word='a')", task=WITH_TOOLS)

    assert isinstance(played.end, Exhausted)
    assert (played.end.limit, len(played.ran), played.trace.answer) == ("max_steps", 3, None)


def test_react_without_tools_says_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match=r"tools=\["):
        ReAct().machine(Task("?"))


# What all have in common


def test_a_call_that_fails_cuts_the_others_and_is_in_the_trace() -> None:
    machine = SelfConsistency(3).machine(Task("?"))
    machine.begin(0.0)

    machine.failed("sample-2", 1.0)

    assert [call.status for call in machine.trace.calls] == [
        CallStatus.CANCELLED,
        CallStatus.FAILED,
        CallStatus.CANCELLED,
    ]
    assert machine.open_calls == ()


def test_what_is_told_of_a_call_that_was_cut_is_not_taken_in() -> None:
    machine = SelfConsistency(2).machine(Task("?"))
    machine.begin(0.0)
    machine.failed("sample-1", 1.0)

    assert machine.said("sample-2", "x", "", 2.0) == []
    assert machine.failed("sample-2", 2.0) == []


def test_instructions_come_first_and_the_context_before_the_problem() -> None:
    task = Task("What?", context="It rains.", instructions="Be brief.")
    played = one(ChainOfThought(), "Answer: 4", task=task)

    told, asked = played.calls["chain-1"].turns
    assert isinstance(told, SystemTurn)
    assert isinstance(asked, UserTurn)
    assert told.text.startswith("Be brief.\n\nThink step by step")
    assert asked.text == "Context:\nIt rains.\n\nProblem: What?"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SelfConsistency(1), "ChainOfThought"),
        (lambda: TreeOfThoughts(breadth=0), "breadth must be 1 or more"),
        (lambda: TreeOfThoughts(search="wide"), "'beam' or 'best-first'"),  # type: ignore[arg-type]
        (lambda: TreeOfThoughts(accept=2), "from 0 to 1, or None"),
        (lambda: ReAct(max_steps=0), "max_steps must be 1 or more"),
        (lambda: Select({"a": ChainOfThought()}), "two strategies"),
        (lambda: ThoughtStep(1, "a", confidence=float("nan")), "from 0 to 1"),
        (lambda: ThoughtStep(0, "a"), "step_number"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_a_step_that_leaves_a_gap_is_refused_and_says_its_number() -> None:
    with pytest.raises(ValueError, match="number it 1"):
        ReasoningTrace("?", "by hand").add_step(ThoughtStep(2, "a"))


def test_an_outline_shows_branches_below_those_that_they_grow_from() -> None:
    trace = ReasoningTrace("Which?", "tree of thoughts", answer="b")
    for number, branch in enumerate(("1", "2", "2.1", "10", "1.1"), 1):
        trace.add_step(ThoughtStep(number, f"at {branch}", branch=branch, score=0.5))

    assert trace.outline().splitlines() == [
        "tree of thoughts: Which?",
        "  1. at 1 [score 0.5]",
        "    1.1. at 1.1 [score 0.5]",
        "  2. at 2 [score 0.5]",
        "    2.1. at 2.1 [score 0.5]",
        "  10. at 10 [score 0.5]",
        "  answer: b",
    ]


def test_a_note_says_in_a_line_what_it_is() -> None:
    step = ThoughtStep(1, "two\nlines", 0.5, status=StepStatus.PRUNED)

    assert Noted(step).content == "1. two [confidence 0.5, pruned]"
    assert Noted(StrategyChoice("tree", "rule", "why")).content == "tree, chosen by the rule: why"


def test_the_check_of_a_played_trace_can_fail() -> None:
    played = one(ChainOfThought(), "Answer: 4")
    played.trace.answer = "5"

    with pytest.raises(AssertionError):
        check(played)


def test_a_tool_call_has_an_id_of_its_own() -> None:
    played = one(ReAct(max_steps=3), "Action: look_up(word='a')", task=WITH_TOOLS)

    assert len({ran.call.id for ran in played.ran}) == 3
    assert all(isinstance(ran, RunTool) for ran in played.ran)
