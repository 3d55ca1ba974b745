"""What a system does, as OpenTelemetry's metrics."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from puppet import (
    Do,
    DoBeside,
    Feed,
    Order,
    Puppet,
    Refused,
    crash,
    crash_now,
    nothing,
    sleeps,
)

from runtime import (
    ActorCrashed,
    ActorStopped,
    ChildOptions,
    Exit,
    Ref,
    RestartLimit,
    RestartPolicy,
    Sink,
    Spawned,
    Stopped,
    System,
    SystemFailed,
    open_system,
)
from runtime.telemetry import FactMeter, _conventions
from runtime.telemetry._conventions import Name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.metrics import Meter
    from trio.testing import MockClock

Point = tuple[dict[str, Any], Any]


class Metrics:
    """What was measured, by a provider of its own."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.meter = MeterProvider([self._reader]).get_meter("test")

    def _metrics(self) -> Iterator[Any]:
        data = self._reader.get_metrics_data()
        assert data is None or isinstance(data, MetricsData)
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                yield from scope.metrics

    def units(self) -> dict[str, str]:
        return {metric.name: metric.unit for metric in self._metrics()}

    def points(self, name: str) -> list[Any]:
        for metric in self._metrics():
            if metric.name == name:
                return list(metric.data.data_points)
        return []

    def of(self, name: str) -> dict[tuple[str, ...], Any]:
        """The values of one metric, by its attributes' values in the order of their names."""
        return {
            tuple(value for _, value in sorted(point.attributes.items())): point.value
            for point in self.points(name)
            if point.value
        }

    def names_of_attributes(self) -> set[str]:
        return {
            name
            for metric in self._metrics()
            for point in metric.data.data_points
            for name in point.attributes
        }


@pytest.fixture
def measured() -> Metrics:
    return Metrics()


async def spawn_meter(system: System, meter: Meter, **options: Any) -> Ref[FactMeter]:
    return await system.spawn(partial(FactMeter, system, meter, **options), name="meter")


ONCE = ChildOptions(restart=RestartPolicy.TEMPORARY)


async def refuse(_: object) -> None:
    raise Refused


async def test_what_happens_to_actors_is_counted_by_their_kind(measured: Metrics) -> None:
    async with open_system() as system:
        await spawn_meter(system, measured.meter)
        group = await system.supervise("group")
        first, second = await group.spawn(Puppet), await group.spawn(Puppet, options=ONCE)
        await crash_now(first)
        await crash_now(second)
        await group.stop()
        await trio.testing.wait_all_tasks_blocked()

        assert measured.of("troupe.actor.spawned") == {
            ("FactMeter",): 1,
            ("Puppet",): 2,
            ("one_for_one",): 1,
        }
        assert measured.of("troupe.actor.crashed") == {("ValueError", "Puppet"): 2}
        assert measured.of("troupe.actor.restarted") == {("Puppet",): 1}
        assert measured.of("troupe.actor.stopped") == {
            ("failed", "Puppet"): 1,
            ("stopped", "Puppet"): 1,
            ("stopped", "one_for_one"): 1,
        }


async def test_what_becomes_of_messages_is_counted_by_their_type(
    measured: Metrics, autojump_clock: MockClock
) -> None:
    async def shielded(_: object) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(3)

    options = ChildOptions(cleanup=1)
    async with open_system() as system:
        await spawn_meter(system, measured.meter)
        puppet = await system.spawn(Puppet, options=options)
        await puppet.tell(Order(refuse))
        with trio.move_on_after(1):
            await puppet.ask(Do(shielded))
        await puppet.stop()
        await puppet.tell(Order(nothing))
        await trio.testing.wait_all_tasks_blocked()

        order = "puppet.Order"
        assert measured.of("troupe.message.failed") == {("puppet.Refused", "Puppet", order): 1}
        assert measured.of("troupe.actor.overdue") == {("Puppet",): 1}
        assert measured.of("troupe.message.dead_lettered") == {(order,): 1}


