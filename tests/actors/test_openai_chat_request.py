"""What is sent: the request as OpenAI Chat Completions takes it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import attrs
import msgspec
import pytest
from chat_decoding import decode

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
    ToolTurn,
    assistant,
    system,
    user,
)
from actors.errors import ConfigurationError
from actors.providers import (
    COMPATIBLE,
    DIALECTS,
    OPENAI,
    Dialect,
    OpenAIChat,
    azure_deployment,
    resolve,
)

HELLO = Request((user("Hello"),))
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


def test_an_answer_of_a_local_model_is_bounded_unless_the_settings_have_a_bound() -> None:
    codec = resolve("local:smollm2").codec
    assert codec is not None

    def bound(settings: Settings) -> object:
        request = Request((user("Hello"),), settings=settings)
        return msgspec.json.decode(codec.encode(request, "smollm2").body)["max_tokens"]

    assert bound(Settings()) == 1024
    assert bound(Settings(max_tokens=4000)) == 4000


def test_a_user_shows_pictures_and_files() -> None:
    turn = user(
        "What is this?",
        Image(b"hi", media_type="image/jpeg"),
        Image(url="https://a.example/b.png"),
        File(b"hi", name="a.pdf"),
    )

    assert messages(turn)[0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
        },
    ]


def test_a_file_goes_by_its_address_only_where_the_server_takes_one() -> None:
    request = Request((user(File(url="https://a.example/b.pdf", name="b.pdf")),))

    with pytest.raises(ConfigurationError, match=r"File\(path.read_bytes\(\), name=...\), or use"):
        sent(request)
    (part,) = sent(request, DIALECTS["openrouter"])["messages"][0]["content"]
    assert part["file"] == {"filename": "b.pdf", "file_data": "https://a.example/b.pdf"}
    (part,) = sent(request, DIALECTS["mistral"])["messages"][0]["content"]
    assert part["document_url"] == "https://a.example/b.pdf"


def test_an_answer_can_be_asked_for_in_one_piece() -> None:
    body = sent(attrs.evolve(HELLO, streamed=False))

    assert body["stream"] is False
    assert "stream_options" not in body


def test_an_answer_may_have_to_be_json() -> None:
    request = attrs.evolve(HELLO, output=OutputSchema({"type": "object"}, "city"))
    schema = {"name": "city", "schema": {"type": "object"}, "strict": True}

    assert sent(request)["response_format"] == {"type": "json_schema", "json_schema": schema}
    del schema["strict"]
    assert sent(request, DIALECTS["groq"])["response_format"]["json_schema"] == schema


def test_a_server_that_knows_no_schema_is_told_it_in_words() -> None:
    request = attrs.evolve(HELLO, output=OutputSchema({"type": "object"}))

    body = sent(request, DIALECTS["deepseek"])

    assert body["response_format"] == {"type": "json_object"}
    assert '{"type":"object"}' in body["messages"][0]["content"]
    assert body["messages"][1]["content"] == "Hello"


TOOLS = (ToolSpec("now", "The time", {}), ToolSpec("add", "The sum", {}))


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("required", "required"),
        ("add", {"type": "function", "function": {"name": "add"}}),
    ],
)
def test_a_tool_is_chosen_by_its_name(choice: str, wanted: Any) -> None:
    settings = Settings(tool_choice=choice, parallel_tool_calls=False)
    body = sent(Request((user("Hello"),), TOOLS, settings))

    assert body["tool_choice"] == wanted
    assert body["parallel_tool_calls"] is False


def test_a_server_that_knows_no_names_is_offered_only_the_chosen_tool() -> None:
    request = Request((user("Hello"),), TOOLS, Settings(tool_choice="add"))

    body = sent(request, DIALECTS["llamacpp"])

    assert body["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in body["tools"]] == ["add"]


def test_the_choice_of_a_tool_that_is_not_there_is_told_what_is() -> None:
    request = Request((user("Hello"),), TOOLS, Settings(tool_choice="ad"))

    with pytest.raises(ConfigurationError, match=r"tool_choice is 'ad': write one of 'now', 'add'"):
        sent(request, DIALECTS["llamacpp"])


def test_without_tools_nothing_is_said_about_them() -> None:
    settings = Settings(tool_choice="none", parallel_tool_calls=True)

    assert sent(attrs.evolve(HELLO, settings=settings)) == sent(HELLO)


def thought(dialect: Dialect, thinking: Any, model: str = "m") -> dict[str, Any]:
    request = attrs.evolve(HELLO, settings=Settings(thinking=thinking))
    plain = msgspec.json.decode(OpenAIChat(dialect).encode(HELLO, model).body)
    body = msgspec.json.decode(OpenAIChat(dialect).encode(request, model).body)
    return {name: value for name, value in body.items() if name not in plain}


@pytest.mark.parametrize(
    ("dialect", "thinking", "model", "wanted"),
    [
        ("openai", "high", "gpt-5.1", {"reasoning_effort": "high"}),
        ("openai", "off", "gpt-5.1", {"reasoning_effort": "none"}),
        ("openai", "off", "gpt-5-mini", {"reasoning_effort": "minimal"}),
        ("openai", "off", "o3-mini", {"reasoning_effort": "low"}),
        ("openai", "off", "gpt-4o-mini", {}),
        ("openai", "off", "ft:gpt-4o:x", {}),
        ("openrouter", "low", "a/b", {"reasoning": {"effort": "low"}}),
        ("openrouter", "off", "a/b", {"reasoning": {"effort": "none"}}),
        ("deepseek", "off", "deepseek-v4", {"thinking": {"type": "disabled"}}),
        ("mistral", "low", "m", {"reasoning_effort": "high"}),
        ("mistral", "off", "mistral-large", {}),
        ("groq", "off", "qwen/qwen3-32b", {"reasoning_effort": "none"}),
        ("groq", "off", "llama-3.3-70b", {}),
        ("xai", "medium", "m", {"reasoning_effort": "low"}),
        ("xai", "off", "m", {}),
        ("vllm", "off", "m", {"chat_template_kwargs": {"enable_thinking": False}}),
    ],
)
def test_thinking_is_asked_for_in_the_words_of_the_server(
    dialect: str, thinking: str, model: str, wanted: Any
) -> None:
    assert thought(DIALECTS[dialect], thinking, model) == wanted


@pytest.mark.parametrize("name", sorted(DIALECTS))
@pytest.mark.parametrize("thinking", ["off", "low", "medium", "high"])
def test_every_dialect_knows_every_effort(name: str, thinking: str) -> None:
    thought(DIALECTS[name], thinking)


def test_fields_of_the_users_own_join_ours() -> None:
    extra = {"tools": [{"type": "custom"}], "stream_options": {"x": 1}, "user": "me"}
    body = sent(Request((user("Hello"),), TOOLS, Settings(extra=extra)))

    assert len(body["tools"]) == 3
    assert body["stream_options"] == {"include_usage": True, "x": 1}
    assert body["user"] == "me"


def test_deepseek_gets_its_reasoning_back_once_tools_were_called() -> None:
    deepseek = DIALECTS["deepseek"]
    spoken, called = (AssistantTurn((Thinking("hm"), part)) for part in (Text("Hello"), CALL))
    foreign = assistant("Hello")

    alone = sent(Request((spoken, foreign)), deepseek)["messages"]
    together = sent(Request((spoken, foreign, called)), deepseek)["messages"]

    assert not any("reasoning_content" in message for message in alone)
    assert [message["reasoning_content"] for message in together] == ["hm", "", "hm"]


def test_mistral_gets_ids_and_names_of_its_own_kind() -> None:
    turns = (user("x"), assistant("", CALL), ToolTurn((ToolResult("c1", "add", "2"),)))
    request = Request(turns, settings=Settings(seed=7, max_tokens=5))

    body = sent(request, DIALECTS["mistral"])

    id = body["messages"][1]["tool_calls"][0]["id"]
    assert (len(id), id.isalnum(), id) == (9, True, body["messages"][2]["tool_call_id"])
    assert (body["random_seed"], body["max_tokens"]) == (7, 5)
    assert not {"stream_options", "seed"} & body.keys()
    own = attrs.evolve(CALL, id="AbCdEf123")
    again = sent(Request((user("x"), assistant("", own))), DIALECTS["mistral"])
    assert again["messages"][1]["tool_calls"][0]["id"] == "AbCdEf123"


def test_an_older_azure_has_the_deployment_in_its_path() -> None:
    call = OpenAIChat(azure_deployment("2024-10-21")).encode(HELLO, "mine")

    assert call.path == "/openai/deployments/mine/chat/completions?api-version=2024-10-21"


DETAILS = [
    {"type": "reasoning.text", "index": 0, "text": "Hm. ", "format": "f"},
    {"type": "reasoning.text", "index": 0, "text": "Yes.", "signature": "s=="},
    {"type": "reasoning.encrypted", "index": 1, "data": "gAAA="},
    {"type": "reasoning.encrypted", "index": 1, "data": "gBBB="},
]
WHOLE = [
    {"type": "reasoning.text", "index": 0, "text": "Hm. Yes.", "format": "f", "signature": "s=="},
    *DETAILS[2:],
]


def test_reasoning_details_of_openrouter_go_back_to_it_and_to_nobody_else() -> None:
    openrouter = DIALECTS["openrouter"]
    chunks: list[Any] = [
        {"choices": [{"delta": {"reasoning_details": [detail]}}]} for detail in DETAILS
    ]
    chunks += [{"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}]
    body = b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks)

    response, _ = decode(body, [], OpenAIChat(openrouter))
    other, _ = decode(body, [], OpenAIChat(COMPATIBLE))

    request = Request((user("x"), response.turn))
    assert sent(request, openrouter)["messages"][1] == {
        "role": "assistant",
        "content": "Hello",
        "reasoning_details": WHOLE,
    }
    assert "reasoning_details" not in sent(request, OPENAI)["messages"][1]
    foreign = AssistantTurn((Text("Hello"), Opaque("x", {"reasoning_details": WHOLE})), "x")
    assert "reasoning_details" not in sent(Request((foreign,)), openrouter)["messages"][0]
    assert not any(isinstance(part, Opaque) for part in other.turn.parts)


def test_reasoning_details_that_came_in_one_piece_go_back_as_they_came() -> None:
    message = {"content": "Hello", "reasoning_details": DETAILS}
    answer = {"choices": [{"message": message, "finish_reason": "stop"}]}

    response, _ = decode(msgspec.json.encode(answer), [], OpenAIChat(DIALECTS["openrouter"]))

    body = sent(Request((user("x"), response.turn)), DIALECTS["openrouter"])
    assert msgspec.json.encode(body["messages"][1]["reasoning_details"]) == msgspec.json.encode(
        DETAILS
    )


def test_a_spoken_answer_goes_back_by_its_id() -> None:
    audio = [{"id": "audio_1", "transcript": "Hel"}, {"transcript": "lo", "data": "aGk="}]
    chunks: list[Any] = [{"choices": [{"delta": {"audio": piece}}]} for piece in audio]
    chunks += [{"choices": [{"delta": {}, "finish_reason": "stop"}]}]
    body = b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks)

    response, _ = decode(body, [], OpenAIChat(OPENAI))

    assert (response.text, response.metadata["transcript"]) == ("", ["Hel", "lo"])
    assert sent(Request((user("x"), response.turn)), OPENAI)["messages"][1] == {
        "role": "assistant",
        "content": None,
        "audio": {"id": "audio_1"},
    }
