"""Scripted models for tests of several in one, and what they were asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.chat import Request, StreamResponse, user
from actors.errors import ProviderError, ProviderUnavailable
from actors.providers import (
    Model,
    ProviderHandle,
    Requests,
    ScriptedApi,
    Several,
    Step,
    fail,
    open_provider,
    pause,
    say,
    script,
)

if TYPE_CHECKING:
    from runtime import Node, System

HELLO = [user("Hello")]


def model(name: str, *steps: Step) -> Model:
    """A model that answers each request with these steps."""
    return Model(f"scripted:{name}", script=script(*steps, repeat=True))


def speaker(name: str, *, after: float = 0.0, slow: float = 0.0) -> Model:
    """A model that says its name in three words, the first of them after so many seconds."""
    words = [step for word in (name, " one", " two") for step in (say(word), pause(slow))]
    return model(name, pause(after), *words)


def failing(name: str, error: ProviderError | None = None, *, after: float = 0.0) -> Model:
    return model(name, pause(after), fail(error or ProviderUnavailable(f"{name} is busy")))


async def complete(several: Several) -> tuple[StreamResponse, float]:
    """The answer, and how many virtual seconds it took."""
    async with open_provider(several) as provider:
        started = trio.current_time()
        response = await provider.complete(HELLO)
        return response, trio.current_time() - started


def nodes(node: Node) -> list[Node]:
    return [node, *(each for child in node.children for each in nodes(child))]


async def requests_of(system: System, name: str) -> tuple[Request, ...]:
    """What the scripted model of this name was asked."""
    (path,) = [each.path for each in nodes(system.tree()) if each.path.endswith(f"scripted:{name}")]
    ref = system.whereis(path, ScriptedApi)
    assert ref is not None
    return await ref.ask(Requests())


async def first_word(provider: ProviderHandle) -> str:
    """Read one chunk and leave."""
    async with provider.stream(HELLO) as stream:
        return (await anext(stream)).content
