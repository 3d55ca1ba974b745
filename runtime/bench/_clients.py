"""The ways to read a streamed answer that are compared, from a bare socket to an agent.

Each is a block that gives a `Read`: a function that asks for one answer and hands every text
of it to `take`, and that leaves the stream as its users would as soon as `take` returns True.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
import httpx2
import trio

from actors import open_agent
from actors.agents import Agent, AgentOptions, AgentSetup, Run
from actors.chat import Token, user
from actors.journal import MemoryJournal
from actors.providers import Model, open_provider, start_provider
from runtime import open_system

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


@attrs.frozen
class Wire:
    """One wire format, as the comparison needs it.

    Attributes:
        model: Its name for `Model`.
        root: Of the base address, behind the server's.
        path: Of a request, behind the base address.
        body: What plain httpx2 asks with.
        text: Finds the text in a decoded event; None in events of another kind.
        prefix: Of the lines that hold an event.
    """

    model: str
    root: str
    path: str
    body: dict[str, Any]
    text: Callable[[Any], str | None]
    prefix: str = "data: "


def _chat_text(event: Any) -> str | None:
    choices = event["choices"]
    return choices[0]["delta"].get("content") if choices else None


def _responses_text(event: Any) -> str | None:
    return event["delta"] if event["type"] == "response.output_text.delta" else None


def _anthropic_text(event: Any) -> str | None:
    return event["delta"]["text"] if event["type"] == "content_block_delta" else None


def _gemini_text(event: Any) -> str | None:
    text: str | None = event["candidates"][0]["content"]["parts"][0].get("text")
    return text


def _ollama_text(event: Any) -> str | None:
    text: str | None = event["message"]["content"]
    return text


_ASKED: Final[dict[str, Any]] = {"model": "bench", "stream": True}
WIRES: Final = {
    "openai-chat": Wire("openai-compatible:bench", "/v1", "/chat/completions", BODY, _chat_text),
    "openai-responses": Wire(
        "openai-responses:bench", "/v1", "/responses", {**_ASKED, "input": "go"}, _responses_text
    ),
    "anthropic": Wire(
        "anthropic:bench",
        "",
        "/v1/messages",
        {**_ASKED, "max_tokens": 99, "messages": BODY["messages"]},
        _anthropic_text,
    ),
    "gemini": Wire(
        "gemini:bench",
        "",
        "/v1beta/models/bench:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "go"}]}]},
        _gemini_text,
    ),
    "ollama": Wire(
        "ollama:bench", "", "/api/chat", {**_ASKED, "messages": BODY["messages"]}, _ollama_text, ""
    ),
}
NO_LIMIT: Final = httpx2.Limits(max_connections=None, max_keepalive_connections=None)


@asynccontextmanager
async def open_plain_on(wire: Wire, server_url: str) -> AsyncGenerator[Read]:
    """Plain httpx2 and `json` on any wire."""
    url, prefix = server_url + wire.root + wire.path, wire.prefix
    start = len(prefix)
    async with httpx2.AsyncClient(limits=NO_LIMIT, timeout=60) as client:

        async def read(take: Take) -> None:
            async with client.stream("POST", url, json=wire.body) as response:
                async for line in response.aiter_lines():
                    if not line or line[:start] != prefix or line == "data: [DONE]":
                        continue
                    if (text := wire.text(json.loads(line[start:]))) and take(text):
                        return

        yield read


@asynccontextmanager
async def open_agents_on(wire: Wire, server_url: str) -> AsyncGenerator[Read]:
    """One provider, one journal in memory, and a new agent for each read."""
    model = Model(wire.model, base_url=server_url + wire.root, api_key="none", concurrency=2000)
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal)
        provider = await start_provider(system, model)
        numbers = itertools.count()

        async def read(take: Take) -> None:
            name = str(next(numbers))
            setup = AgentSetup(options=AgentOptions(conversation=name))
            agent = await system.spawn(Agent, provider, journal, setup)
            async with agent.stream(Run(name, "go")) as run:
                async for event in run:
                    if isinstance(event, Token) and take(event.content):
                        return
            await agent.stop()

        yield read


def _text_of(event: str | bytes) -> str:
    choices = json.loads(event)["choices"]
    text: str = choices[0]["delta"].get("content") if choices else ""
    return text
