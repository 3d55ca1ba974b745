"""Pictures and files out of tools: what a tool may return, and how each wire gets to see it."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from agents_scripted import entries_of, requests_of, scripted
from strict_history import refusals
from test_truncation_matrix import PROVIDERS, each_wire

from actors import open_agent
from actors.chat import (
    File,
    Image,
    Request,
    ToolCall,
    ToolEnd,
    ToolResult,
    ToolStatus,
    ToolTurn,
    assistant,
    user,
)
from actors.journal import ToolSealed, read_entry, to_markdown, write_entry
from actors.providers import (
    COMPATIBLE,
    DIALECTS,
    AnthropicMessages,
    Capabilities,
    Gemini,
    Model,
    Ollama,
    OpenAIChat,
    OpenAIResponses,
    Retry,
    call,
    script,
)
from actors.testing import (
    _strict_anthropic,
    _strict_gemini,
    _strict_openai_chat,
    _strict_openai_responses,
    answer,
    open_fake_provider,
)
from actors.testing._wire import Asked
from actors.tools import Toolbox, execute, tool

PLOT = Image(b"\x89PNG", media_type="image/png")
REPORT = File(b"%PDF", name="report.pdf")


@tool(isolation="inline")
def draw(what: str) -> Any:
    """Draw something."""
    return {
        "both": ["A plot and ", {"a": 1}, PLOT, REPORT],
        "alone": PLOT,
        "inside": {"plot": PLOT},
        "huge": Image(b"x" * 5_000_001),
        "many": [PLOT] * 21,
        "bytes": [b"1"],
        "generator": (n for n in range(3)),
        "plain": ["a", "b"],
        "wide": "\U0001f600" * 1_000_000,
    }[what]


async def drawn(what: str) -> ToolResult:
    return await execute(Toolbox([draw]), ToolCall("1", "draw", {"what": what}))


async def test_a_tool_shows_pictures_and_files_beside_its_words() -> None:
    assert await drawn("both") == ToolResult(
        "1", "draw", 'A plot and \n{"a": 1}', shown=(PLOT, REPORT)
    )
    assert await drawn("alone") == ToolResult("1", "draw", "", shown=(PLOT,))
    assert await drawn("plain") == ToolResult("1", "draw", '["a", "b"]')


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("inside", "Image inside a result: return it by itself, or in a list with texts"),
        ("huge", "it shows 1 pictures and files with 5000001 bytes; at most 20 with 5000000"),
        ("many", "it shows 21 pictures and files"),
        ("bytes", "bytes inside a result: return text, or an Image or a File"),
        ("generator", "(generator) is no JSON"),
    ],
)
async def test_what_cannot_be_kept_is_an_error_that_says_what_to_return(
    what: str, text: str
) -> None:
    result = await drawn(what)

    assert result.status is ToolStatus.ERROR
    assert text in result.content
    assert result.shown == ()


async def test_a_text_is_bounded_in_bytes_too() -> None:
    assert len((await drawn("wide")).content.encode()) <= 4 * 100_000 + 100


async def test_what_a_tool_shows_is_in_the_event_the_journal_and_the_next_request() -> None:
    async with scripted(script(call("draw", what="both")), script("Nice."), tools=(draw,)) as agent:
        async with agent.stream("Draw") as run:
            ends = [event async for event in run if isinstance(event, ToolEnd)]
        sealed = [e for e in await entries_of(agent) if isinstance(e, ToolSealed)]
        history = await agent.history()
        requests = await requests_of(agent)

    assert ends[0].result.shown == sealed[0].shown == (PLOT, REPORT)
    turn = requests[-1].turns[-1]
    assert isinstance(turn, ToolTurn)
    assert turn.results[0].shown == (PLOT, REPORT)
    assert refusals(history) == []


def test_a_journal_on_disk_keeps_the_bytes() -> None:
    sealed = ToolSealed("run", "1", "draw", "text", shown=(PLOT, REPORT, Image(url="https://a/b")))

    assert read_entry(write_entry(sealed)) == sealed


def test_an_export_says_what_was_shown() -> None:
    sealed = ToolSealed("run", "1", "draw", "text", shown=(PLOT, REPORT))

    assert to_markdown([sealed]).endswith(
        "*(it shows a picture, image/png, 4 bytes)*\n\n"
        "*(it shows the file 'report.pdf', application/pdf, 4 bytes)*\n"
    )


def test_an_entry_from_before_tools_could_show_anything_is_read() -> None:
    line = json.loads(write_entry(ToolSealed("run", "1", "draw", "text")))
    del line["shown"]

    assert read_entry(json.dumps(line)) == ToolSealed("run", "1", "draw", "text")


async def test_a_model_that_cannot_see_is_told_what_was_left_out() -> None:
    model = Model(
        "scripted:blind",
        script=(script(call("draw", what="both")), script("I see.")),
        capabilities=Capabilities(images=False, files=True),
    )
    async with open_agent(model, tools=[draw]) as agent:
        await agent.run("Draw")
        turn = (await requests_of(agent))[-1].turns[-1]

    assert isinstance(turn, ToolTurn)
    assert turn.results[0].shown == (REPORT,)
    assert turn.results[0].content.endswith(
        "\n[left out, since it cannot be shown to this model: a picture, image/png, 4 bytes]"
    )


# On the wire


def sent(codec: Any, model: str, *shown: Image | File, result: ToolResult | None = None) -> Any:
    """The body of a request with a round of tools."""
    told = result or ToolResult("call_1", "draw", "Here", shown=shown)
    called = assistant("", ToolCall("call_1", "draw", {}, "{}"))
    turns = (user("Draw"), called, ToolTurn((told,)), user("Nice?"))
    return msgspec.json.decode(codec.encode(Request(turns), model).body)


URL = Image(url="https://host/a.png")
ZIP = File(b"PK", media_type="application/zip", name="a.zip")
LEFT_OUT = "[left out, since it cannot be shown to this model: "


def test_anthropic_takes_them_as_blocks_of_the_result() -> None:
    block, *_ = sent(AnthropicMessages(), "m", PLOT, REPORT, URL, ZIP)["messages"][2]["content"]

    assert [each["type"] for each in block["content"]] == ["text", "image", "document", "image"]
    assert LEFT_OUT + "the file 'a.zip', application/zip, 2 bytes]" in block["content"][0]["text"]
    alone = ToolResult("call_1", "draw", "", shown=(PLOT,))
    block, *_ = sent(AnthropicMessages(), "m", result=alone)["messages"][2]["content"]
    assert [each["type"] for each in block["content"]] == ["image"]


@pytest.mark.parametrize("codec", [AnthropicMessages(), OpenAIChat(COMPATIBLE), Gemini(), Ollama()])
def test_an_error_is_told_in_words_alone(codec: Any) -> None:
    failed = ToolResult("call_1", "draw", "No", ToolStatus.ERROR, (PLOT,))

    text = json.dumps(sent(codec, "m", result=failed))
    assert base64.b64encode(PLOT.data or b"").decode() not in text
    assert LEFT_OUT in text


def test_openai_chat_gets_them_in_a_message_behind_all_results() -> None:
    messages = sent(OpenAIChat(COMPATIBLE), "m", PLOT, REPORT)["messages"][2:]

    assert [message["role"] for message in messages] == ["tool", "user", "user"]
    assert messages[0]["content"] == "Here"
    assert [part["type"] for part in messages[1]["content"]] == ["text", "image_url", "file"]
    alone = ToolResult("call_1", "draw", "", shown=(PLOT,))
    messages = sent(OpenAIChat(COMPATIBLE), "m", result=alone)["messages"]
    assert messages[2]["content"] == "(shown below)"


def test_mistral_gets_an_answer_between_results_and_what_a_user_says() -> None:
    mistral = OpenAIChat(DIALECTS["mistral"])

    roles = [message["role"] for message in sent(mistral, "m", PLOT)["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user", "user"]
    roles = [message["role"] for message in sent(mistral, "m")["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


def test_openai_responses_takes_them_in_the_output() -> None:
    items = sent(OpenAIResponses(), "gpt-5", PLOT, REPORT, URL)["input"]

    output = next(item["output"] for item in items if item.get("type") == "function_call_output")
    kinds = [part["type"] for part in output]
    assert kinds == ["input_text", "input_image", "input_file", "input_image"]


def test_gemini_takes_them_inside_the_response_or_behind_it() -> None:
    gif = Image(b"GIF", media_type="image/gif")
    response, told, *behind = sent(Gemini(), "gemini-3-pro", PLOT, gif, URL)["contents"][2]["parts"]
    inside = response["functionResponse"]["parts"]
    assert inside == [{"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}]
    assert told == {"text": "Shown by draw:"}
    assert [list(part) for part in behind] == [["inlineData"], ["fileData"]]

    response, _, *behind = sent(Gemini(), "gemini-2.5-flash", PLOT)["contents"][2]["parts"]
    assert "parts" not in response["functionResponse"]
    assert [list(part) for part in behind] == [["inlineData"]]


def test_ollama_takes_pictures_beside_the_words_and_is_told_of_files() -> None:
    message = sent(Ollama(), "m", PLOT, REPORT, URL)["messages"][2]

    assert message["images"] == ["iVBORw=="]
    assert message["content"].count(LEFT_OUT) == 2


@each_wire
async def test_a_strict_provider_takes_a_round_that_shows_something(wire: Any) -> None:
    async with (
        open_fake_provider(
            answer(call("draw", what="both"), call("draw", what="alone")),
            answer("Nice."),
            wire=wire,
        ) as server,
        open_agent(
            Model(
                f"{PROVIDERS[wire]}:gemini-3-m",
                base_url=server.base_url,
                api_key="sk-fake",
                retry=Retry(attempts=1),
            ),
            tools=[draw],
        ) as agent,
    ):
        assert (await agent.run("Draw")).text == "Nice."


def spoiled(wire: str) -> tuple[Any, Any]:
    """A strict check, and a request that shows in a result what its API does not take there."""
    if wire == "anthropic":
        body = sent(AnthropicMessages(), "m", PLOT)
        body["messages"][2]["content"][0]["is_error"] = True
        return _strict_anthropic.refusal, body
    if wire == "openai-chat":
        body = sent(OpenAIChat(COMPATIBLE), "m", PLOT)
        body["messages"][2]["content"] = body["messages"][3]["content"]
        return _strict_openai_chat.refusal, body
    if wire == "openai-responses":
        body = sent(OpenAIResponses(), "gpt-5", PLOT)
        body["input"][2]["output"][1]["type"] = "image_url"
        return _strict_openai_responses.refusal, body
    body = sent(Gemini(), "gemini-3-pro", PLOT)
    body["contents"][2]["parts"][0]["functionResponse"]["parts"] = [{"text": "a"}]
    return _strict_gemini.refusal, body


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        ("anthropic", "all content must be type `text` if `is_error` is true"),
        ("openai-chat", "Invalid value: 'image_url'. Supported values are: 'text'."),
        ("openai-responses", "Invalid value: 'image_url'. Supported values are: 'input_text'"),
        ("gemini", "function_response.parts[0].data: required oneof field 'data'"),
    ],
)
def test_a_strict_provider_refuses_what_the_real_one_would(wire: str, said: str) -> None:
    refusal, body = spoiled(wire)
    found = refusal(Asked("/models/m", body, {"anthropic-version": "1"}))

    assert said in found.message
