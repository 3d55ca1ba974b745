"""What is read from a model's words: labels, numbers, answers, actions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.chat import ToolSpec
from actors.reasoning._reading import read_action, read_share, same_answer
from actors.reasoning._sections import Opened, Piece, SectionReader, Trimmer, sections

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


def spec(**types: str) -> ToolSpec:
    properties = {name: {"type": kind} for name, kind in types.items()}
    return ToolSpec("act", "Act.", {"type": "object", "properties": properties})


TWO = spec(a="integer", b="string")
TEXT = spec(query="string")


@pytest.mark.parametrize(
    ("written", "given_input", "tool", "arguments"),
    [
        ("act", '{"a": 1, "b": "x"}', TWO, {"a": 1, "b": "x"}),
        ("act", '```json\n{"a": 1}\n```', TWO, {"a": 1}),
        ('act {"a": 1}', None, TWO, {"a": 1}),
        ('act(a=1, b="x, y")', None, TWO, {"a": 1, "b": "x, y"}),
        ("act(a=1, b='it''s, b=2')", None, TWO, {"a": 1, "b": "its, b=2"}),
        ("act(1, 'x')", None, TWO, {"a": 1, "b": "x"}),
        ("act", 'a=1, b="say \\"hi, you\\""', TWO, {"a": 1, "b": 'say "hi, you"'}),
        ("act", "a=1, b=New York, the city", TWO, {"a": 1, "b": "New York, the city"}),
        ("act(a=1, b=2)", None, TWO, {"a": 1, "b": "2"}),
        ("act(a=[1, 2], b=x)", None, spec(a="array", b="string"), {"a": [1, 2], "b": "x"}),
        ("act(a=true)", None, spec(a="boolean"), {"a": True}),
        ("`act`[cats, and dogs]", None, TEXT, {"query": "cats, and dogs"}),
        ("act", "12 * (3 + 4)", TEXT, {"query": "12 * (3 + 4)"}),
        ("act(2024)", None, TEXT, {"query": "2024"}),
        ("act", '"cats"', TEXT, {"query": "cats"}),
        ("act", "x = 3", TEXT, {"query": "x = 3"}),
        ("act", "query=it's, well, late", TEXT, {"query": "it's, well, late"}),
        ("act", r"\d+", TEXT, {"query": r"\d+"}),
        ("act()", None, TWO, {}),
        ("act", None, TWO, {}),
    ],
)
def test_an_action_is_read_however_it_is_written(
    written: str, given_input: str | None, tool: ToolSpec, arguments: dict[str, object]
) -> None:
    call = read_action(written, given_input, (tool,), "action-1")

    assert (call.name, call.arguments, call.arguments_error) == ("act", arguments, None)


def test_what_cannot_be_read_is_an_error_that_says_what_to_write() -> None:
    call = read_action("act", "one and two", (TWO,), "action-1")

    assert call.arguments == {}
    assert call.arguments_error is not None
    assert "Write one JSON object" in call.arguments_error


def test_an_action_without_a_name_is_a_call_of_an_unknown_tool() -> None:
    assert read_action("?!", None, (TWO,), "action-1").name == "?!"


@pytest.mark.parametrize("text", ["(" * 3_999, "-" * 3_999 + "1", "[" * 90 + "]" * 90, "~" * 9_999])
def test_a_text_that_is_deep_or_long_does_no_harm(text: str) -> None:
    assert read_action("act", text, (TWO,), "action-1").name == "act"
    assert read_action("act", text, (TEXT,), "action-1").arguments["query"]


@settings(deadline=None)
@given(st.text(max_size=80), st.none() | st.text(max_size=80), st.sampled_from([TWO, TEXT]))
def test_any_action_is_read_without_an_error_of_our_own(
    written: str, given_input: str | None, tool: ToolSpec
) -> None:
    call = read_action(written, given_input, (tool,), "action-1")

    assert call.name
    assert call.arguments_error is None or call.arguments == {}
