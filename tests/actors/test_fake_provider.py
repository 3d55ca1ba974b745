"""The fake providers, seen by a client that is not ours: bytes on a socket, on five wires."""

from __future__ import annotations

import base64
import json
import struct
import time
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from raw_http import Response, fetch

from actors.chat import FinishReason
from actors.errors import ConfigurationError, ProviderError
from actors.providers import (
    call,
    call_text,
    fail,
    finish,
    opaque,
    pause,
    say,
    stall,
    think,
    together,
    truncate,
    usage,
)
from actors.testing import (
    CUTS,
    WIRES,
    FakeAnswer,
    Fault,
    Place,
    answer,
    error,
    open_fake_openai,
    open_fake_provider,
    raw,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.testing import WireName

each_wire = pytest.mark.parametrize("wire", WIRES)

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "openai-chat": ("/v1/chat/completions", CHAT),
    "openai-responses": ("/v1/responses", {"model": "m", "input": "Hello"}),
    "anthropic": ("/v1/messages", CHAT | {"max_tokens": 100}),
    "gemini": (
        "/v1beta/models/m:{}generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
    ),
    "ollama": ("/api/chat", CHAT),
}


async def ask(
    wire: str, base_url: str, *, streamed: bool = True, into: Response | None = None
) -> Response:
    """The request that the wire's provider documents, over a bare socket."""
    path, body = ASKED[wire]
    if wire == "gemini":
        path = path.format("stream") if streamed else path.format("")
        path = path.replace("streamg", "streamG") + ("?alt=sse" if streamed else "")
    else:
        body = body | {"stream": streamed}
    return await fetch(base_url, path, body, {"anthropic-version": "2023-06-01"}, into)


async def say_on(wire: WireName, given: FakeAnswer, *, streamed: bool = True) -> Response:
    async with open_fake_provider(given, wire=wire) as server:
        return await ask(wire, server.base_url, streamed=streamed)


def events(body: bytes) -> list[dict[str, Any]]:
    """The JSON of each event or line."""
    lines = body.decode().replace("\r\n", "\n").splitlines()
    data = [line.removeprefix("data: ") for line in lines]
    return [json.loads(line) for line in data if line.startswith("{")]


# What each wire looks like. The shapes are those of the documentation of each provider.


async def test_anthropic_names_its_events_and_counts_its_blocks() -> None:
    given = answer(
        think("Hm.", signature="sig"), say("Hi", pieces=2), call("f", a=1), usage(9, 4, cached=3)
    )
    response = await say_on("anthropic", given)
    seen = events(response.body)

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["request-id"] == "fake-0"
    assert [each["type"] for each in seen] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert [each["index"] for each in seen if each["type"] == "content_block_stop"] == [0, 1, 2]
    assert seen[0]["message"]["usage"] == {
        "input_tokens": 6,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 3,
        "output_tokens": 1,
    }
    assert seen[4]["delta"] == {"type": "signature_delta", "signature": "sig"}
    assert seen[-2]["delta"]["stop_reason"] == "tool_use"
    assert response.body.startswith(b"event: message_start\ndata: {")


async def test_anthropic_tells_calls_one_by_one_also_when_their_pieces_come_in_turn() -> None:
    response = await say_on("anthropic", answer(together(call("f", a=1), call("g", b=2))))
    deltas = [e for e in events(response.body) if e["type"] == "content_block_delta"]

    assert [(e["index"], e["delta"]["partial_json"]) for e in deltas] == [
        (0, ""),
        (0, '{"a"'),
        (0, ":1}"),
        (1, ""),
        (1, '{"b"'),
        (1, ":2}"),
    ]


async def test_openai_chat_interleaves_calls_by_index() -> None:
    response = await say_on("openai-chat", answer(together(call("f", a=1), call("g", b=2))))
    deltas = [e["choices"][0]["delta"] for e in events(response.body)]
    pieces = [d["tool_calls"][0] for d in deltas if d.get("tool_calls")]

    assert [piece["index"] for piece in pieces] == [0, 1, 0, 1, 0, 1]
    assert [piece.get("id") for piece in pieces] == ["call_0_0", "call_0_1"] + [None] * 4


