"""What crosses with a message: registered scopes and the trace context, and nothing else (R6)."""

# ruff: noqa: ARG001, ARG002 - handlers and propagators need not use their arguments
from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any, cast

import pytest
import trio
from puppet import Do, DoBeside, Feed, FeedBeside, Order, Puppet, crash_now, nothing

from runtime import ActorCrashed, Exit, Sink, carried, carry, open_system

OTHER: ContextVar[str] = ContextVar("other", default="none")
TRACE: ContextVar[str | None] = ContextVar("trace", default=None)


class Tracing:
    """A propagator over one context variable."""

    def capture(self) -> object | None:
        return TRACE.get()

    def attach(self, trace: object, path: str, message: object) -> object:
        return TRACE.set(str(trace))

    def detach(self, token: object, error: BaseException | None) -> None:
        TRACE.reset(cast("Token[str | None]", token))


async def seen(_: object) -> tuple[tuple[object, ...], str, str | None]:
    return carried(), OTHER.get(), TRACE.get()


@pytest.mark.parametrize("kind", [Do, DoBeside])
async def test_scopes_and_trace_cross_every_hop_and_nothing_else(kind: Any) -> None:
    async with open_system(propagator=Tracing()) as system:
        a, b = await system.spawn(Puppet), await system.spawn(Puppet)

        async def on(puppet: Puppet) -> Any:
            with carry("inner"):
                return await b.ask(kind(seen))

        OTHER.set("sender")
        TRACE.set("t1")
        with carry("outer"):
            assert await a.ask(kind(on)) == (("outer", "inner"), "none", "t1")
            assert carried() == ("outer",)
        assert await a.ask(kind(seen)) == ((), "none", "t1")
        TRACE.set(None)
        assert await a.ask(kind(seen)) == ((), "none", None)


@pytest.mark.parametrize("kind", [Feed, FeedBeside])
async def test_scopes_cross_with_a_stream_and_with_a_tell(kind: Any) -> None:
    told = list[Any]()

    async def feeding(puppet: Puppet, out: Sink[Any]) -> None:
        await out.send(await seen(puppet))

    async def note(puppet: Puppet) -> None:
        told.append(await seen(puppet))

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        with carry("scope"):
            async with puppet.stream(kind(feeding)) as items:
                assert [item async for item in items] == [(("scope",), "none", None)]
            await puppet.tell(Order(note))
        await trio.testing.wait_all_tasks_blocked()
    assert told == [(("scope",), "none", None)]


async def test_scopes_follow_the_tasks_of_a_handler_but_not_the_actor() -> None:
    seen_at = dict[str, Any]()

    async def note(where: str) -> None:
        seen_at[where] = await seen(None)

    async def work(puppet: Puppet) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(note, "nursery")
        puppet.start_soon(note, "background")

        async def on_start(_: Puppet) -> None:
            await note("child")

        await puppet.spawn(Puppet, on_start)

    async def on_stop(puppet: Puppet, exit: Exit) -> None:
        await note("stopped")

    async with open_system(propagator=Tracing()) as system:
        puppet = await system.spawn(Puppet, nothing, on_stop)
        TRACE.set("t1")
        with carry("scope"):
            await puppet.ask(Do(work))
        await trio.testing.wait_all_tasks_blocked()
    nothing_crossed = ((), "none", None)
    assert seen_at == {
        "nursery": (("scope",), "none", "t1"),
        "background": nothing_crossed,
        "child": nothing_crossed,
        "stopped": nothing_crossed,
    }


async def test_a_factory_neither_sees_nor_changes_the_context_of_a_life() -> None:
    made = list[str]()

    def make() -> Puppet:
        made.append(OTHER.get())
        OTHER.set("factory")
        return Puppet()

    async def crash_in_a_context(puppet: Puppet) -> None:
        OTHER.set("handler")
        raise ValueError

    OTHER.set("system")
    async with open_system() as system:
        puppet = await system.spawn(make)
        for _ in range(2):
            assert await puppet.ask(Do(seen)) == ((), "system", None)
            with pytest.raises(ActorCrashed):
                await puppet.ask(Do(crash_in_a_context))
        await puppet.ask(Do(seen))
    assert made == ["system"] * 3


async def test_every_life_begins_in_the_context_of_the_system() -> None:
    starts = list[Any]()

    async def on_start(puppet: Puppet) -> None:
        starts.append(await seen(puppet))

    OTHER.set("system")
    with carry("around the system"):
        async with open_system() as system:
            OTHER.set("spawner")
            with carry("around the spawn"):
                puppet = await system.spawn(Puppet, on_start)
            await crash_now(puppet)
    assert starts == [((), "system", None)] * 2
