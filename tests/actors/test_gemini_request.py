"""What is sent: the request as Gemini's generateContent takes it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import attrs
import msgspec
import pytest
from answer_fixtures import load, names_of
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
    ToolStatus,
    ToolTurn,
    Turn,
    assistant,
    system,
    user,
)
from actors.errors import ConfigurationError
from actors.providers import Gemini

OLD, NEW = "gemini-2.5-flash", "gemini-3-flash"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ToolSpec("weather", "The weather of a city", SCHEMA)


def sent(request: Request, model: str = OLD) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(Gemini().encode(request, model).body)
    return body


def contents(*turns: Turn, model: str = OLD) -> Any:
    return sent(Request(turns), model)["contents"]


def config(settings: Settings, model: str = OLD) -> Any:
    return sent(Request((user("Hello"),), settings=settings), model).get("generationConfig")


def test_a_request_says_no_more_than_it_has_to() -> None:
    assert sent(Request((user("Hello"),))) == {
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}]
    }


@pytest.mark.parametrize(
    ("model", "streamed", "path"),
    [
        (OLD, True, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        (OLD, False, "/v1beta/models/gemini-2.5-flash:generateContent"),
        ("models/x", False, "/v1beta/models/x:generateContent"),
        ("tunedModels/x", False, "/v1beta/tunedModels/x:generateContent"),
        ("what is?this#", False, "/v1beta/models/what%20is%3Fthis%23:generateContent"),
    ],
)
def test_the_path_names_the_model_and_asks_for_events(
    model: str,
    streamed: bool,  # noqa: FBT001
    path: str,
) -> None:
    assert Gemini().encode(Request((user("Hi"),), streamed=streamed), model).path == path


def test_what_the_system_is_told_stands_apart_in_its_order() -> None:
    body = sent(Request((system("Be brief"), user("Hello"), system("And kind"))))

    assert body["systemInstruction"] == {"parts": [{"text": "Be brief"}, {"text": "And kind"}]}
    assert len(body["contents"]) == 1


def test_pictures_and_files_go_by_their_bytes_or_by_their_address() -> None:
    turn = user(
        "What is this?",
        Image(b"\x89PNG\xff"),
        File(b"%PDF"),
        Image(url="https://example.org/a.jpg", media_type="image/jpeg"),
        File(url="gs://bucket/a.pdf"),
    )

    assert contents(turn)[0]["parts"] == [
        {"text": "What is this?"},
        {"inlineData": {"mimeType": "image/png", "data": "iVBOR/8="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}},
        {"fileData": {"fileUri": "https://example.org/a.jpg", "mimeType": "image/jpeg"}},
        {"fileData": {"fileUri": "gs://bucket/a.pdf", "mimeType": "application/pdf"}},
    ]


def test_a_round_of_tools_goes_back_with_the_ids_that_gemini_gave() -> None:
    call = ToolCall("96c1", "weather", {"city": "Paris"}, '{"city":"Paris"}', signature="c2ln")
    results = ToolTurn((ToolResult("96c1", "weather", "sunny"),))

    assert contents(user("Weather?"), AssistantTurn((call,), "gemini"), results)[1:] == [
        {
            "role": "model",
            "parts": [
                {
                    "functionCall": {"id": "96c1", "name": "weather", "args": {"city": "Paris"}},
                    "thoughtSignature": "c2ln",
                }
            ],
        },
        {
            "role": "user",
            "parts": [
                {
                    "functionResponse": {
                        "id": "96c1",
                        "name": "weather",
                        "response": {"output": "sunny"},
                    }
                }
            ],
        },
    ]


def test_ids_that_we_made_up_are_not_sent() -> None:
    body, _ = load("gemini", "several_calls_in_one_event")
    response, _ = decode(body, [], Gemini())
    results = ToolTurn(tuple(ToolResult(x.id, x.name, "3") for x in response.tool_calls))

    [said, answered] = contents(response.turn, results)

    assert [part["functionCall"].keys() for part in said["parts"]] == [{"name", "args"}] * 2
    assert all(
        part["functionResponse"].keys() == {"name", "response"} for part in answered["parts"]
    )


@pytest.mark.parametrize("status", [ToolStatus.ERROR, ToolStatus.CANCELLED, ToolStatus.UNKNOWN])
def test_a_tool_that_did_not_succeed_answers_with_an_error(status: ToolStatus) -> None:
    [content] = contents(ToolTurn((ToolResult("c", "f", "no", status),)))

    assert content["parts"][0]["functionResponse"]["response"] == {"error": "no"}


def test_thoughts_go_back_to_gemini_but_not_those_of_another_model() -> None:
    parts = (Thinking("hm"), Text("Hello", "c2ln"))

    assert contents(AssistantTurn(parts, "gemini"))[0]["parts"] == [
        {"text": "hm", "thought": True},
        {"text": "Hello", "thoughtSignature": "c2ln"},
    ]
    assert contents(AssistantTurn(parts, "anthropic"))[0]["parts"] == [{"text": "Hello"}]


def test_what_another_wire_wants_back_stays_away() -> None:
    turn = AssistantTurn((Opaque("anthropic", {"type": "x"}), Text("Hello")), "anthropic")

    assert contents(turn)[0]["parts"] == [{"text": "Hello"}]
    assert contents(attrs.evolve(turn, wire="gemini"))[0]["parts"] == [{"text": "Hello"}]


@pytest.mark.parametrize("model", [NEW, "gemini-flash-latest", "models/gemini-3.1-pro"])
def test_gemini_3_is_told_that_calls_of_other_models_have_no_signature(model: str) -> None:
    calls = (ToolCall("c1", "f"), ToolCall("c2", "f"))
    turn = AssistantTurn((Text("I call."), *calls), "openai-chat")

    [_, first, second] = contents(turn, model=model)[0]["parts"]

    assert first["thoughtSignature"] == "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
    assert "thoughtSignature" not in second
    assert "thoughtSignature" not in contents(turn, model=OLD)[0]["parts"][1]


def test_gemini_3_gets_the_signatures_that_there_are() -> None:
    calls = (ToolCall("c1", "f", signature="c2ln"), ToolCall("c2", "f"))

    [first, second] = contents(AssistantTurn(calls, "gemini"), model=NEW)[0]["parts"]

    assert first["thoughtSignature"] == "c2ln"
    assert "thoughtSignature" not in second


@pytest.mark.parametrize("turn", [AssistantTurn(()), AssistantTurn((Thinking("h"),), "gemini")])
def test_an_answer_without_a_word_is_left_out(turn: AssistantTurn) -> None:
    assert len(contents(user("Hello"), turn, user("Are you there?"))) == 2


def test_answers_that_follow_each_other_are_one() -> None:
    [asked, said] = contents(user("Hello"), assistant("I "), assistant("look.", ToolCall("c", "f")))

    assert asked["role"] == "user"
    assert [set(part) for part in said["parts"]] == [{"text"}, {"text"}, {"functionCall"}]


def test_an_empty_text_is_left_out_unless_it_is_sealed() -> None:
    turn = AssistantTurn((Text(""), ToolCall("c", "f"), Text("", "c2ln")), "gemini")

    [call, sealed] = contents(turn)[0]["parts"]

    assert "functionCall" in call
    assert sealed == {"text": "", "thoughtSignature": "c2ln"}


@pytest.mark.parametrize(
    "name", [name for name in names_of("gemini") if "parts" in load("gemini", name)[1]]
)
def test_an_answer_goes_back_part_by_part_to_the_letter(name: str) -> None:
    body, expected = load("gemini", name)
    response, _ = decode(body, [], Gemini())

    back = contents(user("Hello"), response.turn)[1]["parts"]

    calls = iter(response.tool_calls)
    wanted: list[Any] = []
    for kind, *said in expected["parts"]:
        if kind == "opaque":
            wanted += said
            continue
        part = {"text": said[0]} | ({"thought": True} if kind == "thinking" else {})
        if kind == "call":
            call = next(calls)
            own = {} if call.id.startswith("gemini_") else {"id": call.id}
            part = {"functionCall": {"name": call.name, "args": dict(call.arguments)} | own}
        wanted.append(part | ({"thoughtSignature": said[1]} if said[1] else {}))
    assert back == wanted


def test_the_arguments_of_a_call_go_back_as_they_came() -> None:
    text = '{"a":1.0,"b":123456789012345678901234567890,"c":"\\u00e9"}'
    event = (
        f'{{"candidates":[{{"content":{{"parts":[{{"functionCall":{{"name":"f","args":{text}}}}}]}}'
    )
    response, _ = decode(f'data: {event},"finishReason":"STOP"}}]}}\n\n'.encode(), [], Gemini())

    body = Gemini().encode(Request((user("Hi"), response.turn)), OLD).body

    assert text.encode() in body


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (ToolCall("c", "f", {}, '{"a": 1', "the arguments are not valid JSON"), {}),
        (ToolCall("c", "f", {}, ""), {}),
        (ToolCall("c", "f", {}, "  "), {}),
        (ToolCall("c", "f", {"a": 1}), {"a": 1}),
        (ToolCall("c", "f", {"a": float("nan")}, '{"a": NaN}'), {"a": None}),
    ],
    ids=["cut", "none", "blank", "without text", "no JSON"],
)
def test_arguments_are_always_sent_as_an_object(call: ToolCall, arguments: object) -> None:
    assert contents(assistant("", call))[0]["parts"][0]["functionCall"]["args"] == arguments


def test_settings_go_by_geminis_names_and_unset_ones_stay_away() -> None:
    settings = Settings(
        temperature=0.0,
        max_tokens=5,
        top_p=0.9,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        stop=("END",),
        seed=7,
    )

    assert config(settings) == {
        "temperature": 0.0,
        "topP": 0.9,
        "maxOutputTokens": 5,
        "stopSequences": ["END"],
        "seed": 7,
        "presencePenalty": 0.2,
        "frequencyPenalty": 0.1,
    }
    assert config(Settings()) is None


@pytest.mark.parametrize(
    ("effort", "budget", "level"),
    [
        ("off", 0, "MINIMAL"),
        ("low", 1024, "LOW"),
        ("medium", 8192, "MEDIUM"),
        ("high", 24576, "HIGH"),
    ],
)
def test_thinking_is_set_in_tokens_before_gemini_3_and_by_a_level_since(
    effort: Any, budget: int, level: str
) -> None:
    shown = effort != "off"

    assert config(Settings(thinking=effort), OLD) == {
        "thinkingConfig": {"includeThoughts": shown, "thinkingBudget": budget}
    }
    assert config(Settings(thinking=effort), NEW) == {
        "thinkingConfig": {"includeThoughts": shown, "thinkingLevel": level}
    }


def test_an_answer_can_be_held_to_a_schema() -> None:
    body = sent(Request((user("Hello"),), output=OutputSchema(SCHEMA)))

    assert body["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }


def test_a_tool_is_sent_with_its_schema_even_if_that_is_read_only() -> None:
    spec = ToolSpec("weather", "The weather of a city", MappingProxyType(SCHEMA))

    assert sent(Request((user("Hello"),), (spec,)))["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "The weather of a city",
                    "parametersJsonSchema": SCHEMA,
                }
            ]
        }
    ]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("weather", {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_the_choice_of_tools_is_geminis_mode(choice: str, written: object) -> None:
    body = sent(Request((user("Hello"),), (WEATHER,), Settings(tool_choice=choice)))

    assert body["toolConfig"] == {"functionCallingConfig": written}


def test_fields_of_geminis_own_join_those_that_are_there() -> None:
    extra: dict[str, Any] = {
        "tools": [{"googleSearch": {}}],
        "generationConfig": {"topK": 5, "thinkingConfig": {"includeThoughts": False}},
        "cachedContent": "cachedContents/1",
    }
    settings = Settings(temperature=1.0, thinking="low", extra=extra)

    body = sent(Request((user("Hello"),), (WEATHER,), settings))

    assert [set(tool) for tool in body["tools"]] == [{"functionDeclarations"}, {"googleSearch"}]
    assert body["cachedContent"] == "cachedContents/1"
    assert body["generationConfig"] == {
        "temperature": 1.0,
        "topK": 5,
        "thinkingConfig": {"includeThoughts": False, "thinkingBudget": 1024},
    }


def test_a_request_for_one_call_at_a_time_is_refused_since_gemini_cannot_be_told() -> None:
    settings = Settings(parallel_tool_calls=False)

    with pytest.raises(ConfigurationError, match="leave parallel_tool_calls open"):
        sent(Request((user("Hello"),), (WEATHER,), settings))
    assert sent(Request((user("Hello"),), (WEATHER,), Settings(parallel_tool_calls=True)))


def test_without_tools_nothing_is_said_about_them() -> None:
    settings = Settings(tool_choice="required", parallel_tool_calls=False)

    assert sent(Request((user("Hello"),), settings=settings)) == sent(Request((user("Hello"),)))


@pytest.mark.parametrize("turns", [(), (system("Be brief"),)])
def test_a_request_without_turns_is_refused_and_told_what_to_write(turns: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"at least one turn, such as user\('Hello'\)"):
        sent(Request(turns))


def deep(levels: int) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for _ in range(levels):
        nested = {"x": nested}
    return nested


@pytest.mark.parametrize("schema", [{"x": object()}, {"x": "\ud83c"}, deep(100_000)])
def test_a_schema_with_what_json_has_not_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written as JSON"):
        sent(Request((user("Hello"),), (ToolSpec("now", "", schema),)))