@pytest.mark.parametrize("asked", [True, False])
async def test_openai_chat_counts_a_stream_only_where_that_was_asked_for(asked: bool) -> None:  # noqa: FBT001
    options = {"stream_options": {"include_usage": True}} if asked else {}
    async with open_fake_provider(answer("Hi", usage(1, 2))) as server:
        body = CHAT | {"stream": True} | options
        response = await fetch(server.base_url, "/v1/chat/completions", body)

    assert ("usage" in events(response.body)[-1]) is asked


async def test_openai_responses_numbers_its_events_and_repeats_all_at_the_end() -> None:
    given = answer(think("Hm.", signature="sig"), say("Hi", pieces=2), call("f", a=1), usage(5, 4))
    seen = events((await say_on("openai-responses", given)).body)

    assert [each["sequence_number"] for each in seen] == list(range(len(seen)))
    assert [each["type"] for each in seen[:2]] == ["response.created", "response.in_progress"]
    added = [e["item"]["type"] for e in seen if e["type"] == "response.output_item.added"]
    assert added == ["reasoning", "message", "function_call"]
    done = [e["item"] for e in seen if e["type"] == "response.output_item.done"]
    assert seen[-1]["type"] == "response.completed"
    assert seen[-1]["response"]["output"] == done
    assert done[0]["encrypted_content"] == "sig"
    assert done[2]["arguments"] == '{"a":1}'


@pytest.mark.parametrize("sse", [True, False])
async def test_gemini_streams_events_or_one_array(sse: bool) -> None:  # noqa: FBT001
    _, body = ASKED["gemini"]
    given = answer(think("Hm.", signature="c2ln"), "Hi", call("f", a=1), usage(5, 4, reasoning=3))
    async with open_fake_provider(given, wire="gemini") as server:
        path = "/v1beta/models/m:streamGenerateContent" + ("?alt=sse&key=secret" if sse else "")
        response = await fetch(server.base_url, path, body)
    seen = events(response.body) if sse else json.loads(response.body)

    parts = [part for each in seen for part in each["candidates"][0]["content"]["parts"]]
    assert parts == [
        {"text": "Hm.", "thought": True},
        {"text": "Hi"},
        {
            "functionCall": {"id": "call_0_0", "name": "f", "args": {"a": 1}},
            "thoughtSignature": "c2ln",
        },
        {"text": ""},
    ]
    assert seen[-1]["candidates"][0]["finishReason"] == "STOP"
    assert seen[-1]["usageMetadata"] == {
        "promptTokenCount": 5,
        "candidatesTokenCount": 1,
        "totalTokenCount": 9,
        "thoughtsTokenCount": 3,
    }
    assert "secret" not in server.requests[0].path
    assert server.requests[0].authorized is sse


async def test_ollama_says_lines_and_whole_calls() -> None:
    given = answer(think("Hm."), "Hi", call("f", a=1), usage(5, 4))
    response = await say_on("ollama", given)
    *said, last = [json.loads(line) for line in response.body.splitlines()]

    assert response.headers["content-type"] == "application/x-ndjson"
    assert [each["message"].get("thinking") for each in said] == ["Hm.", None, None]
    function = {"index": 0, "name": "f", "arguments": {"a": 1}}
    assert said[2]["message"]["tool_calls"] == [{"id": "call_0_0", "function": function}]
    assert (last["done"], last["done_reason"]) == (True, "stop")
    assert (last["prompt_eval_count"], last["eval_count"]) == (5, 4)


@each_wire
async def test_an_opaque_part_is_said_on_its_own_wire_and_left_out_elsewhere(
    wire: WireName,
) -> None:
    kept = opaque("anthropic", type="redacted_thinking", data="x-kept")
    for streamed in (True, False):
        response = await say_on(wire, answer(kept, "Hi"), streamed=streamed)
        assert (b"x-kept" in response.body) is (wire == "anthropic")


# What is the same on every wire.


@each_wire
async def test_a_whole_answer_is_one_object(wire: WireName) -> None:
    response = await say_on(wire, answer("Hello ", pause(0.01), "you"), streamed=False)

    assert response.headers["content-type"] == "application/json"
    assert "Hello you" in json.dumps(json.loads(response.body))


