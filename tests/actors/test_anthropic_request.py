"""What is sent: the request as Anthropic Messages takes it.

The bodies of the first three tests are what the official SDK (2.14) sends for the same request.
"""

from __future__ import annotations

import base64
import json
from types import MappingProxyType
from typing import Any

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
    Request,
    Settings,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    ToolStatus,
    ToolTurn,
    Turn,
    assistant,
    system,
    user,
)
from actors.errors import ConfigurationError
from actors.providers import AnthropicMessages, resolve

PNG = b"\x89PNG\r\n"
BUDGETED = "claude-sonnet-4-5"
ADAPTIVE = "claude-opus-4-8"
ADD = ToolSpec("add", "Adds", {"type": "object", "properties": {"a": {"type": "number"}}})
CALL = ToolCall("t1", "add", {"a": 1}, '{"a": 1}')
DONE = ToolTurn((ToolResult("t1", "add", "2"),))


def sent(request: Request, model: str = BUDGETED) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(AnthropicMessages().encode(request, model).body)
    return body


def messages(*turns: Turn) -> Any:
    return sent(Request(turns))["messages"]


def set_to(model: str = BUDGETED, **settings: Any) -> dict[str, Any]:
    body = sent(Request((user("Hello"),), settings=Settings(**settings)), model)
    del body["model"], body["messages"], body["stream"]
    return body


def asked(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def test_a_request_has_the_version_in_a_header_and_a_bound_for_the_answer() -> None:
    request = AnthropicMessages().encode(Request((user("Hello"),)), "claude-m")

    assert request.path == "/v1/messages"
    assert dict(request.headers) == {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
    }
    assert json.loads(request.body) == {
        "model": "claude-m",
        "max_tokens": 8192,
        "messages": [asked("Hello")],
        "stream": True,
    }


def test_a_request_for_one_piece_does_not_ask_for_a_stream() -> None:
    assert "stream" not in sent(Request((user("Hello"),), streamed=False))


def test_a_round_of_tools_with_thinking_is_sent_as_it_was() -> None:
    turn = AssistantTurn((Thinking("hm", "c2ln"), CALL), "anthropic")
    failed = ToolTurn((ToolResult("t1", "add", "boom", ToolStatus.ERROR),))

    assert messages(user("1+1"), turn, failed, user("go on")) == [
        asked("1+1"),
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "boom", "is_error": True},
                {"type": "text", "text": "go on"},
            ],
        },
    ]


def test_system_turns_stand_apart_wherever_they_were() -> None:
    one = sent(Request((system("Be brief"), user("Hello"))))
    two = sent(Request((system("Be brief"), user("Hello"), system("Be kind"))))

    assert (one["system"], one["messages"]) == ("Be brief", [asked("Hello")])
    assert two["system"] == [
        {"type": "text", "text": "Be brief"},
        {"type": "text", "text": "Be kind"},
    ]
    assert two["messages"] == one["messages"]


