"""A provider and a fake server, and how to look at what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from actors.chat import user
from actors.errors import (
    AnswerFailed,
)
from actors.providers import (
    Model,
    ProviderHandle,
    Retry,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.testing import FakeOpenAI
    from runtime import System

HELLO = [user("Hello")]
KEY = "sk-very-secret"
EVEN = Retry(attempts=3, first=1, factor=2, longest=30)
NO_SERVER = "http://127.0.0.1:1/v1"


def model(server: FakeOpenAI | str, **more: Any) -> Model:
    url = server if isinstance(server, str) else server.base_url
    given: dict[str, Any] = {"retry": EVEN} | more
    return Model("openai-compatible:m", base_url=url, api_key=KEY, **given)


async def elapsed(do: Callable[[], Awaitable[object]]) -> float:
    started = trio.current_time()
    await do()
    return trio.current_time() - started


async def fails(provider: ProviderHandle, kind: type[AnswerFailed] = AnswerFailed) -> AnswerFailed:
    with pytest.raises(kind) as caught:
        await provider.complete(HELLO)
    return caught.value


def described(system: System) -> str:
    (group,) = system.tree().children
    return group.children[-1].details