@each_wire
async def test_split_bytes_are_the_same_bytes(wire: WireName) -> None:
    whole = await say_on(wire, answer(say("Hello", pieces=3), call("f", a=1)))
    split = await say_on(wire, answer(say("Hello", pieces=3), call("f", a=1), split=3))

    assert split.body == whole.body
    assert max(len(chunk) for chunk in split.chunks) == 3


@each_wire
async def test_signs_of_life_come_where_the_wire_has_them(wire: WireName) -> None:
    pinged = await say_on(wire, answer(say("Hello", pieces=3), pings=True))
    silent = await say_on(wire, answer(say("Hello", pieces=3)))

    assert (pinged.body == silent.body) is (wire in ("gemini", "ollama"))
    assert pinged.body.count(b"ping") >= silent.body.count(b"ping")


STATUSES = (400, 401, 403, 404, 413, 429, 500, 503, 529)


@each_wire
@pytest.mark.parametrize("status", STATUSES)
async def test_an_error_has_the_providers_form(wire: WireName, status: int) -> None:
    response = await say_on(wire, error(status, "slow down", retry_after="2"))
    body = json.loads(response.body)

    assert response.status == status
    assert response.headers["retry-after"] == "2"
    forms: dict[str, Callable[[], object]] = {
        "openai-chat": lambda: body["error"]["message"],
        "openai-responses": lambda: body["error"]["message"],
        "anthropic": lambda: (body["type"] == "error") and body["error"]["message"],
        "gemini": lambda: (body["error"]["code"] == status) and body["error"]["message"],
        "ollama": lambda: body["error"],
    }
    assert forms[wire]() == "slow down"


@each_wire
async def test_an_error_step_is_an_event_in_a_stream_and_a_status_otherwise(
    wire: WireName,
) -> None:
    given = answer("Hi", fail(ProviderError("overloaded", status=503)))
    streamed = await say_on(wire, given)
    whole = await say_on(wire, given, streamed=False)

    assert (streamed.status, whole.status) == (200, 503)
    assert b"overloaded" in streamed.body
    assert b"Hi" in streamed.body
    assert b"Hi" not in whole.body


@each_wire
async def test_a_body_to_the_letter_goes_out_to_the_letter(wire: WireName) -> None:
    assert (await say_on(wire, raw(b"\x00\xff"))).chunks == [b"\x00\xff"]


@each_wire
async def test_a_path_that_the_provider_does_not_have_is_not_found(wire: WireName) -> None:
    async with open_fake_provider(wire=wire) as server:
        response = await fetch(server.base_url, "/v7/nothing", CHAT)

    assert response.status == 404
    assert b"Invalid URL" in response.body


@each_wire
async def test_who_is_not_strict_answers_anything_anywhere(wire: WireName) -> None:
    async with open_fake_provider(answer("Hello"), wire=wire, strict=False) as server:
        response = await fetch(server.base_url, "/anything", {})

    assert response.status == 200
    assert b"Hello" in response.body


async def test_a_refused_request_uses_up_no_answer() -> None:
    async with open_fake_provider(answer("one"), answer("two")) as server:
        refused = await fetch(server.base_url, "/v1/chat/completions", {"model": "m"})
        first = await ask("openai-chat", server.base_url)

    assert refused.status == 400
    assert json.loads(refused.body)["error"] == {
        "message": "Missing required parameter: 'messages'.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "missing_required_parameter",
    }
    assert b"one" in first.body
    assert [r.refused for r in server.requests] == ["Missing required parameter: 'messages'.", None]


async def test_a_request_that_is_no_json_object_is_refused() -> None:
    async with open_fake_provider() as server:
        response = await fetch(server.base_url, "/v1/chat/completions", [1])

    assert response.status == 400


@each_wire
async def test_no_key_is_kept_wherever_it_stood(wire: WireName) -> None:
    names = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
    async with open_fake_provider(wire=wire, strict=False) as server:
        for name in names:
            await fetch(server.base_url, "/x?key=sk-1&alt=sse", {}, {name: "Bearer sk-1"})

    assert all(request.authorized for request in server.requests)
    assert "sk-1" not in repr([attrs.astuple(request) for request in server.requests])