def test_pictures_and_documents_are_sent_as_bytes_or_by_their_address() -> None:
    shown = messages(
        user(
            "What is this?",
            Image(PNG, media_type="image/png"),
            Image(url="https://host/a.png"),
            File(b"%PDF", name="report"),
            File(url="https://host/a.pdf"),
            File("Grüße".encode(), media_type="text/markdown", name="letter"),
        )
    )[0]["content"]

    assert [block["type"] for block in shown] == ["text", *["image"] * 2, *["document"] * 3]
    assert [block["source"] for block in shown[1:]] == [
        {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()},
        {"type": "url", "url": "https://host/a.png"},
        {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
        {"type": "url", "url": "https://host/a.pdf"},
        {"type": "text", "media_type": "text/plain", "data": "Grüße"},
    ]
    assert shown[3]["title"] == "report"


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        (File(b"PK", media_type="application/zip"), "PDF and text, not application/zip"),
        (File(b"\xff", media_type="text/plain", name="notes"), "'notes' is not UTF-8"),
    ],
)
def test_a_file_that_the_api_does_not_read_is_refused(file: File, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        messages(user(file))


def test_all_results_come_together_and_first_in_the_turn_after_their_calls() -> None:
    other = ToolCall("t2", "mul", {}, "{}")
    results = [ToolTurn((ToolResult(id, "x", "2"),)) for id in ("t1", "t2")]

    said = messages(user("?"), assistant("", CALL, other), results[0], user("well?"), results[1])

    kinds = [block["type"] for block in said[2]["content"]]
    assert kinds == ["tool_result", "tool_result", "text"]


@pytest.mark.parametrize("status", [ToolStatus.ERROR, ToolStatus.CANCELLED, ToolStatus.UNKNOWN])
def test_a_result_that_is_none_says_so_even_without_words(status: ToolStatus) -> None:
    result = ToolResult("t1", "add", "", status)

    said = messages(user("?"), assistant("", CALL), ToolTurn((result,)))[2]["content"][0]

    assert (said["is_error"], said["content"]) == (True, status.value)


def test_an_empty_result_is_sent_without_content() -> None:
    said = messages(user("?"), assistant("", CALL), ToolTurn((ToolResult("t1", "add", " "),)))

    assert said[2]["content"] == [{"type": "tool_result", "tool_use_id": "t1"}]


def test_blank_texts_are_left_out_and_neighbours_of_one_role_joined() -> None:
    said = messages(user("Hello"), AssistantTurn((Text(" \n"),)), user(" "), user("Are you there?"))

    assert said == [
        {
            "role": "user",
            "content": [*asked("Hello")["content"], *asked("Are you there?")["content"]],
        }
    ]


def test_thinking_goes_back_with_its_signature_or_not_at_all() -> None:
    parts = (Thinking("cut"), Thinking("", "c2ln"), Text("Hello"))

    ours = messages(user("?"), AssistantTurn(parts, "anthropic"))
    others = messages(user("?"), AssistantTurn(parts, "gemini"))

    hello = {"type": "text", "text": "Hello"}
    seal = {"type": "thinking", "thinking": "", "signature": "c2ln"}
    assert ours[1]["content"] == [seal, hello]
    assert others[1]["content"] == [hello]


def test_what_is_opaque_goes_back_in_its_place_and_only_to_its_own() -> None:
    mine = Opaque("anthropic", {"type": "redacted_thinking", "data": "x", "new": [1.5, None]})
    other = Opaque("openai-responses", {"type": "reasoning"})

    said = messages(user("?"), AssistantTurn((mine, Text("Hello"), other), "anthropic"))

    assert said[1]["content"] == [dict(mine.data), {"type": "text", "text": "Hello"}]


@pytest.mark.parametrize("text", ['{"a": 1', ""])
def test_arguments_that_are_no_json_are_sent_as_an_empty_object(text: str) -> None:
    call = ToolCall("t1", "add", {}, text, "the arguments are not valid JSON")

    assert messages(user("?"), assistant("", call), DONE)[1]["content"][0]["input"] == {}


def test_who_made_a_call_goes_back_with_it() -> None:
    caller = {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}
    block = {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}, "caller": caller}
    body = json.dumps({"content": [block], "stop_reason": "tool_use"}).encode()
    turn = decode(body, [], AnthropicMessages())[0].turn

    assert messages(user("?"), turn, DONE)[1]["content"] == [block]


def test_ids_of_other_providers_become_ids_that_the_api_takes() -> None:
    odd = ToolCall("functions.add:0", "add")
    twice = ToolCall("call_0", "add")
    said = messages(
        *(user("?"), assistant("", odd), ToolTurn((ToolResult("functions.add:0", "add", "1"),))),
        *(assistant("", twice), ToolTurn((ToolResult("call_0", "add", "2"),))),
        *(assistant("", twice), ToolTurn((ToolResult("call_0", "add", "3"),))),
    )

    calls = [block["id"] for message in said[1::2] for block in message["content"]]
    results = [block["tool_use_id"] for message in said[2::2] for block in message["content"]]
    assert calls == results == ["functions_add_0", "call_0", "call_0_2"]


