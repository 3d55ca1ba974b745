"""What the command line writes, and what it says about errors."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.chat import (
    AssistantTurn,
    SystemTurn,
    Text,
    Thinking,
    Token,
    ToolCall,
    ToolResult,
    ToolStatus,
    ToolTurn,
    UserTurn,
)
from actors.errors import (
    LimitReached,
    MissingKey,
    ProviderUnavailable,
    StreamStalled,
    StreamTruncated,
    UnknownModel,
)
from runtime import ActorCrashed, ActorRestarting, RuntimeFault, SystemFailed
from runtime.cli._complaints import line_for, line_for_fault
from runtime.cli._screen import LONGEST_REMARK, Screen, history_lines


def caused(error: RuntimeFault, cause: Exception) -> RuntimeFault:
    error.__cause__ = cause
    return error


@given(st.text())
def test_whatever_a_model_says_no_control_code_is_written(text: str) -> None:
    out = io.StringIO()
    screen = Screen(out, io.StringIO())

    screen.show(Token(text))

    written = out.getvalue()
    assert len(written) == len(text.replace("\r", ""))
    assert all(c in "\n\t" or not (ord(c) < 32 or 127 <= ord(c) < 160) for c in written)


@given(st.lists(st.text(alphabet="a\n", max_size=3), max_size=5))
def test_a_complaint_always_begins_its_line(pieces: list[str]) -> None:
    both = io.StringIO()
    screen = Screen(both, both)
    for piece in pieces:
        screen.show(Token(piece))

    screen.complain("no")

    before, complaint, _ = both.getvalue().rpartition("runtime: no\n")
    assert complaint
    assert before in {"".join(pieces), "".join(pieces) + "\n"}
    assert before == "" or before.endswith("\n")


def test_the_history_tells_every_kind_of_turn() -> None:
    call = ToolCall("1", "multiply", {"a": 12})
    turns = (
        SystemTurn("be brief"),
        UserTurn("12 times 31?"),
        AssistantTurn((Thinking("easy\nenough"), Text("let me see"), call)),
        ToolTurn((ToolResult("1", "multiply", "stopped", ToolStatus.CANCELLED),)),
    )

    assert history_lines(turns) == [
        "instructions: be brief",
        "you: 12 times 31?",
        "thought: easy enough",
        "model: let me see",
        "call: multiply(a=12)",
        "tool multiply: cancelled: stopped",
    ]


def test_a_long_tool_result_is_cut_to_one_line() -> None:
    [line] = history_lines([ToolTurn((ToolResult("1", "read", "word\n" * 1000),))])

    assert line.startswith("tool read: ok: word word")
    assert line.endswith("…")
    assert len(line) == len("tool read: ok: ") + LONGEST_REMARK


@pytest.mark.parametrize(
    "error",
    [
        UnknownModel("no\nsuch model"),
        MissingKey("no\nsuch model"),
        ProviderUnavailable("no\nsuch model"),
        StreamTruncated("no\nsuch model"),
        StreamStalled("no\nsuch model", limit="idle", seconds=1),
        LimitReached("no\nsuch model", limit="steps"),
        caused(ActorCrashed("it crashed"), MissingKey("no\nsuch model")),
        caused(
            SystemFailed("gave up"), caused(ActorCrashed("crashed"), MissingKey("no\nsuch model"))
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_was_foreseen_is_one_line_also_when_a_supervisor_brings_it(error: Exception) -> None:
    assert line_for(error) == "no such model"


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("a bug"),
        KeyError("a bug"),
        ActorCrashed("a bug"),
        caused(SystemFailed("gave up"), ZeroDivisionError("a bug")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_nobody_foresaw_has_no_line(error: Exception) -> None:
    assert line_for(error) is None


def test_a_crash_that_the_conversation_survives_is_named_by_its_cause() -> None:
    crash = caused(ActorCrashed("the actor crashed"), ZeroDivisionError("a bug"))

    assert line_for_fault(crash) == "it crashed: ZeroDivisionError('a bug')"
    assert line_for_fault(ActorRestarting("try again")) == "try again"


def test_an_answer_keeps_its_tabs_and_line_ends() -> None:
    out = io.StringIO()

    Screen(out, io.StringIO()).show(Token("all:\r\n\techo [bold]hi[/bold] :smile:"))

    assert out.getvalue() == "all:\n\techo [bold]hi[/bold] :smile:"
