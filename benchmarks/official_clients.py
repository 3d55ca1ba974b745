"""Beside the official SDKs: `python benchmarks/official_clients.py [streams] [rounds]`.

For each wire, by turns: an agent with its provider, plain httpx2 and the provider's own SDK,
each in a process of its own, against one server in another. With one stream the processor time
of a chunk is that of a flood; with several, every stream brings 20 chunks a second. An SDK that
is not installed is left out. The SDKs run on asyncio, as their documentation has it.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import json
import statistics
import sys
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import TYPE_CHECKING, Any

import trio

from runtime.bench import WIRES, open_agents_on, open_plain_on, open_server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    Take = Callable[[str], bool]
    Read = Callable[[Take], Awaitable[None]]

CROWD_PACE, CROWD_CHUNKS = 20, 60  # chunks a second and of a stream
PACE, PACED, FLOOD = 200, 100, 10_000
MESSAGES: Any = [{"role": "user", "content": "go"}]
SDKS = {
    "openai-chat": "openai",
    "openai-responses": "openai",
    "anthropic": "anthropic",
    "gemini": "google-genai",
    "ollama": "ollama",
}


@asynccontextmanager
async def openai_chat(url: str) -> AsyncGenerator[Read]:
    """The openai SDK, chat completions."""
    openai: Any = import_module("openai")

    async with openai.AsyncOpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client:

        async def read(take: Take) -> None:
            stream = await client.chat.completions.create(
                model="bench", messages=MESSAGES, stream=True
            )
            async for chunk in stream:
                if chunk.choices and (text := chunk.choices[0].delta.content):
                    take(text)

        yield read


@asynccontextmanager
async def openai_responses(url: str) -> AsyncGenerator[Read]:
    """The openai SDK, responses."""
    openai: Any = import_module("openai")

    async with openai.AsyncOpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client:

        async def read(take: Take) -> None:
            stream = await client.responses.create(model="bench", input="go", stream=True)
            async for event in stream:
                if event.type == "response.output_text.delta":
                    take(event.delta)

        yield read


@asynccontextmanager
async def anthropic_messages(url: str) -> AsyncGenerator[Read]:
    """The anthropic SDK."""
    anthropic: Any = import_module("anthropic")

    async with anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as client:

        async def read(take: Take) -> None:
            stream = await client.messages.create(
                model="bench", max_tokens=99, messages=MESSAGES, stream=True
            )
            async for event in stream:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    take(event.delta.text)

        yield read


@asynccontextmanager
async def google_gemini(url: str) -> AsyncGenerator[Read]:
    """The google-genai SDK."""
    genai: Any = import_module("google.genai")
    options: Any = genai.types.HttpOptions(base_url=url)
    client = genai.Client(api_key="none", http_options=options).aio

    async def read(take: Take) -> None:
        async for chunk in await client.models.generate_content_stream(
            model="bench", contents="go"
        ):
            if chunk.text:
                take(chunk.text)

    yield read


@asynccontextmanager
async def ollama_chat(url: str) -> AsyncGenerator[Read]:
    """The ollama SDK."""
    ollama: Any = import_module("ollama")

    client = ollama.AsyncClient(host=url)

    async def read(take: Take) -> None:
        async for chunk in await client.chat(model="bench", messages=MESSAGES, stream=True):
            if chunk.message.content:
                take(chunk.message.content)

    yield read


OPEN: dict[str, Callable[[str], Any]] = {
    "openai-chat": openai_chat,
    "openai-responses": openai_responses,
    "anthropic": anthropic_messages,
    "gemini": google_gemini,
    "ollama": ollama_chat,
}


class Taken:
    """What a process took, and how late it was: in microseconds."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.began = process_time_ns()

    def take(self, text: str) -> bool:
        self.late.append((perf_counter_ns() - int(text)) / 1e3)
        return False

    def figures(self) -> tuple[float, float]:
        """The median latency of the second half, and processor time a chunk."""
        busy = (process_time_ns() - self.began) / 1e3
        return statistics.median(self.late[len(self.late) // 2 :]), busy / len(self.late)


async def on_trio(opened: Any, streams: int) -> tuple[float, float]:
    """The two figures of a client that runs on trio."""
    async with opened as read:
        taken = Taken()
        async with trio.open_nursery() as nursery:
            for _ in range(streams):
                nursery.start_soon(read, taken.take)
        return taken.figures()


async def on_asyncio(opened: Any, streams: int) -> tuple[float, float]:
    """The two figures of one that runs on asyncio."""
    async with opened as read:
        await read(Taken().take)  # imports, and a connection
        taken = Taken()
        async with asyncio.TaskGroup() as group:
            for _ in range(streams):
                group.create_task(read(taken.take))
        return taken.figures()


def be_client(client: str, wire: str, url: str, streams: int) -> None:
    """Print the two figures of one client."""
    if client == "sdk":
        figures = asyncio.run(on_asyncio(OPEN[wire](url), streams))
    else:
        opened = {"agent": open_agents_on, "plain": open_plain_on}[client](WIRES[wire], url)
        figures = trio.run(on_trio, opened, streams)
    print(json.dumps(figures))


async def ask(client: str, wire: str, url: str, streams: int) -> tuple[float, float]:
    """The two figures of one client, in a process of its own."""
    command = [sys.executable, str(Path(__file__)), client, wire, url, str(streams)]
    done = await trio.run_process(command, capture_stdout=True)
    late, busy = json.loads(done.stdout)
    return late, busy


async def compare(streams: int, rounds: int) -> None:
    """One line for each wire and client: medians over the rounds."""
    async with open_server() as server:
        paced, flood = server.root(CROWD_PACE, CROWD_CHUNKS), None
        if streams == 1:
            paced, flood = server.root(PACE, PACED), server.root(0, FLOOD)
        for wire, package in SDKS.items():
            names = {"agent": "agent", "plain": "plain httpx2"}
            if importlib.util.find_spec(package.replace("-", ".")) is not None:
                names["sdk"] = f"{package} {importlib.metadata.version(package)}"
            found: dict[str, list[tuple[float, float]]] = {client: [] for client in names}
            for client in list(names) * rounds:
                late, busy = await ask(client, wire, paced, streams)
                if flood is not None:
                    _, busy = await ask(client, wire, flood, streams)
                found[client].append((late, busy))
            for client, name in names.items():
                late, busy = (statistics.median(each) for each in zip(*found[client], strict=True))
                print(
                    f"{wire:<17}{name:<21} p50 {late:10.0f} µs   {busy:6.1f} µs CPU a chunk",
                    flush=True,
                )


def main(arguments: list[str]) -> None:
    """Compare; with four arguments, be one of the compared."""
    if len(arguments) == 4:  # noqa: PLR2004 - see `ask`
        client, wire, url, streams = arguments
        be_client(client, wire, url, int(streams))
        return
    streams, rounds = arguments + ["1", "5"][len(arguments) :]
    trio.run(compare, int(streams), int(rounds))


if __name__ == "__main__":
    main(sys.argv[1:])
