"""The benchmark's server: what plain httpx2 and everything measured beside it read from it."""

from __future__ import annotations

import json
from time import perf_counter_ns
from typing import TYPE_CHECKING

import httpx2
import pytest
import trio

from runtime.bench._clients import (
    BODY,
    open_agent_reader,
    open_plain,
    open_provider_reader,
    open_raw,
)
from runtime.bench._host import open_server

if TYPE_CHECKING:
    from runtime.bench._clients import Open

# A reader that leaves plain httpx2 in the middle leaves its generators to the collector.
PLAIN = pytest.param(open_plain, marks=pytest.mark.filterwarnings("ignore:Async generator"))
CLIENTS = (open_raw, PLAIN, open_provider_reader, open_agent_reader)


async def test_plain_httpx2_reads_an_answer_with_its_role_reason_usage_and_end() -> None:
    async with open_server() as server, httpx2.AsyncClient() as client:
        url = f"{server.base_url(0, 100)}/chat/completions"
        response = await client.post(url, json=BODY)

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    *events, end, rest = response.text.split("\n\n")
    assert (end, rest) == ("data: [DONE]", "")
    first, *texts, last, usage = [json.loads(event.removeprefix("data: ")) for event in events]
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert len(texts) == 100
    assert last["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 100


async def test_a_connection_serves_one_answer_after_the_other() -> None:
    async with open_server() as server, httpx2.AsyncClient() as client:
        url = f"{server.base_url(0, 3)}/chat/completions"
        streams: set[object] = set()
        for _ in range(3):
            async with client.stream("POST", url, json=BODY) as response:
                assert len([line async for line in response.aiter_lines() if line]) == 7
                streams.add(response.extensions["network_stream"])

    assert len(streams) == 1


async def test_another_address_is_not_found() -> None:
    async with open_server() as server, httpx2.AsyncClient() as client:
        response = await client.get(f"http://127.0.0.1:{server.port}/nonsense")

    assert response.status_code == 404


@pytest.mark.parametrize("opened", CLIENTS, ids=lambda opened: opened.__name__)
async def test_every_client_reads_every_chunk_once_and_in_order(opened: Open) -> None:
    texts: list[str] = []

    async with open_server() as server, opened(server.base_url(0, 1_000)) as read:
        await read(lambda text: texts.append(text) or False)

    times = [int(text) for text in texts]
    assert len(times) == 1_000
    assert times == sorted(times)


@pytest.mark.parametrize("opened", CLIENTS, ids=lambda opened: opened.__name__)
async def test_a_chunk_says_when_it_was_sent_on_the_clock_that_all_processes_share(
    opened: Open,
) -> None:
    ages: list[int] = []
    before = perf_counter_ns()

    async with open_server() as server, opened(server.base_url(1_000, 10)) as read:
        await read(lambda text: ages.append(perf_counter_ns() - int(text)) or False)

    assert len(ages) == 10
    assert all(0 < age < perf_counter_ns() - before for age in ages)


@pytest.mark.parametrize("opened", CLIENTS, ids=lambda opened: opened.__name__)
async def test_the_server_says_when_a_stream_was_left_and_no_other_time(opened: Open) -> None:
    async with open_server() as server, opened(server.base_url(1_000, 100_000)) as read:
        for _ in range(2):
            before = perf_counter_ns()
            await read(lambda _: True)
            closed_at = await server.closed_at()
            assert before < closed_at < perf_counter_ns()


async def test_the_server_ends_with_its_block_though_a_client_still_reads() -> None:
    async with open_server() as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.send_all(b"POST /1000/100000/v1/chat/completions HTTP/1.1\r\n\r\n")
        assert await stream.receive_some()

    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream("127.0.0.1", server.port)
    await stream.aclose()
