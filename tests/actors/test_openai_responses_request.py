"""What is sent: the request as OpenAI Responses takes it, and earlier answers given back."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import msgspec
import pytest
from chat_decoding import decode
from hypothesis import given
from hypothesis import strategies as st

from actors.chat import (
    AssistantTurn,
    File,
    Image,
    Opaque,
    OutputSchema,
    Part,
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
from actors.providers import OpenAIResponses
from actors.testing._strict_openai_responses import refusal
from actors.testing._wire import Asked

WIRE = "openai-responses"
CODEC = OpenAIResponses()
FIXTURES = Path(__file__).parents[1] / "fixtures" / "openai_responses"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.body"))
HELLO = Request((user("Hello"),))
SEALED: dict[str, Any] = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "encrypted_content": "gAAA==",
}
CALL = ToolCall("c1", "add", {"a": 1}, '{"a":1  }')
RESULT = ToolTurn((ToolResult("c1", "add", "2"),))


def sent(request: Request, model: str = "gpt-5-mini") -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(CODEC.encode(request, model).body)
    return body


def items(*turns: Any, extra: dict[str, Any] | None = None) -> Any:
    return sent(Request(turns, settings=Settings(extra=extra or {})))["input"]


def said(*parts: Part) -> AssistantTurn:
    return AssistantTurn(parts, WIRE)


def with_settings(model: str = "gpt-5-mini", **settings: Any) -> dict[str, Any]:
    return sent(attrs.evolve(HELLO, settings=Settings(**settings)), model)


def test_a_request_is_stateless_and_asks_for_a_stream_and_for_sealed_reasoning() -> None:
    call = CODEC.encode(HELLO, "gpt-5-mini")

    assert call.path == "/responses"
    assert sent(HELLO) == {
        "model": "gpt-5-mini",
        "input": [{"role": "user", "content": "Hello"}],
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
    }


@pytest.mark.parametrize(
    "model", ["gpt-4o", "gpt-4.1-mini", "gpt-5-chat-latest", "ft:gpt-4o:x", "openai/gpt-4o"]
)
def test_a_model_that_does_not_reason_is_asked_nothing_about_reasoning(model: str) -> None:
    assert "include" not in sent(HELLO, model)
    assert "reasoning" not in with_settings(model, thinking="off")


def test_an_answer_can_be_asked_for_in_one_piece() -> None:
    assert sent(attrs.evolve(HELLO, streamed=False))["stream"] is False


def test_what_the_system_says_first_are_the_instructions() -> None:
    request = Request((system("Be brief"), system("Be kind"), user("Hello"), system("Be quick")))

    assert sent(request)["instructions"] == "Be brief\n\nBe kind"
    assert sent(request)["input"] == [
        {"role": "user", "content": "Hello"},
        {"role": "system", "content": "Be quick"},
    ]


def test_a_user_shows_pictures_and_files() -> None:
    turn = user(
        "What is this?",
        Image(b"hi", media_type="image/jpeg"),
        Image(url="https://a.example/b.png"),
        File(b"hi", name="a.pdf"),
        File(url="https://a.example/b.pdf"),
    )

    assert items(turn)[0]["content"] == [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/jpeg;base64,aGk="},
        {"type": "input_image", "detail": "auto", "image_url": "https://a.example/b.png"},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,aGk=",
        },
        {"type": "input_file", "file_url": "https://a.example/b.pdf"},
    ]


def test_a_round_of_tools_is_sent_with_ids_and_the_arguments_to_the_letter() -> None:
    assert items(user("1+1"), assistant("Hm", CALL), RESULT) == [
        {"role": "user", "content": "1+1"},
        {"role": "assistant", "content": "Hm"},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a":1  }'},
        {"type": "function_call_output", "call_id": "c1", "output": "2"},
    ]


@pytest.mark.parametrize(
    "call",
    [ToolCall("c1", "add", {}, '{"a": 1', "cut"), ToolCall("c1", "add", {}, " ")],
    ids=["cut", "blank"],
)
def test_arguments_that_are_no_json_are_sent_as_an_empty_object(call: ToolCall) -> None:
    assert items(assistant("", call))[0]["arguments"] == "{}"


def test_sealed_reasoning_stands_before_what_follows_it() -> None:
    nameless = {name: value for name, value in SEALED.items() if name != "id"}
    turn = said(Thinking("Hm"), Opaque(WIRE, nameless), Text("Hello"), Opaque(WIRE, nameless), CALL)

    assert items(user("x"), turn, RESULT)[1:4] == [
        nameless,
        {"role": "assistant", "content": "Hello"},
        nameless,
    ]


def test_reasoning_with_an_id_goes_back_only_with_the_id_that_followed_it() -> None:
    sealed = Opaque(WIRE, SEALED)
    whole = attrs.evolve(CALL, signature='{"id":"fc_1"}')

    assert items(said(sealed, whole))[0] == SEALED
    assert items(said(sealed, whole))[1]["id"] == "fc_1"
    assert [item["type"] for item in items(said(sealed, CALL))] == ["function_call"]
    assert items(said(sealed, Text("Hel"))) == [{"role": "assistant", "content": "Hel"}]


def test_reasoning_that_nothing_follows_is_left_out() -> None:
    assert items(user("x"), said(Text("Hello"), Opaque(WIRE, SEALED))) == [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "Hello"},
    ]


def test_reasoning_without_a_seal_goes_back_only_where_the_provider_has_kept_it() -> None:
    bare: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": []}
    turn = said(Opaque(WIRE, bare), attrs.evolve(CALL, signature='{"id":"fc_1"}'))

    assert [item.get("id") for item in items(turn)] == [None]
    assert [item.get("id") for item in items(turn, extra={"store": True})] == ["rs_1", "fc_1"]


def test_reasoning_of_an_open_model_goes_back_as_its_text() -> None:
    raw: dict[str, Any] = {
        "type": "reasoning",
        "content": [{"type": "reasoning_text", "text": "Hm"}],
    }

    assert raw in items(user("x"), said(Thinking("Hm"), Opaque(WIRE, raw), Text("Hello")))


def test_the_reasoning_of_another_provider_stays_away() -> None:
    other = AssistantTurn((Thinking("Hm", "seal"), Opaque("x", {"a": 1}), Text("Hello")), "x")

    assert items(user("x"), other)[1:] == [{"role": "assistant", "content": "Hello"}]


def test_a_message_with_a_phase_goes_back_whole_and_its_text_only_once() -> None:
    message: dict[str, Any] = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "phase": "commentary",
        "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}],
    }
    turn = said(Text("First. Let me see."), Opaque(WIRE, message), Text("Then."), CALL)

    assert items(turn)[:3] == [
        {"role": "assistant", "content": "First. "},
        message,
        {"role": "assistant", "content": "Then."},
    ]


def test_a_call_of_the_providers_own_tools_that_nobody_answered_is_left_out() -> None:
    shell: dict[str, Any] = {
        "type": "shell_call",
        "id": "sh_1",
        "call_id": "s1",
        "action": {"commands": ["ls"]},
    }
    output: dict[str, Any] = {"type": "shell_call_output", "call_id": "s1", "output": []}
    search: dict[str, Any] = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    start = (Opaque(WIRE, SEALED), Opaque(WIRE, shell))

    assert items(said(Opaque(WIRE, search), *start, Text("Hello"))) == [
        search,
        {"role": "assistant", "content": "Hello"},
    ]
    assert items(said(*start, Opaque(WIRE, output), Text("Hello")))[:3] == [SEALED, shell, output]


@pytest.mark.parametrize("call_id", [["x"], {}, 1, ""])
def test_a_built_in_call_whose_id_is_no_text_waits_for_good(call_id: object) -> None:
    shell = {"type": "shell_call", "call_id": call_id}

    assert items(said(Opaque(WIRE, shell), Text("Hello"))) == [
        {"role": "assistant", "content": "Hello"}
    ]


def test_a_custom_tools_call_and_result_have_types_of_their_own() -> None:
    response, _ = decode((FIXTURES / "custom_tool_call.body").read_bytes(), [], CODEC)
    result = ToolTurn((ToolResult("call_1", "sql", "1 row"),))

    assert items(response.turn, result) == [
        {"type": "custom_tool_call", "call_id": "call_1", "name": "sql", "input": "SELECT 1"},
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": "1 row"},
    ]


@pytest.mark.parametrize("signature", ["not json", "[1]", "[" * 100_000])
def test_a_seal_that_is_none_of_ours_is_left_out(signature: str) -> None:
    call = attrs.evolve(CALL, signature=signature)

    assert items(said(call))[0].keys() == {"type", "call_id", "name", "arguments"}


@pytest.mark.parametrize(
    "name", ["reasoning_summary_and_seal", "one_json_object", "tools_of_the_provider"]
)
def test_an_answer_goes_back_as_it_came(name: str) -> None:
    body = (FIXTURES / f"{name}.body").read_bytes()
    response, _ = decode(body, [], CODEC)
    last = body if body.startswith(b"{") else body.strip().rpartition(b"data: ")[2]
    value = json.loads(last)
    output = value.get("response", value)["output"]

    back = items(response.turn)

    assert back == [item for item in output if item["type"] != "local_shell_call"]


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_a_seal_survives_the_way_to_us_and_back_byte_for_byte(seal: str, more: Any) -> None:
    item = {**more, "type": "reasoning", "id": "rs_1", "encrypted_content": seal + "x"}
    answer = {"id": "r", "status": "completed", "output": [item, *json.loads(MESSAGE)]}
    response, _ = decode(msgspec.json.encode(answer), [], CODEC)

    (back, _) = items(response.turn)

    assert msgspec.json.encode(back) == msgspec.json.encode(item)


MESSAGE = (
    '[{"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Hello"}]}]'
)


def test_settings_go_by_their_names_here_and_unset_ones_stay_away() -> None:
    body = with_settings(temperature=0.0, max_tokens=5, top_p=0.5)

    assert body.items() >= {"temperature": 0.0, "max_output_tokens": 5, "top_p": 0.5}.items()
    assert not {"tool_choice", "reasoning", "text", "tools"} & sent(HELLO).keys()


def test_words_to_stop_at_are_refused_and_a_seed_is_left_out() -> None:
    with pytest.raises(ConfigurationError, match="leave `stop` out, or use openai:gpt-5-mini"):
        with_settings(stop=("END",))
    assert with_settings(seed=7, frequency_penalty=0.5) == sent(HELLO)


@pytest.mark.parametrize(
    ("thinking", "model", "wanted"),
    [
        ("low", "gpt-5-mini", {"effort": "low", "summary": "auto"}),
        ("high", "o3", {"effort": "high", "summary": "auto"}),
        ("off", "gpt-5.1", {"effort": "none"}),
        ("off", "gpt-5-mini", {"effort": "minimal"}),
        ("off", "o3-mini", {"effort": "low"}),
        ("off", "something-new", {"effort": "none"}),
    ],
)
def test_thinking_is_an_effort_and_a_summary(thinking: Any, model: str, wanted: Any) -> None:
    assert with_settings(model, thinking=thinking)["reasoning"] == wanted


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [("auto", "auto"), ("none", "none"), ("add", {"type": "function", "name": "add"})],
)
def test_a_tool_is_chosen_by_its_name(choice: str, wanted: Any) -> None:
    settings = Settings(tool_choice=choice, parallel_tool_calls=False)
    body = sent(Request((user("Hello"),), (ToolSpec("add", "", {}),), settings))

    assert body["tool_choice"] == wanted
    assert body["parallel_tool_calls"] is False


def test_without_tools_nothing_is_said_about_them() -> None:
    assert with_settings(tool_choice="required", parallel_tool_calls=False) == sent(HELLO)


def test_a_tool_of_openais_own_can_be_required() -> None:
    search = {"tools": [{"type": "web_search"}]}

    assert with_settings(tool_choice="required", extra=search)["tool_choice"] == "required"


def test_a_tool_is_sent_with_its_schema_and_never_strict() -> None:
    none: dict[str, Any] = {}
    schema = MappingProxyType({"type": "object", "properties": MappingProxyType(none)})

    assert sent(Request((user("x"),), (ToolSpec("now", "The time", schema),)))["tools"] == [
        {
            "type": "function",
            "name": "now",
            "description": "The time",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        }
    ]


def test_an_answer_may_have_to_be_json() -> None:
    request = attrs.evolve(HELLO, output=OutputSchema({"type": "object"}, "city"))

    assert sent(request)["text"] == {
        "format": {
            "type": "json_schema",
            "name": "city",
            "schema": {"type": "object"},
            "strict": True,
        }
    }


def test_fields_of_the_users_own_join_ours() -> None:
    extra = {
        "tools": [{"type": "web_search"}],
        "include": ("web_search_call.action.sources",),
        "text": {"verbosity": "low"},
        "truncation": "auto",
        "store": True,
    }
    request = Request(
        (user("x"),),
        (ToolSpec("now", "", {}),),
        Settings(extra=extra),
        OutputSchema({"type": "object"}),
    )

    body = sent(request)

    assert [tool["type"] for tool in body["tools"]] == ["function", "web_search"]
    assert body["include"] == ["web_search_call.action.sources"]
    assert body["text"].keys() == {"format", "verbosity"}
    assert (body["truncation"], body["store"]) == ("auto", True)


def test_a_request_without_turns_is_refused_and_told_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match=r"at least one turn, such as user\('Hello'\)"):
        sent(Request(()))


def test_what_json_has_not_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="object is not a JSON type"):
        sent(Request((user("x"),), (ToolSpec("now", "", {"x": object()}),)))
    with pytest.raises(ConfigurationError, match="cannot be written as JSON"):
        items(user("\ud83c"))


@pytest.mark.parametrize("name", NAMES)
def test_whatever_was_answered_goes_back_as_the_real_api_takes_it(name: str) -> None:
    response, _ = decode((FIXTURES / f"{name}.body").read_bytes(), [], CODEC)
    results = tuple(ToolResult(call.id, call.name, "2") for call in response.tool_calls)
    turns = (user("x"), response.turn, *([ToolTurn(results)] if results else []), user("Go on"))

    body = sent(Request(turns))

    assert refusal(Asked("/v1/responses", body)) is None
