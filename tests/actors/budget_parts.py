"""What the tests of budgets share: models that are scripted, and blocks around their answers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from actors.budget import PRICES, Price
from actors.chat import user
from actors.providers import (
    Model,
    ProviderHandle,
    ProviderStream,
    Requests,
    Script,
    open_provider,
    say,
    script,
    usage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractContextManager

    from actors.budget import Budget
    from runtime import Ref

HI = [user("Hi")]
SENT = 9  # tokens that `HI` is estimated to be
WORDS = script(say("word " * 100, pieces=100), repeat=True)  # 1.25 tokens each
COUNTED = script(say("word " * 8, pieces=8), usage(20, 10), repeat=True)
CHEAP = PRICES.with_prices({"scripted:test": Price(1, 10)})


@asynccontextmanager
async def provider(*scripts: Script) -> AsyncGenerator[ProviderHandle]:
    async with open_provider(Model("scripted:test", script=scripts)) as handle:
        yield handle


async def read(stream: ProviderStream) -> None:
    async with stream:
        async for _ in stream:
            pass


async def complete_in(block: AbstractContextManager[Budget], model: ProviderHandle) -> Budget:
    """Ask for one answer inside a budget's block."""
    with block as budget:
        await model.complete(HI)
    return budget


async def asked(handle: ProviderHandle) -> int:
    """How many requests have reached the model."""
    ref: Ref[Any] = handle.ref
    return len(await ref.ask(Requests()))