async def test_a_request_that_comes_during_an_answer_is_the_next_one() -> None:
    async with open_fake_openai(answer("one", pause(0.02), "more"), answer("two")) as server:
        host, _, port = server.base_url.removeprefix("http://").removesuffix("/v1").partition(":")
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n"
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            with trio.fail_after(5):
                await stream.send_all(head + b"\r\n{}")
                received = await stream.receive_some()
                await stream.send_all(head + b"connection: close\r\n\r\n{}")
                async for data in stream:
                    received += data

    assert b"one" in received
    assert b"more" in received
    assert b"two" in received


@each_wire
@pytest.mark.parametrize("end", [truncate(), fail(ProviderError("no", status=500)), stall()])
async def test_a_call_before_a_fault_is_whole_on_every_wire(wire: WireName, end: Any) -> None:
    """Also where calls are held back until they are whole."""
    async with open_fake_provider(
        answer(call_text("f", '{"a":"x-told"}'), end), wire=wire
    ) as server:
        response = Response()
        with trio.move_on_after(0.1 if end == stall() else 5):
            await ask(wire, server.base_url, into=response)

    said = response.body.replace(b"\\", b"")
    assert b'"f"' in said
    assert b"x-told" in said


async def test_from_gemini_3_on_the_first_call_is_sealed_in_any_case() -> None:
    _, body = ASKED["gemini"]
    seals: dict[str, list[bool]] = {}
    given = answer(together(call("f"), call("g")))
    for name in ("gemini-2.5-pro", "gemini-3-pro"):
        for method in ("streamGenerateContent?alt=sse", "generateContent"):
            async with open_fake_provider(given, wire="gemini") as server:
                path = f"/v1beta/models/{name}:{method}"
                response = await fetch(server.base_url, path, body)
            seen = events(response.body) if "sse" in method else [json.loads(response.body)]
            parts = [p for each in seen for p in each["candidates"][0]["content"]["parts"]]
            seals[path] = ["thoughtSignature" in part for part in parts if "functionCall" in part]

    assert list(seals.values()) == [[False, False]] * 2 + [[True, False]] * 2


# What a wire cannot say is said when the server is opened.


@pytest.mark.parametrize(
    ("wire", "given", "text"),
    [
        ("gemini", answer(call_text("f", '{"a":')), "JSON object"),
        ("ollama", answer(call_text("f", "[1]")), "JSON object"),
        ("gemini", answer(think("x", signature="no base 64!")), "base64"),
        ("openai-chat", answer("x", finish(FinishReason.PAUSE)), r"no word for finish\(pause\)"),
        ("ollama", answer("x", finish(FinishReason.CONTENT_FILTER)), "no word for"),
        ("anthropic", answer("x", stall(), finish(FinishReason.CONTENT_FILTER)), "no word for"),
    ],
)
async def test_a_script_that_a_wire_cannot_say_is_refused_at_once(
    wire: WireName, given: FakeAnswer, text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text):
        async with open_fake_provider(given, wire=wire):
            pass


async def test_a_wire_that_does_not_exist_is_refused_with_those_that_do() -> None:
    wire: Any = "openai"
    with pytest.raises(ConfigurationError, match="write one of openai-chat, openai-responses"):
        async with open_fake_provider(wire=wire):
            pass


# Faults.


@each_wire
@pytest.mark.parametrize("place", list(Place))
@pytest.mark.parametrize("fault", CUTS)
async def test_a_cut_answer_is_the_beginning_of_the_whole_one(
    wire: WireName, fault: Fault, place: Place
) -> None:
    steps = (say("one,two,six,", pieces=3), usage(3, 2))
    whole = await say_on(wire, answer(*steps))
    cut = await say_on(wire, answer(*steps, fault=fault, place=place))

    lines = cut.body[: cut.body.rfind(b"\n") + 1]  # what came after is half an event
    said = [word for word in (b"one", b"two", b"six") if word in lines]
    wanted = {Place.FIRST: 0, Place.INSIDE: 1, Place.LAST: 3}[place]
    assert len(said) == wanted
    assert whole.body.startswith(cut.body)
    assert cut.body.endswith((b"\n", b"\n\n", b"\r\n\r\n")) is (place is Place.LAST)
    assert (cut.body == b"") is (place is Place.FIRST)
    assert cut.ended_well is (fault in (Fault.END, Fault.UNFRAMED))
    assert cut.was_reset is (fault is Fault.RESET)
    if fault is Fault.SHORT:
        assert int(cut.headers["content-length"]) == len(whole.body)