async def test_supervisors_that_give_up_are_counted(measured: Metrics) -> None:
    async with open_system() as system:
        await spawn_meter(system, measured.meter)
        group = await system.supervise("group", limit=RestartLimit(restarts=0, seconds=1))
        puppet = await group.spawn(Puppet)
        with pytest.raises(ActorCrashed):
            await puppet.ask(Do(crash))
        await trio.testing.wait_all_tasks_blocked()

        assert measured.of("troupe.supervisor.given_up") == {
            ("runtime._errors.SupervisorGaveUp", "one_for_one"): 1
        }


async def test_the_last_crash_of_a_system_is_counted(measured: Metrics) -> None:
    async def fail() -> None:
        async with open_system(limit=RestartLimit(restarts=0, seconds=1)) as system:
            await spawn_meter(system, measured.meter)
            puppet = await system.spawn(Puppet)
            await puppet.tell(Order(crash))
            await trio.sleep_forever()

    with pytest.raises(SystemFailed):
        await fail()

    assert measured.of("troupe.actor.crashed") == {("ValueError", "Puppet"): 1}


async def test_handlers_are_timed_by_message_and_outcome(
    measured: Metrics, autojump_clock: MockClock
) -> None:
    async def feeding(_: Puppet, out: Sink[int]) -> None:
        await trio.sleep(2)
        await out.send(1)

    async with open_system() as system:
        await spawn_meter(system, measured.meter, durations=True)
        puppet = await system.spawn(Puppet)
        for seconds in (0.2, 0.4):
            await puppet.ask(Do(sleeps(seconds)))
        with pytest.raises(Refused):
            await puppet.ask(DoBeside(refuse))
        async with puppet.stream(Feed(feeding)) as items:
            assert [item async for item in items] == [1]
        with trio.move_on_after(3):
            await puppet.ask(Do(sleeps(9)))
        await crash_now(puppet)

        points = measured.points("troupe.message.duration")
    seen = [(point.attributes, point.count, pytest.approx(point.sum)) for point in points]
    kind = {"troupe.actor.kind": "Puppet"}

    def about(message: str, outcome: str, **more: str) -> dict[str, str]:
        return {
            **kind,
            "troupe.message.type": f"puppet.{message}",
            "troupe.message.outcome": outcome,
            **({"error.type": more["error"]} if more else {}),
        }

    expected = [
        (about("Do", "handled"), 2, 0.6),
        (about("DoBeside", "declared", error="puppet.Refused"), 1, 0),
        (about("Feed", "handled"), 1, 2),
        (about("Do", "cancelled"), 1, 3),
        (about("Do", "crashed", error="ValueError"), 1, 0),
    ]
    assert [each for each in expected if each not in seen] == []
    assert len(points) == len(expected)
    assert tuple(points[0].explicit_bounds) == _conventions.DURATION_BUCKETS


async def test_no_handler_is_timed_unless_asked_for(measured: Metrics) -> None:
    async with open_system() as system:
        await spawn_meter(system, measured.meter)
        await (await system.spawn(Puppet)).ask(Do(nothing))
        await trio.testing.wait_all_tasks_blocked()

        assert measured.points("troupe.message.duration") == []


# What is there


