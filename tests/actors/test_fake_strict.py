"""What the real providers refuse, in their words; and what they accept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_recordings import cases, folder

from actors.testing import WIRES, WireName, refusal

Json = dict[str, Any]


def said(role: str, content: Any = "x", **more: Any) -> Json:
    return {"role": role, "content": content, **more}


# OpenAI Chat Completions


def chat_call(id: str = "c1", name: str = "f", arguments: Any = "{}") -> Json:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def called(*calls: Json, **more: Any) -> Json:
    return {"role": "assistant", "tool_calls": list(calls), **more}


def chat(*messages: Json, **more: Any) -> Json:
    return {"model": "m", "messages": list(messages), **more}


RESULT = {"role": "tool", "tool_call_id": "c1", "content": "3"}
TOOLS: list[Json] = [{"type": "function", "function": {"name": "f", "parameters": {}}}]

CHAT_ACCEPTED = [
    chat(said("system"), said("user"), said("assistant"), said("user")),
    chat(said("user"), called(chat_call()), RESULT, tools=TOOLS, tool_choice="auto"),
    chat(
        said("user"),
        called(chat_call("a"), chat_call("b"), content=None),
        RESULT | {"tool_call_id": "b"},
        RESULT | {"tool_call_id": "a"},
    ),
    chat(said("user", [{"type": "text", "text": "x"}]), stream=True, stream_options={}),
]
CHAT_REFUSED = [
    ({"messages": [said("user")]}, "you must provide a model parameter"),
    ({"model": "m"}, "Missing required parameter: 'messages'."),
    (chat(), "Invalid 'messages': empty array."),
    (chat(said("robot")), "Invalid value: 'robot'. Supported values are: 'system', "),
    (chat(said("user", None)), "Invalid value for 'content': expected a string, got null."),
    (chat(said("user", 1)), "Invalid type for 'messages[0].content': expected a string or an arr"),
    (chat(said("user"), said("assistant", None)), "Invalid value for 'content': expected a string"),
    (chat(said("user"), called(content="")), "Invalid 'messages[1].tool_calls': empty array."),
    (
        chat(said("user"), called(chat_call())),
        (
            "An assistant message with 'tool_calls' must be followed by "
            "tool messages responding to "
            "each 'tool_call_id'. The following tool_call_ids did not have response messages: c1"
        ),
    ),
    (chat(said("user"), called(chat_call()), said("user"), RESULT), "An assistant message with"),
    (
        chat(said("user"), called(chat_call(), chat_call("c2")), RESULT),
        "did not have response messages: c2",
    ),
    (chat(said("user"), RESULT), "Invalid parameter: messages with role 'tool' must be a resp"),
    (
        chat(said("user"), called(chat_call()), RESULT, RESULT),
        "Duplicate value for 'tool_call_id' of 'c1' in message[3]",
    ),
    (
        chat(said("user"), called(chat_call(name="a b")), RESULT),
        "Invalid 'messages[1].tool_calls[0].function.name': string does not match pattern.",
    ),
    (
        chat(said("user"), called(chat_call(name="a" * 65)), RESULT),
        "string too long. Expected a string with maximum length 64, but got a string with length",
    ),
    (chat(said("user"), called(chat_call("c" * 41))), "maximum length 40, but got a string with"),
    (
        chat(said("user"), called(chat_call(arguments={})), RESULT),
        (
            "Invalid type for "
            "'messages[1].tool_calls[0].function.arguments': expected a string, but "
            "got an object instead."
        ),
    ),
    (chat(said("user"), tools=[]), "Invalid 'tools': empty array."),
    (chat(said("user"), tool_choice="auto"), "'tool_choice' is only allowed when 'tools' are"),
    (chat(said("user"), stream_options={}), "The 'stream_options' parameter is only allowed when"),
]

# OpenAI Responses


def item(type: str, **more: Any) -> Json:
    return {"type": type, **more}


FUNCTION_CALL = item("function_call", call_id="c1", name="f", arguments="{}")
OUTPUT = item("function_call_output", call_id="c1", output="3")
REASONING = item("reasoning", id="rs_1", summary=[], encrypted_content="x")


def respond(*items: Json, **more: Any) -> Json:
    return {"model": "m", "input": list(items), **more}


SPOKEN = [{"type": "output_text", "text": "x"}]
RESPONSES_ACCEPTED = [
    {"model": "m", "input": "Hello"},
    {"model": "m", "previous_response_id": "r", "input": [OUTPUT]},
    respond(said("user"), said("assistant", SPOKEN), said("user", [{"type": "input_text"}])),
    respond(said("user"), REASONING, FUNCTION_CALL, OUTPUT),
    respond(said("user"), REASONING, said("assistant", SPOKEN, id="msg_1")),
    respond(said("user"), item("reasoning", encrypted_content="x"), said("assistant")),
]
RESPONSES_REFUSED = [
    ({"input": "Hello"}, "Missing required parameter: 'model'."),
    ({"model": "m"}, 'One of "input" or "previous_response_id"'),
    (respond(said("tool")), "Invalid value: 'tool'. Supported values are: 'assistant', 'system', "),
    (respond(said("user", None)), "Invalid type for 'input[0].content': expected one of an array"),
    (
        respond(said("user"), said("assistant", [{"type": "input_text"}])),
        "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.",
    ),
    (respond(said("user", [{"type": "text"}])), "Invalid value: 'text'. Supported values are: 'i"),
    (respond(said("user"), FUNCTION_CALL), "No tool output found for function call c1."),
    (
        respond(said("user"), OUTPUT),
        "No tool call found for function call output with call_id c1.",
    ),
    (
        respond(said("user"), REASONING),
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
    ),
    (respond(said("user"), REASONING, said("user")), "without its required following item."),
    (respond(said("user"), REASONING, said("assistant")), "without its required following item."),
    (
        respond(said("user"), REASONING, FUNCTION_CALL, OUTPUT, REASONING, FUNCTION_CALL),
        "Duplicate item found with id rs_1.",
    ),
    (respond(FUNCTION_CALL | {"name": "a b"}, OUTPUT), "Invalid 'input[0].name': string does not"),
    (respond(FUNCTION_CALL | {"arguments": {}}), "Invalid type for 'input[0].arguments': expected"),
    (respond(FUNCTION_CALL, OUTPUT | {"output": 3}), "Invalid type for 'input[1].output': expec"),
    (respond(FUNCTION_CALL | {"call_id": "c" * 65}), "maximum length 64"),
]

# Anthropic Messages


def messages(*given: Json, **more: Any) -> Json:
    return {"model": "m", "max_tokens": 4000, "messages": list(given), **more}


def use(id: str = "t1", **more: Any) -> Json:
    return {"type": "tool_use", "id": id, "name": "f", "input": {}, **more}


def result(id: str = "t1") -> Json:
    return {"type": "tool_result", "tool_use_id": id, "content": "3"}


def text(text: str) -> Json:
    return {"type": "text", "text": text}


THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
THINKING = {"type": "enabled", "budget_tokens": 2000}
MESSAGES_ACCEPTED = [
    messages(said("user"), said("user"), said("assistant"), said("user")),
    messages(said("user"), said("assistant", [use()]), said("user", [result(), text("and?")])),
    messages(
        said("user"),
        said("assistant", [THOUGHT, text("x"), use(), use("t2")]),
        said("user", [result("t2"), result()]),
        thinking=THINKING,
    ),
    messages(said("user"), said("assistant", [use()]), said("user", [result()]), said("user")),
    messages(said("user"), said("assistant", "x"), said("user"), thinking=THINKING),
]
MESSAGES_REFUSED = [
    ({"model": "m", "messages": [said("user")]}, "max_tokens: Field required"),
    ({"max_tokens": 1, "messages": [said("user")]}, "model: Field required"),
    (messages(), "messages: at least one message is required"),
    (messages(said("system")), 'messages: Unexpected role "system". The Messages API accepts a '),
    (messages(said("assistant"), said("user")), 'messages: first message must use the "user" role'),
    (messages(said("user", "")), "messages.0: all messages must have non-empty content except"),
    (messages(said("user"), said("assistant", []), said("user")), "messages.1: all messages must"),
    (messages(said("user", [text("")])), "messages: text content blocks must be non-empty"),
    (messages(said("user", [text(" ")])), "messages: text content blocks must contain non-white"),
    (messages(said("user", [{"text": "x"}])), "messages.0.content.0.type: Field required"),
    (
        messages(said("user"), said("assistant", [use()]), said("user")),
        (
            "messages.1: `tool_use` ids were found without `tool_result` "
            "blocks immediately after: t1. "
            "Each `tool_use` block must have a corresponding "
            "`tool_result` block in the next message."
        ),
    ),
    (
        messages(said("user"), said("assistant", [use()])),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1.",
    ),
    (
        messages(said("user"), said("assistant", [use()]), said("user", [text("x"), result()])),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1.",
    ),
    (
        messages(said("user", [result()])),
        "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: t1.",
    ),
    (
        messages(
            said("user"), said("assistant", [use()]), said("user", [result(), result("other")])
        ),
        "messages.2.content.1: unexpected `tool_use_id` found in `tool_result` blocks: other.",
    ),
    (
        messages(said("user"), said("assistant", [use()]), said("user", [result(), result()])),
        "each tool_use must have a single result. Found multiple `tool_result` blocks with id: t1",
    ),
    (
        messages(said("user"), said("assistant", [use(), use()]), said("user", [result()])),
        "`tool_use` ids must be unique",
    ),
    (
        messages(said("user"), said("assistant", [THOUGHT]), said("user")),
        "messages.1: The final block in an assistant message cannot be `thinking`.",
    ),
    (
        messages(said("user"), said("assistant", [THOUGHT | {"signature": ""}, text("x")])),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    (
        messages(said("user"), said("assistant", [{"type": "thinking"}, text("x")])),
        "messages.1.content.0.thinking.signature: Field required",
    ),
    (messages(said("user"), said("assistant", "x ")), "messages: final assistant content cannot"),
    (
        messages(said("user"), said("assistant", [use("a b")]), said("user", [result("a b")])),
        "messages.1.content.0.tool_use.id: String should match pattern",
    ),
    (
        messages(said("user"), said("assistant", [use(name="a b")]), said("user", [result()])),
        "messages.1.content.0.tool_use.name: String should match pattern",
    ),
    (
        messages(said("user"), said("assistant", [use(input="{}")]), said("user", [result()])),
        "messages.1.content.0.tool_use.input: Input should be a valid dictionary",
    ),
    (
        messages(
            said("user"),
            said("assistant", [use()]),
            said("user", [result()]),
            thinking=THINKING,
        ),
        (
            "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            "`tool_use`. When `thinking` is enabled, a final `assistant` message must start with"
        ),
    ),
    (messages(said("user"), thinking=THINKING, max_tokens=2000), "`max_tokens` must be greater"),
    (messages(said("user"), thinking=THINKING, temperature=0), "`temperature` may only be set to"),
    (
        messages(said("user"), thinking=THINKING | {"budget_tokens": 10}),
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    (
        messages(said("user"), tools=[{"name": "a b", "input_schema": {}}]),
        "tools.0.custom.name: String should match pattern",
    ),
]

# Gemini


def content(role: str, *parts: Json) -> Json:
    return {"role": role, "parts": list(parts or ({"text": "x"},))}


def generate(*contents: Json, **more: Any) -> Json:
    return {"contents": list(contents), **more}


def gemini_call(name: str = "f", **more: Any) -> Json:
    return {"functionCall": {"name": name, "args": {}}, **more}


ANSWER = {"functionResponse": {"name": "f", "response": {"result": 3}}}
SEALED = gemini_call(thoughtSignature="c2ln")
GEMINI_ACCEPTED = [
    generate(content("user"), content("model"), content("user"), system_instruction={}),
    generate({"parts": [{"text": "x"}]}, generationConfig={}),
    generate(
        content("user"), content("model", SEALED, gemini_call()), content("user", *[ANSWER] * 2)
    ),
    generate(
        content("user"), content("model", gemini_call()), content("user", ANSWER), content("user")
    ),
]
GEMINI_REFUSED = [
    (generate(), "* GenerateContentRequest.contents: contents is not specified\n"),
    (generate(content("user"), temperature=1), 'Invalid JSON payload received. Unknown name "temp'),
    (generate(content("system")), "Please use a valid role: user, model."),
    (
        generate({"role": "user", "parts": []}),
        "* GenerateContentRequest.contents[0].parts: contents.p",
    ),
    (generate(content("user", {})), "contents[0].parts[0].data: required oneof field 'data' must"),
    (
        generate(content("user"), content("model", gemini_call())),
        "Please ensure that the number of function response parts is equal to the number of",
    ),
    (
        generate(content("user"), content("model", SEALED, SEALED), content("user", ANSWER)),
        "Please ensure that the number of function response parts is equal to the number of",
    ),
    (
        generate(content("user", ANSWER)),
        "Please ensure that function response turn comes immediately after a function call turn.",
    ),
    (
        generate(content("model", SEALED), content("user", ANSWER)),
        "Please ensure that function call turn comes immediately after a user turn or after a fun",
    ),
    (
        generate(
            content("user"), content("model"), content("model", SEALED), content("user", ANSWER)
        ),
        "Please ensure that function call turn comes immediately after a user turn",
    ),
    (
        generate(content("user"), content("model", gemini_call("")), content("user", ANSWER)),
        "contents[1].parts[0].function_call.name: Name cannot be empty.",
    ),
    (
        generate(content("user"), tools=[{"functionDeclarations": [{"name": "1 f"}]}]),
        "tools[0].function_declarations[0].name: Invalid function name. Must start with a letter",
    ),
    (
        generate(content("user"), content("model", gemini_call()), content("user", ANSWER)),
        "Function call is missing a thought_signature in functionCall parts.",
    ),
]

# Ollama

OLLAMA_ACCEPTED = [
    chat(),
    chat(said("user", images=["aGk="]), said("assistant"), said("tool", tool_name="f")),
    chat(said("assistant", tool_calls=[{"function": {"name": "f", "arguments": {}}}])),
]
OLLAMA_REFUSED: list[tuple[Json, str]] = [
    ({}, "missing request body"),
    ({"messages": []}, "model is required"),
    (chat(said("robot")), "invalid role: robot"),
    (
        chat(said("user", [{"type": "text"}])),
        "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type",
    ),
    (
        chat(said("assistant", tool_calls=[{"function": {"name": "f", "arguments": "{}"}}])),
        (
            "json: cannot unmarshal string into Go struct field "
            "ChatRequest.messages.tool_calls.function.arguments of type "
            "api.ToolCallFunctionArguments"
        ),
    ),
    (chat(said("user", images=["no base 64"])), "illegal base64 data at input byte"),
]

ACCEPTED: dict[WireName, list[Json]] = {
    "openai-chat": CHAT_ACCEPTED,
    "openai-responses": RESPONSES_ACCEPTED,
    "anthropic": MESSAGES_ACCEPTED,
    "gemini": GEMINI_ACCEPTED,
    "ollama": OLLAMA_ACCEPTED,
}
REFUSED: dict[WireName, list[tuple[Json, str]]] = {
    "openai-chat": CHAT_REFUSED,
    "openai-responses": RESPONSES_REFUSED,
    "anthropic": MESSAGES_REFUSED,
    "gemini": GEMINI_REFUSED,
    "ollama": OLLAMA_REFUSED,
}
GEMINI_3 = "/v1beta/models/gemini-3-pro:generateContent"


@pytest.mark.parametrize(
    ("wire", "body"), [(wire, body) for wire in WIRES for body in ACCEPTED[wire]]
)
def test_a_good_request_is_accepted(wire: WireName, body: Json) -> None:
    assert refusal(wire, body) is None


@pytest.mark.parametrize(
    ("wire", "body", "words"),
    [(wire, body, words) for wire in WIRES for body, words in REFUSED[wire]],
)
def test_a_bad_request_is_refused_in_the_providers_words(
    wire: WireName, body: Json, words: str
) -> None:
    failure = refusal(wire, body, path=GEMINI_3)

    assert failure is not None
    assert failure.status == 400
    assert words in failure.message


APIS: dict[str, WireName] = {
    "openai_chat": "openai-chat",
    "openai_responses": "openai-responses",
    "anthropic_messages": "anthropic",
    "gemini_generate": "gemini",
    "ollama_chat": "ollama",
}
THEMSELVES = ("openai/", "anthropic/", "gemini/", "vertex/", "ollama/")


@pytest.mark.parametrize("api", APIS)
def test_what_the_real_providers_answered_is_accepted(api: str) -> None:
    root = folder()
    if root is None:
        pytest.skip("no recordings here: set TROUPE_WIRE to their folder")
    judged = 0
    for case in cases(api, refused=False):
        request = root / case / "request.json"
        if case.startswith(THEMSELVES) and request.exists():
            path = json.loads((request.parent / "meta.json").read_text("utf-8")).get("path")
            judged += 1
            assert refusal(APIS[api], json.loads(request.read_text("utf-8")), path=path) is None, (
                case
            )
    assert judged > 0


def test_only_from_gemini_3_on_a_call_needs_its_signature() -> None:
    unsealed = generate(content("user"), content("model", gemini_call()), content("user", ANSWER))

    assert refusal("gemini", unsealed, path="/v1beta/models/gemini-2.5:generateContent") is None


WORDS = [
    "user",
    "assistant",
    "model",
    "tool",
    "tool_use",
    "tool_result",
    "text",
    "thinking",
    "function_call",
    "function_call_output",
    "reasoning",
    "enabled",
    "message",
    "c1",
]
KEYS = [
    "role",
    "content",
    "parts",
    "type",
    "text",
    "id",
    "name",
    "tool_calls",
    "function",
    "tool_call_id",
    "tool_use_id",
    "arguments",
    "input",
    "call_id",
    "output",
    "signature",
    "functionCall",
    "functionResponse",
    "images",
    "thoughtSignature",
    "budget_tokens",
]
FIELDS = [
    "model",
    "messages",
    "input",
    "contents",
    "tools",
    "thinking",
    "max_tokens",
    "temperature",
    "tool_choice",
    "stream",
    "stream_options",
]

scalars = st.none() | st.booleans() | st.integers(-2, 9999) | st.sampled_from(["", *WORDS])
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)
turns = st.lists(
    st.dictionaries(st.sampled_from(KEYS), anything | st.sampled_from(WORDS), max_size=4),
    max_size=4,
)
bodies = st.dictionaries(st.sampled_from(FIELDS), anything | turns)


@given(bodies)
@pytest.mark.parametrize("wire", WIRES)
def test_whatever_comes_is_judged_and_nothing_breaks(wire: WireName, body: Json) -> None:
    failure = refusal(wire, body, path=GEMINI_3)

    assert failure is None or (failure.status == 400 and failure.message)
