"""A conversation to take away: as lines of JSON, as Markdown, as events."""

from __future__ import annotations

import pytest
from agents_scripted import collect, entries_of, scripted
from hypothesis import given
from hypothesis import strategies as st
from test_journal import ENTRIES

from actors.chat import (
    Answer,
    AssistantTurn,
    Complete,
    Event,
    Outcome,
    RunCancelled,
    RunFailed,
    Text,
    Thought,
    Token,
    ToolCall,
    ToolEnd,
    ToolStart,
    ToolStatus,
)
from actors.journal import (
    AssistantSaid,
    Entry,
    RunEnded,
    RunStarted,
    ToolCalled,
    ToolSealed,
    UserSaid,
    from_json_lines,
    replay,
    to_json_lines,
    to_markdown,
)
from actors.providers import call, say, script, think, usage

CALL = ToolCall("c1", "double", {"number": 2}, '{"number": 2}')


def double(number: int) -> int:
    """Double a number."""
    return 2 * number


@given(st.lists(ENTRIES, max_size=5))
def test_lines_of_json_are_read_again_to_the_last_field(entries: list[Entry]) -> None:
    text = to_json_lines(entries)

    assert from_json_lines(text) == tuple(entries)
    assert to_json_lines(from_json_lines(text)) == text
    assert text.count("\n") == len(entries)


def test_a_line_that_is_no_entry_is_named() -> None:
    with pytest.raises(ValueError, match=r"line 2: this line is no entry of a journal"):
        from_json_lines(to_json_lines([RunStarted("r")]) + "{}\n")


@given(st.lists(ENTRIES, max_size=5))
def test_any_entries_make_markdown_and_events(entries: list[Entry]) -> None:
    assert isinstance(to_markdown(entries), str)
    assert len(replay(entries)) < 100


def test_markdown_has_what_was_said_called_and_found() -> None:
    said = AssistantTurn((Text("Let me see."), CALL))
    entries = [
        RunStarted("r"),
        UserSaid("r", "What is twice 2?"),
        AssistantSaid("r", said, complete=True),
        ToolCalled("r", CALL),
        ToolSealed("r", "c1", "double", "4 ```"),
        AssistantSaid("r", AssistantTurn((Text("It is"),)), complete=False),
        RunEnded("r", Outcome.CANCELLED, "the reader left"),
    ]
    assert to_markdown(entries) == (
        "## User\n\nWhat is twice 2?\n\n"
        "## Assistant\n\nLet me see.\n\n"
        '### Tool `double`\n\n```\n{\n  "number": 2\n}\n```\n\n'
        "### Result of `double`\n\n````\n4 ```\n````\n\n"
        "## Assistant\n\nIt is\n\n*(interrupted)*\n\n"
        "*The run ended: cancelled (the reader left)*\n"
    )
    assert to_markdown([]) == ""


def joined(events: list[Event] | tuple[Event, ...]) -> list[tuple[str, str]]:
    """Types and contents, with the pieces of an answer in one."""
    whole: list[tuple[str, str]] = []
    for event in events:
        if whole and isinstance(event, Token | Thought) and whole[-1][0] == event.type:
            whole[-1] = (event.type, whole[-1][1] + event.content)
        else:
            whole.append((event.type, event.content))
    return whole


async def test_a_replay_is_what_the_reader_of_a_run_saw() -> None:
    scripts = (
        script(think("Hm. ", pieces=2), say("Let me see.", pieces=3), call("double", number=2)),
        script(say("It is four.", pieces=4), usage(7, 5)),
    )
    async with scripted(*scripts, tools=(double,)) as agent:
        async with agent.stream("What is twice 2?") as run:
            seen = await collect(run)
        again = replay(await entries_of(agent))

    assert joined(again) == joined(seen)
    assert {type(event) for event in again} == {
        Thought, Token, ToolStart, ToolEnd, Answer, Complete,
    }  # fmt: skip
    last = again[-1]
    assert isinstance(last, Complete)
    assert (last.response.text, last.response.usage) == (
        run.response.text[-11:],
        run.response.usage,
    )
    assert last.response.is_complete


def test_a_replay_ends_as_the_run_did_and_leaves_out_what_nobody_saw() -> None:
    late = ToolSealed("r", "c1", "double", "it ended late: 4", ToolStatus.UNKNOWN)
    entries = [
        RunStarted("r"),
        ToolCalled("r", CALL),
        ToolSealed("r", "c1", "double", "still running", ToolStatus.UNKNOWN),
        late,
        RunEnded("r", Outcome.CANCELLED, "left", 3.0),
        late,
        RunStarted("s"),
        RunEnded("s", Outcome.STALLED, "silent", 4.0),
    ]
    start, end, *rest = replay(entries)

    assert isinstance(start, ToolStart)
    assert isinstance(end, ToolEnd)
    assert end.content == "still running"
    assert rest == [RunCancelled("left", 3.0), RunFailed("silent", Outcome.STALLED, 4.0)]