async def test_actors_and_what_waits_for_them_are_counted_every_few_seconds(
    measured: Metrics, autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        await spawn_meter(system, measured.meter, seconds=5)
        puppets = [await system.spawn(Puppet) for _ in range(3)]
        for _ in range(4):
            await puppets[0].tell(Order(sleeps(6)))
        await puppets[1].stop()
        await trio.sleep(5.5)

        assert measured.of("troupe.actor.count") == {
            ("FactMeter", "running"): 1,
            ("Puppet", "running"): 2,
        }
        assert measured.of("troupe.mailbox.message.count") == {("Puppet",): 3}

        await trio.sleep(5)
        assert measured.of("troupe.mailbox.message.count") == {("Puppet",): 2}

        await trio.sleep(15)
        assert measured.of("troupe.mailbox.message.count") == {}
        for puppet in puppets:
            await puppet.stop()
        await trio.sleep(5)
        assert measured.of("troupe.actor.count") == {("FactMeter", "running"): 1}


async def test_senders_that_wait_for_room_are_counted(
    measured: Metrics, autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        await spawn_meter(system, measured.meter, seconds=5)
        puppet = await system.spawn(Puppet)
        async with trio.open_nursery() as nursery:
            for _ in range(64 + 1 + 2):
                nursery.start_soon(puppet.tell, Order(sleeps(30)))
            await trio.sleep(6)
            assert measured.of("troupe.mailbox.sender.count") == {("Puppet",): 2}
            nursery.cancel_scope.cancel()
        await puppet.kill()


async def test_a_meter_that_has_ended_takes_back_what_was_there(
    measured: Metrics, autojump_clock: MockClock
) -> None:
    async with open_system() as one, open_system() as other:
        first = await spawn_meter(one, measured.meter, seconds=5)
        await spawn_meter(other, measured.meter, seconds=5)
        await one.spawn(Puppet)
        await other.spawn(Puppet)
        await trio.sleep(6)
        puppets = ("Puppet", "running")
        assert measured.of("troupe.actor.count")[puppets] == 2  # two systems add up

        await first.stop()
        assert measured.of("troupe.actor.count")[puppets] == 1
    assert measured.of("troupe.actor.count") == {}


async def test_a_meter_that_was_restarted_counts_nothing_twice(
    measured: Metrics, autojump_clock: MockClock
) -> None:
    class Fragile(FactMeter):
        async def started(self) -> None:
            await super().started()
            if len(lives) < 3:
                lives.append(self)
                self.start_soon(self._fail)

        async def _fail(self) -> None:
            await trio.sleep(1)
            raise OSError

    lives = list[Fragile]()
    async with open_system() as system:
        await system.spawn(partial(Fragile, system, measured.meter, seconds=0.3), name="meter")
        await system.spawn(Puppet)
        await trio.sleep(5)

        assert len(lives) == 3
        assert measured.of("troupe.actor.count") == {
            ("Fragile", "running"): 1,
            ("Puppet", "running"): 1,
        }
        assert measured.of("troupe.actor.spawned") == {("Fragile",): 1, ("Puppet",): 1}


async def test_the_kind_of_what_was_there_before_the_meter_is_known(measured: Metrics) -> None:
    async with open_system() as system:
        puppet = await system.spawn(Puppet, options=ONCE)
        await spawn_meter(system, measured.meter)
        await crash_now(puppet)

        assert measured.of("troupe.actor.crashed") == {("ValueError", "Puppet"): 1}
        assert measured.of("troupe.actor.stopped") == {("failed", "Puppet"): 1}


async def test_a_flood_of_messages_does_not_displace_what_happens_to_actors(
    measured: Metrics,
) -> None:
    async with open_system() as system:
        await spawn_meter(system, measured.meter, durations=True, buffer=8)
        victim = await system.spawn(Puppet, options=ONCE)
        busy = [await system.spawn(Puppet) for _ in range(5)]
        await trio.testing.wait_all_tasks_blocked()
        victim.tell_nowait(Order(crash))
        for puppet in busy:
            for _ in range(20):  # handled in one step
                puppet.tell_nowait(Order(nothing))
        await trio.testing.wait_all_tasks_blocked()

        assert measured.of("troupe.actor.crashed") == {("ValueError", "Puppet"): 1}
        assert measured.of("troupe.actor.stopped") == {("failed", "Puppet"): 1}
        (lost,) = measured.of("troupe.fact.lost").values()
        (timed,) = [
            point.count
            for point in measured.points("troupe.message.duration")
            if point.attributes["troupe.message.outcome"] == "handled"
        ]
        assert timed < 100
        assert lost > 100


async def test_the_kinds_are_known_again_after_a_loss(measured: Metrics) -> None:
    async def on_start(puppet: Puppet) -> None:
        puppet.ref.tell_nowait(Order(flood))  # handled in the step in which it is up

    async def flood(_: object) -> None:
        for _ in range(9):
            gone.tell_nowait(Order(nothing))

    async with open_system() as system:
        await spawn_meter(system, measured.meter, buffer=1)
        gone = await system.spawn(Puppet)
        await gone.stop()
        await trio.testing.wait_all_tasks_blocked()
        puppet = await system.spawn(Puppet, on_start)
        await trio.testing.wait_all_tasks_blocked()
        await puppet.stop()
        await trio.testing.wait_all_tasks_blocked()

        assert measured.of("troupe.actor.spawned")[("Puppet",)] == 1  # the other was lost
        assert measured.of("troupe.actor.stopped") == {("stopped", "Puppet"): 2}


async def test_what_was_lost_is_counted_once(measured: Metrics) -> None:
    async with open_system() as system:
        await spawn_meter(system, measured.meter, buffer=1)
        gone = await system.spawn(Puppet)
        await gone.stop()
        for _ in range(2):
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(4):
                gone.tell_nowait(Order(nothing))
        await trio.testing.wait_all_tasks_blocked()

        assert sum(measured.of("troupe.message.dead_lettered").values()) == 2
        assert measured.of("troupe.fact.lost") == {(): 6}


async def test_a_path_that_is_free_and_taken_in_one_step_is_known(measured: Metrics) -> None:
    async with open_system() as system:
        await spawn_meter(system, measured.meter)
        await trio.testing.wait_all_tasks_blocked()
        hub = system._branch.hub  # noqa: SLF001 - no program makes two facts in one step
        hub.publish(Spawned("/p", "Old"))
        hub.publish(Stopped("/p", Exit.COMPLETED))
        hub.publish(Spawned("/p", "New"))
        await trio.testing.wait_all_tasks_blocked()
        hub.publish(Stopped("/p", Exit.COMPLETED))
        await trio.testing.wait_all_tasks_blocked()

        stopped = {("completed", "Old"): 1, ("completed", "New"): 1}
        assert measured.of("troupe.actor.stopped") == stopped


async def test_the_meter_remembers_nobody_who_has_ended(measured: Metrics) -> None:
    meters = list[FactMeter]()

    def make(system: System) -> FactMeter:
        meters.append(FactMeter(system, measured.meter))
        return meters[0]

    async with open_system() as system:
        await system.spawn(make, system, name="meter")
        for _ in range(5):
            group = await system.supervise("group")
            await group.spawn(Puppet, name="p")
            await group.stop()
            puppet = await system.spawn(Puppet, name="p")  # the same path again and again
            await puppet.stop()
        await trio.testing.wait_all_tasks_blocked()

        assert set(meters[0]._kinds) == {"/", "/meter"}  # noqa: SLF001 - nobody else sees it


# Names


async def test_no_path_and_no_payload_is_in_a_metric(
    measured: Metrics, autojump_clock: MockClock
) -> None:
    async def leak(_: object) -> None:
        raise ActorStopped("hunter2", path="/hunter2")

    async with open_system() as system:
        await spawn_meter(system, measured.meter, durations=True)
        puppet = await system.spawn(Puppet, name="hunter2", options=ONCE)
        await puppet.tell(Order(leak))
        await crash_now(puppet)
        await puppet.tell(Order(leak))
        await trio.sleep(20)

        assert measured.names_of_attributes() == {
            "error.type",
            "troupe.actor.exit",
            "troupe.actor.kind",
            "troupe.actor.state",
            "troupe.message.outcome",
            "troupe.message.type",
        }
        assert "hunter2" not in (measured._reader.get_metrics_data() or MetricsData([])).to_json()  # noqa: SLF001


def test_names_and_units_follow_the_conventions() -> None:
    names = [value for value in vars(_conventions).values() if isinstance(value, Name)]

    assert len(names) == len({name.name for name in names}) == 13
    for name in names:
        assert re.fullmatch(r"troupe(\.[a-z]+(_[a-z]+)*){2,3}", name.name)
        assert re.fullmatch(r"s|\{[a-z]+\}", name.unit)
        assert name.description


async def test_the_meter_works_with_the_api_alone() -> None:
    async with open_system() as system:
        await system.spawn(partial(FactMeter, durations=True), system)
        await crash_now(await system.spawn(Puppet))


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
async def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    async with open_system() as system:
        with pytest.raises(ValueError, match="seconds must be more than 0"):
            await system.spawn(partial(FactMeter, seconds=seconds), system)
