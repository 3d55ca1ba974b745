"""What a supervisor decides is what OTP's would, but for the differences in docs/supervision.md."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from otp_supervisor import OtpSupervisor, Reason, Restart, Strategy

from runtime import Backoff, ChildOptions, Exit, RestartLimit, RestartPolicy, RestartStrategy
from runtime._agenda import Agenda, Plan
from runtime._restart import Child, Forget, GiveUp, RestartRules
from runtime._restart import Restart as RestartDecision

if TYPE_CHECKING:
    from runtime._member import Member

# Both kinds of restarts count within a window. Whether its edge belongs to it differs: so the
# times are multiples of a quarter, and no window is as long as a difference of two of them.
GAPS = st.integers(0, 12).map(lambda quarters: quarters / 4)
LIMITS = st.builds(RestartLimit, st.integers(0, 4), st.integers(0, 20).map(lambda n: n / 4 + 0.1))
POLICIES = st.sampled_from(RestartPolicy)
STRATEGIES = st.sampled_from(RestartStrategy)
REASONS = {
    Exit.COMPLETED: Reason.NORMAL,
    Exit.FAILED: Reason.ERROR,
}


class Processes:
    """Writes down who is started and terminated; a start fails as often as it is told to."""

    def __init__(self) -> None:
        self.lines = list[str]()
        self.failing = dict[str, int]()

    def start(self, name: str) -> bool:
        if self.failing.get(name, 0) > 0:
            self.failing[name] -= 1
            self.lines.append(f"!{name}")
            return False
        self.lines.append(f"+{name}")
        return True

    def terminate(self, name: str) -> None:
        self.lines.append(f"-{name}")

    def read(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


def otp(strategy: RestartStrategy, limit: RestartLimit, processes: Processes) -> OtpSupervisor:
    return OtpSupervisor(Strategy(strategy.value), limit.restarts, limit.seconds, processes)


@attrs.frozen
class Ending:
    """A child ends after a while, of its own accord or because somebody asked it to."""

    gap: float
    child: int
    exit: Exit
    failing: tuple[int, ...] = ()  # how many of the next starts of each child fail


ENDINGS = st.builds(Ending, GAPS, st.integers(0, 9), st.sampled_from(Exit))
HARD_ENDINGS = st.builds(
    Ending,
    GAPS,
    st.integers(0, 9),
    st.sampled_from(Exit),
    st.lists(st.integers(0, 2), max_size=6).map(tuple),
)


def end_in_otp(model: OtpSupervisor, name: str, exit: Exit, now: float) -> None:
    """A child ends. What is gone for good is deleted with us: in OTP its specification stays."""
    if exit is Exit.STOPPED:
        model.terminate_child(name)
    else:
        model.child_exited(name, REASONS[exit], now)
    if not model.has_shut_down and any(c.name == name and not c.is_alive for c in model.children):
        model.delete_child(name)


# The rules alone


def as_lines(decision: object) -> list[str]:
    assert isinstance(decision, RestartDecision)
    return [f"-{name}" for name in decision.stop] + [f"+{name}" for name in decision.start]


@given(STRATEGIES, LIMITS, st.lists(POLICIES, min_size=1, max_size=6), st.lists(ENDINGS))
def test_the_rules_decide_as_otp_does(
    strategy: RestartStrategy,
    limit: RestartLimit,
    policies: list[RestartPolicy],
    endings: list[Ending],
) -> None:
    rules, processes = RestartRules(strategy, limit), Processes()
    model = otp(strategy, limit, processes)
    children = [Child(f"{number}", policy) for number, policy in enumerate(policies)]
    for child in children:
        model.start_child(child.name, Restart(child.policy.value))
    now = 0.0
    for ending in endings:
        if not children:
            break
        now += ending.gap
        ended = children[ending.child % len(children)]
        decision = rules.child_ended(children, children.index(ended), ending.exit, now)
        processes.read()
        end_in_otp(model, ended.name, ending.exit, now)
        if model.has_shut_down:
            assert decision == GiveUp(ended.name, limit.restarts)
            return
        if ending.exit is Exit.STOPPED:
            assert processes.read() == [f"-{ended.name}"]
            assert decision == Forget(ended.name)
        elif lines := processes.read():
            assert as_lines(decision) == lines
        else:
            assert decision == Forget(ended.name)
        children = [child for child in children if child.name in model.alive]


@pytest.mark.parametrize(("seconds_later", "is_over"), [(4.9, True), (5.0, False)])
def test_a_restart_counts_up_to_the_edge_of_the_window_and_in_otp_on_it(
    seconds_later: float,
    is_over: bool,  # noqa: FBT001 - a column of the table
) -> None:
    limit = RestartLimit(restarts=1, seconds=5.0)
    rules = RestartRules(RestartStrategy.ONE_FOR_ONE, limit)
    model = otp(RestartStrategy.ONE_FOR_ONE, limit, Processes())
    model.start_child("a", Restart.PERMANENT)
    for now in (0.0, seconds_later):
        decision = rules.child_ended([Child("a")], 0, Exit.FAILED, now)
        model.child_exited("a", Reason.ERROR, now)
    assert isinstance(decision, GiveUp) is is_over
    assert model.has_shut_down


def test_otp_brings_an_ended_transient_child_back_with_its_siblings_and_we_do_not() -> None:
    processes = Processes()
    model = otp(RestartStrategy.ONE_FOR_ALL, RestartLimit(), processes)
    model.start_child("a", Restart.PERMANENT)
    model.start_child("once", Restart.TRANSIENT)
    model.child_exited("once", Reason.NORMAL, 0.0)
    processes.read()
    model.child_exited("a", Reason.ERROR, 0.0)
    assert processes.read() == ["+a", "+once"]

    children = [Child("a"), Child("once", RestartPolicy.TRANSIENT)]
    rules = RestartRules(RestartStrategy.ONE_FOR_ALL, RestartLimit())
    assert rules.child_ended(children, 1, Exit.COMPLETED, 0.0) == Forget("once")


# The rules and the agenda, carried out at once


@attrs.define(eq=False)
class FakeMember:
    """What an agenda knows of a child."""

    name: str
    options: ChildOptions
    attempts: int = 0
    up_since: float = 0.0
    taken_down: bool = False
    is_alive: bool = True


class Room:
    """Carries out an agenda in one go, as a supervisor does whose children take no time."""

    def __init__(self, plan: Plan, policies: list[RestartPolicy]) -> None:
        self.members = {
            f"{number}": FakeMember(f"{number}", ChildOptions(restart=policy))
            for number, policy in enumerate(policies)
        }
        members = cast("dict[str, Member]", self.members)
        self.agenda = Agenda(plan, members, random.Random(0))  # noqa: S311 - no secret
        self.is_one_for_one = plan.strategy is RestartStrategy.ONE_FOR_ONE
        self.processes = Processes()
        self.has_given_up = False

    @property
    def alive(self) -> list[str]:
        return [name for name, member in self.members.items() if member.is_alive]

    def ended(self, name: str, exit: Exit, now: float) -> None:
        member = self.members[name]
        member.is_alive = False
        decision = self.agenda.child_ended(cast("Member", member), exit, now)
        if isinstance(decision, Forget):
            self.forget(name)
        if isinstance(decision, GiveUp):
            self.has_given_up = True

    def forget(self, name: str) -> None:
        self.agenda.forget(cast("Member", self.members.pop(name)))

    def settle(self, now: float) -> None:
        while not self.has_given_up and self.agenda.next_start <= now:
            while (stopped := self.agenda.next_to_stop()) is not None:
                self.stop(cast("Any", stopped))
            starting: FakeMember | None = cast("Any", self.agenda.next_to_start(now))
            if starting is not None:
                self.start(starting, now)
        if self.has_given_up:
            for member in reversed(self.members.values()):
                if member.is_alive:
                    self.processes.terminate(member.name)

    def stop(self, member: FakeMember) -> None:
        if member.is_alive:
            member.is_alive = False
            self.processes.terminate(member.name)
            if member.options.restart is RestartPolicy.TEMPORARY:
                self.forget(member.name)

    def start(self, member: FakeMember, now: float) -> None:
        member.taken_down = False
        if self.processes.start(member.name):
            member.is_alive, member.up_since = True, now
        else:
            self.ended(member.name, Exit.FAILED, now)


@given(STRATEGIES, LIMITS, st.lists(POLICIES, min_size=1, max_size=6), st.lists(HARD_ENDINGS))
def test_what_is_stopped_and_started_also_where_starts_fail_is_what_otp_does(
    strategy: RestartStrategy,
    limit: RestartLimit,
    policies: list[RestartPolicy],
    endings: list[Ending],
) -> None:
    room = Room(Plan(strategy, limit), policies)
    processes = Processes()
    model = otp(strategy, limit, processes)
    for number, policy in enumerate(policies):
        model.start_child(f"{number}", Restart(policy.value))
    processes.read()
    now = 0.0
    for ending in endings:
        if not model.alive:
            break
        now += ending.gap
        name = model.alive[ending.child % len(model.alive)]
        for number, times in enumerate(ending.failing):
            processes.failing[f"{number}"] = room.processes.failing[f"{number}"] = times
        end_in_otp(model, name, ending.exit, now)
        if ending.exit is Exit.STOPPED:
            room.processes.terminate(name)  # by whoever asked it to stop
        room.ended(name, ending.exit, now)
        room.settle(now)
        assert room.processes.read() == processes.read()
        assert room.has_given_up is model.has_shut_down
        if model.has_shut_down:
            return
        assert room.alive == model.alive == list(room.members)


@given(
    strategy=STRATEGIES,
    backoff=st.builds(
        Backoff,
        st.sampled_from([0.25, 0.5, 1.0]),
        st.sampled_from([1.0, 2.0, 8.0]),
        jitter=st.just(0.0),
    ),
    endings=st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0, 9.0]), st.integers(0, 9))),
)
def test_a_backoff_changes_when_it_happens_and_nothing_else(
    strategy: RestartStrategy, backoff: Backoff, endings: list[tuple[float, int]]
) -> None:
    plan = Plan(strategy, RestartLimit(10**6, 1.0), backoff)
    room, processes = Room(plan, [RestartPolicy.PERMANENT] * 4), Processes()
    model = otp(strategy, plan.limit, processes)
    for name in room.members:
        model.start_child(name, Restart.PERMANENT)
    processes.read()
    now, crashes, up_since = 0.0, dict.fromkeys(room.members, 0), dict.fromkeys(room.members, 0.0)
    for uptime, index in endings:
        now += uptime
        name = list(room.members)[index % 4]
        crashes[name] = 0 if now - up_since[name] >= backoff.longest else crashes[name]
        wait = min(backoff.first * 2 ** crashes[name], backoff.longest)
        crashes[name] += 1

        room.ended(name, Exit.FAILED, now)
        room.settle(now + wait - 0.01)
        assert not [line for line in room.processes.lines if line.startswith("+")]
        now += wait
        room.settle(now)
        model.child_exited(name, Reason.ERROR, now)
        lines = processes.read()
        assert room.processes.read() == lines
        up_since |= {line[1:]: now for line in lines if line.startswith("+")}
