"""The pure half of documents: what blocks a text has, and where it is cut."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.documents._blocks import Kind, blocks_of
from actors.documents._chunks import Chunking, chunks_of, is_between_characters
from actors.errors import ConfigurationError
from actors.recall import tokens_of

GUIDE = """\
Before all headings.

# Guide

A short text
of two lines.

## Install

- first
- second

  with more of it

1. one
2. two

```python
# no heading
x = 1

y = 2
```
Usage
-----

| a | b |
|---|---|
| 1 | 2 |
"""

WORDS = st.sampled_from(
    [
        *("cat", "sofa.", "Is it?", "# Head", "## Sub", "- item", "1. one", "```", "| a |", "---"),
        "\n",
        "\n\n",
        " ",
        "\r\n",
        "\t",
        "    ",
        "e\u0301",
        "👩\u200d👩\u200d👧",
        "🇫🇷🇩🇪",
        "👍🏽",
        "好。",
        "각",
    ]
)
TEXTS = st.one_of(
    st.lists(WORDS, max_size=200).map("".join),
    st.lists(WORDS, max_size=200).map(" ".join),
    st.text(max_size=400),
    st.text("ab \n.", max_size=1000),
)
SIZES = st.tuples(st.integers(16, 60), st.floats(0, 0.5))
CHUNKINGS = SIZES.map(lambda sizes: Chunking(sizes[0], int(sizes[0] * sizes[1])))


def kinds(text: str, *, is_markdown: bool = True) -> list[tuple[Kind, str]]:
    return [
        (each.kind, text[each.start : each.end].strip())
        for each in blocks_of(text, is_markdown=is_markdown)
    ]


def test_markdown_has_headings_paragraphs_lists_code_and_tables() -> None:
    assert [(kind.value, said.split("\n")[0]) for kind, said in kinds(GUIDE)] == [
        ("paragraph", "Before all headings."),
        ("heading", "# Guide"),
        ("paragraph", "A short text"),
        ("heading", "## Install"),
        ("list", "- first"),
        ("code", "```python"),
        ("heading", "Usage"),
        ("table", "| a | b |"),
    ]


def test_a_block_knows_the_headings_that_it_stands_below() -> None:
    found = blocks_of("# A\n\n### B\n\nx\n\n## C ##\n\ny\n\n# D\nz", is_markdown=True)
    texts = {each.headings for each in found if each.kind is Kind.PARAGRAPH}
    assert texts == {("A", "B"), ("A", "C"), ("D",)}


def test_a_plain_text_has_paragraphs_alone() -> None:
    assert kinds("# no heading\n- no list\n\n```\ncode", is_markdown=False) == [
        (Kind.PARAGRAPH, "# no heading\n- no list"),
        (Kind.PARAGRAPH, "```\ncode"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#hashtag", [Kind.PARAGRAPH]),
        ("a\n---\nb", [Kind.HEADING, Kind.PARAGRAPH]),
        ("a\n\n---\n\nb", [Kind.PARAGRAPH, Kind.PARAGRAPH, Kind.PARAGRAPH]),
        ("~~~\n# x\n```\n~~~\ny", [Kind.CODE, Kind.PARAGRAPH]),
        ("```\nnever closed\n\n# x", [Kind.CODE]),
        ("It was in\n1984. A year.", [Kind.PARAGRAPH]),
        ("- a\nlazy\n\nnot in it", [Kind.LIST, Kind.PARAGRAPH]),
        ("`` ` `` is no fence", [Kind.PARAGRAPH]),
        ("\n\n\nx", [Kind.PARAGRAPH]),
        ("\n\n# x", [Kind.PARAGRAPH, Kind.HEADING]),
        ("", []),
    ],
)
def test_what_only_looks_like_a_block_is_none(text: str, expected: list[Kind]) -> None:
    assert [each.kind for each in blocks_of(text, is_markdown=True)] == expected


@given(TEXTS, st.booleans())
def test_every_character_is_in_exactly_one_block(text: str, is_markdown: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    blocks = blocks_of(text, is_markdown=is_markdown)
    assert "".join(text[each.start : each.end] for each in blocks) == text
    assert all(each.start < each.end for each in blocks)


@given(TEXTS, CHUNKINGS, st.booleans())
def test_nothing_is_lost_and_all_is_in_order(
    text: str,
    chunking: Chunking,
    is_markdown: bool,  # noqa: FBT001 - likewise
) -> None:
    chunks = list(chunks_of(text, chunking, is_markdown=is_markdown))
    reached = 0
    for each in chunks:
        assert not text[reached : each.start].strip()
        assert each.end > reached
        assert (
            each.text.strip("\r\n").rstrip() == text[each.start : each.end].strip("\r\n").rstrip()
        )
        reached = each.end
    assert not text[reached:].strip()
    starts = [each.start for each in chunks]
    assert starts == sorted(set(starts))


@given(TEXTS, CHUNKINGS)
def test_no_chunk_is_larger_than_said_nor_repeats_more(text: str, chunking: Chunking) -> None:
    chunks = list(chunks_of(text, chunking))
    for each in chunks:
        assert tokens_of(text[each.start : each.end]) <= chunking.size + 0.001
    for before, after in itertools.pairwise(chunks):
        assert tokens_of(text[after.start : before.end]) <= chunking.overlap + 0.001


@given(TEXTS, CHUNKINGS)
def test_no_cut_tears_a_character(text: str, chunking: Chunking) -> None:
    for each in chunks_of(text, chunking):
        for place in (each.start, each.end):
            if not is_between_characters(text, place):
                run = text[max(0, place - 40) : place + 40]  # only what goes on for ever is torn
                assert sum(unicodedata.category(x)[0] in "MC" for x in run) > 16


@pytest.mark.parametrize(
    "character",
    ["e\u0301", "👩\u200d👩\u200d👧", "🇫🇷", "👍🏽", "❤\ufe0f", "\r\n", "\u1100\u1161\u11a8"],
)
def test_what_a_reader_sees_as_one_character_is_one(character: str) -> None:
    text = f"a{character}{character}"
    cuts = [place for place in range(1, len(text)) if is_between_characters(text, place)]
    assert cuts == [1, 1 + len(character)]


def test_what_fits_is_not_cut() -> None:
    code = "```\n" + "line of code = 1\n\n" * 8 + "```\n"
    text = "Some words before it. " * 12 + "\n\n" + code + "\nAnd after."
    chunks = list(chunks_of(text, Chunking(120, 20)))
    assert sum(code.strip() in each.text for each in chunks) == 1


def test_a_chunk_begins_anew_at_a_heading_and_repeats_nothing_of_the_section_before() -> None:
    text = "# One\n\n" + "A sentence of one. " * 20 + "\n\n# Two\n\nSomething else."
    chunks = list(chunks_of(text, Chunking(40, 20)))
    assert [each.headings for each in chunks] == [("One",)] * (len(chunks) - 1) + [("Two",)]
    assert chunks[-1].text == "# Two\n\nSomething else."
    assert chunks[1].start < chunks[0].end  # the overlap, of whole sentences
    assert chunks[1].text.startswith("A sentence")


def test_headings_stand_with_what_they_are_above() -> None:
    text = "# One\n\n## Two\n\n" + "A sentence. " * 60
    first = next(chunks_of(text, Chunking(60, 0)))
    assert first.text.startswith("# One\n\n## Two\n\nA sentence.")
    assert first.headings == ("One", "Two")


def test_a_list_is_cut_between_its_items() -> None:
    text = "\n".join(f"- item {number} that says\n  a little more" for number in range(30))
    assert all(each.text.startswith("- item") for each in chunks_of(text, Chunking(50, 0)))


def test_a_word_without_end_is_cut_between_characters() -> None:
    chunks = list(chunks_of("好" * 100, Chunking(16, 4)))
    assert {len(each.text) for each in chunks[:-1]} == {16}


@pytest.mark.parametrize(
    ("size", "overlap"), [(15, 0), (8_001, 0), (100, 51), (100, -1), (True, 0)]
)
def test_sizes_that_cannot_be_are_refused(size: int, overlap: int) -> None:
    with pytest.raises(ConfigurationError, match="must be a whole number of tokens"):
        Chunking(size, overlap)
