"""What is read from a model's words: labels, numbers, answers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.react import Trimmer
from actors.reasoning._reading import read_share, same_answer
from actors.reasoning._sections import Opened, Piece, SectionReader, sections

LABELS = ("Thought", "Action", "Action Input", "Step", "Final Answer")
MARKS = st.sampled_from(
    [
        *(f"{label}{end}" for label in LABELS for end in (":", ": ", " 1:", "", " :", "**:")),
        *("\n", "\n\n", " ", "# ", "**", "- ", "final answer: x", "STEP 2 of 3: y", "`", "12", ":"),
        *("Act", "Thoughtful: no", "the Action: in a line", "\r\n", "é", "> Action:"),
    ]
)
TEXTS = st.lists(MARKS | st.text(max_size=5), max_size=25).map("".join)


def read(pieces: list[str]) -> list[tuple[str, str]]:
    """The sections of a text that comes in pieces, unstripped."""
    reader = SectionReader(LABELS)
    found: list[tuple[str, str]] = [("", "")]
    for item in [item for piece in pieces for item in reader.feed(piece)] + reader.finish():
        match item:
            case Opened(label):
                found.append((label, ""))
            case Piece(label, text):
                assert label == found[-1][0]
                found[-1] = (label, found[-1][1] + text)
    return found


def cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in itertools.pairwise(edges)]


@settings(deadline=None)
@given(TEXTS, st.lists(st.integers(0, 400), max_size=30))
def test_a_text_that_is_cut_anywhere_has_the_same_sections(text: str, places: list[int]) -> None:
    assert read(cut(text, places)) == read([text]) == read(list(text))


@settings(deadline=None)
@given(TEXTS)
def test_nothing_of_a_text_without_labels_is_lost(text: str) -> None:
    if len(read([text])) == 1:
        assert read([text])[0][1] == text


@settings(deadline=None)
@given(TEXTS, st.lists(st.integers(0, 400), max_size=30))
def test_a_trimmer_gives_the_stripped_text_in_pieces(text: str, places: list[int]) -> None:
    trimmer = Trimmer()

    assert "".join(trimmer.feed(piece) for piece in cut(text, places)) == text.strip()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Thought: a\nAction: b", [("Thought", "a"), ("Action", "b")]),
        ("**Thought:** a\n### Action: b", [("Thought", "a"), ("Action", "b")]),
        ("THOUGHT : a", [("Thought", "a")]),
        ("Step 1: a\nStep 2/3: b\n**Step 3 of 3**: c", [("Step", c) for c in "abc"]),
        ("### Step 4\na", [("Step", "a")]),
        ("Sure.\nStep 1: a", [("", "Sure."), ("Step", "a")]),
        ("I take Action: now", [("", "I take Action: now")]),
        ("Action Input: {}\n", [("Action Input", "{}")]),
        ("Thoughtful: a", [("", "Thoughtful: a")]),
        ("", []),
    ],
)
def test_a_label_is_read_however_it_is_decorated(text: str, found: list[tuple[str, str]]) -> None:
    assert sections(text, LABELS) == found


@pytest.mark.parametrize(
    ("text", "whole", "share"),
    [
        ("0.8", 1, 0.8),
        ("80%", 1, 0.8),
        ("about 80 %, I think", 1, 0.8),
        ("8/10", 1, 0.8),
        ("8 out of 10", 1, 0.8),
        ("8", 10, 0.8),
        ("8.", 10, 0.8),
        ("high", 1, None),
        ("", 1, None),
        ("7", 1, None),
        ("-1", 1, None),
        ("1/0", 1, None),
        ("x1", 1, None),
    ],
)
def test_a_share_is_read_or_there_is_none(text: str, whole: float, share: float | None) -> None:
    found = read_share(text, whole)

    assert found == (None if share is None else pytest.approx(share))


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from([1.0, 10.0]))
def test_a_share_is_from_0_to_1_whatever_the_text(text: str, whole: float) -> None:
    share = read_share(text, whole)

    assert share is None or 0 <= share <= 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("42", " 42. "),
        ("42", "42.0"),
        ("1,000", "1000"),
        ("Paris", "**paris**"),
        ("$5", "5"),
        ("a  b", "A b"),
    ],
)
def test_two_answers_that_say_the_same_are_the_same(one: str, other: str) -> None:
    assert same_answer(one) == same_answer(other)


@pytest.mark.parametrize(("one", "other"), [("42", "420"), ("4.2", "42"), ("-5", "5"), ("a", "b")])
def test_two_answers_that_differ_are_not_the_same(one: str, other: str) -> None:
    assert same_answer(one) != same_answer(other)
