"""The ways to read a streamed answer that are compared, from a bare socket to an agent.

Each is a block that gives a `Read`: a function that asks for one answer and hands every text
of it to `take`, and that leaves the stream as its users would as soon as `take` returns True.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import trio

from actors import open_agent
from actors.chat import Token, user
from actors.providers import Model, open_provider

Take = Callable[[str], bool]
Read = Callable[[Take], Awaitable[None]]
Open = Callable[[str], AbstractAsyncContextManager[Read]]

BODY: Final[dict[str, Any]] = {
    "model": "bench",
    "messages": [{"role": "user", "content": "go"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
READ_BYTES: Final = 65_536


@asynccontextmanager
async def open_raw(base_url: str) -> AsyncGenerator[Read]:
    """A bare trio socket and `json`, nothing checked and nothing pooled: one socket a read."""
    address = urlsplit(base_url)
    assert address.hostname is not None
    assert address.port is not None
    host, port = address.hostname, address.port
    body = json.dumps(BODY).encode()
    request = (
        f"POST {address.path}/chat/completions HTTP/1.1\r\nhost: {address.netloc}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body

    async def read(take: Take) -> None:
        stream = await trio.open_tcp_stream(host, port)
        async with stream:
            await stream.send_all(request)
            rest = b""
            while True:
                *lines, rest = (rest + await stream.receive_some(READ_BYTES)).split(b"\n")
                for line in lines:
                    if line == b"data: [DONE]":
                        return
                    if line[:6] == b"data: " and (text := _text_of(line[6:])) and take(text):
                        return

    yield read


@asynccontextmanager
async def open_plain(base_url: str) -> AsyncGenerator[Read]:
    """Plain httpx2 and `json`, as its documentation has it: the floor."""
    url = f"{base_url}/chat/completions"
    async with httpx2.AsyncClient() as client:

        async def read(take: Take) -> None:
            async with client.stream("POST", url, json=BODY) as response:
                async for line in response.aiter_lines():
                    if line == "data: [DONE]":
                        continue  # read to the end, so that the connection can be used again
                    if line[:6] == "data: " and (text := _text_of(line[6:])) and take(text):
                        return

        yield read


def _model(base_url: str) -> Model:
    return Model("openai-compatible:bench", base_url=base_url, api_key="none")


@asynccontextmanager
async def open_provider_reader(base_url: str) -> AsyncGenerator[Read]:
    """A provider actor alone."""
    async with open_provider(_model(base_url)) as provider:

        async def read(take: Take) -> None:
            async with provider.stream([user("go")]) as stream:
                async for chunk in stream:
                    if chunk.content and take(chunk.content):
                        return

        yield read


@asynccontextmanager
async def open_agent_reader(base_url: str) -> AsyncGenerator[Read]:
    """A provider and an agent, supervised, with the journal in memory."""
    async with open_agent(_model(base_url)) as agent:

        async def read(take: Take) -> None:
            async with agent.stream("go") as run:
                async for event in run:
                    if isinstance(event, Token) and take(event.content):
                        return

        yield read


def _text_of(event: str | bytes) -> str:
    choices = json.loads(event)["choices"]
    text: str = choices[0]["delta"].get("content") if choices else ""
    return text