@each_wire
async def test_a_whole_answer_can_be_cut_as_well(wire: WireName) -> None:
    whole = await say_on(wire, answer("Hello"), streamed=False)
    for place, size in (
        (Place.FIRST, 0),
        (Place.INSIDE, len(whole.body) // 2),
        (Place.LAST, len(whole.body) - 1),
    ):
        given = answer("Hello", fault=Fault.CLOSE, place=place)
        cut = await say_on(wire, given, streamed=False)
        assert cut.body == whole.body[:size]
    step = await say_on(wire, answer("Hello", truncate()), streamed=False)
    assert whole.body.startswith(step.body) is True
    assert not step.ended_well


@each_wire
@pytest.mark.parametrize("place", list(Place))
async def test_a_stall_at_a_place_leaves_the_connection_open(wire: WireName, place: Place) -> None:
    given = answer("Hello", fault=Fault.STALL, place=place)
    async with open_fake_provider(given, wire=wire) as server:
        with trio.move_on_after(0.05) as scope:
            await ask(wire, server.base_url)
        assert scope.cancelled_caught
        with trio.fail_after(1):
            await server.requests[0].closed.wait()
        assert not server.requests[0].finished


@each_wire
async def test_an_error_can_end_an_answer_at_a_place(wire: WireName) -> None:
    first = await say_on(wire, answer("Hello", fault=Fault.ERROR, place=Place.FIRST))
    last = await say_on(wire, answer("Hello", fault=Fault.ERROR, place=Place.LAST))

    assert b"overloaded" in first.body
    assert b"overloaded" in last.body
    assert b"Hello" not in first.body
    assert b"Hello" in last.body
    assert last.ended_well


async def test_slowness_is_between_the_writes() -> None:
    began = time.perf_counter()
    await say_on("ollama", answer(say("abcd", pieces=4), slow=0.01))

    assert time.perf_counter() - began > 0.04


# Vectors.


async def embed(wire: WireName, path: str, body: dict[str, Any]) -> Any:
    async with open_fake_provider(answer("unused"), wire=wire) as server:
        response = await fetch(server.base_url, path, body)
        assert response.status == 200
        return json.loads(response.body)


async def test_vectors_are_the_same_on_every_wire() -> None:
    given = {"model": "m", "input": ["the cat", "a dog"]}
    openai = await embed("openai-chat", "/v1/embeddings", given)
    ollama = await embed("ollama", "/api/embed", given)
    parts = [{"content": {"parts": [{"text": text}]}} for text in given["input"]]
    batch = {"requests": parts}
    gemini = await embed("gemini", "/v1beta/models/m:batchEmbedContents", batch)
    one = await embed("gemini", "/v1beta/models/m:embedContent", parts[0])
    packed = await embed(
        "openai-responses", "/v1/embeddings", given | {"encoding_format": "base64"}
    )

    vectors = [each["embedding"] for each in openai["data"]]
    assert ollama["embeddings"] == vectors
    assert [each["values"] for each in gemini["embeddings"]] == vectors
    assert one["embedding"]["values"] == vectors[0]
    unpacked = [base64.b64decode(each["embedding"]) for each in packed["data"]]
    assert [list(struct.unpack("<32f", data)) for data in unpacked] == vectors
    assert vectors[0] != vectors[1]


async def test_vectors_have_the_length_that_was_asked_for() -> None:
    small = await embed("ollama", "/api/embed", {"model": "m", "input": "cat", "dimensions": 5})

    assert len(small["embeddings"][0]) == 5
