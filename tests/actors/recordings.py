"""Runs that are recorded from a real socket, and played on virtual time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import trio
from trio.testing import MockClock

from actors.chat import StreamResponse, user
from actors.http import Limits
from actors.providers import Model, Recording, Replay, Retry, open_provider
from actors.testing import FakeAnswer, FakeOpenAI, open_fake_openai
from runtime import RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

T = TypeVar("T")
KEY = "sk-very/secret"
HELLO = [user("Hello")]
PATIENT = Limits()
SHORT = Limits(first_byte=0.2, idle=0.2)  # seconds of real time: sockets meet a clock


def model_of(server: FakeOpenAI, limits: Limits = PATIENT, key: str | None = KEY) -> Model:
    return Model(
        "openai-compatible:m",
        base_url=server.base_url,
        api_key=key,
        limits=limits,
        retry=Retry(attempts=1),
    )


@attrs.frozen
class Told:
    """What a reader saw: each chunk with its seconds since the request, and the error."""

    chunks: list[tuple[float, Any]]
    failure: RuntimeFault | None
    response: StreamResponse


async def told(model: Model, turns: Any = HELLO) -> Told:
    failure: RuntimeFault | None = None
    async with open_provider(model) as provider:
        stream = provider.stream(turns)
        try:
            async with stream:
                async for _ in stream:
                    pass
        except RuntimeFault as fault:
            failure = fault
    response = stream.response
    began = response.started_at or 0.0
    chunks = [(c.timestamp - began, attrs.evolve(c, timestamp=0)) for c in response.chunks]
    return Told(chunks, failure, response)


def record(
    file: Path,
    *answers: FakeAnswer,
    use: Callable[[Model], Awaitable[T]],
    limits: Limits = PATIENT,
) -> T:
    """What `use` makes of a model whose server gives `answers`, recorded."""

    async def main() -> T:
        async with open_fake_openai(*answers) as server:
            return await use(Recording(model_of(server, limits), file))

    return trio.run(main)


def replay(file: Path, *, use: Callable[[Model], Awaitable[T]]) -> T:
    """The same on virtual time, without a server."""

    async def main() -> T:
        return await use(Replay(file))

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def write_lines(file: Path, lines: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
