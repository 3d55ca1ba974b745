"""What chunks add up to: parts in the order in which they were said, each with its seal."""

from __future__ import annotations

from typing import Any

import pytest

from actors.chat import (
    AssistantTurn,
    File,
    Image,
    Opaque,
    Part,
    Settings,
    StreamChunk,
    StreamResponse,
    Text,
    Thinking,
    ToolCall,
    ToolCallDelta,
    UserTurn,
    user,
)

SEARCH = Opaque("anthropic", {"type": "server_tool_use", "id": "s1"})


def call(index: int, arguments: str = "", **more: str) -> StreamChunk:
    return StreamChunk(tool_calls=(ToolCallDelta(index, arguments=arguments, **more),))


def parts_of(*chunks: StreamChunk) -> tuple[Part, ...]:
    response = StreamResponse()
    for chunk in chunks:
        response.add(chunk)
    return response.turn.parts


def test_parts_stand_in_the_order_in_which_they_were_said() -> None:
    said = parts_of(
        StreamChunk(thinking="Let "),
        StreamChunk(thinking="me see"),
        StreamChunk("I look "),
        StreamChunk("it up.", opaque=(SEARCH,)),
        StreamChunk("Found"),
        call(0, '{"a":', id="c1", name="add"),
        call(0, "1}"),
        StreamChunk("."),
    )

    assert said == (
        Thinking("Let me see"),
        Text("I look it up."),
        SEARCH,
        Text("Found"),
        ToolCall("c1", "add", {"a": 1}),
        Text("."),
    )


def test_a_signature_seals_the_thinking_before_it_and_nothing_joins_it_any_more() -> None:
    said = parts_of(
        StreamChunk(thinking="one"),
        StreamChunk(signature="s1"),
        StreamChunk(thinking="two"),
        StreamChunk(signature="s2"),
        StreamChunk("Done"),
    )

    assert said == (Thinking("one", "s1"), Thinking("two", "s2"), Text("Done"))


def test_a_signature_without_thinking_before_it_stands_alone() -> None:
    assert parts_of(StreamChunk("Hi"), StreamChunk(signature="s")) == (
        Text("Hi"),
        Thinking("", "s"),
    )


def test_a_signature_that_comes_with_text_seals_the_text() -> None:
    said = parts_of(StreamChunk("one"), StreamChunk(" two", signature="s"), StreamChunk("three"))

    assert said == (Text("one two", "s"), Text("three"))


def test_a_signature_on_a_call_stays_with_the_call() -> None:
    [found] = parts_of(call(0, "{}", name="add", id="c", signature="s"))

    assert isinstance(found, ToolCall)
    assert found.signature == "s"


def test_lists_of_metadata_add_up_and_other_values_are_replaced() -> None:
    response = StreamResponse()
    response.add(StreamChunk("a", metadata={"citations": [1], "stage": 1}))
    response.add(StreamChunk("b", metadata={"citations": [2], "stage": 2}))

    assert response.metadata == {"citations": [1, 2], "stage": 2}


def test_a_model_of_another_format_gets_no_seals() -> None:
    turn = AssistantTurn(
        (Thinking("hm", "s"), SEARCH, Text("Hi", "t"), ToolCall("c", "add", signature="u")),
        wire="anthropic",
    )

    assert turn.seen_by("anthropic") is turn
    assert turn.seen_by("gemini") == AssistantTurn(
        (Thinking("hm"), Text("Hi"), ToolCall("c", "add"))
    )


def test_a_turn_knows_whose_seals_it_has() -> None:
    response = StreamResponse()
    response.add(StreamChunk(thinking="hm", metadata={"wire": "anthropic"}))
    response.add(StreamChunk(signature="s"))

    assert response.turn == AssistantTurn((Thinking("hm", "s"),), wire="anthropic")


def test_a_user_shows_pictures_and_files_among_the_words() -> None:
    picture, paper = Image(b"png"), File(url="https://example.org/a.pdf")

    turn = user("What is ", picture, " and ", paper)

    assert isinstance(turn, UserTurn)
    assert turn.parts == (Text("What is "), picture, Text(" and "), paper)
    assert turn.text == "What is  and "
    assert "secret" not in repr(Image(b"secret"))


@pytest.mark.parametrize("kind", [Image, File])
def test_a_picture_has_bytes_or_an_address_and_the_error_says_so(kind: type[Image | File]) -> None:
    with pytest.raises(ValueError, match="just one of them"):
        kind()
    with pytest.raises(ValueError, match="just one of them"):
        kind(b"x", url="https://example.org")


@pytest.mark.parametrize("said", [5, None, b"Hello", {"text": "Hello"}])
def test_what_no_user_can_say_is_refused_where_it_is_said(said: Any) -> None:
    with pytest.raises(TypeError, match=r"write user\('a text'"):
        user("Look: ", said)
    with pytest.raises(TypeError, match=r"write user\('a text'"):
        UserTurn((said,))


@pytest.mark.parametrize("stop", ["END", ["END"], ("END",)])
def test_a_single_word_to_stop_at_is_not_taken_for_its_letters(stop: Any) -> None:
    assert Settings(stop=stop).stop == ("END",)
