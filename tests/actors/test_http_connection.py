"""Sockets of our own: TLS, which connection is used again, and how a body's end is told."""

from __future__ import annotations

import base64
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from actors.errors import (
    ProviderProtocolError,
    ProviderUnavailable,
    RuntimeFault,
    StreamTruncated,
)
from actors.http import HttpClient, Limits
from actors.http import _client as client_module

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

TLS = Path(__file__).parents[1] / "fixtures" / "tls"  # a self-signed certificate for "localhost"
KEPT = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
CHUNKS = b"2\r\nhi\r\n0\r\n\r\n"
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Server:
    """Gives the same bytes for each request; counts connections and keeps the requests."""

    def __init__(self, answer: bytes, *, closes: bool = False) -> None:
        self.answer = answer
        self.closes = closes
        self.connections = 0
        self.heads: list[bytes] = []
        self.port = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        try:
            while data := await stream.receive_some():
                self.heads.append(bytes(data))
                await stream.send_all(self.answer)
                if self.closes:
                    break
            await stream.aclose()
        except trio.BrokenResourceError:
            return  # the client was not content with us


@asynccontextmanager
async def running(server: Server, context: ssl.SSLContext | None = None) -> AsyncGenerator[Server]:
    async def act(tcp: trio.SocketStream) -> None:
        await server.serve(
            tcp
            if context is None
            else trio.SSLStream(tcp, context, server_side=True, https_compatible=True)
        )

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server.port = listeners[0].socket.getsockname()[1]
    failure: RuntimeFault | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, act, listeners)
        try:
            yield server
        except RuntimeFault as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure  # bare, not in the nursery's group


async def fetch(client: HttpClient, url: str, method: str = "GET") -> bytes:
    async with client.stream(method, url) as response:
        return await response.read_at_most(1000)


async def twice(answer: bytes, method: str = "GET", *, closes: bool = False) -> tuple[bytes, int]:
    """What the second of two requests read, and how many connections both took."""
    client = HttpClient(Limits(first_byte=1.0))
    async with running(Server(answer, closes=closes)) as server:
        await fetch(client, f"http://127.0.0.1:{server.port}/", method)
        body = await fetch(client, f"http://127.0.0.1:{server.port}/", method)
    await client.aclose()
    return body, server.connections


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The server's side of TLS; clients that are made from now on trust its certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "certificate.pem"))
    client_module.forget_certificates()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    context.set_alpn_protocols(["http/1.1"])
    return context


@pytest.fixture
async def secure_client(trusted: ssl.SSLContext) -> AsyncIterator[HttpClient]:
    del trusted
    client = HttpClient(Limits(connect=1.0, first_byte=2.0))
    yield client
    await client.aclose()
    client_module.forget_certificates()


async def test_a_secure_connection_carries_answers_and_is_used_again(
    secure_client: HttpClient, trusted: ssl.SSLContext
) -> None:
    async with running(Server(KEPT), trusted) as server:
        for _ in range(3):
            assert await fetch(secure_client, f"https://localhost:{server.port}/") == b"hi"
    assert server.connections == 1


async def test_a_certificate_for_another_name_is_refused(
    secure_client: HttpClient, trusted: ssl.SSLContext
) -> None:
    async with running(Server(KEPT), trusted) as server:
        with pytest.raises(ProviderUnavailable, match=r"(?i)certificate"):
            await fetch(secure_client, f"https://127.0.0.1:{server.port}/")
    assert server.heads == []


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    client_module.forget_certificates()
    client = HttpClient(Limits(connect=1.0))
    async with running(Server(KEPT), trusted) as server:
        with pytest.raises(ProviderUnavailable, match=r"(?i)certificate"):
            await fetch(client, f"https://localhost:{server.port}/")
    await client.aclose()
    assert server.heads == []


async def test_a_server_that_says_nothing_in_the_handshake_is_given_up() -> None:
    client = HttpClient(Limits(connect=0.05))

    async def act(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            pass

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, act, listeners)
        with pytest.raises(ProviderUnavailable, match=r"no connection within 0\.05 s"):
            await fetch(client, f"https://127.0.0.1:{port}/")
        nursery.cancel_scope.cancel()
    await client.aclose()


async def test_a_connection_cut_inside_a_secure_answer_is_a_truncation(
    secure_client: HttpClient, trusted: ssl.SSLContext
) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"
    async with running(Server(answer, closes=True), trusted) as server:
        with pytest.raises(StreamTruncated):
            await fetch(secure_client, f"https://localhost:{server.port}/")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (KEPT, b"hi"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + KEPT, b"hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"hi"),
    ],
    ids=["sized", "after an interim answer", "no body", "nothing", "chunked"],
)
async def test_a_connection_whose_answer_was_read_whole_is_used_again(
    answer: bytes, body: bytes
) -> None:
    assert await twice(answer) == (body, 1)


async def test_the_answer_to_head_has_no_body() -> None:
    assert await twice(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "HEAD") == (b"", 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        KEPT + b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n" + CHUNKS,
    ],
    ids=["it says so", "HTTP/1.0", "bytes after the end", "two ways to end"],
)
async def test_a_connection_that_cannot_be_trusted_with_another_answer_is_closed(
    answer: bytes,
) -> None:
    assert await twice(answer) == (b"hi", 2)


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    assert await twice(b"HTTP/1.1 200 OK\r\n\r\nhi", closes=True) == (b"hi", 2)


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 2\r\ncontent-length: 3",
        b"content-length: -2",
        b"content-length: 2, 3",
        b"transfer-encoding: gzip, chunked",
        b"content-length : 2",
        b"content-encoding: br",
        b"x: " + b"y" * 200_000,
    ],
)
async def test_a_head_that_can_be_read_in_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(ProviderProtocolError):
        await twice(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nhi", closes=True)


async def test_name_and_password_of_an_address_are_sent_and_never_shown() -> None:
    client = HttpClient()
    async with running(Server(b"no HTTP\r\n\r\n")) as server:
        url = f"http://me:p%40ss@127.0.0.1:{server.port}/"
        with pytest.raises(ProviderProtocolError) as caught:
            await fetch(client, url)
    await client.aclose()
    assert base64.b64encode(b"me:p@ss") in server.heads[0]
    assert "ss@" not in str(caught.value)


async def test_there_are_never_more_sockets_than_asked_for() -> None:
    """The connection that idles for one server gives way to one to another."""
    client = HttpClient(connections=1)
    async with running(Server(KEPT)) as one, running(Server(KEPT)) as other:
        for server in (one, other, one):
            with trio.fail_after(1):
                assert await fetch(client, f"http://127.0.0.1:{server.port}/") == b"hi"
    await client.aclose()
    assert (one.connections, other.connections) == (2, 1)


async def test_closing_a_client_ends_what_it_reads() -> None:
    client = HttpClient()
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"
    async with (
        running(Server(answer)) as server,
        client.stream("GET", f"http://127.0.0.1:{server.port}/") as response,
    ):
        assert await response.read() == b"hi"
        await client.aclose()
        with pytest.raises(StreamTruncated):
            await response.read()
