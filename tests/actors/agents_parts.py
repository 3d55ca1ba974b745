"""Agents made of parts: a journal that does harm or outlives a crash, any provider."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio
from agents_scripted import (
    Choosing,
)

from actors.agents import Agent, AgentHandle, AgentSetup
from actors.journal import Append, MemoryJournal
from actors.providers import Model, script
from runtime import (
    Actor,
    Backoff,
    ChildOptions,
    RestartLimit,
    RestartStrategy,
    open_system,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable


async def until_it_is_back(agent: AgentHandle) -> None:
    with trio.fail_after(10):
        while agent.ref.statistics().state != "running":  # noqa: ASYNC110 - there is no event
            await trio.sleep(0.01)


class Journal(MemoryJournal):
    """One whose memory survives it, and that does harm before an append."""

    def __init__(self, harm: Callable[[Append], Any]) -> None:
        super().__init__()
        self._harm = harm

    @Append.handles
    async def append(self, message: Append) -> int:
        again = self._harm(message)
        if again is not None:
            await again
        return await super().append(message)


def no_harm(_: Append) -> None:
    return None


@asynccontextmanager
async def agent_of(
    *,
    provider: Callable[[], Actor] | None = None,
    journal: Callable[[], Actor] = MemoryJournal,
    setup: AgentSetup | None = None,
    child: ChildOptions | None = None,
    kind: type[Agent] = Agent,
) -> AsyncGenerator[AgentHandle]:
    """As `open_agent` starts one, with parts of our own."""
    async with open_system() as system:
        group = await system.supervise(
            "agent",
            strategy=RestartStrategy.REST_FOR_ONE,
            limit=RestartLimit(5, 30),
            backoff=Backoff(first=0.05),
        )
        memory: Any = await group.spawn(journal, name="journal")
        answering = provider or (lambda: Choosing(lambda _: script("Fine."), []))
        model: Any = await group.spawn(answering, name="provider")
        agent = await group.spawn(
            kind, model, memory, setup or AgentSetup(), name="agent", options=child
        )
        yield AgentHandle(agent, system, Model("scripted:echo"))


def remembering(
    entries: dict[str, list[Any]], harm: Callable[[Append], Any]
) -> Callable[[], Actor]:
    """A journal whose entries outlive it."""

    def make() -> Actor:
        journal = Journal(harm)
        journal._conversations = entries  # noqa: SLF001 - a subclass would see it
        return journal

    return make
