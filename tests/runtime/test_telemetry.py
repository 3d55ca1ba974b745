"""Traces cross messages, and facts become log lines."""

from __future__ import annotations

import attrs
import structlog
import trio
from opentelemetry import context

from runtime import (
    Actor,
    Ask,
    ChildOptions,
    RestartPolicy,
    Sink,
    Stream,
    Tell,
    open_system,
)
from runtime.telemetry import FactLogger, OpenTelemetryPropagator


class Traced: ...


@attrs.frozen
class Baggage(Ask[Traced, object]):
    hops: int = 0


@attrs.frozen
class Keep(Tell[Traced]): ...


@attrs.frozen
class Flow(Stream[Traced, object]): ...


@attrs.frozen
class Break(Tell[Traced]):
    secret: str


class Tracer(Actor, Traced):
    def __init__(self) -> None:
        self.kept: object = None

    @Baggage.handles(concurrent=True)
    async def baggage(self, message: Baggage) -> object:
        if message.hops:
            return await self.ref.ask(Baggage(message.hops - 1))
        return context.get_value("who") or self.kept

    @Keep.handles
    async def keep(self, _: Keep) -> None:
        self.kept = context.get_value("who")

    @Flow.handles
    async def flow(self, _: Flow, out: Sink[object]) -> None:
        await out.send(context.get_value("who"))

    @Break.handles
    async def break_(self, message: Break) -> None:
        raise ValueError(message.secret)


async def test_the_senders_trace_context_is_there_in_handlers_of_asks_through_any_hops() -> None:
    async with open_system(propagator=OpenTelemetryPropagator()) as system:
        tracer = await system.spawn(Tracer)
        token = context.attach(context.set_value("who", "me"))
        try:
            assert await tracer.ask(Baggage(hops=2)) == "me"
            async with tracer.stream(Flow()) as items:
                assert [item async for item in items] == ["me"]
            await tracer.tell(Keep())
        finally:
            context.detach(token)

        assert await tracer.ask(Baggage()) == "me"  # kept by the tell


async def test_a_trace_context_does_not_stay_behind_in_the_actor() -> None:
    async with open_system(propagator=OpenTelemetryPropagator()) as system:
        tracer = await system.spawn(Tracer)
        token = context.attach(context.set_value("who", "me"))
        async with tracer.stream(Flow()) as items:
            assert [item async for item in items] == ["me"]
        context.detach(token)

        assert await tracer.ask(Baggage()) is None


async def test_facts_become_log_lines_without_payloads(
    autojump_clock: trio.testing.MockClock,  # noqa: ARG001 - virtual time
) -> None:
    with structlog.testing.capture_logs() as lines:
        async with open_system() as system:
            await system.spawn(FactLogger, system, name="log")
            once = ChildOptions(restart=RestartPolicy.TEMPORARY)
            tracer = await system.spawn(Tracer, name="tracer", options=once)
            await tracer.tell(Break("hunter2"))
            await trio.sleep(1)

    crashed = next(line for line in lines if line["event"] == "crashed")
    assert crashed == {
        "event": "crashed",
        "log_level": "error",
        "path": "/tracer",
        "error": "ValueError",
    }
    assert {"event": "spawned", "log_level": "info", "path": "/tracer"} in lines
    assert "hunter2" not in repr(lines)
