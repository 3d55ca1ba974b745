"""What is sent: the request as OpenAI Chat Completions takes it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from actors.chat import (
    AssistantTurn,
    Request,
    Settings,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    ToolTurn,
    assistant,
    system,
    user,
)
from actors.errors import ConfigurationError
from actors.providers import COMPATIBLE, OPENAI, Dialect, OpenAIChat, resolve

CALL = ToolCall("c1", "add", {"a": 1}, '{"a": 1}')


def sent(request: Request, dialect: Dialect = COMPATIBLE) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(OpenAIChat(dialect).encode(request, "m").body)
    return body


def messages(*turns: Any) -> Any:
    return sent(Request(turns))["messages"]


def test_a_request_asks_for_a_stream_with_its_usage() -> None:
    body = sent(Request((user("Hello"),)))

    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_round_of_tools_is_sent_with_ids_and_the_arguments_to_the_letter() -> None:
    call = ToolCall("c1", "add", {"a": 1}, '{"a":1  }')
    results = ToolTurn((ToolResult("c1", "add", "2"),))

    assert messages(system("Be brief"), user("1+1"), assistant("", call), results) == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "1+1"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "add", "arguments": '{"a":1  }'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ]


@pytest.mark.parametrize(
    "call",
    [
        ToolCall("c1", "add", {}, '{"a": 1', "the arguments are not valid JSON"),
        ToolCall("c1", "add", {}, ""),
        ToolCall("c1", "add", {}, "  "),
    ],
    ids=["cut", "none", "blank"],
)
def test_arguments_that_are_no_json_are_sent_as_an_empty_object(call: ToolCall) -> None:
    (message,) = messages(assistant("", call))

    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_an_assistant_turn_without_a_word_is_left_out() -> None:
    assert len(messages(user("Hello"), AssistantTurn(()), user("Are you there?"))) == 2
    assert len(messages(user("Hello"), AssistantTurn((Thinking("hm"),)), user("?"))) == 2


def test_reasoning_goes_back_only_where_the_dialect_wants_it() -> None:
    turn = AssistantTurn((Thinking("hm"), Text("Hello")))
    wants = Dialect(echo_reasoning="reasoning_content")

    assert sent(Request((turn,)))["messages"] == [{"role": "assistant", "content": "Hello"}]
    assert sent(Request((turn,)), wants)["messages"][0]["reasoning_content"] == "hm"


def test_settings_go_by_the_names_of_the_dialect_and_unset_ones_stay_away() -> None:
    settings = Settings(temperature=0.0, max_tokens=5, stop=("END",), seed=7)
    request = Request((user("Hello"),), settings=settings)
    plain = {"model", "messages", "stream", "stream_options", "temperature", "stop", "seed"}

    assert sent(request).keys() == plain | {"max_tokens"}
    assert sent(request, OPENAI).keys() == plain | {"max_completion_tokens"}
    assert sent(request)["temperature"] == 0.0
    assert "stream_options" not in sent(request, Dialect(stream_options=False))


def test_a_tool_is_sent_with_its_schema_even_if_that_is_read_only() -> None:
    none: dict[str, Any] = {}
    plain: dict[str, Any] = {"type": "object", "properties": MappingProxyType(none)}
    schema = MappingProxyType(plain)
    request = Request((user("Hello"),), (ToolSpec("now", "The time", schema),))

    assert sent(request)["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "now",
                "description": "The time",
                "parameters": {"type": "object", "properties": {}},
            },
        }
    ]


def test_a_request_without_turns_is_refused_and_told_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match=r"at least one turn, such as user\('Hello'\)"):
        sent(Request(()))


@pytest.mark.parametrize("text", ["\ud83c", "half \udf0d"])
def test_text_that_is_no_unicode_is_refused_before_anything_is_sent(text: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written as JSON"):
        sent(Request((user(text),)))


def test_a_schema_with_what_json_has_not_is_refused() -> None:
    request = Request((user("Hello"),), (ToolSpec("now", "", {"x": object()}),))

    with pytest.raises(ConfigurationError, match="object is not a JSON type"):
        sent(request)


def test_the_arguments_of_an_earlier_answer_survive_the_way_back() -> None:
    assert messages(assistant("Hm", CALL))[0]["content"] == "Hm"


def test_a_dialect_may_add_fields_of_its_own_to_every_request() -> None:
    body = sent(Request((user("Hello"),)), Dialect(request_fields={"return_progress": True}))

    assert body["return_progress"] is True


def test_a_local_model_is_asked_to_report_progress_so_that_leaving_early_stops_it() -> None:
    codec = resolve("local:smollm2").codec
    assert codec is not None

    body = msgspec.json.decode(codec.encode(Request((user("Hello"),)), "smollm2").body)

    assert body["return_progress"] is True
