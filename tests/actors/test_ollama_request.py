"""What is sent: the request as Ollama's chat takes it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from answer_fixtures import load
from chat_decoding import decode

from actors.chat import (
    AssistantTurn,
    File,
    Image,
    OutputSchema,
    Request,
    Settings,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    ToolTurn,
    Turn,
    assistant,
    system,
    user,
)
from actors.errors import ConfigurationError
from actors.providers import Ollama

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ToolSpec("weather", "The weather of a city", MappingProxyType(SCHEMA))


def sent(request: Request, model: str = "qwen3") -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(Ollama().encode(request, model).body)
    return body


def messages(*turns: Turn) -> Any:
    return sent(Request(turns))["messages"]


def asked(settings: Settings, model: str = "qwen3") -> dict[str, Any]:
    return sent(Request((user("Hello"),), (WEATHER,), settings), model)


def test_a_request_says_no_more_than_it_has_to() -> None:
    assert Ollama().encode(Request((user("Hello"),)), "qwen3").path == "/api/chat"
    assert sent(Request((user("Hello"),))) == {
        "model": "qwen3",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
    }
    assert sent(Request((user("Hello"),), streamed=False))["stream"] is False


def test_a_round_of_tools_is_sent_with_ids_names_and_objects() -> None:
    call = ToolCall("call_1", "weather", {"city": "Paris"}, '{"city":"Paris"}')
    results = ToolTurn((ToolResult("call_1", "weather", "sunny"),))

    assert messages(system("Be brief"), user("Weather?"), assistant("", call), results) == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Paris"}}}
            ],
        },
        {
            "role": "tool",
            "content": "sunny",
            "tool_name": "weather",
            "tool_call_id": "call_1",
        },
    ]


def test_ids_that_we_made_up_are_not_sent() -> None:
    response, _ = decode(load("ollama", "several_calls_in_one_line")[0], [], Ollama())
    results = ToolTurn(tuple(ToolResult(x.id, x.name, "3") for x in response.tool_calls))

    [said, *answered] = messages(response.turn, results)

    assert said["content"] == "I add."
    assert [call.keys() for call in said["tool_calls"]] == [{"function"}] * 3
    assert all(message.keys() == {"role", "content", "tool_name"} for message in answered)


def test_thoughts_go_back_to_ollama_but_not_those_of_another_model() -> None:
    response, _ = decode(load("ollama", "thinking")[0], [], Ollama())

    assert messages(response.turn) == [
        {"role": "assistant", "content": "Hello", "thinking": "Let me see."}
    ]
    assert messages(AssistantTurn((Thinking("hm", "sig"), Text("Hello", "sig")), "gemini")) == [
        {"role": "assistant", "content": "Hello"}
    ]


@pytest.mark.parametrize("turn", [AssistantTurn(()), AssistantTurn((Thinking("h"),), "ollama")])
def test_an_answer_without_a_word_is_left_out(turn: AssistantTurn) -> None:
    assert len(messages(user("Hello"), turn, user("Are you there?"))) == 2


@pytest.mark.parametrize(
    "call",
    [
        ToolCall("c", "f", {}, '{"a": 1', "the arguments are not valid JSON"),
        ToolCall("c", "f", {}, ""),
    ],
    ids=["cut", "none"],
)
def test_arguments_that_are_no_json_are_sent_as_an_empty_object(call: ToolCall) -> None:
    assert messages(assistant("", call))[0]["tool_calls"][0]["function"]["arguments"] == {}


def test_pictures_stand_beside_the_words() -> None:
    assert messages(user("What is ", Image(b"\x89PNG\xff"), "this?", Image(b"x"))) == [
        {"role": "user", "content": "What is this?", "images": ["iVBOR/8=", "eA=="]}
    ]


@pytest.mark.parametrize(
    ("part", "advice"),
    [
        (Image(url="https://example.org/a.png"), r"give their bytes, Image\(path.read_bytes\(\)\)"),
        (File(b"%PDF"), "give what the file says as text"),
    ],
)
def test_what_ollama_cannot_look_at_is_refused_and_told_what_to_give(
    part: Image | File, advice: str
) -> None:
    with pytest.raises(ConfigurationError, match=advice):
        messages(user("What is this?", part))


def test_settings_are_options_and_unset_ones_stay_away() -> None:
    settings = Settings(
        temperature=0.0,
        max_tokens=5,
        top_p=0.9,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        stop=("END",),
        seed=7,
    )

    assert asked(settings)["options"] == {
        "temperature": 0.0,
        "num_predict": 5,
        "top_p": 0.9,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "stop": ["END"],
        "seed": 7,
    }
    assert "options" not in asked(Settings())


@pytest.mark.parametrize(
    ("effort", "model", "think"),
    [
        ("off", "qwen3", False),
        ("low", "qwen3", True),
        ("high", "qwen3", True),
        ("off", "gpt-oss:20b", False),
        ("low", "gpt-oss:20b", "low"),
        ("high", "me/gpt-oss", "high"),
    ],
)
def test_only_gpt_oss_is_told_how_much_to_think(effort: Any, model: str, think: object) -> None:
    assert asked(Settings(thinking=effort), model)["think"] == think


def test_an_answer_can_be_held_to_a_schema() -> None:
    assert sent(Request((user("Hello"),), output=OutputSchema(SCHEMA)))["format"] == SCHEMA


def test_a_tool_is_sent_with_its_schema_even_if_that_is_read_only() -> None:
    assert asked(Settings())["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "The weather of a city",
                "parameters": SCHEMA,
            },
        }
    ]


def test_a_model_that_shall_call_no_tool_is_offered_none() -> None:
    assert "tools" not in asked(Settings(tool_choice="none"))
    assert "tools" in asked(Settings(tool_choice="auto", parallel_tool_calls=True))


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        (Settings(tool_choice="required"), "'auto' or 'none', not 'required'"),
        (Settings(tool_choice="weather"), "'auto' or 'none', not 'weather'"),
        (Settings(parallel_tool_calls=False), "leave parallel_tool_calls open"),
    ],
)
def test_what_ollama_cannot_be_told_is_refused(settings: Settings, advice: str) -> None:
    with pytest.raises(ConfigurationError, match=advice):
        asked(settings)


def test_fields_of_ollamas_own_join_those_that_are_there() -> None:
    body = asked(Settings(seed=7, extra={"options": {"num_ctx": 8192}, "keep_alive": "5m"}))

    assert body["options"] == {"seed": 7, "num_ctx": 8192}
    assert body["keep_alive"] == "5m"


def test_a_request_without_turns_is_refused_and_told_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match=r"at least one turn, such as user\('Hello'\)"):
        sent(Request(()))


def test_text_that_is_no_unicode_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="cannot be written as JSON"):
        sent(Request((user("half \udf0d"),)))
