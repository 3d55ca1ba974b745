"""A span for each handler, below what its sender had open, and nothing left behind."""

# ruff: noqa: ARG001, ARG002 - handlers and propagators need not use their arguments
from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.testing
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from puppet import (
    Do,
    DoBeside,
    Feed,
    Order,
    Puppet,
    Refused,
    Work,
    crash,
    does,
    forwards,
    nothing,
    returns,
    sleeps,
)

from runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Ask,
    AskTimeout,
    Ref,
    Sink,
    open_system,
)
from runtime.telemetry import OpenTelemetryPropagator
from runtime.testing import Faults, InjectedCrash, simulate

if TYPE_CHECKING:
    from trio.testing import MockClock


class Traces:
    """What was traced, by a provider of its own."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider()
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self._provider.get_tracer("test")
        self.propagator = OpenTelemetryPropagator(spans=True, tracer=self.tracer)

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those that have ended, in the order of their begin."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def only(self) -> ReadableSpan:
        (span,) = self.spans
        return span

    def drawn(self) -> list[str]:
        """Each span as the names on the way down to it: "caller > /a Do > /b Do"."""
        by_id = {span.context.span_id: span for span in self.spans if span.context}

        def way_to(span: ReadableSpan) -> str:
            name = span.name
            if path := (span.attributes or {}).get("troupe.actor.path"):
                name = f"{path} {name.partition('/')[2]}"
            return name if span.parent is None else f"{way_to(by_id[span.parent.span_id])} > {name}"

        return [way_to(span) for span in self.spans]


@pytest.fixture
def traces() -> Traces:
    return Traces()


def asks(*refs: Ref[Puppet], kind: Any = Do) -> Work:
    """Work that asks the first, which asks the second, and so on."""

    async def work(_: object) -> Any:
        if refs:
            return await refs[0].ask(kind(asks(*refs[1:], kind=kind)))
        return trace.get_current_span().get_span_context().span_id

    return work


def has_no_span() -> bool:
    return trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize("kind", [Do, DoBeside])
async def test_spans_follow_asks_through_three_hops(traces: Traces, kind: Any) -> None:
    async with open_system(propagator=traces.propagator) as system:
        a, b, c = [await system.spawn(Puppet, name=name) for name in "abc"]
        with traces.tracer.start_as_current_span("caller"):
            innermost = await a.ask(kind(asks(b, c, kind=kind)))
        assert has_no_span()

    do = kind.__name__
    assert traces.drawn() == [
        "caller",
        f"caller > /a {do}",
        f"caller > /a {do} > /b {do}",
        f"caller > /a {do} > /b {do} > /c {do}",
    ]
    assert traces.spans[-1].context
    assert innermost == traces.spans[-1].context.span_id


async def test_a_span_tells_who_handled_what_and_how_it_ended(traces: Traces) -> None:
    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet, name="p")
        await puppet.ask(Do(nothing))

    span = traces.only()
    assert span.name == "Stage/Do"
    assert span.kind is SpanKind.INTERNAL
    assert span.parent is None
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes == {
        "troupe.actor.path": "/p",
        "troupe.message.type": "puppet.Do",
        "troupe.message.kind": "ask",
        "troupe.message.outcome": "handled",
    }


async def test_what_a_handler_opens_is_below_its_span(traces: Traces) -> None:
    async def work(_: object) -> None:
        with traces.tracer.start_as_current_span("inner"):
            await trio.lowlevel.checkpoint()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(open_span, "in a nursery")

    async def open_span(name: str) -> None:
        traces.tracer.start_span(name).end()

    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet, name="p")
        await puppet.ask(Do(work))

    assert traces.drawn() == ["/p Do", "/p Do > inner", "/p Do > in a nursery"]


async def test_a_streams_span_lasts_as_long_as_its_handler(
    traces: Traces, autojump_clock: MockClock
) -> None:
    async def feeding(puppet: Puppet, out: Sink[int]) -> None:
        await out.send(1)
        await b.ask(Do(nothing))
        await out.send(2)

    async with open_system(propagator=traces.propagator) as system:
        a, b = [await system.spawn(Puppet, name=name) for name in "ab"]
        with traces.tracer.start_as_current_span("caller"):
            async with a.stream(Feed(feeding)) as items:
                assert [item async for item in items] == [1, 2]

    assert traces.drawn() == ["caller", "caller > /a Feed", "caller > /a Feed > /b Do"]
    feed, do = traces.spans[1:]
    assert (feed.end_time or 0) > (do.end_time or 0)
    assert (feed.attributes or {})["troupe.message.kind"] == "stream"


async def test_a_stream_that_is_handed_down_is_below_the_one_that_hands_it(
    traces: Traces,
) -> None:
    async def feed(puppet: Puppet, out: Sink[int]) -> None:
        await out.send(1)

    async def delegate(puppet: Puppet, out: Sink[int]) -> None:
        await b.stream_into(Feed(feed), out)

    async with open_system(propagator=traces.propagator) as system:
        a, b = [await system.spawn(Puppet, name=name) for name in "ab"]
        async with a.stream(Feed(delegate)) as items:
            assert [item async for item in items] == [1]

    assert traces.drawn() == ["/a Feed", "/a Feed > /b Feed"]


async def test_a_forwarded_message_is_a_child_of_the_asker_beside_the_one_in_between(
    traces: Traces,
) -> None:
    async with open_system(propagator=traces.propagator) as system:
        a, b = [await system.spawn(Puppet, name=name) for name in "ab"]
        with traces.tracer.start_as_current_span("caller"):
            await a.ask(Do(forwards(b, Do(nothing))))

    assert traces.drawn() == ["caller", "caller > /a Do", "caller > /b Do"]
    middle, last = traces.spans[1:]
    assert (middle.end_time or 0) <= (last.start_time or 0)


async def test_a_message_that_is_put_aside_has_a_span_each_time(traces: Traces) -> None:
    async def put_aside_once(puppet: Puppet) -> Any:
        puppet.handled += 10
        return puppet.stash() if puppet.handled < 20 else None

    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet, name="p")
        async with trio.open_nursery() as nursery:
            with traces.tracer.start_as_current_span("caller"):
                nursery.start_soon(puppet.ask, Do(put_aside_once))
            await trio.testing.wait_all_tasks_blocked()
            await puppet.ask(does(lambda puppet: puppet.unstash()))

    assert traces.drawn() == ["caller", "caller > /p Do", "/p Do", "caller > /p Do"]


async def test_a_tell_is_a_child_of_a_sender_that_has_gone_on(traces: Traces) -> None:
    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet, name="p")
        with traces.tracer.start_as_current_span("caller"):
            await puppet.tell(Order(nothing))
        await puppet.ask(Do(nothing))

    assert traces.drawn() == ["caller", "caller > /p Order", "/p Do"]


async def test_concurrent_handlers_of_one_actor_each_have_their_own_sender(
    traces: Traces, autojump_clock: MockClock
) -> None:
    async def call(name: str) -> None:
        with traces.tracer.start_as_current_span(name):
            await puppet.ask(DoBeside(work))

    async def work(_: object) -> None:
        await trio.sleep(1)
        await below.ask(Do(nothing))

    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet, name="p")
        below = await system.spawn(Puppet, name="q")
        async with trio.open_nursery() as nursery:
            for name in ("x", "y", "z"):
                nursery.start_soon(call, name)

    assert sorted(traces.drawn()) == sorted(
        way
        for name in "xyz"
        for way in (name, f"{name} > /p DoBeside", f"{name} > /p DoBeside > /q Do")
    )


@pytest.mark.parametrize("kind", [Do, DoBeside])
@pytest.mark.parametrize("ending", ["return", "refuse", "cancel", "crash"])
async def test_nothing_leaks_into_the_next_message(
    traces: Traces, autojump_clock: MockClock, kind: Any, ending: str
) -> None:
    async def work(_: object) -> None:
        trace.use_span(traces.tracer.start_span("left open")).__enter__()
        match ending:
            case "refuse":
                raise Refused
            case "crash":
                raise ValueError
            case "cancel":
                await trio.sleep_forever()
            case _:
                pass

    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet, name="p")
        caller = traces.tracer.start_as_current_span("caller")
        with caller, trio.move_on_after(1), suppress(Refused, ActorCrashed):
            await puppet.ask(kind(work))
        await puppet.ask(Do(nothing))
        await puppet.tell(Order(nothing))
        assert await puppet.ask(does(lambda _: has_no_span())) is False  # it has its own

    assert traces.drawn()[-3:] == ["/p Do", "/p Order", "/p Do"]


async def test_background_tasks_and_timers_begin_traces_of_their_own(
    traces: Traces, autojump_clock: MockClock
) -> None:
    seen = list[bool]()

    async def look(_: object = None) -> None:
        seen.append(has_no_span())

    async def work(puppet: Puppet) -> None:
        puppet.start_soon(look)
        puppet.after(1, Order(nothing))
        await puppet.spawn(Puppet, look)

    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet, name="p")
        with traces.tracer.start_as_current_span("caller"):
            await puppet.ask(Do(work))
        await trio.sleep(2)

    assert seen == [True, True]
    assert traces.drawn() == ["caller", "caller > /p Do", "/p Order"]


async def test_a_hook_after_the_last_message_has_no_span(traces: Traces) -> None:
    seen = list[bool]()

    async def on_stop(*_: object) -> None:
        seen.append(has_no_span())

    async with open_system(propagator=traces.propagator) as system:
        for work in (nothing, crash):
            puppet = await system.spawn(Puppet, nothing, on_stop)
            await puppet.tell(Order(work))
            await trio.testing.wait_all_tasks_blocked()
            await puppet.stop()

    assert seen == [True, True, True]  # the crash was followed by one more life


async def test_what_else_is_in_the_senders_context_crosses_with_the_span(traces: Traces) -> None:
    async def look(_: object) -> object:
        return context.get_value("who")

    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet)
        token = context.attach(context.set_value("who", "me"))
        assert await puppet.ask(Do(look)) == "me"
        context.detach(token)
        assert await puppet.ask(Do(look)) is None


# How a handler ended


async def test_a_crash_is_told_by_its_type_and_place_and_not_by_its_text(traces: Traces) -> None:
    async def work(_: object) -> None:
        secret = "hunter" + "2"
        raise ValueError(secret)

    async with open_system(propagator=traces.propagator) as system:
        a, b = [await system.spawn(Puppet, name=name) for name in "ab"]
        with pytest.raises(ActorCrashed):
            await a.ask(Do(lambda _: b.ask(Do(work))))

    failed, crashed = traces.spans
    assert outcome_of(crashed) == ("crashed", "ValueError", StatusCode.ERROR, "ValueError")
    (event,) = crashed.events
    attributes = dict(event.attributes or {})
    assert event.name == "exception"
    assert attributes["exception.type"] == "ValueError"
    assert "raise ValueError(secret)" in str(attributes["exception.stacktrace"])
    assert "hunter2" not in crashed.to_json()
    fault = "runtime._errors.ActorCrashed"
    assert outcome_of(failed) == ("failed", fault, StatusCode.ERROR, fault)
    assert failed.events == ()  # it is told where it happened
    assert "hunter2" not in failed.to_json()


async def test_a_declared_error_is_an_answer(traces: Traces) -> None:
    async def refuse(_: object) -> None:
        raise Refused

    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet)
        with pytest.raises(Refused):
            await puppet.ask(Do(refuse))

    assert outcome_of(traces.only()) == ("declared", "puppet.Refused", StatusCode.UNSET, None)


@pytest.mark.parametrize("kind", [Do, DoBeside])
@pytest.mark.parametrize("has_nursery", [False, True])
async def test_a_cancelled_ask_is_marked_and_no_error(
    traces: Traces, autojump_clock: MockClock, kind: Any, *, has_nursery: bool
) -> None:
    async def in_nursery(_: object) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(trio.sleep_forever)

    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet)
        with pytest.raises(AskTimeout):
            await puppet.ask(kind(in_nursery if has_nursery else sleeps(9)), timeout=1)

    assert outcome_of(traces.only()) == ("cancelled", None, StatusCode.UNSET, None)


async def test_an_error_among_cancels_is_a_crash(traces: Traces, autojump_clock: MockClock) -> None:
    async def stubborn() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError

    async def work(_: object) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stubborn)
            await trio.sleep_forever()

    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet)
        with trio.move_on_after(1):
            await puppet.ask(Do(work))

    assert outcome_of(traces.only()) == ("crashed", "ValueError", StatusCode.ERROR, "ValueError")


def outcome_of(span: ReadableSpan) -> tuple[object, object, StatusCode, str | None]:
    told = span.attributes or {}
    status = span.status
    return (
        told["troupe.message.outcome"],
        told.get("error.type"),
        status.status_code,
        status.description,
    )


async def test_what_never_started_has_no_span(traces: Traces, autojump_clock: MockClock) -> None:
    async with open_system(propagator=traces.propagator) as system:
        puppet = await system.spawn(Puppet)
        await puppet.tell(Order(sleeps(5)))
        with trio.move_on_after(1):
            await puppet.ask(Do(nothing))
        await puppet.stop()
        with pytest.raises(ActorStopped):
            await puppet.ask(Do(nothing))

    assert [span.name for span in traces.spans] == ["Stage/Order"]


def test_an_injected_crash_comes_before_the_span() -> None:
    traces = Traces()

    async def scenario() -> None:
        async with open_system(propagator=traces.propagator) as system:
            puppet = await system.spawn(Puppet)
            with pytest.raises(ActorCrashed) as caught:
                await puppet.ask(Do(nothing))
            assert isinstance(caught.value.__cause__, InjectedCrash)

    simulate(1, faults=Faults(crash=1.0)).run(scenario)
    assert traces.spans == []


# Several systems


@attrs.frozen
class Stamped:
    """A trace that only `Stamping` understands."""

    text: str


class Stamping:
    """A propagator of another type."""

    def __init__(self) -> None:
        self.attached = list[object]()
        self.handling = 0

    def capture(self) -> object | None:
        return Stamped("sent here")

    def attach(self, trace: object, path: str, message: object) -> object:
        assert isinstance(trace, Stamped)
        self.attached.append(trace)
        self.handling += 1
        return self.handling

    def detach(self, token: object, error: BaseException | None) -> None:
        assert token == self.handling
        self.handling -= 1


async def test_a_forward_into_a_system_with_another_propagator_begins_a_trace_there(
    traces: Traces,
) -> None:
    stamping = Stamping()
    async with (
        open_system(propagator=traces.propagator) as one,
        open_system(propagator=stamping) as other,
        open_system() as third,
    ):
        a, b, c = [await each.spawn(Puppet, name="p") for each in (one, other, third)]
        with traces.tracer.start_as_current_span("caller"):
            assert await a.ask(Do(forwards(b, Do(returns(1))))) == 1
            assert stamping.attached == [Stamped("sent here")]
            assert await b.ask(Do(forwards(a, Do(returns(2))))) == 2
            assert await a.ask(Do(forwards(c, Do(returns(3))))) == 3
            assert await c.ask(Do(forwards(a, Do(returns(4))))) == 4
            assert await c.ask(Do(forwards(b, Do(returns(5))))) == 5

    assert stamping.handling == 0
    assert len(stamping.attached) == 3
    caller, ours = "caller", "caller > /p Do"
    assert traces.drawn() == [caller, ours, "/p Do", ours, "/p Do"]


async def test_systems_with_propagators_of_one_type_share_a_trace(traces: Traces) -> None:
    plain = OpenTelemetryPropagator()
    async with (
        open_system(propagator=traces.propagator) as one,
        open_system(propagator=plain) as other,
    ):
        a, b = await one.spawn(Puppet, name="a"), await other.spawn(Puppet, name="b")
        with traces.tracer.start_as_current_span("caller"):
            await a.ask(Do(forwards(b, Do(asks(a)))))
            await b.ask(Do(forwards(a, Do(nothing))))

    assert traces.drawn() == ["caller", *["caller > /a Do"] * 3]


# With less


class Counted: ...


@attrs.frozen
class Count(Ask[Counted, int]): ...


class Counter(Actor, Counted):
    @Count.handles
    async def count(self, message: Count) -> int:
        return trace.get_current_span().get_span_context().span_id


async def test_there_are_no_spans_unless_asked_for(traces: Traces) -> None:
    async with open_system(propagator=OpenTelemetryPropagator()) as system:
        counter = await system.spawn(Counter)
        with traces.tracer.start_as_current_span("caller") as caller:
            assert await counter.ask(Count()) == caller.get_span_context().span_id
        assert await counter.ask(Count()) == 0

    assert [span.name for span in traces.spans] == ["caller"]


async def test_with_the_api_alone_spans_are_none_and_the_senders_stays(traces: Traces) -> None:
    async with open_system(propagator=OpenTelemetryPropagator(spans=True)) as system:
        counter = await system.spawn(Counter)
        with traces.tracer.start_as_current_span("caller") as caller:
            assert await counter.ask(Count()) == caller.get_span_context().span_id
        assert await counter.ask(Count()) == 0
        puppet = await system.spawn(Puppet)
        with pytest.raises(ActorCrashed):
            await puppet.ask(Do(crash))


async def test_a_trace_that_is_not_sampled_stays_so() -> None:
    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("test")
    async with open_system(propagator=OpenTelemetryPropagator(spans=True, tracer=tracer)) as system:
        puppet = await system.spawn(Puppet)
        with pytest.raises(ActorCrashed):
            await puppet.ask(Do(crash))
        span = await puppet.ask(does(lambda _: trace.get_current_span()))
    assert not span.is_recording()


def test_a_tracer_without_spans_is_refused(traces: Traces) -> None:
    with pytest.raises(ValueError, match="write `spans=True`"):
        OpenTelemetryPropagator(tracer=traces.tracer)
