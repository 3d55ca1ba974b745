"""Children are started in order, restarted by the rules, stopped in reverse order (R8)."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from puppet import Do, Heard, Order, Puppet, crash, crash_now, nothing, returns, sleeps

from runtime import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    Backoff,
    ChildOptions,
    Crashed,
    Exit,
    GaveUp,
    Ref,
    Restarted,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
    Spawned,
    Stopped,
    Supervisor,
    SystemFailed,
    open_system,
)

if TYPE_CHECKING:
    from trio.testing import MockClock

PLENTY = RestartLimit(1_000, 1.0)
ALL_STRATEGIES = pytest.mark.parametrize("strategy", RestartStrategy)


class Diary:
    """What a group of actors went through, in order."""

    def __init__(self) -> None:
        self.lines = list[str]()

    def puppet(self, name: str) -> partial[Puppet]:
        async def on_start(puppet: Puppet) -> None:
            self.lines.append(f"+{name}")

        async def on_stop(puppet: Puppet, exit: Exit) -> None:
            self.lines.append(f"-{name}")

        return partial(Puppet, on_start, on_stop)

    async def spawn(self, above: Supervisor, names: str, **options: Any) -> list[Ref[Puppet]]:
        return [
            await above.spawn(self.puppet(name), name=name, options=ChildOptions(**options))
            for name in names
        ]

    def read(self) -> str:
        line = " ".join(self.lines)
        self.lines.clear()
        return line


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (RestartStrategy.ONE_FOR_ONE, "-b +b"),
        (RestartStrategy.REST_FOR_ONE, "-b -c +b +c"),
        (RestartStrategy.ONE_FOR_ALL, "-b -c -a +a +b +c"),
    ],
)
async def test_a_crash_restarts_whom_the_strategy_says(
    strategy: RestartStrategy, expected: str
) -> None:
    diary = Diary()
    async with open_system() as system:
        group = await system.supervise("group", strategy=strategy)
        refs = await diary.spawn(group, "abc")
        assert diary.read() == "+a +b +c"
        await crash_now(refs[1])
        assert diary.read() == expected
        for ref in refs:
            assert await ref.ask(Do(returns(1))) == 1
    assert diary.read() == "-c -b -a"


async def test_children_stop_in_reverse_order_also_when_the_block_fails() -> None:
    diary = Diary()

    async def fail() -> None:
        async with open_system() as system:
            await diary.spawn(system, "ab")
            group = await system.supervise("group")
            await diary.spawn(group, "cd")
            await diary.spawn(system, "e")
            diary.read()
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert diary.read() == "-e -d -c -b -a"


def test_a_child_is_cancelled_only_when_the_one_started_after_it_has_ended() -> None:
    steps = list[str]()

    def make(name: str) -> Puppet:
        async def on_stop(_: Puppet, exit: Exit) -> None:
            steps.append(f"{name} {exit.value}")
            await trio.sleep(1)
            steps.append(f"{name} ended")

        return Puppet(nothing, on_stop)

    async def fail() -> None:
        async with open_system() as system:
            for name in "abc":
                await system.spawn(make, name)
            raise KeyError

    with pytest.raises(KeyError):  # a run of its own, out of which no stray cancel gets lost
        trio.run(fail, clock=trio.testing.MockClock(autojump_threshold=0))
    assert steps == [f"{name} {step}" for name in "cba" for step in ("stopped", "ended")]


@pytest.mark.parametrize(
    ("policy", "after_completion", "after_crash"),
    [
        (RestartPolicy.PERMANENT, 2, 2),
        (RestartPolicy.TRANSIENT, 1, 2),
        (RestartPolicy.TEMPORARY, 1, 1),
    ],
)
async def test_the_policy_says_which_ends_are_followed_by_a_restart(
    policy: RestartPolicy, after_completion: int, after_crash: int
) -> None:
    async def finish(puppet: Puppet) -> None:
        puppet.stop()

    async def lives_after(work: Any) -> int:
        diary = Diary()
        async with open_system() as system:
            [ref] = await diary.spawn(system, "a", restart=policy)
            await ref.tell(Order(work))
            await trio.testing.wait_all_tasks_blocked()
            return diary.lines.count("+a")

    assert await lives_after(finish) == after_completion
    assert await lives_after(crash) == after_crash


async def test_a_child_that_was_asked_to_stop_is_not_started_again() -> None:
    diary = Diary()
    async with open_system() as system:
        group = await system.supervise("group", strategy=RestartStrategy.ONE_FOR_ALL)
        a, b = await diary.spawn(group, "ab")
        await b.stop()
        diary.read()
        await crash_now(a)
        assert diary.read() == "-a +a"
        await diary.spawn(group, "b")  # the name is free


async def test_the_restart_after_the_last_allowed_one_takes_the_group_and_escalates() -> None:
    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        outer = await system.supervise("outer", limit=RestartLimit(1, 60))
        inner = await outer.supervise("inner", limit=RestartLimit(2, 60))
        child = await inner.spawn(Puppet, name="child")
        sibling = await inner.spawn(Puppet, name="sibling")
        for _ in range(3):
            await crash_now(child)
        assert [fact.path for fact in heard.of(GaveUp)] == ["/outer/inner"]
        # The supervisor above restarted it, with its children, whose refs are good as before.
        assert await child.ask(Do(returns(1))) == 1
        assert await sibling.ask(Do(returns(1))) == 1
        assert sibling.statistics().restarts == 1
        nursery.cancel_scope.cancel()


async def test_a_supervisor_whose_children_crash_at_once_gives_up_once() -> None:
    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        group = await system.supervise("group", limit=RestartLimit(0, 60))
        refs = [await group.spawn(Puppet) for _ in range(3)]
        for ref in refs:
            await ref.tell(Order(crash))
        await trio.testing.wait_all_tasks_blocked()
        assert [fact.path for fact in heard.of(GaveUp)] == ["/group"]
        assert [await ref.ask(Do(returns(1))) for ref in refs] == [1, 1, 1]
        nursery.cancel_scope.cancel()


async def test_what_comes_after_a_supervisor_waits_until_its_children_are_up() -> None:
    """Also where it gives up over them, and is itself started anew."""
    diary, heard = Diary(), Heard()
    starts = 0

    async def fail_at_first(puppet: Puppet) -> None:
        nonlocal starts
        starts += 1
        if starts in {2, 3}:
            raise OSError
        diary.lines.append("+inner")

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        top = await system.supervise("top", strategy=RestartStrategy.REST_FOR_ONE)
        [bomb] = await diary.spawn(top, "a")
        inner = await top.supervise("inner", limit=RestartLimit(1, 60))
        await inner.spawn(Puppet, fail_at_first)
        await diary.spawn(top, "z")
        diary.read()
        await crash_now(bomb)
        assert diary.read() == "-a -z +a +inner +z"
        told = [f for f in heard.facts if isinstance(f, GaveUp | Restarted) and "inner" in f.path]
        assert [type(fact) for fact in told] == [GaveUp, Restarted, Restarted]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("depth", [1, 3])
async def test_children_at_any_depth_come_back_with_a_supervisor_that_is_restarted(
    depth: int,
) -> None:
    async with open_system() as system:
        group: Supervisor = await system.supervise("top", strategy=RestartStrategy.ONE_FOR_ALL)
        bomb = await group.spawn(Puppet)
        for level in range(depth):
            group = await group.supervise(f"level-{level}")
        deep = await group.spawn(Puppet, name="deep")
        await crash_now(bomb)
        assert await deep.ask(Do(returns(1))) == 1
        assert deep.statistics().restarts == 1
        await crash_now(deep)
        assert await deep.ask(Do(returns(1))) == 1
        await group.spawn(Puppet)


async def test_a_supervisor_is_ready_when_its_children_are() -> None:
    diary = Diary()
    async with open_system() as system:
        top = await system.supervise("top", strategy=RestartStrategy.REST_FOR_ONE)
        [bomb] = await diary.spawn(top, "a")
        await diary.spawn(await top.supervise("below"), "bc")
        await diary.spawn(top, "d")
        diary.read()
        await crash_now(bomb)
        assert diary.read() == "-a -d -c -b +a +b +c +d"


async def test_a_crash_during_a_restart_begins_it_anew(autojump_clock: MockClock) -> None:
    """What comes after the one that crashed is not started before it is back."""
    diary = Diary()
    lives = 0

    async def start_slowly(puppet: Puppet) -> None:
        nonlocal lives
        lives += 1
        await trio.sleep(1)
        diary.lines.append("+b")

    async with open_system() as system:
        group = await system.supervise("group", strategy=RestartStrategy.REST_FOR_ONE)
        [a] = await diary.spawn(group, "a")
        await group.spawn(Puppet, start_slowly, name="b")
        await diary.spawn(group, "c")
        diary.read()
        await crash_now(a)
        await crash_now(a)
        await trio.sleep(10)
    assert diary.read() == "-a -c +a -a +b +a +b +c -c -a"
    assert lives == 3


async def test_asks_during_a_restart_of_the_group_are_safe_to_retry(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        group = await system.supervise(
            "group", strategy=RestartStrategy.ONE_FOR_ALL, backoff=Backoff(5, 5, jitter=0)
        )
        a = await group.spawn(Puppet)
        b = await group.spawn(Puppet)
        await b.tell(Order(sleeps(3)))
        await crash_now(a)
        await trio.sleep(1)
        assert b.statistics().state == "stopping"
        with pytest.raises(ActorRestarting):
            await b.ask(Do(nothing))
        await trio.sleep(3)
        with pytest.raises(ActorRestarting):
            await b.ask(Do(nothing))
        await trio.sleep(3)
        assert await b.ask(Do(returns(1))) == 1


async def test_the_waits_before_restarts_grow_and_begin_anew_after_a_long_life(
    autojump_clock: MockClock,
) -> None:
    starts = list[float]()

    async def on_start(puppet: Puppet) -> None:
        starts.append(trio.current_time())

    async with open_system() as system:
        group = await system.supervise("group", limit=PLENTY, backoff=Backoff(1, 4, 2, jitter=0))
        puppet = await group.spawn(Puppet, on_start)
        for _ in range(4):
            await puppet.tell(Order(crash))
            await trio.sleep(4.5)
        await trio.sleep(20)
        await puppet.tell(Order(crash))
        await trio.sleep(4.5)
    gaps = [b - a for a, b in pairwise(starts)]
    assert gaps[0] == 1
    assert starts[1:5] == [1, 4.5 + 2, 9 + 4, 13.5 + 4]
    assert starts[5] == 38 + 1


async def test_failed_starts_keep_the_waits_long(autojump_clock: MockClock) -> None:
    starts = list[float]()

    async def on_start(puppet: Puppet) -> None:
        starts.append(trio.current_time())
        if 1 < len(starts) < 12:
            raise OSError

    async with open_system() as system:
        group = await system.supervise("group", limit=PLENTY, backoff=Backoff(1, 4, 2, jitter=0))
        puppet = await group.spawn(Puppet, on_start)
        await puppet.tell(Order(crash))
        await trio.sleep(60)
        assert await puppet.ask(Do(returns(1))) == 1
    gaps = [b - a for a, b in pairwise(starts)]
    assert gaps == [1, 2, *[4] * 9]


async def test_an_error_in_the_first_start_reaches_whoever_spawns_and_leaves_nothing() -> None:
    heard = Heard()

    async def fail(puppet: Puppet) -> None:
        await puppet.spawn(Puppet)
        puppet.start_soon(trio.sleep_forever)
        raise KeyError("bare")

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        with pytest.raises(KeyError, match="bare"):
            await system.spawn(Puppet, fail, name="failing")
        assert system.tree().children == ()
        await system.spawn(Puppet, name="failing")
        await trio.testing.wait_all_tasks_blocked()
        assert heard.of(Crashed) == []
        nursery.cancel_scope.cancel()
    paths = [fact.path for fact in heard.facts if isinstance(fact, Spawned | Stopped)]
    assert paths == ["/failing/puppet-1", "/failing/puppet-1", "/failing"]


@pytest.mark.parametrize("failing", ["factory", "started"])
async def test_an_error_in_a_later_start_is_a_crash_like_any_other(failing: str) -> None:
    heard = Heard()
    lives = 0

    async def fail(puppet: Puppet) -> None:
        if lives == 2 and failing == "started":
            raise OSError

    def make() -> Puppet:
        nonlocal lives
        lives += 1
        if lives == 2 and failing == "factory":
            raise OSError
        return Puppet(fail)

    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(make, name="p")
        await crash_now(puppet)
        assert await puppet.ask(Do(returns(1))) == 1
        nursery.cancel_scope.cancel()
    assert [type(fact.error) for fact in heard.of(Crashed)] == [ValueError, OSError]
    assert lives == 3


@pytest.mark.parametrize("backoff", [None, Backoff(first=1.0, longest=1.0, jitter=0.0)])
async def test_a_restart_that_hangs_does_not_hold_up_an_independent_sibling(
    backoff: Backoff | None, autojump_clock: MockClock
) -> None:
    starts = 0

    async def hang(puppet: Puppet) -> None:
        nonlocal starts
        starts += 1
        if starts > 1:
            await trio.sleep_forever()

    async with open_system() as system:
        group = await system.supervise("group", backoff=backoff)
        hanging = await group.spawn(Puppet, hang, options=ChildOptions(grace=1))
        sibling = await group.spawn(Puppet)
        await crash_now(hanging)
        await crash_now(sibling)
        await trio.sleep(2)
        assert hanging.statistics().state == "starting"
        assert sibling.statistics().state == "running"


async def test_a_restart_is_carried_out_once() -> None:
    lives = list[str]()

    def make(name: str) -> Puppet:
        lives.append(name)
        if name == "b" and lives.count("b") == 2:
            raise OSError
        return Puppet()

    async with open_system() as system:
        a, b = await system.spawn(make, "a"), await system.spawn(make, "b")
        await crash_now(a)
        await crash_now(b)
        await trio.testing.wait_all_tasks_blocked()
    assert sorted(lives) == ["a", "a", "b", "b", "b"]


async def test_a_crash_in_a_group_that_was_asked_to_stop_is_followed_by_nothing() -> None:
    lives = 0

    def make() -> Puppet:
        nonlocal lives
        lives += 1
        return Puppet()

    async with open_system() as system:
        for number in range(20):  # for tasks take turns in a random order
            group = await system.supervise(f"group-{number}")
            puppet = await group.spawn(make)
            await puppet.tell(Order(crash))
            await group.stop()
    assert lives == 20


async def test_a_factory_that_fails_for_good_ends_in_giving_up_and_one_end() -> None:
    heard = Heard()
    lives = 0

    def make() -> Puppet:
        nonlocal lives
        lives += 1
        if lives > 1:
            raise OSError
        return Puppet()

    async def fail() -> None:
        async with open_system() as system, trio.open_nursery() as nursery:
            nursery.start_soon(heard.listen, system)
            puppet = await (await system.supervise("group")).spawn(make, name="p")
            await puppet.tell(Order(crash))
            await trio.sleep_forever()

    with pytest.raises(SystemFailed):
        await fail()
    assert lives == 4 * 4  # three restarts in each of the group's four lives
    assert heard.of(Stopped) == []  # for `p` never ended for good before the block was cancelled


async def test_a_crash_before_the_spawner_resumes_is_followed_by_a_restart() -> None:
    lives = 0

    async def tell_oneself(puppet: Puppet) -> None:
        nonlocal lives
        lives += 1
        if lives == 1:
            puppet.ref.tell_nowait(Order(crash))

    async with open_system() as system:
        puppet = await system.spawn(Puppet, tell_oneself)
        await trio.testing.wait_all_tasks_blocked()
        assert await puppet.ask(Do(returns(1))) == 1
    assert lives == 2


async def test_a_restart_that_concerns_nobody_else_begins_in_the_step_of_the_end() -> None:
    async with open_system(limit=RestartLimit(20)) as system:
        puppet = await system.spawn(Puppet)
        for restarts in range(1, 21):  # who of several tasks runs first differs
            with pytest.raises(ActorCrashed):
                await puppet.ask(Do(crash))

            assert puppet.statistics().restarts == restarts


async def test_a_crash_in_the_background_crashes_the_actor() -> None:
    async def fail() -> None:
        raise KeyError

    async def arrange(puppet: Puppet) -> None:
        puppet.start_soon(fail)

    async with open_system() as system:
        puppet = await system.spawn(Puppet)
        await puppet.ask(Do(arrange))
        await trio.testing.wait_all_tasks_blocked()
        assert puppet.statistics().restarts == 1


async def test_a_crash_in_stopped_is_a_crash(autojump_clock: MockClock) -> None:
    async def fail(puppet: Puppet, exit: Exit) -> None:
        raise KeyError

    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        puppet = await system.spawn(Puppet, nothing, fail)
        async with puppet.watch() as watch:
            await puppet.stop()
            assert await watch.wait() is Exit.FAILED
            assert isinstance(watch.error, KeyError)
        await crash_now(await system.spawn(Puppet, nothing, fail))
        nursery.cancel_scope.cancel()
    assert [type(f.error) for f in heard.of(Crashed)] == [KeyError, ValueError, KeyError]


async def test_children_of_an_actor_are_restarted_below_it_until_they_take_it_down() -> None:
    lives = 0

    async def bear(puppet: Puppet) -> None:
        nonlocal lives
        lives += 1
        await puppet.spawn(Puppet, name="child")

    async with open_system() as system:
        parent = await system.spawn(Puppet, bear, name="parent")
        for round_ in range(4):
            assert lives == 1, round_
            child = system.whereis("/parent/child", Puppet)
            assert child is not None
            await crash_now(child)
        assert (lives, parent.statistics().restarts) == (2, 1)
        child = system.whereis("/parent/child", Puppet)
        assert child is not None
        assert await child.ask(Do(returns(1))) == 1


async def test_children_of_an_actor_end_before_it_does(autojump_clock: MockClock) -> None:
    diary = Diary()

    async def bear(puppet: Puppet) -> None:
        diary.lines.append("+parent")
        for name in "ab":
            await puppet.spawn(diary.puppet(name), name=name)

    async def on_stop(puppet: Puppet, exit: Exit) -> None:
        diary.lines.append("-parent")

    async with open_system() as system:
        parent = await system.spawn(Puppet, bear, on_stop)
        await crash_now(parent)
        await parent.stop()
    assert diary.read() == "+parent +a +b -b -a -parent +parent +a +b -b -a -parent"


async def test_a_name_is_taken_once_at_a_time() -> None:
    async with open_system() as system:
        await system.spawn(Puppet, name="a")
        with pytest.raises(ValueError, match="there is a /a already: choose another name"):
            await system.spawn(Puppet, name="a")
        with pytest.raises(ValueError, match="there is a /a already"):
            await system.supervise("a")
        for wrong in ("", "a/b"):
            with pytest.raises(ValueError, match="a name is not empty and has no '/'"):
                await system.spawn(Puppet, name=wrong)


async def test_options_come_from_the_call_or_else_from_the_class() -> None:
    class Once(Puppet):
        default_options = ChildOptions(restart=RestartPolicy.TEMPORARY)

    async with open_system() as system:
        for factory in (Once, partial(Once, nothing), lambda: Once(nothing)):
            once = await system.spawn(factory)
            with pytest.raises(ActorCrashed):
                await once.ask(Do(crash))
            with pytest.raises(ActorStopped):
                await once.ask(Do(nothing))
        again = await system.spawn(Once, options=ChildOptions())
        await crash_now(again)
        assert await again.ask(Do(returns(1))) == 1


@ALL_STRATEGIES
async def test_many_crashes_leave_each_child_running_once(
    strategy: RestartStrategy, autojump_clock: MockClock
) -> None:
    running = dict.fromkeys("abcd", 0)
    most = dict(running)

    def make(name: str) -> Puppet:
        async def on_start(puppet: Puppet) -> None:
            running[name] += 1
            most[name] = max(most[name], running[name])

        async def on_stop(puppet: Puppet, exit: Exit) -> None:
            await trio.sleep(0.01)
            running[name] -= 1

        return Puppet(on_start, on_stop)

    async with open_system() as system:
        group = await system.supervise("group", strategy=strategy, limit=RestartLimit(10**6, 1))
        refs = [await group.spawn(make, name, name=name) for name in "abcd"]
        for round_ in range(50):
            for ref in refs[round_ % 4 :: 2]:
                await ref.tell(Order(crash))
            await trio.sleep(0.01 * (round_ % 3))
        await trio.sleep(1)
        assert running == dict.fromkeys("abcd", 1)
    assert most == dict.fromkeys("abcd", 1)
    assert running == dict.fromkeys("abcd", 0)
