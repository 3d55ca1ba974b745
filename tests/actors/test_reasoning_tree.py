"""Trees of thoughts and the selector as machines: what they decide, in any order of branches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from reasoning_play import SEEDS, WITH_TOOLS, one, play, seeded, thoughts_of

from actors.chat import SystemTurn, UserTurn
from actors.errors import ConfigurationError
from actors.reasoning import (
    CallModel,
    CallStatus,
    ChainOfThought,
    ReAct,
    Select,
    StepStatus,
    StrategyChoice,
    Task,
    TreeOfThoughts,
    by_wording,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# Tree of thoughts


def knowing(scores: dict[str, int], ending: str = "done") -> Callable[[CallModel], str]:
    """A model that knows which thought comes after which, and how good each is."""

    def say(call: CallModel) -> str:
        asked = call.turns[-1]
        assert isinstance(asked, UserTurn)
        lines = asked.text.splitlines()
        path = [line.partition(". ")[2] for line in lines if line[:1].isdigit()]
        last = path[-1] if path else ""
        if call.call.startswith("score"):
            return f"Score: {scores[last]}"
        if call.call.startswith("conclude"):
            return ending
        person = next(line for line in lines if line.startswith("You are person"))
        return GROWN[f"{last}/{person.split()[3]}"]

    return say


GROWN = {
    "/1": "Thought: a",
    "/2": "Sure!\nThought: b",
    "a/1": "Thought: aa",
    "a/2": "Thought: ab\nAnswer: 7",
    "b/1": "Thought: ba",
    "b/2": "Thought: bb",
    "aa/1": "Thought: aaa",
    "aa/2": "Thought: aab",
    "ba/1": "Thought: baa",
    "ba/2": "Thought: bab",
    "bb/1": "Thought: bba",
    "bb/2": "Thought: bbb",
}
NAMES = ("a", "b", "aa", "ab", "ba", "bb", "aaa", "aab", "baa", "bab", "bba", "bbb")
SCORES = dict.fromkeys(NAMES, 1)


@settings(deadline=None)
@given(seed=SEEDS)
def test_a_beam_follows_the_best_and_prunes_the_rest_whatever_comes_first(seed: int) -> None:
    scores = SCORES | {"a": 3, "b": 8, "ba": 2, "bb": 9}
    strategy = TreeOfThoughts(breadth=2, depth=2, beam=1)

    played = play(strategy, knowing(scores), seeded(seed))

    found = {step.thought: step.status for step in played.trace.steps}
    assert found == {
        "a": StepStatus.PRUNED,
        "b": StepStatus.TAKEN,
        "ba": StepStatus.PRUNED,
        "bb": StepStatus.TAKEN,
    }
    assert {step.thought: step.branch for step in played.trace.steps}["bb"] == "2.2"
    assert played.trace.answer == "done"


@settings(deadline=None)
@given(seed=SEEDS)
def test_best_first_goes_back_to_an_earlier_branch(seed: int) -> None:
    scores = SCORES | {"a": 8, "b": 6, "aa": 2, "ab": 5}
    strategy = TreeOfThoughts(breadth=2, depth=2, beam=2, search="best-first", accept=None)

    played = play(strategy, knowing(scores), seeded(seed))

    assert {"ba", "bb"} <= set(thoughts_of(played))
    assert played.trace.answer == "7"


@settings(deadline=None)
@given(seed=SEEDS)
def test_a_beam_forgets_what_it_left(seed: int) -> None:
    scores = SCORES | {"a": 8, "b": 6, "aa": 2, "ab": 5}
    strategy = TreeOfThoughts(breadth=2, depth=3, beam=1, accept=None)

    played = play(strategy, knowing(scores), seeded(seed))

    assert not {"ba", "bb"} & set(thoughts_of(played))
    assert played.trace.answer == "7"


@settings(deadline=None)
@given(seed=SEEDS)
def test_an_answer_that_is_good_enough_cancels_all_other_calls(seed: int) -> None:
    scores = SCORES | {"a": 8, "b": 8, "ab": 10}
    strategy = TreeOfThoughts(breadth=2, depth=3, beam=2)

    played = play(strategy, knowing(scores), seeded(seed))

    assert played.trace.answer == "7"
    assert len(played.calls) <= 2 * 2 + 4 * 2
    statuses = {call.status for call in played.trace.calls}
    assert statuses == ({CallStatus.DONE, CallStatus.CANCELLED} if played.cancelled else statuses)
    best = next(step for step in played.trace.steps if step.thought == "ab")
    assert (best.status, best.score) == (StepStatus.TAKEN, 1.0)


def test_a_thought_that_its_branch_had_before_is_pruned_without_a_score() -> None:
    played = one(TreeOfThoughts(breadth=2, depth=1), "Thought: a", "Thought: A.", "Score: 5", "4")

    assert [step.status for step in played.trace.steps] == [StepStatus.TAKEN, StepStatus.PRUNED]
    assert [call.split("-")[0] for call in played.calls] == ["grow", "grow", "score", "conclude"]


def test_a_tree_without_any_thought_still_asks_for_an_answer() -> None:
    played = one(TreeOfThoughts(breadth=2, depth=2), "", "", "I do not know")

    assert played.trace.answer == "I do not know"
    assert played.trace.steps == []


@pytest.mark.parametrize("breadth", [1, 3])
@pytest.mark.parametrize("search", ["beam", "best-first"])
def test_a_tree_is_bounded_by_its_numbers(breadth: int, search: str) -> None:
    strategy = TreeOfThoughts(breadth, 3, 2, search, None)  # type: ignore[arg-type]
    number = iter(range(1_000))

    def say(call: CallModel) -> str:
        return "Score: 5" if call.call.startswith("score") else f"Thought: {next(number)}"

    played = play(strategy, say, seeded(1))

    assert len(played.calls) <= 2 * breadth * 2 * 3 + 1
    assert max(step.branch.count(".") for step in played.trace.steps) == 2


# The selector


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ("tree: it needs a plan", StrategyChoice("tree", "model", "it needs a plan")),
        ("I take the **vote**.", StrategyChoice("vote", "model", "I take the **vote**.")),
        ("Neither", StrategyChoice("chain", "default", "Neither")),
        ("treehouse", StrategyChoice("chain", "default", "treehouse")),
    ],
)
def test_the_model_chooses_and_the_trace_says_why(said: str, choice: StrategyChoice) -> None:
    played = one(Select(), said, "Answer: 4")

    assert played.trace.choice == choice
    assert next(iter(played.calls)) == "select-1"
    assert played.trace.answer is not None


def test_a_rule_chooses_without_a_call_and_the_trace_says_why() -> None:
    played = one(Select(rule=by_wording), "Answer: 4", task=Task("How many legs has a cat?"))

    assert played.trace.choice == StrategyChoice("vote", "rule", "the problem says 'how many'")
    assert all(call.startswith("sample") for call in played.calls)


@pytest.mark.parametrize(
    ("problem", "name"),
    [("Plan a trip.", "tree"), ("What is 12 * 31?", "vote"), ("Why is the sky blue?", "chain")],
)
def test_the_shipped_rule_looks_at_the_words(problem: str, name: str) -> None:
    assert by_wording(problem)[0] == name


def test_a_rule_that_names_what_there_is_not_ends_the_run_with_what_there_is() -> None:
    machine = Select(rule=lambda _: "guess").machine(Task("?"))

    with pytest.raises(ConfigurationError, match=r"'guess'.*chain, tree, vote"):
        machine.begin(0.0)


def test_a_rule_that_fails_is_said_to_have_failed() -> None:
    def broken(problem: str) -> str:
        return problem[99]

    with pytest.raises(ConfigurationError, match="the rule failed: IndexError"):
        Select(rule=broken).machine(Task("?")).begin(0.0)


def test_acting_is_offered_only_where_there_are_tools() -> None:
    with_tools = one(Select(), "react", "Final Answer: 4", task=WITH_TOOLS)
    without = one(Select(), "react", "Answer: 4")

    assert with_tools.trace.choice == StrategyChoice("react", "model", "react")
    assert without.trace.choice == StrategyChoice("chain", "default", "react")


def test_the_model_is_told_what_each_strategy_is_good_for() -> None:
    played = one(Select(), "chain", "Answer: 4")

    told = played.calls["select-1"].turns[0]
    assert isinstance(told, SystemTurn)
    assert "- tree: tree of thoughts, good for plans" in told.text


def test_a_strategy_that_the_task_does_not_suit_is_refused_before_it_is_chosen() -> None:
    with pytest.raises(ConfigurationError, match="needs tools"):
        Select({"a": ChainOfThought(), "b": ReAct()}).machine(Task("?"))
