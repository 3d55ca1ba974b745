"""Traces cross messages, and facts become log lines."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import attrs
import structlog
import trio
from opentelemetry import context

from runtime import (
    Actor,
    ActorStopped,
    Ask,
    ChildOptions,
    DeadLetter,
    Fact,
    RestartPolicy,
    Sink,
    Spawned,
    Stream,
    Tell,
    open_system,
)
from runtime.telemetry import FactLogger, OpenTelemetryPropagator
from runtime.telemetry._following import follow


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
    spawned = {"event": "spawned", "log_level": "info", "path": "/tracer", "kind": "Tracer"}
    assert spawned in lines
    assert "hunter2" not in repr(lines)


class Vault: ...


@attrs.frozen
class Put(Tell[Vault]):
    """Has a field that is called as an enum's, which is no reason to log it."""

    value: str


class Quiet(Actor, Vault):
    @Put.handles
    async def put(self, message: Put) -> None:
        raise ActorStopped(message.value, path="/somebody")  # a fault: this message fails


async def test_no_field_of_a_message_gets_into_a_log() -> None:
    with structlog.testing.capture_logs() as lines:
        async with open_system() as system:
            await system.spawn(partial(FactLogger, messages=True), system)
            quiet = await system.spawn(Quiet, name="quiet")
            await quiet.tell(Put("hunter2"))
            await trio.testing.wait_all_tasks_blocked()
            await quiet.stop()
            await quiet.tell(Put("hunter2"))

    assert [line["event"] for line in lines if line.get("message") == "Put"] == [
        "messagestarted",
        "messageended",
        "messagefailed",
        "deadletter",
    ]
    assert "hunter2" not in repr(lines)


async def test_messages_are_logged_at_debug_and_only_if_asked_for(
    autojump_clock: trio.testing.MockClock,  # noqa: ARG001 - virtual time
) -> None:
    with structlog.testing.capture_logs() as lines:
        async with open_system() as system:
            logger = await system.spawn(FactLogger, system)
            tracer = await system.spawn(Tracer, name="tracer")
            await tracer.ask(Baggage())
            await logger.stop()
            assert all(line["log_level"] == "info" for line in lines)
            lines.clear()

            await system.spawn(partial(FactLogger, messages=True), system, name="log")
            await tracer.ask(Baggage())

    about = {"path": "/tracer", "message": "Baggage", "log_level": "debug"}
    assert lines[1:3] == [
        {"event": "messagestarted", **about},
        {"event": "messageended", "seconds": 0.0, "error": None, **about},
    ]


async def test_a_logger_hears_of_all_that_follows_its_start() -> None:
    with structlog.testing.capture_logs() as lines:
        async with open_system() as system:
            quiet = await system.spawn(Quiet)
            await quiet.stop()
            for _ in range(20):
                logger = await system.spawn(FactLogger, system)
                quiet.tell_nowait(Put("late"))
                await logger.stop()

    assert [line["event"] for line in lines].count("deadletter") == 20


async def test_a_logger_that_was_spawned_first_hears_of_all_others_end() -> None:
    with structlog.testing.capture_logs() as lines:
        async with open_system() as system:
            await system.spawn(FactLogger, system)
            for number in range(5):
                await system.spawn(Quiet, name=f"{number}")

    stopped = [line["path"] for line in lines if line["event"] == "stopped"]
    assert stopped == ["/4", "/3", "/2", "/1", "/0"]


async def test_what_happens_in_the_step_of_the_cancel_is_heard() -> None:
    heard = list[Fact]()
    async with open_system() as system, trio.open_nursery() as nursery:
        quiet = await system.spawn(Quiet)
        await quiet.stop()
        is_listening = trio.Event()
        nursery.start_soon(follow, system.events(), heard.extend, is_listening)
        await is_listening.wait()
        nursery.cancel_scope.cancel()
        quiet.tell_nowait(Put("late"))

    assert [type(fact) for fact in heard] == [DeadLetter]


async def test_facts_that_wait_can_be_taken_without_waiting() -> None:
    async with open_system() as system, system.events() as facts:
        assert facts.take_nowait() == []
        await system.spawn(Quiet, name="a")
        await system.spawn(Quiet, name="b")
        assert facts.take_nowait() == [Spawned("/a"), Spawned("/b")]
        assert facts.take_nowait() == []


async def test_what_a_slow_logger_has_lost_is_counted_in_the_log() -> None:
    with structlog.testing.capture_logs() as lines:
        async with open_system() as system:
            await system.spawn(FactLogger, system, 2)
            tracer = await system.spawn(Quiet)
            await trio.testing.wait_all_tasks_blocked()
            lines.clear()
            await tracer.stop()
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(6):  # with no checkpoint in between
                tracer.tell_nowait(Put("late"))
            await trio.testing.wait_all_tasks_blocked()

    assert [line["event"] for line in lines[-3:]] == ["deadletter", "deadletter", "facts_dropped"]
    assert lines[-1] == {"event": "facts_dropped", "log_level": "warning", "count": 4}


def test_the_runtime_itself_imports_no_library_of_telemetry() -> None:
    program = "import sys, runtime; print(*sorted(sys.modules))"
    loaded = subprocess.run(  # noqa: S603 - our own interpreter, our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "runtime" in loaded
    libraries = ("opentelemetry", "structlog", "runtime.telemetry")
    assert [name for name in loaded if name.startswith(libraries)] == []


def test_telemetry_needs_the_api_of_opentelemetry_and_not_its_sdk() -> None:
    program = "import sys, runtime.telemetry; print(*sorted(sys.modules))"
    loaded = subprocess.run(  # noqa: S603 - our own interpreter, our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "opentelemetry.metrics" in loaded
    assert [name for name in loaded if name.startswith("opentelemetry.sdk")] == []
