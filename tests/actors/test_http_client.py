"""The HTTP client against a real socket: limits, faults, and what leaving does."""

from __future__ import annotations

import gzip
import math
import os
import random
from typing import TYPE_CHECKING

import pytest
import trio

from actors.errors import (
    ConfigurationError,
    ProviderProtocolError,
    ProviderUnavailable,
    RuntimeFault,
    StreamStalled,
    StreamTruncated,
)
from actors.http import HttpClient, Limits, open_client
from actors.providers import pause, reset, say, stall, truncate
from actors.testing import FakeAnswer, FakeOpenAI, answer, error, open_fake_openai, raw
from runtime.testing import cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from actors.providers import Step

CANCELS = int(os.environ.get("TROUPE_CANCELS", "500"))
BODY = b"0123456789" * 1000


@pytest.fixture(autouse=True, params=["own sockets", "httpx2"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a proxy is named, httpx2 is asked, also for what goes past the proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    if request.param == "httpx2":
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
    return str(request.param)


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    made = HttpClient(Limits())
    yield made
    await made.aclose()


async def fetch(client: HttpClient, server: FakeOpenAI) -> bytes:
    async with client.stream("POST", f"{server.base_url}/x", {}, b"{}") as response:
        body = b""
        while data := await response.read():
            body += data
        return body


async def test_a_body_arrives_whole_with_its_status_and_headers(client: HttpClient) -> None:
    async with (
        open_fake_openai(raw(BODY, split=7)) as server,
        client.stream("POST", f"{server.base_url}/x", {"x-mine": "1"}, b'{"a": 1}') as response,
    ):
        assert (response.status, response.headers["x-request-id"]) == (200, "fake-0")
        assert await response.read_at_most(len(BODY) + 1) == BODY
        assert await response.read() == b""
    (request,) = server.requests
    assert request.body == {"a": 1}
    assert request.headers["x-mine"] == "1"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"].startswith("troupe-runtime/")


async def test_one_read_returns_all_that_one_read_of_the_socket_brought(
    client: HttpClient,
) -> None:
    reads = 0
    async with (
        open_fake_openai(raw(BODY, split=10)) as server,
        client.stream("POST", f"{server.base_url}/x") as response,
    ):
        await trio.sleep(0.1)  # a real socket: let all of it arrive before the first read
        while await response.read():
            reads += 1

    assert reads < 30  # of 1 000 pieces


async def test_a_connection_is_used_again_after_a_whole_answer(client: HttpClient) -> None:
    async with open_fake_openai(raw(BODY)) as server:
        for _ in range(5):
            assert await fetch(client, server) == BODY
        assert server.connections == 1


async def test_leaving_early_closes_the_socket_at_once(client: HttpClient) -> None:
    async with open_fake_openai(answer("Hello", stall())) as server:
        async with client.stream("POST", f"{server.base_url}/x") as response:
            await response.read()
        with trio.fail_after(1):
            await server.requests[0].closed.wait()


async def test_a_cancel_closes_the_socket_and_stays_a_cancel(client: HttpClient) -> None:
    async with open_fake_openai(answer("Hello", stall())) as server:
        with trio.CancelScope() as scope:
            async with client.stream("POST", f"{server.base_url}/x") as response:
                await response.read()
                scope.cancel()
                await response.read()
        assert scope.cancelled_caught
        with trio.fail_after(1):
            await server.requests[0].closed.wait()


@pytest.mark.parametrize(
    ("limits", "given", "limit"),
    [
        (Limits(first_byte=0.05), answer(stall()), "first_byte"),
        (Limits(first_byte=0.05), FakeAnswer(head_after=math.inf), "first_byte"),
        (Limits(idle=0.05), answer("Hello", stall()), "idle"),
        (Limits(total=0.1), answer(say("x" * 1000, pieces=1000), slow=0.02), "total"),
        (Limits(total=0.05), FakeAnswer(head_after=math.inf), "total"),
    ],
    ids=["before the body", "before the head", "between reads", "in all", "in all, no head"],
)
async def test_silence_beyond_a_limit_is_a_stall_that_names_the_limit(
    limits: Limits, given: FakeAnswer, limit: str
) -> None:
    client = HttpClient(limits)
    async with open_fake_openai(given) as server:
        with pytest.raises(StreamStalled) as caught:
            await fetch(client, server)
        with trio.fail_after(1):
            await server.requests[0].closed.wait()
    await client.aclose()

    assert caught.value.limit == limit
    assert f"the limit {limit} is" in str(caught.value)


async def test_a_slow_reader_is_not_a_silent_server() -> None:
    client = HttpClient(Limits(idle=0.05, total=0.1))
    async with open_fake_openai(raw(b"x" * 200_000)) as server:
        async with client.stream("POST", f"{server.base_url}/x") as response:
            size = 0
            while data := await response.read():
                size += len(data)
                await trio.sleep(0.15)
        assert size == 200_000
    await client.aclose()


async def test_the_callers_deadline_is_a_cancel_not_a_stall(client: HttpClient) -> None:
    async with open_fake_openai(FakeAnswer(head_after=math.inf)) as server:
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.05):
            await fetch(client, server)


@pytest.mark.parametrize("fault", [truncate(), reset()], ids=["cut", "reset"])
async def test_a_connection_that_ends_inside_the_body_is_a_truncation(
    client: HttpClient, fault: Step
) -> None:
    async with open_fake_openai(answer("Hello", pause(0.01), fault)) as server:
        with pytest.raises(StreamTruncated, match="ended inside the answer"):
            await fetch(client, server)


async def test_what_arrived_before_a_break_is_read_first(client: HttpClient) -> None:
    async with (
        open_fake_openai(answer("Hello", truncate())) as server,
        client.stream("POST", f"{server.base_url}/x") as response,
    ):
        assert b"Hello" in await response.read()
        with pytest.raises(StreamTruncated):
            await response.read()


async def test_no_server_is_said_with_the_address(client: HttpClient) -> None:
    with pytest.raises(ProviderUnavailable, match=r"no server at http://127\.0\.0\.1:1"):
        async with client.stream("POST", "http://127.0.0.1:1/v1/x"):
            pass


async def test_no_server_is_said_in_the_systems_words_and_without_a_group() -> None:
    client = open_client(secure=False)

    with pytest.raises(ProviderUnavailable, match="Connection refused") as caught:
        async with client.stream("POST", "http://127.0.0.1:1/v1/x"):
            pass

    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    await client.aclose()


async def serve_once(act: Callable[[trio.SocketStream], Awaitable[None]]) -> RuntimeFault:
    """The error that a client gets from a server that does `act` on each connection."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    client = HttpClient(Limits(first_byte=1.0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, act, listeners)
        try:
            async with client.stream("GET", f"http://127.0.0.1:{port}/") as response:
                while await response.read():
                    pass
        except RuntimeFault as error:
            return error
        finally:
            nursery.cancel_scope.cancel()
            await client.aclose()
    pytest.fail("the client took it for an answer")


async def test_a_server_that_hangs_up_without_an_answer_is_unavailable() -> None:
    async def act(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.aclose()

    error = await serve_once(act)
    assert isinstance(error, ProviderUnavailable)
    assert "hung up without an answer" in str(error)


async def test_a_connection_that_died_while_idle_is_replaced_unseen(client: HttpClient) -> None:
    """The server hangs up on the second request of each connection, without a word."""
    served: list[int] = []

    async def act(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        served.append(1)
        await stream.receive_some()
        await stream.aclose()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, act, listeners)
        for _ in range(3):
            async with client.stream("POST", f"http://127.0.0.1:{port}/", {}, b"{}") as response:
                assert await response.read_at_most(10) == b"hi"
        nursery.cancel_scope.cancel()
    assert len(served) == 3


async def test_a_server_that_speaks_something_else_is_named_as_such() -> None:
    async def act(stream: trio.SocketStream) -> None:
        await stream.send_all(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        await stream.receive_some()

    error = await serve_once(act)
    assert isinstance(error, ProviderProtocolError)
    assert "does not speak HTTP" in str(error)


async def test_a_broken_frame_inside_the_body_is_a_broken_protocol() -> None:
    async def act(stream: trio.SocketStream) -> None:
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        await stream.send_all(head + b"5\r\nHello\r\nnot a size\r\n")
        await trio.sleep_forever()

    error = await serve_once(act)
    assert isinstance(error, ProviderProtocolError)
    assert "broke the HTTP protocol" in str(error)


async def test_a_post_does_not_follow_a_redirect(client: HttpClient) -> None:
    async with (
        open_fake_openai(error(307, location="http://elsewhere/")) as server,
        client.stream("POST", f"{server.base_url}/x") as response,
    ):
        assert response.status == 307
    assert len(server.requests) == 1


@pytest.mark.parametrize("value", ["Bearer sk-\nsecret", "Bearer sk-sécret"])
async def test_a_header_that_cannot_be_sent_is_refused_without_being_quoted(
    client: HttpClient, value: str
) -> None:
    with pytest.raises(ConfigurationError, match="the header 'authorization' has") as caught:
        client.stream("POST", "http://127.0.0.1:1/", {"authorization": value})

    assert value not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("url", ["http://[::1", "ftp://127.0.0.1/"])
async def test_an_address_that_is_none_is_refused(client: HttpClient, url: str) -> None:
    with pytest.raises(ConfigurationError, match="address"):
        async with client.stream("POST", url):
            pass


async def test_a_server_that_compresses_unasked_is_understood(client: HttpClient) -> None:
    packed = gzip.compress(BODY)
    answers = FakeAnswer(body=packed, headers=(("content-encoding", "gzip"),), split=100)
    async with open_fake_openai(answers) as server:
        assert await fetch(client, server) == BODY
        await fetch(client, server)
        assert server.connections == 1


async def test_a_body_is_read_inside_its_block_only(client: HttpClient) -> None:
    stream = client.stream("POST", "http://127.0.0.1:1/")
    with pytest.raises(RuntimeError, match="read a stream inside"):
        await stream.read()


async def test_settling_waits_shortly_for_an_end_and_never_fails(client: HttpClient) -> None:
    for rest in (stall(), reset(), pause(0.01)):
        async with (
            open_fake_openai(answer("Hello", pause(0.01), rest)) as server,
            client.stream("POST", f"{server.base_url}/x") as response,
        ):
            await response.read()
            with trio.fail_after(1):
                await response.settle(0.1)


async def test_a_client_for_plain_http_refuses_https() -> None:
    client = HttpClient(secure=False)
    with pytest.raises(ConfigurationError, match="plain http only"):
        client.stream("POST", "https://127.0.0.1:1/")


@pytest.mark.parametrize("seconds", [0, -1, math.nan, "5", True])
def test_a_limit_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"idle is .* a number of seconds above 0"):
        Limits(idle=seconds)


async def test_the_pool_serves_after_a_storm_of_cancels_under_contention() -> None:
    """Set TROUPE_CANCELS for more: the pools of earlier clients died after some thousands."""
    client = HttpClient(Limits(), connections=10)
    chance = random.Random(7)  # noqa: S311 - a seed, not a secret
    left = CANCELS

    async def cancel_again_and_again(server: FakeOpenAI) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            with trio.move_on_after(chance.random() * 0.01):
                await fetch(client, server)

    async with open_fake_openai(answer(say("Hello", pieces=5), slow=0.002)) as server:
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(cancel_again_and_again, server)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                for _ in range(50):
                    nursery.start_soon(fetch, client, server)
    await client.aclose()


async def test_a_cancel_anywhere_in_an_exchange_leaves_the_client_usable() -> None:
    client = HttpClient(Limits(), connections=1)
    async with open_fake_openai(answer(say("Hello", pieces=2), slow=0.001)) as server:

        async def check() -> None:
            with trio.fail_after(1):
                assert b"[DONE]" in await fetch(client, server)

        async def scenario() -> None:
            await fetch(client, server)

        assert await cancel_everywhere(scenario, check=check) > 5
    await client.aclose()
