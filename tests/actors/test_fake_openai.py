"""The fake server, seen by a client that is not ours: bytes on a socket."""

from __future__ import annotations

import json
import time

import pytest
import trio

from actors.providers import call, pause, say, stall, truncate, usage
from actors.testing import FakeAnswer, answer, error, open_fake_openai, raw


async def ask(base_url: str, body: bytes = b'{"model": "m"}') -> bytes:
    """Send one request over a bare socket; everything until the server closes."""
    host, _, port = base_url.removeprefix("http://").removesuffix("/v1").partition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
            f"authorization: Bearer sk-1\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        await stream.send_all(head.encode() + body)
        received = b""
        async for data in stream:
            received += data
        return received


def dechunk(response: bytes) -> tuple[bytes, list[bytes]]:
    head, _, rest = response.partition(b"\r\n\r\n")
    chunks: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return head, chunks


async def test_an_answer_is_an_event_stream_as_openai_sends_it() -> None:
    given = answer(say("Hello", pieces=2), call("add", a=1), usage(3, 2))
    async with open_fake_openai(given) as server:
        head, chunks = dechunk(await ask(server.base_url))

    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: text/event-stream" in head
    *events, done, end = chunks
    assert (done, end) == (b"data: [DONE]\n\n", b"")
    parsed = [json.loads(event.removeprefix(b"data: ")) for event in events]
    deltas = [event["choices"][0]["delta"] for event in parsed if event["choices"]]
    assert [d["content"] for d in deltas[:2]] == ["Hel", "lo"]
    assert deltas[2]["tool_calls"][0]["id"] == "call_0_0"
    assert "id" not in deltas[3]["tool_calls"][0]
    assert parsed[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert parsed[-1]["choices"] == []
    assert parsed[-1]["usage"]["prompt_tokens"] == 3


async def test_answers_come_in_order_and_the_last_one_again() -> None:
    async with open_fake_openai(answer("one"), answer("two")) as server:
        bodies = [await ask(server.base_url) for _ in range(3)]

    assert [b"one" in body for body in bodies] == [True, False, False]
    assert [b"two" in body for body in bodies] == [False, True, True]


async def test_a_split_answer_is_the_same_bytes_in_other_pieces() -> None:
    async with open_fake_openai(answer("Hello", split=3), answer("Hello")) as server:
        split = dechunk(await ask(server.base_url))[1]
        whole = dechunk(await ask(server.base_url))[1]

    assert max(len(chunk) for chunk in split) == 3
    assert b"".join(split) == b"".join(whole).replace(b"chatcmpl-1", b"chatcmpl-0")


async def test_a_cut_answer_lacks_its_end() -> None:
    async with open_fake_openai(answer("Hello", truncate())) as server:
        response = await ask(server.base_url)

    assert b"Hello" in response
    assert not response.endswith(b"0\r\n\r\n")
    assert not server.requests[0].finished


async def test_an_error_and_a_raw_body_go_out_to_the_letter() -> None:
    async with open_fake_openai(error(429, "slow", retry_after="2"), raw(b"\x00\xff")) as server:
        head, (body, _) = dechunk(await ask(server.base_url))
        assert b"429" in head
        assert b"retry-after: 2" in head
        assert json.loads(body)["error"]["message"] == "slow"
        assert dechunk(await ask(server.base_url))[1] == [b"\x00\xff", b""]


async def test_a_request_is_noted_without_its_key() -> None:
    async with open_fake_openai() as server:
        await ask(server.base_url, b'{"model": "m", "messages": []}')
    (request,) = server.requests

    assert request.path == "/v1/chat/completions"
    assert request.body == {"model": "m", "messages": []}
    assert request.authorized
    assert request.finished
    assert request.written > 0
    assert "sk-1" not in f"{request!r} {request.headers}"


@pytest.mark.parametrize("given", [answer("Hello", stall()), FakeAnswer(head_after=60)])
async def test_it_notices_when_the_client_hangs_up_and_when(given: FakeAnswer) -> None:
    async with open_fake_openai(given) as server:
        with trio.move_on_after(0.05):
            await ask(server.base_url)
        left = time.perf_counter()
        with trio.fail_after(1):
            await server.requests[0].closed.wait()
        assert server.requests[0].closed_at is not None
        assert abs(server.requests[0].closed_at - left) < 0.5


async def test_pauses_and_slowness_take_their_time() -> None:
    async with open_fake_openai(answer("a", pause(0.05), "b", slow=0.01)) as server:
        began = time.perf_counter()
        await ask(server.base_url)

    assert time.perf_counter() - began > 0.08


async def test_a_client_that_speaks_no_http_does_not_disturb_the_others() -> None:
    async with open_fake_openai() as server:
        port = int(server.base_url.rpartition(":")[2].removesuffix("/v1"))
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"nonsense\r\n\r\n")
            while await stream.receive_some():
                pass
        assert b"200" in await ask(server.base_url)


async def test_an_error_of_the_block_comes_out_bare() -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_fake_openai():
            raise ZeroDivisionError