SEARCH = Opaque("anthropic", {"type": "server_tool_use", "id": "s1", "name": "web_search"})
FOUND = Opaque("anthropic", {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []})


def test_a_search_that_was_cut_before_its_result_is_left_out() -> None:
    cut = AssistantTurn((Text("I look"), SEARCH), "anthropic")
    whole = AssistantTurn((SEARCH, FOUND), "anthropic")

    assert len(messages(user("?"), cut, user("and?"))[1]["content"]) == 1
    assert len(messages(user("?"), whole, user("and?"))[1]["content"]) == 2


def test_an_answer_that_was_nothing_but_such_a_search_is_left_out() -> None:
    cut = AssistantTurn((SEARCH,), "anthropic")

    (message,) = messages(user("?"), cut, user("and?"))
    assert [block["text"] for block in message["content"]] == ["?", "and?"]


def test_a_search_goes_back_where_the_provider_paused_or_waits_for_us() -> None:
    paused = AssistantTurn((SEARCH,), "anthropic")
    waiting = AssistantTurn((SEARCH, CALL), "anthropic")
    later = AssistantTurn((FOUND,), "anthropic")

    assert len(messages(user("?"), paused)[1]["content"]) == 1
    assert len(messages(user("?"), waiting, DONE)[1]["content"]) == 2
    assert len(messages(user("?"), waiting, DONE, later, user("ok"))[1]["content"]) == 2


def test_settings_go_by_the_names_of_the_api_and_unset_ones_stay_away() -> None:
    assert set_to(temperature=0.0, top_p=0.5, max_tokens=5, stop=("END",)) == {
        "temperature": 0.0,
        "top_p": 0.5,
        "max_tokens": 5,
        "stop_sequences": ["END"],
    }
    assert set_to(seed=7, frequency_penalty=0.1, presence_penalty=0.1) == {"max_tokens": 8192}


def test_a_temperature_is_sent_to_those_that_take_one() -> None:
    assert "temperature" in set_to("claude-opus-4-6", temperature=0.5)
    assert "temperature" in set_to("smollm2", temperature=0.5)
    assert "temperature" not in set_to(ADAPTIVE, temperature=0.5)


@pytest.mark.parametrize(
    ("effort", "budget", "bound"),
    [("low", 2048, 10240), ("medium", 8192, 16384), ("high", 16384, 24576)],
)
def test_an_early_model_is_told_how_much_to_think(effort: str, budget: int, bound: int) -> None:
    assert set_to(thinking=effort, temperature=0.5, top_p=0.9) == {
        "max_tokens": bound,
        "thinking": {"type": "enabled", "budget_tokens": budget},
    }


@pytest.mark.parametrize("model", [ADAPTIVE, "claude-sonnet-4-6", "claude-sonnet", "claude-new-9"])
def test_a_later_model_is_told_how_hard_to_try(model: str) -> None:
    assert set_to(model, thinking="high", temperature=0.5) == {
        "max_tokens": 8192,
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "high"},
    }


def test_thinking_can_be_turned_off() -> None:
    assert set_to(thinking="off", temperature=0.5) == {
        "max_tokens": 8192,
        "temperature": 0.5,
        "thinking": {"type": "disabled"},
    }


@given(st.integers(1025, 100_000), st.sampled_from(["low", "medium", "high"]))
def test_a_budget_leaves_room_for_an_answer(bound: int, effort: str) -> None:
    body = set_to(thinking=effort, max_tokens=bound)

    assert body["max_tokens"] == bound
    assert 1024 <= body["thinking"]["budget_tokens"] < bound


def test_a_bound_too_small_to_think_in_is_refused_and_told_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match=r"1024 tokens or more.*thinking='off'"):
        set_to(thinking="low", max_tokens=1024)


