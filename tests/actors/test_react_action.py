"""What a model means by an action, however it writes it: the same for agents and for reasoners."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.chat import ToolSpec
from actors.react import read_action


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
