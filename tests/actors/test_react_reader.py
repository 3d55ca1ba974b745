"""What is read from a model that writes ReAct: thoughts, tokens, calls, however it is cut."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.chat import (
    FinishReason,
    StreamChunk,
    StreamResponse,
    Text,
    Thinking,
    ToolCall,
    ToolSpec,
    Usage,
)
from actors.react import NO_ACTION
from actors.react._reader import SEAL, ReActReader


def spec(name: str, **parameters: str) -> ToolSpec:
    properties = {each: {"type": kind} for each, kind in parameters.items()}
    schema = {"type": "object", "properties": properties, "required": list(parameters)}
    return ToolSpec(name, f"{name} it", schema)


TOOLS = (spec("look_up", word="string"), spec("add", a="integer", b="integer"))


def chunks_of(pieces: list[str], reason: FinishReason = FinishReason.STOP) -> list[StreamChunk]:
    said = [StreamChunk(piece, index) for index, piece in enumerate(pieces)]
    last = StreamChunk(
        index=len(said),
        finish_reason=reason,
        is_final=True,
        usage=Usage(7, 5),
        metadata={"wire": "openai-chat", "id": "x"},
    )
    return [*said, last]


def read(
    *pieces: str, reason: FinishReason = FinishReason.STOP, must_answer: bool = False
) -> StreamResponse:
    reader = ReActReader(TOOLS, "action-1", must_answer=must_answer)
    response = StreamResponse()
    for chunk in chunks_of(list(pieces), reason):
        if not reader.is_over:
            for each in reader.read([chunk]):
                response.add(each)
    assert reader.is_over
    assert [chunk.index for chunk in response.chunks] == list(range(response.chunk_count))
    assert [chunk.is_final for chunk in response.chunks].count(True) == 1
    assert response.is_complete
    return response


def the_call(text: str) -> ToolCall:
    (call,) = read(text).tool_calls
    return call


def test_a_thought_and_an_action_are_thinking_and_a_call() -> None:
    response = read('Thought: I add.\nAction: add\nAction Input: {"a": 1, "b": 2}')

    assert response.turn.parts == (
        Thinking("I add.", SEAL),
        ToolCall("action-1", "add", {"a": 1, "b": 2}),
    )
    assert response.turn.wire == "react"
    assert response.finish_reason is FinishReason.TOOL_CALLS
    assert response.usage == Usage(7, 5)
    assert response.metadata["id"] == "x"


def test_a_final_answer_is_the_text_alone() -> None:
    response = read("Thought: I know.\nFinal Answer: It is 3,\nor so.\n")

    assert response.turn.parts == (Thinking("I know.", SEAL), Text("It is 3,\nor so."))
    assert response.finish_reason is FinishReason.STOP


def test_an_answer_without_any_label_is_the_final_answer() -> None:
    assert read("It is 3.\nNote: or so.").turn.parts == (Text("It is 3.\nNote: or so."),)


def test_words_in_a_final_answer_that_look_like_labels_are_its_own() -> None:
    text = "Minutes:\n**Action:** Bob calls.\nObservation: it rains."

    assert read(f"Final Answer: {text}").text == text


def test_what_is_made_up_behind_an_action_is_not_read() -> None:
    made_up = "Action: add\nAction Input: {}\nObservation: 12\nThought: so 12\nFinal Answer: 12"
    response = read(made_up)

    assert [call.name for call in response.tool_calls] == ["add"]
    assert (response.text, response.thinking) == ("", "")


@pytest.mark.parametrize("label", ["Observation", "Thought", "Action", "Action Input"])
def test_the_answer_is_over_where_a_made_up_line_begins(label: str) -> None:
    reader = ReActReader(TOOLS, "action-1")
    made_up = f"Action: add\nAction Input: {{}}\n{label}: "
    (final,) = reader.read([StreamChunk(made_up), StreamChunk("12"), StreamChunk(is_final=True)])

    assert final.is_final
    assert reader.is_over


@pytest.mark.parametrize(
    "text",
    [
        'Action: add\nAction Input: {"a": 1, "b": 2}',
        '**Action:** `add`\n**Action Input:** ```json\n{"a": 1, "b": 2}\n```',
        'action: add\naction input: {"a": 1, "b": 2} and then I wait',
        'Thought 1: hm\nAction 1: add\nAction Input 1: {"a": 1, "b": 2}',
        'Action: add({"a": 1, "b": 2})',
        'Action: add {"a": 1, "b": 2}',
        'Action: add: {"a": 1, "b": 2}',
        "Action: add(a=1, b=2)",
        "Action: add\nAction Input: a=1, b=2",
    ],
)
def test_an_action_is_read_however_it_is_written(text: str) -> None:
    call = the_call(text)

    assert (call.name, call.arguments, call.arguments_error) == ("add", {"a": 1, "b": 2}, None)


@pytest.mark.parametrize(
    "text",
    [
        "Action: look_up\nAction Input: two words",
        'Action: look_up\nAction Input: "two words"',
        "Action: look_up[two words]",
        "Action: look_up(two words)",
        'Action: look_up(word="two words")',
        "Action: look_up(word='two words')",
    ],
)
def test_plain_text_will_do_for_a_single_argument(text: str) -> None:
    assert the_call(text).arguments == {"word": "two words"}


@pytest.mark.parametrize("given", ["1 and 2", '{"a": 1, "b":', "[1, 2", "true"])
def test_arguments_that_cannot_be_read_come_with_what_is_wrong(given: str) -> None:
    call = the_call(f"Action: add\nAction Input: {given}")

    assert call.arguments_error is not None
    assert call.arguments == {}


@pytest.mark.parametrize("text", ["", "Thought: I wonder.", "Action Input: {}", "Final Answer:  "])
def test_an_answer_with_neither_action_nor_answer_is_a_call_that_says_so(text: str) -> None:
    assert the_call(text).name == NO_ACTION


def test_a_mere_thought_is_the_answer_where_one_is_due() -> None:
    response = read("Thought: I think", " it is 3.", must_answer=True)

    assert (response.text, response.tool_calls) == ("I think it is 3.", ())


@pytest.mark.parametrize("reason", [FinishReason.LENGTH, FinishReason.CONTENT_FILTER])
def test_an_answer_that_was_cut_short_is_not_asked_for_again(reason: FinishReason) -> None:
    response = read("Thought: I", reason=reason)

    assert (response.tool_calls, response.finish_reason) == ((), reason)


def test_thoughts_in_a_row_are_kept_apart() -> None:
    assert read("Thought: one\nThought: two\nFinal Answer: 3").thinking == "one\n\ntwo"


def test_a_models_own_reasoning_is_shown_and_does_not_go_back_as_a_thought() -> None:
    reader = ReActReader(TOOLS, "action-1")
    response = StreamResponse()
    own = StreamChunk(thinking="(hm)", signature="secret")
    for chunk in reader.read([own, *chunks_of(["Thought: one\nFinal Answer: 3"])]):
        response.add(chunk)

    parts = response.turn.parts
    assert [(part.text, part.signature) for part in parts if isinstance(part, Thinking)] == [
        ("(hm)", "own"),
        ("one", SEAL),
    ]


def test_text_is_shown_as_soon_as_it_is_known_to_be_no_label() -> None:
    reader = ReActReader(TOOLS, "action-1")

    assert reader.read([StreamChunk("Thought: It")])[0].thinking == "It"
    assert reader.read([StreamChunk(" is")])[0].thinking == " is"
    assert [each.thinking for each in reader.read([StreamChunk("\nTh")])] == []
    assert reader.read([StreamChunk("e")])[0].thinking == "\nThe"


LINES = st.sampled_from(
    [
        "Thought: ",
        "Thought 2: so\n",
        "**Thought:** x",
        "Action: add",
        "Action: look_up[a b]",
        "action input: ",
        'Action Input: {"a": 1,\n "b": 2}',
        "Observation: ",
        "Final Answer: ",
        "Final  Answer: no label",
        "Action",
        "Act\n",
        "\n",
        "\n\n",
        "  ",
        "*",
        "words and words ",
        "ünïcode 🙂",
        "Thought without a colon",
        ":",
    ]
)
TEXTS = st.lists(LINES | st.text(max_size=8), max_size=10).map("".join)


def merged(response: StreamResponse) -> list[tuple[str, str]]:
    """What a reader sees, with neighbours of a kind joined."""
    events = [
        ("thought", chunk.thinking) if chunk.thinking else ("token", chunk.content)
        for chunk in response.chunks
        if chunk.thinking or chunk.content
    ]
    return [
        (kind, "".join(text for _, text in group))
        for kind, group in itertools.groupby(events, key=lambda event: event[0])
    ]


def facts_of(response: StreamResponse) -> Any:
    return merged(response), response.turn, response.finish_reason


@given(TEXTS, st.data(), st.booleans())
def test_however_a_text_is_cut_the_same_is_read(
    text: str,
    data: st.DataObject,
    must_answer: bool,  # noqa: FBT001 - drawn
) -> None:
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=12).map(sorted))
    cuts = [0, *places, len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(cuts)]

    whole = facts_of(read(text, must_answer=must_answer))
    assert facts_of(read(*pieces, must_answer=must_answer)) == whole
    assert facts_of(read(*text, must_answer=must_answer)) == whole


@given(TEXTS)
def test_nothing_that_is_written_breaks_the_reader(text: str) -> None:
    response = read(text)

    assert len(response.tool_calls) <= 1
    assert response.text == response.text.strip()
    assert bool(response.text) or bool(response.tool_calls)