@pytest.mark.parametrize(
    ("choice", "parallel", "wanted"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("required", None, {"type": "any"}),
        ("none", False, {"type": "none"}),
        ("add", None, {"type": "tool", "name": "add"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("add", True, {"type": "tool", "name": "add", "disable_parallel_tool_use": False}),
    ],
)
def test_which_tool_and_how_many_at_once(
    choice: str | None,
    parallel: bool | None,  # noqa: FBT001
    wanted: object,
) -> None:
    settings = Settings(tool_choice=choice, parallel_tool_calls=parallel)

    body = sent(Request((user("?"),), (ADD,), settings))

    assert body.get("tool_choice") == wanted
    assert "tool_choice" not in sent(Request((user("?"),), settings=settings))


def test_a_tool_is_sent_with_its_schema_even_if_that_is_read_only() -> None:
    plain: dict[str, Any] = {"type": "object", "properties": {}}
    tools = (ToolSpec("now", "The time", MappingProxyType(plain)), ToolSpec("bare", "", plain))

    assert sent(Request((user("?"),), tools))["tools"] == [
        {"name": "now", "description": "The time", "input_schema": plain},
        {"name": "bare", "input_schema": plain},
    ]


def test_a_schema_for_the_answer_stands_beside_the_effort() -> None:
    schema = {"type": "object", "additionalProperties": False}
    request = Request((user("?"),), output=OutputSchema(schema), settings=Settings(thinking="low"))

    assert sent(request, ADAPTIVE)["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": schema},
    }


def test_fields_of_the_api_are_sent_as_they_are_and_win() -> None:
    extra = {"max_tokens": 1, "cache_control": {"type": "ephemeral"}, "metadata": {"user_id": "u"}}

    assert set_to(max_tokens=5, extra=extra) == extra


def test_tools_of_the_server_stand_beside_ours_and_betas_in_a_header() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    settings = Settings(extra={"tools": [search], "betas": ["one-1", "two-2"]})
    request = Request((user("?"),), (ADD,), settings)

    encoded = AnthropicMessages().encode(request, BUDGETED)

    assert dict(encoded.headers)["anthropic-beta"] == "one-1,two-2"
    body = json.loads(encoded.body)
    assert [tool["name"] for tool in body["tools"]] == ["add", "web_search"]
    assert "betas" not in body


@pytest.mark.parametrize("turns", [(), (system("Be brief"),), (user(" "),), (AssistantTurn(()),)])
def test_a_request_that_says_nothing_is_refused_and_told_what_to_write(
    turns: tuple[Turn, ...],
) -> None:
    with pytest.raises(ConfigurationError, match=r"at least one turn, such as user\('Hello'\)"):
        sent(Request(turns))


@pytest.mark.parametrize("text", ["\ud83c", "half \udf0d"])
def test_text_that_is_no_unicode_is_refused_before_anything_is_sent(text: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written as JSON"):
        sent(Request((user(text),)))


def test_a_schema_with_what_json_has_not_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="object is not a JSON type"):
        sent(Request((user("Hello"),), (ToolSpec("now", "", {"x": object()}),)))


def test_the_name_of_a_model_leads_to_anthropic_with_its_key_where_anthropic_wants_it() -> None:
    route = resolve("anthropic:claude-sonnet", {"ANTHROPIC_API_KEY": "sk-1"})

    assert isinstance(route.codec, AnthropicMessages)
    assert (route.base_url, route.model.model) == ("https://api.anthropic.com", "claude-sonnet")
    assert route.headers == {"x-api-key": "sk-1"}
    assert "sk-1" not in repr(route)


def test_the_address_in_the_environment_means_what_it_means_to_the_official_sdk() -> None:
    variables = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "http://127.0.0.1:8080/"}

    assert resolve("anthropic:m", variables).base_url == "http://127.0.0.1:8080"
