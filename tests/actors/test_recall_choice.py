"""What memories leave out of a conversation, and that what they leave can always be sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strict_history import refusals

from actors.chat import (
    AssistantTurn,
    FinishReason,
    Outcome,
    Part,
    Request,
    SystemTurn,
    Text,
    Thinking,
    ToolCall,
    ToolSpec,
    ToolStatus,
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
    Pinned,
    RunEnded,
    RunResumed,
    RunStarted,
    SummedUp,
    ToolCalled,
    ToolSealed,
    UserSaid,
    project,
)
from actors.providers import AnthropicMessages, Gemini, Ollama, OpenAIChat, OpenAIResponses
from actors.react import ReActStyle
from actors.recall import (
    Choice,
    Command,
    Exchange,
    Full,
    Note,
    Recall,
    Selective,
    Situation,
    Summary,
    SumUp,
    Together,
    Window,
    recall_of,
    tokens_of,
)
from actors.recall._exchange import by_run, composed, first_kept
from actors.recall._keeper import _fitting
from actors.recall._lexical import cosine, lexical_scores
from actors.recall._summary import HOW
from actors.testing import WIRES, WireName, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actors.providers import Codec


def talk(run: str, said: str, answer: str = "Fine.", rounds: int = 0) -> list[Entry]:
    """One run, with so many rounds of a tool before its answer."""
    entries: list[Entry] = [RunStarted(run), UserSaid(run, said)]
    for number in range(rounds):
        call = ToolCall(f"{run}-{number}", "look_up", {"n": number}, json.dumps({"n": number}))
        entries += [
            AssistantSaid(run, AssistantTurn((call,)), complete=True),
            ToolCalled(run, call),
            ToolSealed(run, call.id, "look_up", f"result {number} " * 20),
        ]
    return [*entries, AssistantSaid(run, assistant(answer), complete=True), RunEnded(run, DONE)]


DONE = Outcome.DONE


def begun(run: str, said: str) -> list[Entry]:
    return [RunStarted(run), UserSaid(run, said)]


def exchanges_of(entries: Sequence[Entry]) -> tuple[Exchange, ...]:
    pinned = {entry.run for entry in entries if isinstance(entry, Pinned)}
    return tuple(
        Exchange(run, said, is_pinned=run in pinned) for run, said in by_run(entries).items()
    )


def situation(*runs: Sequence[Entry], **known: Any) -> Situation:
    return Situation(exchanges_of([entry for run in runs for entry in run]), **known)


def row(count: int, said: str = "Hello") -> list[list[Entry]]:
    """So many runs, of which the last goes on."""
    return [*(talk(f"r{number}", said) for number in range(1, count)), begun(f"r{count}", "Now")]


def left_out(memory: Recall, given: Situation) -> list[str]:
    """By the order of the runs."""
    choice = memory.choose(given)
    return [each.run for each in given.exchanges if each.run in choice.left_out]


# Windows


def test_a_window_of_turns_keeps_the_latest_and_counts_the_one_that_goes_on() -> None:
    assert left_out(Window(turns=2), situation(*row(4))) == ["r1", "r2"]
    assert left_out(Window(turns=4), situation(*row(4))) == []
    assert left_out(Window(turns=1), situation(*row(4))) == ["r1", "r2", "r3"]


def test_a_window_of_tokens_keeps_as_many_turns_as_fit() -> None:
    given = situation(*row(6, "word " * 50))
    each = given.exchanges[0].tokens
    now = given.exchanges[-1].tokens

    assert left_out(Window(tokens=int(2 * each + now) + 1), given) == ["r1", "r2", "r3"]
    assert left_out(Window(tokens=1), given) == ["r1", "r2", "r3", "r4", "r5"]
    assert left_out(Window(tokens=100_000), given) == []


def test_what_a_provider_counts_makes_a_window_of_tokens_smaller_or_larger() -> None:
    runs = row(6, "word " * 50)
    limit = int(situation(*runs).exchanges[0].tokens * 4)

    narrow = left_out(Window(tokens=limit), situation(*runs, rate=2.0))
    wide = left_out(Window(tokens=limit), situation(*runs, rate=0.5))
    assert (len(narrow), len(wide)) == (4, 0)


def test_with_slack_a_window_stays_where_it_is_until_it_is_full_again() -> None:
    window = Window(turns=10, slack=0.5)
    first = [len(left_out(window, situation(*row(count)))) for count in range(8, 25)]

    assert first == [0, 0, 0, *[6] * 6, *[12] * 6, 18, 18]


def test_of_a_run_that_is_too_long_alone_the_oldest_rounds_go_and_the_latest_stays() -> None:
    now = talk("r1", "Look it all up", rounds=6)[:-2]
    given = situation(now)
    some = Window(tokens=int(given.exchanges[0].tokens / 2)).choose(given)
    few = Window(tokens=1).choose(given)

    assert (some.rounds_left_out, few.rounds_left_out) == (4, 5)
    turns = project(composed(given.exchanges, rounds_left_out=5))
    assert [type(turn).__name__ for turn in turns] == ["UserTurn", "AssistantTurn", "ToolTurn"]


def test_pinned_turns_are_beside_the_window() -> None:
    given = situation(*row(5), [Pinned("r1")])
    choice = _fitting(Window(turns=2).choose(given), given)

    assert choice.left_out == {"r2", "r3"}


def test_what_is_pinned_counts_for_the_tokens_of_a_window() -> None:
    runs = row(6, "word " * 50)
    each = situation(*runs).exchanges[0].tokens
    window = Window(tokens=int(3.5 * each))

    assert left_out(window, situation(*runs)) == ["r1", "r2"]
    assert left_out(window, situation(*runs, [Pinned("r1")])) == ["r2", "r3"]


@pytest.mark.parametrize(
    "make",
    [
        Window,
        lambda: Window(turns=0),
        lambda: Window(tokens=0),
        lambda: Window(turns=1, slack=1.0),
        lambda: Summary(turns=0),
        lambda: Summary(every=0),
        lambda: Summary(seconds=float("nan")),
        lambda: Selective(turns=0),
        lambda: Selective(related=-1),
    ],
)
def test_what_makes_no_memory_is_refused(make: Callable[[], Recall]) -> None:
    with pytest.raises(ValueError, match=r"must be|has a size"):
        make()


def test_what_is_no_memory_is_refused_with_what_to_write() -> None:
    wrong: Any
    for wrong in ("window", 20, [], [Window(turns=1), "more"], Window):
        with pytest.raises(TypeError, match=r"is no memory: write Window\(turns=20\)"):
            recall_of(wrong)


def test_several_memories_leave_out_what_any_leaves_out() -> None:
    given = situation(*row(6))
    both = recall_of([Window(turns=4), Window(turns=3)])

    assert both == Together((Window(turns=4), Window(turns=3)))
    assert left_out(both, given) == ["r1", "r2", "r3"]


@given(st.lists(st.floats(0, 100), max_size=30), st.floats(1, 200), st.floats(0, 0.9))
def test_what_is_kept_of_a_row_is_within_the_limit_or_the_last_alone(
    weights: list[float], limit: float, slack: float
) -> None:
    first = first_kept(weights, limit, slack)

    assert sum(weights[first:]) <= limit + 1e-6 or first == max(0, len(weights) - 1)


# Summaries


def the_only(commands: Iterable[Command]) -> tuple[str, str]:
    """The last run that is summed up, and what the model gets to read."""
    (command,) = commands
    assert isinstance(command, SumUp)
    told, said = command.request.turns
    assert told == SystemTurn(HOW.format(words=200))
    assert isinstance(said, UserTurn)
    return command.run, said.text


def test_a_summary_is_due_when_enough_turns_have_come_together() -> None:
    memory = Summary(turns=2, every=2)
    ended = [talk(f"r{number}", f"word{number}") for number in range(1, 6)]

    assert list(memory.after(situation(*ended[:3]))) == []
    run, text = the_only(memory.after(situation(*ended[:4])))
    assert run == "r2"
    assert "User: word1\nAssistant: Fine.\nUser: word2" in text
    assert "word3" not in text


def test_a_summary_goes_on_from_the_one_before_it() -> None:
    memory = Summary(turns=2, every=2)
    ended = [talk(f"r{number}", f"word{number}") for number in range(1, 7)]
    before = SummedUp("r2", "They have met.")

    assert list(memory.after(situation(*ended[:5], summary=before))) == []
    run, text = the_only(memory.after(situation(*ended, summary=before)))
    assert text.startswith("The summary so far:\nThey have met.\n\nWhat was said since:\nUser: wo")
    assert "word2" not in text
    assert run == "r4"


def test_what_is_summed_up_is_told_before_the_turns_that_are_sent() -> None:
    given = situation(*row(6), summary=SummedUp("r3", "They have met."))
    choice = Summary(turns=3, every=2).choose(given)

    assert choice.left_out == choice.told_of == {"r1", "r2", "r3"}
    turns = project(composed(given.exchanges, choice.left_out, notes=choice.notes))
    assert turns[0] == UserTurn("(What was said before, summed up: They have met.)\n\nHello")


def test_without_a_summary_the_latest_turns_are_sent_and_the_loss_is_said() -> None:
    choice = Summary(turns=2, every=2).choose(situation(*row(10)))

    assert len(choice.left_out) == 4
    assert choice.told_of == frozenset()
    assert choice.reasons == ("4 turns are not summed up yet",)


def test_a_summary_of_what_is_not_there_counts_for_nothing() -> None:
    choice = Summary(turns=2, every=2).choose(situation(*row(4), summary=SummedUp("x", "Lies.")))

    assert choice == Choice()


def test_so_much_at_a_time_is_summed_up_as_a_model_takes() -> None:
    ended = [talk(f"r{number}", "word " * 100) for number in range(1, 9)]
    run, text = the_only(Summary(turns=1, every=1).after(situation(*ended, room=600.0)))
    first, cut = the_only(Summary(turns=1, every=1).after(situation(*ended, room=10.0)))

    assert run == "r3"
    assert len(text) < 1_800
    assert first == "r1"
    assert "(...)" in cut


def test_tools_are_summed_up_with_what_they_found() -> None:
    ended = [talk("r1", "Look", rounds=1), talk("r2", "More")]
    _, text = the_only(Summary(turns=1, every=1).after(situation(*ended)))

    assert 'Tool called: look_up({"n": 0})\nResult of look_up: result 0' in text


# Selection


def about(*topics: str) -> list[list[Entry]]:
    return [talk(f"r{number}", topic) for number, topic in enumerate(topics, 1)]


TOPICS = about(
    "My dog is called Bello",
    "The weather is fine",
    "I live in Ulm with a dog",
    "Two and two is four",
    "Blue is a colour",
)


def test_older_turns_are_picked_by_the_words_they_share_with_what_the_user_says() -> None:
    given = situation(*TOPICS, begun("now", "What was my dog called?"))

    assert left_out(Selective(turns=2, related=2), given) == ["r2", "r4"]
    assert left_out(Selective(turns=2, related=1), given) == ["r2", "r3", "r4"]
    assert left_out(Selective(turns=9), given) == []
    assert set(Selective(turns=2, related=2).choose(given).scores) == {"r1", "r3"}


def test_turns_that_share_no_word_are_not_sent() -> None:
    given = situation(*TOPICS, begun("now", "Qwertz?"))

    assert left_out(Selective(turns=1), given) == ["r1", "r2", "r3", "r4", "r5"]


def test_bm25_prefers_rare_words_more_of_them_and_short_texts() -> None:
    texts = ["the cat", "the dog and the dog", "the dog " + "and more " * 30, "the", ""]
    cat, dogs, long, common, empty = lexical_scores("the dog", texts)

    assert dogs > long > common
    assert common > cat
    assert empty == 0
    assert lexical_scores("Straße", ["STRASSE"])[0] > 0
    assert lexical_scores("天気", ["今日の天気"])[0] > 0
    assert lexical_scores("x", []) == []


def test_the_cosine_of_vectors_is_of_their_directions() -> None:
    assert cosine((1.0, 0.0), (3.0, 0.0)) == pytest.approx(1.0)
    assert cosine((1.0, 0.0), (0.0, 2.0)) == pytest.approx(0.0)
    assert cosine((0.0, 0.0), (1.0, 0.0)) == 0.0


# Estimates


@pytest.mark.parametrize(
    ("text", "tokens"),
    [  # by OpenAI's cl100k and o200k, their mean
        ("The supervisor starts its children in order and stops them in reverse order.", 14),
        ("def add(a: int, b: int) -> int:\n    return a + b\n", 20),
        ('{"name": "look_up", "arguments": {"word": "supervisor"}}', 16),
    ],
)
def test_an_estimate_of_tokens_is_near_what_tokenizers_say(text: str, tokens: int) -> None:
    assert tokens_of(text) == pytest.approx(tokens, rel=0.35)


@given(st.text(), st.text())
def test_estimates_add_up(one: str, other: str) -> None:
    assert tokens_of(one + other) == pytest.approx(tokens_of(one) + tokens_of(other))
    assert bool(tokens_of("x" + one))


# Always sendable

RUNS = st.sampled_from(["a", "b", "c", "d", "e"])
IDS = st.sampled_from(["c1", "c2", "", "with space", "é"])
NAMES = st.sampled_from(["look_up", "a b", ""])
CALLS = st.builds(
    ToolCall,
    IDS,
    NAMES,
    st.just({}),
    st.sampled_from(["{}", '{"a": 1}', "{"]),
    st.none() | st.just("cut off"),
)
TEXTS = st.sampled_from(["", " ", "words", "\n", "more words " * 9])
PARTS: st.SearchStrategy[Part] = (
    TEXTS.map(Text) | st.builds(Thinking, TEXTS, st.none() | st.just("seal")) | CALLS
)
ENTRIES: st.SearchStrategy[Entry] = st.one_of(
    RUNS.map(RunStarted),
    st.builds(UserSaid, RUNS, TEXTS),
    st.builds(
        AssistantSaid,
        RUNS,
        st.builds(AssistantTurn, st.lists(PARTS, max_size=4).map(tuple), st.just("")),
        st.booleans(),
        finish_reason=st.none() | st.sampled_from(list(FinishReason)),
    ),
    st.builds(ToolCalled, RUNS, CALLS),
    st.builds(ToolSealed, RUNS, IDS, NAMES, TEXTS, st.sampled_from(list(ToolStatus))),
    st.builds(RunEnded, RUNS, st.sampled_from(list(Outcome))),
    st.builds(RunResumed, RUNS),
    st.builds(HandedOver, RUNS, st.just("billing")),
    st.builds(ApprovalAsked, RUNS, CALLS),
    st.builds(CallApproved, RUNS, IDS),
    st.builds(CallDenied, RUNS, IDS, st.just("no")),
    st.builds(GuardStopped, RUNS, st.just("g"), st.sampled_from(["input", "output"]), st.just("")),
    st.builds(SummedUp, RUNS, st.just("They have met.")),
    st.builds(Pinned, RUNS, st.booleans()),
)
MEMORIES: st.SearchStrategy[Recall] = st.recursive(
    st.one_of(
        st.just(Full()),
        st.builds(Window, turns=st.integers(1, 4), slack=st.sampled_from([0.0, 0.5])),
        st.builds(Window, tokens=st.integers(1, 200), slack=st.sampled_from([0.0, 0.5])),
        st.builds(Summary, turns=st.integers(1, 3), every=st.integers(1, 2)),
        st.builds(Selective, turns=st.integers(1, 3), related=st.integers(0, 2)),
    ),
    lambda inner: st.lists(inner, min_size=1, max_size=2).map(lambda few: Together(tuple(few))),
    max_leaves=3,
)
CODECS: dict[WireName, Codec] = {
    "openai-chat": OpenAIChat(),
    "openai-responses": OpenAIResponses(),
    "anthropic": AnthropicMessages(),
    "gemini": Gemini(),
    "ollama": Ollama(),
}
TOOL = ToolSpec("look_up", "Look it up", {"type": "object", "properties": {}})


def chosen(memory: Recall, entries: list[Entry], room: float | None) -> Request:
    """What an agent would send."""
    summaries = [entry for entry in entries if isinstance(entry, SummedUp)]
    given = Situation(
        exchanges_of(entries), room=room, summary=summaries[-1] if summaries else None
    )
    choice = _fitting(memory.choose(given), given)
    notes = (*choice.notes, Note("By the way.", first=False))
    turns = project(composed(given.exchanges, choice.left_out, choice.rounds_left_out, notes))
    return Request((SystemTurn("Be kind."), *turns), (TOOL,))


def check(request: Request) -> None:
    """Every provider takes it."""
    assert refusals(request.turns[1:]) == []
    for wire in WIRES:
        sent = CODECS[wire].encode(request, "some-model")
        assert refusal(wire, json.loads(sent.body), path=sent.path) is None


@given(st.lists(ENTRIES, max_size=25), MEMORIES, st.none() | st.floats(0, 300))
@settings(deadline=None)
def test_whatever_a_memory_leaves_out_every_provider_takes_the_rest(
    entries: list[Entry], memory: Recall, room: float | None
) -> None:
    now: list[Entry] = [RunStarted("now"), UserSaid("now", "What now?")]
    request = chosen(memory, [*entries, *now], room)

    check(request)
    check(ReActStyle(stop=False, attempts=99).asking(request).request)
    last = request.turns[-1]
    assert isinstance(last, UserTurn)
    assert last.text.endswith("What now?")


@given(st.lists(ENTRIES, max_size=25), MEMORIES, st.none() | st.floats(0, 300))
@settings(deadline=None)
def test_so_it_is_in_the_middle_of_a_run(
    entries: list[Entry], memory: Recall, room: float | None
) -> None:
    now = [*begun("now", "What now?"), *talk("now", "", rounds=3)[2:-2]]
    request = chosen(memory, [*entries, *now], room)

    check(request)
    said = [turn.text for turn in request.turns if isinstance(turn, UserTurn)]
    assert any(text.endswith("What now?") for text in said)


@given(st.lists(ENTRIES, max_size=25))
def test_a_conversation_of_which_all_is_kept_is_the_conversation(entries: list[Entry]) -> None:
    once: set[str] = set()
    unique: list[Entry] = []
    for entry in entries:  # a run begins once
        if not (isinstance(entry, RunStarted) and entry.run in once):
            unique.append(entry)
        once.add(entry.run)

    assert project(composed(exchanges_of(unique))) == project(unique)
